"""The interface of what an emitter emits the events of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.protocol.engine.events import ConnectionStatus
    from realtime_transport.protocol.wire.model import Event

__all__ = ["Source"]


class Source(Protocol):
    """Something that connects and has events: a transport, or a session."""

    @property
    def status(self) -> ConnectionStatus:
        """``"connecting"``, ``"connected"``, ``"disconnecting"`` or ``"disconnected"``."""
        ...

    @property
    def connect(self) -> Callable[..., AbstractAsyncContextManager[object]]:
        """Opens a connection for an ``async with`` block; the arguments are those of the source."""
        ...

    def close_nowait(self, *, discard: bool = False) -> None:
        """Begin to close, and return at once; with *discard*, what is queued is not sent."""
        ...

    def subscribe(self, *types: type[Event]) -> AbstractAsyncContextManager[Subscription[Event]]:
        """A stream of the events of *types*, from now on; before a connect, of the next connection."""
        ...

    def __aiter__(self) -> AsyncIterator[Event]:
        """The default stream. The emitter closes it, since nobody reads it."""
        ...
