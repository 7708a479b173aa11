"""Where asyncio code runs: in the caller's own event loop, or beside trio in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import anyio
import anyio.to_thread
import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["AsyncioHost", "Inbox", "asyncio_host"]

T = TypeVar("T")

JOIN_TIMEOUT = 5.0
"""Seconds that the thread gets to end. It only has to cancel what is left; a thread that hangs must not hang us."""


class AsyncioHost(Protocol):
    """A place for asyncio code. Its methods are for the caller's loop, `notify` is for the code in the host."""

    async def run(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Await ``function(*args)`` in the host. If cancelled, it is cancelled too, and has ended when this raises."""
        ...

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function(*args)`` in the host, now or soon, without waiting. Nothing happens if the host is gone."""
        ...

    def notify(self, function: Callable[[], object]) -> None:
        """Call *function* in the caller's loop, now or soon; several calls that wait may become one."""
        ...


class _NativeHost:
    """The caller runs on asyncio."""

    async def run(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        return await function(*args)

    def call(self, function: Callable[..., object], *args: object) -> None:
        function(*args)

    def notify(self, function: Callable[[], object]) -> None:
        function()


@attrs.define(eq=False)
class _Job:
    """One coroutine in the other loop."""

    function: Callable[..., Awaitable[Any]]
    args: tuple[object, ...]
    done: anyio.Event = attrs.field(factory=anyio.Event)
    task: asyncio.Task[None] | None = None
    started: bool = False
    cancelled: bool = False
    result: Any = None
    error: BaseException | None = None


class _ThreadHost:
    """The caller runs on trio: asyncio runs in a thread."""

    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._gone = (trio.RunFinishedError,)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="realtime asyncio", daemon=True)

    async def start(self) -> None:
        self._thread.start()
        with anyio.CancelScope(shield=True):  # It takes a millisecond, and half a thread could not be let go.
            await anyio.to_thread.run_sync(self._ready.wait)

    async def stop(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._stop is not None:
                self.call(self._stop.set)
            await anyio.to_thread.run_sync(self._thread.join, JOIN_TIMEOUT)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()

    async def run(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        job = _Job(function, args)
        self.call(self._start, job)
        try:
            await job.done.wait()
        except anyio.get_cancelled_exc_class():
            self.call(self._cancel, job)
            with anyio.CancelScope(shield=True):
                await job.done.wait()
            raise
        if isinstance(job.error, asyncio.CancelledError):
            raise RuntimeError("the asyncio thread was stopped") from job.error
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def _start(self, job: _Job) -> None:
        job.task = asyncio.get_running_loop().create_task(self._do(job))

    def _cancel(self, job: _Job) -> None:
        job.cancelled = True
        if job.task is not None and job.started:  # One that has not begun would end without telling.
            job.task.cancel()

    async def _do(self, job: _Job) -> None:
        # The end is told from inside of the task: a future of the loop is done before its task has ended.
        job.started = True
        try:
            if job.cancelled:
                raise asyncio.CancelledError
            job.result = await job.function(*job.args)
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            job.error = error
        finally:
            self.notify(job.done.set)

    def call(self, function: Callable[..., object], *args: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(function, *args)

    def notify(self, function: Callable[[], object]) -> None:
        with suppress(*self._gone):
            self._token.run_sync_soon(function, idempotent=True)


def _is_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


@asynccontextmanager
async def asyncio_host() -> AsyncGenerator[AsyncioHost]:
    """A host for the time of the block: the running loop under asyncio, a thread with a loop under trio.

    Neither entering nor leaving blocks the caller's loop; when it is left, the thread has ended. If cancelled, the
    thread still ends before the block is left.
    """
    if _is_asyncio():
        yield _NativeHost()
        return
    host = _ThreadHost()
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


class Inbox:
    """What comes from the host, for one task of the caller. `put` never waits.

    Args:
        host: Where it comes from.
        max_size: What may wait, in the units of `put`.
        drop_oldest: Over the bound, forget the oldest (audio: it is late anyway); otherwise refuse.
    """

    def __init__(self, host: AsyncioHost, max_size: int, *, drop_oldest: bool = False) -> None:
        self._host = host
        self._max_size = max_size
        self._drop_oldest = drop_oldest
        self._lock = threading.Lock()
        self._items: list[tuple[Any, int]] = []
        self._size = 0
        self._event: anyio.Event | None = None
        self.ended: bool = False
        self.dropped: int = 0
        """How many items were forgotten."""

    def put(self, item: Any, size: int = 1) -> bool:
        """Append *item*, from the host. Whether there was room."""
        with self._lock:
            fits = self._size + size <= self._max_size or not self._items
            if not fits and not self._drop_oldest:
                return False
            self._items.append((item, size))
            self._size += size
            while self._size > self._max_size and len(self._items) > 1:
                self._size -= self._items.pop(0)[1]
                self.dropped += 1
        self._host.notify(self._wake)
        return True

    def end(self) -> None:
        """Nothing follows."""
        self.ended = True
        self._host.notify(self._wake)

    def take(self) -> list[Any]:
        """What waits."""
        with self._lock:
            items, self._items, self._size = self._items, [], 0
        return [item for item, _ in items]

    async def receive(self) -> list[Any]:
        """Wait for items and take them all; none: it has ended. If cancelled, nothing was lost."""
        while not self._items and not self.ended:
            self._event = anyio.Event()
            if not self._items and not self.ended:
                await self._event.wait()
        return self.take()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()
