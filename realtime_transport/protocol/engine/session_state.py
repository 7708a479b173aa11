"""What the server has said of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_transport.late_classes import define

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.objects import ServerError
    from realtime_transport.protocol.wire.session import Session

__all__ = ["SessionState"]


@define()
class SessionState:
    """The session of one connection.

    Attributes:
        ready: ``session.created`` has come.
        session: The session as the server last described it.
        last_error: What the server last reported: the reason, if it closes now.
        configured: Whether the server has taken the ``session.update`` that opens the connection; ``None``: it has
            not answered.
        refusal: Why it has not taken it.
    """

    ready: bool = False
    session: Session | None = None
    last_error: ServerError | None = None
    configured: bool | None = None
    refusal: ServerError | None = None
