"""The event names of emitters."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..protocol.engine import events
from ..protocol.wire import server_events as server

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["check_name", "session_event_names", "transport_event_names"]


@functools.cache
def transport_event_names() -> frozenset[str]:
    """The names of a transport's emitter."""
    own = (cls.event_name for cls in events.SemanticEvent.__subclasses__() if cls.event_name)
    theirs = (cls.type for cls in (*server.SERVER_EVENTS, *server.VENDOR_EVENTS))
    return frozenset({"*", *own, *theirs})


@functools.cache
def session_event_names() -> frozenset[str]:
    """The names of a session's emitter."""
    from ..session.core import events as session

    return frozenset(getattr(session, name).event_name for name in session.__all__) - {""}


def check_name(name: str, names: Collection[str]) -> None:
    """Check the name of an event.

    Raises:
        ConfigError: It is not known; the message names the nearest one.
    """
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
        raise ConfigError(f"event: there is no event {name!r}; did you mean {near[0]!r}?", key="event")
