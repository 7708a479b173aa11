"""When to send the server the tracing settings of a session.

The server refuses to change tracing that is on, but it can always be switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from realtime_transport.protocol.wire.json_types import UNSET, Unset

__all__ = ["Tracing", "tracing_to_send"]

Tracing: TypeAlias = Mapping[str, Any] | Literal["auto"] | None
"""``"auto"``, labels for the traces, or ``None`` for off."""


def tracing_to_send(wanted: Tracing | Unset, reported: object) -> Tracing | Unset:
    """The ``tracing`` to put into a ``session.update`` once the session exists.

    Args:
        wanted: What the user asked for; `UNSET` stands for ``"auto"``.
        reported: What the server says that the session has: ``None`` or `UNSET`, ``"auto"``, or an object.

    Returns:
        `UNSET` if nothing is to be sent.
    """
    # | wanted | reported nothing or a name | reported an object   |
    # | auto   | "auto"                     | "auto"               |
    # | None   | None                       | None                 |
    # | object | the object                 | cannot be changed    |
    if wanted is UNSET or wanted == "auto":
        return "auto"
    if wanted is not None and reported is not None and not isinstance(reported, str | Unset):
        return UNSET
    return wanted
