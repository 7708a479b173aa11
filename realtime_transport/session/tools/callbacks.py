"""Calls functions and coroutine functions of the application."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call", "is_coroutine_function", "name_of"]


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call *function* on the event loop and await its result if that is awaitable.

    If cancelled, *function* is cancelled.
    """
    result = function(*args)
    return await result if inspect.isawaitable(result) else result


def is_coroutine_function(function: object) -> bool:
    """Whether calling *function* returns a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called


def name_of(function: object) -> str:
    """The name of a function; of another callable, that of its class."""
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__
