"""Things to do at a moment, earliest first."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import attrs

__all__ = ["Agenda"]

Deed = Callable[[float], None]


@attrs.define(order=True)
class _Due:
    due: float
    order: int
    deed: Deed = attrs.field(order=False)


@attrs.define(eq=False)
class Agenda:
    """Deeds and when they are due. Those of the same moment are done in the order they were entered."""

    _entries: list[_Due] = attrs.field(init=False, factory=list[_Due])
    _count: int = attrs.field(init=False, default=0)

    @property
    def next_due(self) -> float | None:
        """When the next deed is due."""
        return self._entries[0].due if self._entries else None

    def at(self, due: float, deed: Deed) -> None:
        """Enter *deed*, which will be called with the time."""
        self._count += 1
        heapq.heappush(self._entries, _Due(due, self._count, deed))

    def do(self, now: float, *, limit: int) -> None:
        """Do what is due, at most *limit* deeds."""
        for _ in range(limit):
            if not self._entries or self._entries[0].due > now:
                return
            heapq.heappop(self._entries).deed(now)
