"""The streams of a session, and the events that each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio

from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
from realtime_transport.errors import NotConnectedError
from realtime_transport.protocol.engine.events import AudioEvent, ErrorEvent, SemanticEvent
from realtime_transport.transports.base.subscribing import subscribing

from .core.events import AudioInterruptedEvent, McpToolCallCompletedEvent, SessionEvent, TransportEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from realtime_transport.connection.hub import Hub
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .agents.agent import RealtimeAgent

__all__ = ["SessionStreams", "accepts_by_default", "accepts_types", "belongs_to", "close_default_stream"]

A = TypeVar("A", bound="Event")
B = TypeVar("B", bound="Event")
C = TypeVar("C", bound="Event")
D = TypeVar("D", bound="Event")
E = TypeVar("E", bound="Event")


class SessionStreams:
    """A session that can be read."""

    _hub: Hub
    _limits: SubscriptionLimits
    _stream: Subscription[SemanticEvent] | None

    def __aiter__(self) -> AsyncIterator[SemanticEvent]:
        """The events of the session, `AudioEvent` and `ErrorEvent`, from the beginning; see `Subscription`.

        Raises:
            NotConnectedError: The session was never connected.
        """
        if self._stream is None:
            raise NotConnectedError("there are no events before connect(); iterate inside of its block")
        return self._stream

    # Up to four classes keep their types; with more, a type checker joins them.
    @overload
    def subscribe(
        self, *, agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[SemanticEvent]]: ...
    @overload
    def subscribe(
        self, a: type[A], /, *, agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[A]]: ...
    @overload
    def subscribe(
        self, a: type[A], b: type[B], /, *, agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[A | B]]: ...
    @overload
    def subscribe(
        self, a: type[A], b: type[B], c: type[C], /, *, agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[A | B | C]]: ...
    @overload
    def subscribe(
        self, a: type[A], b: type[B], c: type[C], d: type[D], /, *, agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[A | B | C | D]]: ...
    @overload
    def subscribe(
        self, *types: type[E], agent: RealtimeAgent[Any] | None = None
    ) -> AbstractAsyncContextManager[Subscription[E]]: ...
    @subscribing
    async def subscribe(
        self, *types: type[Event], agent: RealtimeAgent[Any] | None = None
    ) -> AsyncGenerator[Subscription[Any]]:
        """A stream of the events of *types* (and their subclasses), from now on.

        Events of the transport and of the server can be named, too. Without types, the events are those that iterating
        the session gives. Opened before a connect, it belongs to that connection. Leaving the block closes the stream,
        also when cancelled.

        Args:
            types: Classes of events.
            agent: Only events of this agent.
        """
        accepts = accepts_types(types) if types else accepts_by_default
        keep = None if agent is None else belongs_to(agent)
        subscription = self._hub.subscribe(accepts, self._limits, keep=keep)
        try:
            yield subscription
        finally:
            with anyio.CancelScope(shield=True):
                await subscription.aclose()


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
    # Nobody reads it: it would fill up to its limits.
    stream = aiter(transport)
    if isinstance(stream, Subscription):
        await stream.aclose()
