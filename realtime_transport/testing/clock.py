"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["ManualClock"]

_TOLERANCE = 1e-9
"""Seconds. Fifty steps of 0.02 add up to slightly less than 1.0, and must reach a deadline at 1.0."""

_CALM_TURNS = 4
"""Turns of the loop in which all tasks must be blocked: a pending cancellation reaches a task one turn after it began
to wait."""

_MAX_TURNS = 10_000
"""Turns of the asyncio loop before ``anyio.wait_all_tasks_blocked`` is used instead, which looks only every 0.1 s."""


@attrs.define(eq=False)
class _Due:
    """A callback for when the clock reaches ``deadline``."""

    deadline: float
    order: int
    act: Callable[[], object] | None

    def __lt__(self, other: _Due) -> bool:
        return (self.deadline, self.order) < (other.deadline, other.order)


@attrs.define(eq=False)
class ManualClock:
    """A `realtime_transport.clock.Clock` for tests, under trio and asyncio.

    Time stands still until `advance` moves it, so a test needs no real waiting and has one possible order of events:

        clock = ManualClock()
        async with anyio.create_task_group() as tg:
            tg.start_soon(pump.run)  # Built with clock=clock.
            await clock.advance(0.1)
            assert len(sent) == 6

    The clock does not control threads and sockets: a test that uses them must wait for their effect.

    Args:
        start: The initial time, in seconds.
    """

    _now: float = attrs.field(default=0.0, alias="start")
    _due: list[_Due] = attrs.field(init=False, factory=list[_Due])
    _count: int = attrs.field(init=False, default=0)
    _advancing: bool = attrs.field(init=False, default=False)

    def now(self) -> float:
        """The time, in seconds."""
        return self._now

    @property
    def deadlines(self) -> tuple[float, ...]:
        """The deadlines that tasks wait for, earliest first."""
        return tuple(entry.deadline for entry in sorted(self._due) if entry.act is not None)

    async def sleep_until(self, deadline: float) -> None:
        """Wait until the clock has been advanced to *deadline*. A checkpoint even if it already was.

        If cancelled, nothing has changed.
        """
        if deadline <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        reached = anyio.Event()
        entry = self._register(deadline, reached.set)
        try:
            await reached.wait()
        finally:
            self._forget(entry)

    @contextmanager
    def move_on_at(self, deadline: float | None) -> Generator[anyio.CancelScope]:
        """A cancel scope that is cancelled when the clock reaches *deadline*; ``None`` never cancels it."""
        with anyio.CancelScope() as scope:
            if deadline is None:
                yield scope
                return
            entry = self._register(deadline, scope.cancel)
            if deadline <= self._now:
                scope.cancel()
            try:
                yield scope
            finally:
                self._forget(entry)

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, with a stop at each deadline on the way.

        First all other tasks run until they are blocked (``anyio.wait_all_tasks_blocked``). Then the clock stops at
        each deadline in order, among equal ones in the order of registration, and all tasks run until blocked again.
        Waits that begin on the way count, too. ``advance(0)`` only lets all tasks run until blocked.

        If cancelled, the clock stays at the time it has reached.

        Args:
            seconds: How far; not negative.

        Raises:
            ValueError: *seconds* is negative.
            anyio.BusyResourceError: Another task is advancing the clock.
        """
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back (by {-seconds} s)")
        if self._advancing:
            raise anyio.BusyResourceError("advancing this clock")
        self._advancing = True
        try:
            await self._advance_to(self._now + seconds)
        finally:
            self._advancing = False

    async def _advance_to(self, target: float) -> None:
        await _settle()
        while self._due and self._due[0].deadline <= target + _TOLERANCE:
            entry = heapq.heappop(self._due)
            if entry.act is None:
                continue
            self._now = max(self._now, entry.deadline)
            act, entry.act = entry.act, None
            act()
            await _settle()
        self._now = max(self._now, target)

    def _register(self, deadline: float, act: Callable[[], object]) -> _Due:
        self._count += 1
        entry = _Due(deadline, self._count, act)
        heapq.heappush(self._due, entry)
        return entry

    def _forget(self, entry: _Due) -> None:
        entry.act = None
        while self._due and self._due[0].act is None:
            heapq.heappop(self._due)


async def _settle() -> None:
    """Return when every other task is blocked."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        me, calm = asyncio.current_task(), 0
        for _ in range(_MAX_TURNS):
            await anyio.lowlevel.checkpoint()
            calm = calm + 1 if all(task is me or _is_blocked(task) for task in asyncio.all_tasks()) else 0
            if calm == _CALM_TURNS:
                return
    await anyio.wait_all_tasks_blocked()


def _is_blocked(task: asyncio.Task[object]) -> bool:
    # The attribute that anyio's own wait_all_tasks_blocked reads; for a task without it, anyio decides.
    waiter: asyncio.Future[object] | None = getattr(task, "_fut_waiter", None)
    return waiter is not None and not waiter.done()
