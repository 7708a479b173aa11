"""Observers of a wire: recorders, meters, injected faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.clock import Clock
    from realtime_transport.connection.link import Link
    from realtime_transport.connection.statistics import ConnectionStatistics
    from realtime_transport.protocol.wire.model import Event

    from .options import ConnectRequest

__all__ = ["ConnectionObserver", "ConnectionWatcher", "ObservedConnection", "WireObserver"]


class WireObserver(Protocol):
    """Observes what a transport sends and receives; see `OpenAIRealtimeBase.observe`. Neither call may wait."""

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        """Return the link to use instead of *link*, which was opened for *request*; it may be *link* itself.

        The returned link should offer the optional features of *link* (pings, counters, limits), too. Wrapping a direct
        link makes it slower.
        """
        ...

    def media(self, data: bytes, *, sent: bool) -> None:
        """Take sound that is carried as media, as over WebRTC: 24 kHz 16-bit mono; from this side if *sent*."""
        ...


@runtime_checkable
class ConnectionObserver(WireObserver, Protocol):
    """A `WireObserver` that also gets the meaning of the messages, when they are handled."""

    def begin(self, connection: ObservedConnection) -> ConnectionWatcher:
        """Return a watcher for *connection*, which is about to be opened. Called in the task that connects."""
        ...


class ConnectionWatcher(Protocol):
    """Watches one connection. No call may wait or raise."""

    def accepts(self, kind: type[Event]) -> bool:
        """Whether it takes events of the class *kind*; the answer must not change."""
        ...

    def receive(self, event: Event) -> None:
        """Take an event, before the subscriptions do."""
        ...

    def sent(self, message: Mapping[str, Any]) -> None:
        """Take a client event that is queued to be sent, in the form of the current protocol."""
        ...

    def sent_audio(self, text: str) -> None:
        """Take an ``input_audio_buffer.append`` that is queued to be sent, encoded."""
        ...

    def ended(self, error: Exception | None) -> None:
        """Note that the connection is over, or was never opened; *error* says why, unless it was closed on purpose."""
        ...


@frozen(eq=False)
class ObservedConnection:
    """A connection, for its watchers.

    Attributes:
        wire: The name of the wire in one word.
        model: The requested model.
        server: The name of the server's profile; ``"openai"`` where there is none.
        session: The ``session`` that opens the connection.
        clock: The clock of the connection.
        response_requested: Whether a requested response has not begun.
        statistics: The counters; ``None`` before the link is open.
    """

    wire: str
    model: str
    server: str
    session: Mapping[str, Any]
    clock: Clock
    response_requested: Callable[[], bool]
    statistics: Callable[[], ConnectionStatistics | None]
