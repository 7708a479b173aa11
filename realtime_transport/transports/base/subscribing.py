"""What ``subscribe()`` gives: an async context manager that says so where it is iterated or awaited instead."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

from realtime_transport.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

__all__ = ["subscribing"]

P = ParamSpec("P")
T = TypeVar("T")


class _Subscribing(AbstractAsyncContextManager[T]):
    """A subscription that begins with ``async with``, and ends with its block."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager

    async def __aenter__(self) -> T:
        return await self._manager.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)

    def __aiter__(self) -> NoReturn:
        self._refuse()

    def __await__(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise LocalProtocolError(
            "a subscription lives as long as its block: `async with ….subscribe(…) as events:`, "
            "and in it `async for event in events:`"
        )


def subscribing(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """As ``asynccontextmanager``, for a method whose result people iterate."""
    manage = asynccontextmanager(function)

    @wraps(function)
    def subscribe(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _Subscribing(manage(*args, **kwargs))

    return subscribe
