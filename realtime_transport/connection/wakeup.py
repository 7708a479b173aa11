"""Wakes one waiting task: a future on asyncio, a reschedule on trio.

An `anyio.Event` wakes any number of tasks, once, at ten times the cost; every frame of a call wakes a task.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from realtime_transport.clock import in_trio

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import trio

__all__ = ["Wakeup"]


class Wakeup:
    """Wakes the waiting task, if there is one. It has no state: check the condition before and after waiting."""

    __slots__ = ("_future", "_task")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._task: trio.lowlevel.Task | None = None

    @property
    def waited_for(self) -> bool:
        """Whether a task waits and was not woken yet."""
        return self._task is not None or (self._future is not None and not self._future.done())

    def wait(self) -> Awaitable[None]:
        """Wait for `wake`. If cancelled, nothing has changed. One task at a time; it may wake spuriously."""
        if in_trio():
            return self._wait_trio()
        # A cancelled future stays until the next one replaces it; it is done, so waking it has no effect.
        future = self._future = asyncio.get_running_loop().create_future()
        return future

    async def _wait_trio(self) -> None:
        import trio

        def abort(_raise_cancel: Any) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        """Wake the waiting task. Idempotent."""
        future = self._future
        if future is not None:
            self._future = None
            if not future.done():
                future.set_result(None)
            return
        task = self._task
        if task is not None:
            self._task = None
            sys.modules["trio"].lowlevel.reschedule(task)
