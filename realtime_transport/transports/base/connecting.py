"""The result of ``connect()``: an async context manager that raises a helpful error where it is awaited instead."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

from realtime_transport.connection.owner import Owner
from realtime_transport.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

__all__ = ["connecting"]

P = ParamSpec("P")
T = TypeVar("T")


class _Connecting(AbstractAsyncContextManager[T]):
    """A connection that begins with ``async with``, and ends with its block."""

    def __init__(self, manager: AbstractAsyncContextManager[T], *, of_session: bool) -> None:
        self._manager = manager
        self._what = "session" if of_session else "transport"
        self._emitter = "RealtimeSessionEmitter" if of_session else "RealtimeEmitter"
        self._owner: Owner | None = None

    async def __aenter__(self) -> T:
        self._owner = Owner()
        return await self._manager.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self._owner is not None:
            self._owner.require()
        return await self._manager.__aexit__(exc_type, exc, traceback)

    def __await__(self) -> NoReturn:
        raise LocalProtocolError(
            "connect() is not awaited, a connection lives as long as its block: "
            f"`async with {self._what}.connect(…):`; {self._emitter} has a connect() to await"
        )


def connecting(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """As ``asynccontextmanager``, for a method that users may try to await."""
    manage = asynccontextmanager(function)
    of_session = function.__qualname__.startswith("RealtimeSession.")

    @wraps(function)
    def connect(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _Connecting(manage(*args, **kwargs), of_session=of_session)

    return connect
