"""Which events the streams of a session hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realtime_transport.connection.subscription import Subscription
from realtime_transport.protocol.engine.events import AudioEvent, ErrorEvent

from .core.events import AudioInterruptedEvent, McpToolCallCompletedEvent, SessionEvent, TransportEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .agents.agent import RealtimeAgent

__all__ = ["accepts_by_default", "accepts_types", "belongs_to", "close_default_stream"]


def accepts_by_default(cls: type[Any]) -> bool:
    """Whether the default stream of a session holds events of the class *cls*."""
    own = (SessionEvent, AudioInterruptedEvent, McpToolCallCompletedEvent, AudioEvent, ErrorEvent)
    return issubclass(cls, own) and cls is not TransportEvent


def accepts_types(types: tuple[type[Event], ...]) -> Callable[[type[Any]], bool]:
    """Whether a stream of *types* holds events of a class."""

    def accepts(cls: type[Any]) -> bool:
        return issubclass(cls, types) and (cls is not TransportEvent or cls in types)

    return accepts


def belongs_to(agent: RealtimeAgent[Any]) -> Callable[[object], bool]:
    """Whether an event is about *agent*."""

    def keep(event: object) -> bool:
        return getattr(event, "agent", None) is agent

    return keep


async def close_default_stream(transport: RealtimeTransportLayer) -> None:
    """Close the default stream of *transport*. If cancelled, it is closed all the same."""
    # Nobody reads it: it would hold what it is allowed to hold.
    stream = aiter(transport)
    if isinstance(stream, Subscription):
        await stream.aclose()
