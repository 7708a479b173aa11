"""The task that holds the connection of a model: the framework connects and closes by two calls, without a block."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

__all__ = ["OwnedTask"]


@attrs.define(eq=False)
class OwnedTask:
    """Runs a job within a block, both in one task of the running event loop.

    Args:
        block: The connection: entered first, left last.
        job: Runs within the block. When the task has to end, it is cancelled, and the block is left normally.
        abort: Called to make entering the block fail.
    """

    _block: AbstractAsyncContextManager[object]
    _job: Callable[[], Awaitable[None]]
    _abort: Callable[[], None]
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _entered: asyncio.Future[None] | None = attrs.field(default=None, init=False)
    _scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, init=False)

    @property
    def ending(self) -> bool:
        """Whether the job has been told to end."""
        return self._scope.cancel_called

    async def start(self) -> None:
        """Start the task and wait until the block is entered. If cancelled, the task has ended.

        Raises:
            Exception: What entering the block raised.
        """
        entered = self._entered = asyncio.get_running_loop().create_future()
        task = self._task = asyncio.create_task(self._run(entered), name="realtime model")
        try:
            await asyncio.wait({task, entered}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _cancel(task)
            raise
        if not entered.done():
            await task

    async def stop(self) -> None:
        """End the job, leave the block, and wait for both. Idempotent.

        Called from within the task, it only begins: the task ends after the caller yields. If cancelled, what was
        queued is not sent, and the task has ended all the same.

        Raises:
            Exception: What the job, or leaving the block, raised.
        """
        task, entered = self._task, self._entered
        if task is None or entered is None:
            return
        self._scope.cancel()
        if not entered.done():
            self._abort()
        if task is asyncio.current_task():
            return
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            await _cancel(task)
            raise
        if entered.done() and not task.cancelled():
            task.result()

    async def _run(self, entered: asyncio.Future[None]) -> None:
        async with self._block:
            entered.set_result(None)
            with self._scope:
                await self._job()


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel *task* and wait until it has ended, even if the caller is cancelled again; the wait is bounded."""
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue  # The caller raises the cancellation afterwards.
