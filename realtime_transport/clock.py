"""The source of time.

Everything that waits for a point in time uses a `Clock`; tests pass `realtime_transport.testing.ManualClock`.
"""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Clock", "EventLoopClock", "in_trio"]


def in_trio() -> bool:
    """Whether the calling task runs under trio. If not, it is a task or a callback of asyncio."""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()


class Clock(Protocol):
    """A monotonic clock that can also wait."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep_until(self, deadline: float) -> None:
        """Wait until `now` has reached *deadline*. A checkpoint even if it already has.

        If cancelled, nothing has changed.
        """
        ...

    def move_on_at(self, deadline: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """A cancel scope that is cancelled at *deadline*; ``None`` never cancels it."""
        ...


class EventLoopClock:
    """The clock of the running event loop, under trio and asyncio."""

    def now(self) -> float:
        """The event loop's monotonic time in seconds."""
        # In a callback of asyncio there is no task, and anyio cannot detect the event loop.
        return sys.modules["trio"].current_time() if in_trio() else asyncio.get_running_loop().time()

    def of_running_loop(self) -> Callable[[], float]:
        """`now` of the running event loop, without finding the loop at each call; call it in that loop only."""
        return sys.modules["trio"].current_time if in_trio() else asyncio.get_running_loop().time

    async def sleep_until(self, deadline: float) -> None:
        """Wait until the event loop's clock reads *deadline*. If cancelled, nothing has changed."""
        await anyio.sleep_until(deadline)

    def move_on_at(self, deadline: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """A cancel scope that is cancelled at *deadline*."""
        return anyio.CancelScope(deadline=math.inf if deadline is None else deadline)
