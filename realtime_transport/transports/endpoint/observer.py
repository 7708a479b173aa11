"""What may watch a wire: a recorder, a meter, a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.clock import Clock
    from realtime_transport.connection.link import Link
    from realtime_transport.connection.statistics import ConnectionStatistics
    from realtime_transport.protocol.wire.model import Event

    from .options import ConnectRequest

__all__ = ["ConnectionObserver", "ConnectionWatcher", "ObservedConnection", "WireObserver"]


class WireObserver(Protocol):
    """Sees what goes over the wires of a transport; see `OpenAIRealtimeBase.observe`. Neither call may wait."""

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        """Give the link to use instead of *link*, which was opened for *request*; it may be *link* itself.

        What the link can do besides (pings, counters, limits) is wanted of the other one, too; a link that
        hides a direct link behind another is slower.
        """
        ...

    def media(self, data: bytes, *, sent: bool) -> None:
        """Take sound that goes beside the messages, as over WebRTC: 24 kHz 16-bit mono; ours if *sent*."""
        ...


@runtime_checkable
class ConnectionObserver(WireObserver, Protocol):
    """A `WireObserver` that sees besides what the messages mean, at the moment when they are handled."""

    def begin(self, connection: ObservedConnection) -> ConnectionWatcher:
        """Give what watches *connection*, which is about to be opened. Is called in the task that connects."""
        ...


class ConnectionWatcher(Protocol):
    """Watches one connection. No call may wait or raise."""

    def accepts(self, kind: type[Event]) -> bool:
        """Whether it wants events of the class *kind*; the answer must not change."""
        ...

    def receive(self, event: Event) -> None:
        """Take an event, before the subscriptions do."""
        ...

    def sent(self, message: Mapping[str, Any]) -> None:
        """Take a client event that is queued to be sent, in the words of the current protocol."""
        ...

    def sent_audio(self, text: str) -> None:
        """Take an ``input_audio_buffer.append`` that is queued to be sent, encoded."""
        ...

    def ended(self, error: Exception | None) -> None:
        """The connection is over, or was never opened; *error* says why, if it did not end by our wish."""
        ...


@attrs.frozen(eq=False, kw_only=True)
class ObservedConnection:
    """A connection, for those who watch it.

    Attributes:
        wire: What carries the messages, in one word.
        model: The model that is asked for.
        server: The name of the server's profile; ``"openai"`` where there is none.
        session: The ``session`` that opens the connection.
        clock: Where the time of the connection comes from.
        response_requested: Whether a response was asked for that has not begun.
        statistics: The counters; ``None`` before the link is open.
    """

    wire: str
    model: str
    server: str
    session: Mapping[str, Any]
    clock: Clock
    response_requested: Callable[[], bool]
    statistics: Callable[[], ConnectionStatistics | None]
