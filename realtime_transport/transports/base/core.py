"""The part of a transport that is the same for every protocol: runs one attempt after the other, streams its events."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio
import anyio.lowlevel

from realtime_transport.connection.hub import Hub
from realtime_transport.errors import LocalProtocolError, NotConnectedError

from .subscribing import subscribing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from realtime_transport.connection.connection import Connection
    from realtime_transport.connection.life_cycle import Status
    from realtime_transport.connection.statistics import ConnectionStatistics
    from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
    from realtime_transport.protocol.wire.model import Event

    from ..endpoint.endpoint import Endpoint
    from ..endpoint.observer import WireObserver
    from ..endpoint.options import Settings
    from .attempt import Attempt

__all__ = ["TransportCore"]

A = TypeVar("A", bound="Event")
B = TypeVar("B", bound="Event")
C = TypeVar("C", bound="Event")
D = TypeVar("D", bound="Event")
E = TypeVar("E", bound="Event")


class TransportCore:
    """Runs connect attempts over an endpoint, one at a time."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._hub = Hub()
        self._attempt: Attempt | None = None
        self._observers: list[WireObserver] = []
        self._stream: Subscription[Event] | None = None

    @property
    def status(self) -> Status:
        """``"connecting"``, ``"connected"``, ``"disconnecting"`` or ``"disconnected"``."""
        return "disconnected" if self._attempt is None else self._attempt.life.status

    def statistics(self) -> ConnectionStatistics:
        """Counters of the current connection.

        Raises:
            NotConnectedError: There is none.
        """
        return self._current_connection().statistics()

    @property
    def wire(self) -> str:
        """The name of the wire in one word: ``"websocket"``, ``"webrtc"``, …"""
        return self._endpoint.wire

    def require_no_connection(self) -> None:
        """Refuse a call that must come before a connection begins.

        Raises:
            LocalProtocolError: A connection is open or being opened.
        """
        if self._attempt is not None and not self._attempt.life.is_over:
            raise LocalProtocolError("a connection is watched from its beginning: put this around connect()")

    @contextmanager
    def observe(self, observer: WireObserver) -> Generator[None]:
        """Let *observer* see every connection that is opened within the block; the last one added sees it first.

        Raises:
            LocalProtocolError: A connection is open or being opened: *observer* would miss its beginning.
        """
        self.require_no_connection()
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)

    @property
    def observers(self) -> tuple[WireObserver, ...]:
        """The observers of connections that are opened now; see `observe`."""
        return tuple(self._observers)

    async def aclose(self) -> None:
        """Send what is queued, close the connection, and wait until it is closed. Idempotent.

        It takes ``close_timeout`` at most. A connect that is under way fails with `ConnectError`. If cancelled, the
        connection closes all the same.

        Raises:
            LocalProtocolError: Another event loop or thread owns the connection.
        """
        attempt = self._attempt
        if attempt is None or attempt.life.is_over:
            await anyio.lowlevel.checkpoint()
            return
        attempt.require_owner()
        attempt.close()
        await attempt.life.wait_closed()

    def close_nowait(self, *, discard: bool = False) -> None:
        """Begin to close, and return at once; `aclose` waits until it is done. Idempotent.

        Args:
            discard: Do not send what is queued.

        Raises:
            LocalProtocolError: Another thread owns the connection.
        """
        if self._attempt is not None:
            self._attempt.require_thread()
            self._attempt.close(discard=discard)

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of the connection, from before the handshake on; see `Subscription`.

        Raises:
            NotConnectedError: The transport was never connected.
        """
        if self._stream is None:
            raise NotConnectedError("there are no events before connect(); iterate inside of its block")
        return self._stream

    # Up to four classes keep their types; with more, a type checker joins them.
    @overload
    def subscribe(self) -> AbstractAsyncContextManager[Subscription[Event]]: ...
    @overload
    def subscribe(self, a: type[A], /) -> AbstractAsyncContextManager[Subscription[A]]: ...
    @overload
    def subscribe(self, a: type[A], b: type[B], /) -> AbstractAsyncContextManager[Subscription[A | B]]: ...
    @overload
    def subscribe(
        self, a: type[A], b: type[B], c: type[C], /
    ) -> AbstractAsyncContextManager[Subscription[A | B | C]]: ...
    @overload
    def subscribe(
        self, a: type[A], b: type[B], c: type[C], d: type[D], /
    ) -> AbstractAsyncContextManager[Subscription[A | B | C | D]]: ...
    @overload
    def subscribe(self, *types: type[E]) -> AbstractAsyncContextManager[Subscription[E]]: ...
    @subscribing
    async def subscribe(self, *types: type[Event]) -> AsyncGenerator[Subscription[Any]]:
        """A stream of the events of *types* (and their subclasses), from now on.

        Without types, the events are those that iterating the transport gives: all but the typed audio delta. Opened
        before a connect, it belongs to that connection. Leaving the block closes the stream, also when cancelled.

        Raises:
            LocalProtocolError: Another event loop or thread owns the connection.
        """
        if self._attempt is not None:
            self._attempt.require_owner()
        accepts = _of(*types) if types else self._by_default
        async with _subscription(self._hub, accepts, self._settings.limits) as subscription:
            yield subscription

    def _by_default(self, cls: type[Any]) -> bool:
        """Whether the default stream holds events of the class *cls*."""
        return not (issubclass(cls, self._endpoint.left_out) or cls.for_taps_only)

    def _refuse_second_attempt(self) -> None:
        if self._attempt is not None and not self._attempt.life.is_over:
            raise LocalProtocolError(
                "the transport is already connected or connecting; use another transport for a second connection"
            )

    def _set_attempt(self, attempt: Attempt) -> None:
        self._stream = self._hub.subscribe(self._by_default, self._settings.limits)
        self._attempt = attempt

    def _renew_hub(self) -> None:
        """Let subscriptions from now on belong to the next connection."""
        self._hub = Hub()

    def _open_attempt(self) -> Attempt | None:
        """The attempt whose connection is open, if there is one."""
        attempt = self._attempt
        return attempt if attempt is not None and attempt.life.is_open else None

    def _current_connection(self) -> Connection:
        attempt = self._attempt
        if attempt is None or attempt.connection is None:
            raise NotConnectedError("there is no connection; send inside of `async with transport.connect(...)`")
        return attempt.connection


def _of(*types: type[Event]) -> Callable[[type[Any]], bool]:
    return lambda cls: issubclass(cls, types) and not cls.for_taps_only


@asynccontextmanager
async def _subscription(
    hub: Hub, accepts: Callable[[type[Any]], bool], limits: SubscriptionLimits
) -> AsyncGenerator[Subscription[Any]]:
    subscription = hub.subscribe(accepts, limits)
    try:
        yield subscription
    finally:
        with anyio.CancelScope(shield=True):
            await subscription.aclose()
