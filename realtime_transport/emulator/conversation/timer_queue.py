"""Callbacks, ordered by the time at which they are due."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import attrs

__all__ = ["TimerQueue"]

TimerCallback = Callable[[float], None]


@attrs.define(order=True)
class _Due:
    due: float
    order: int
    callback: TimerCallback = attrs.field(order=False)


@attrs.define(eq=False)
class TimerQueue:
    """Callbacks ordered by the time at which they are due; those of the same time in the order they were added."""

    _entries: list[_Due] = attrs.field(init=False, factory=list[_Due])
    _count: int = attrs.field(init=False, default=0)

    @property
    def next_due(self) -> float | None:
        """When the next callback is due; ``None`` if there is none."""
        return self._entries[0].due if self._entries else None

    def at(self, due: float, callback: TimerCallback) -> None:
        """Add *callback*, which is called with the time once *due* has come."""
        self._count += 1
        heapq.heappush(self._entries, _Due(due, self._count, callback))

    def do(self, now: float, *, limit: int) -> None:
        """Call what is due, at most *limit* callbacks."""
        for _ in range(limit):
            if not self._entries or self._entries[0].due > now:
                return
            heapq.heappop(self._entries).callback(now)
