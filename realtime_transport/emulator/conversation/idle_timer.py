"""The timer that runs out when nobody speaks after a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .timer_queue import TimerQueue

__all__ = ["IdleTimer"]


@attrs.define(eq=False)
class IdleTimer:
    """Runs at most once at a time: what begins to speak stops it.

    Args:
        timers: The timers of the session.
        idled: Is called with the time-out, in milliseconds, and the time.
    """

    _timers: TimerQueue
    _idled: Callable[[int, float], None]
    _number: int = attrs.field(init=False, default=0)
    """Of the current timer: an earlier one that fires is void."""

    def start(self, silent_from: float, timeout_ms: int) -> None:
        """Run out *timeout_ms* after *silent_from*, unless it is stopped before."""
        number = self._number

        def due(now: float) -> None:
            if number == self._number:
                self._idled(timeout_ms, now)

        self._timers.at(silent_from + timeout_ms / 1000, due)

    def stop(self) -> None:
        """Do not run out."""
        self._number += 1
