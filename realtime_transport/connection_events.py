"""The base class of events, and the events of any connection, whatever its protocol.

They are in `realtime_transport.events`, beside those of the Realtime protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from realtime_transport.errors import DecodeError, RealtimeError
from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.protocol.wire.objects import ServerError

__all__ = [
    "ConnectedEvent",
    "ConnectionChangeEvent",
    "ConnectionStatus",
    "DisconnectedEvent",
    "ErrorEvent",
    "Event",
    "SemanticEvent",
]

ConnectionStatus = Literal["connecting", "connected", "disconnecting", "disconnected"]
"""The status of a connection."""


@frozen(eq=False)
class Event:
    """Base class of all events of a transport.

    Attributes:
        sequence: Position in the order of arrival, from which delivery may differ at a barge-in.
        is_audio: Whether the event carries audio: then it counts in bytes and may be withdrawn or dropped.
        withdraws: Ids of responses whose undelivered audio this event withdraws.
        preceded_by: Events that a subscription delivers directly before this one.
        brings: Events published earlier; a subscription that has not delivered them does so before this one.
        for_taps_only: Whether only taps get the event, and no stream: it only withdraws audio.
        deferred: Whether the delivered event is built only when a consumer takes it.
    """

    sequence: int = attrs.field(default=0, eq=False)

    is_audio: ClassVar[bool] = False
    withdraws: ClassVar[frozenset[str] | None] = None
    preceded_by: ClassVar[tuple[Event, ...]] = ()
    brings: ClassVar[tuple[Event, ...]] = ()
    for_taps_only: ClassVar[bool] = False
    deferred: ClassVar[bool] = False


@frozen()
class SemanticEvent(Event):
    """Base class of the events that are not messages of the server."""

    event_name: ClassVar[str] = ""


@frozen()
class ErrorEvent(SemanticEvent):
    """Something went wrong; unless a close follows, the connection goes on.

    Attributes:
        error: What the server reported, or what is wrong with a message of the server, or an error of this package.
        raw: The message in question: an object, or text (or bytes) that could not be read.
        event_id: The client event that caused it, if the server named it.
        refused_type: The type of the client event that the server refused (``"session.update"``), where that is known.
        refused_call: The method of the transport that sends such an event (``"update_session_config"``), where the
            type is known.
    """

    event_name: ClassVar[str] = "error"

    error: ServerError | RealtimeError
    raw: Mapping[str, Any] | str | bytes | None = attrs.field(default=None, eq=False, repr=False)

    event_id: str | None = None
    refused_type: str | None = None
    refused_call: str | None = None

    @property
    def path(self) -> str:
        """The dotted path of the field at fault; empty if it is not known."""
        if isinstance(self.error, DecodeError):
            return self.error.path
        param = None if isinstance(self.error, RealtimeError) else self.error.param
        return param if isinstance(param, str) else ""


@frozen()
class ConnectionChangeEvent(SemanticEvent):
    """The status of the connection has changed."""

    event_name: ClassVar[str] = "connection_change"

    status: ConnectionStatus


@frozen()
class ConnectedEvent(SemanticEvent):
    """The connection is open."""

    event_name: ClassVar[str] = "connected"


@frozen()
class DisconnectedEvent(SemanticEvent):
    """The connection has ended.

    Attributes:
        code: The WebSocket close code; ``None`` if there was no close frame.
        reason: The reason that the peer gave, possibly empty.
        error: Why the connection ended, if it was not closed on purpose.
    """

    event_name: ClassVar[str] = "disconnected"

    code: int | None = None
    reason: str = ""
    error: RealtimeError | None = None
