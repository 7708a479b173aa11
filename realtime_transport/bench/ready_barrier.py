"""How the sessions of a level begin: connected a few at a time, and then all together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["ReadyBarrier"]


class ReadyBarrier:
    """Holds every session until each of them is open, or has failed to open.

    Args:
        sessions: How many sessions there are. Each takes one turn.
        at_once: How many of them may be opening at the same time.
    """

    def __init__(self, sessions: int, at_once: int) -> None:
        self._missing = sessions
        self._turns = anyio.Semaphore(at_once)
        self._all_ready = anyio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
        """Wait for a turn to open a session.

        Gives a function to await once it is open: it lets the next one have its turn, and returns when all are ready.
        A session that leaves the block without that, or is cancelled, is not waited for.
        """
        opening = _Opening(self)
        try:
            await self._turns.acquire()
            opening.has_turn = True
            yield opening.ready
        finally:
            opening.end()

    async def wait(self) -> None:
        """Return when all sessions are ready. If cancelled, nothing has changed."""
        await self._all_ready.wait()

    def ended(self, *, had_turn: bool) -> None:
        """A session is no longer waited for."""
        self._missing -= 1
        if self._missing == 0:
            self._all_ready.set()
        if had_turn:
            self._turns.release()


@attrs.define(eq=False)
class _Opening:
    barrier: ReadyBarrier
    has_turn: bool = False
    _has_ended: bool = False

    async def ready(self) -> None:
        self.end()
        await self.barrier.wait()

    def end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.barrier.ended(had_turn=self.has_turn)
