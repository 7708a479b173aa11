"""The reader and the writer of a link, which a `DirectLink` does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .link import Link
    from .outbox import Outbox
    from .statistics import Traffic

__all__ = ["LinkTasks"]

HAND_OVER_TURNS = 8
"""How many scheduler turns the reader grants the writer to put a truncation on the wire before consumers hear of it."""


class LinkTasks:
    """Reads from a link and writes to it, in a task each.

    Args:
        link: The link.
        outbox: What is to be written.
        traffic: Counts what was written.
        received: Is called with the messages of one read; returns whether one of the answers may not wait.
        publish: Is called after each read, once such an answer had its chance to be written.
    """

    def __init__(
        self,
        link: Link,
        outbox: Outbox,
        traffic: Traffic,
        *,
        received: Callable[[list[str | bytes]], bool],
        publish: Callable[[], None],
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._traffic = traffic
        self._received = received
        self._publish = publish
        self._reader_scope = anyio.CancelScope()
        self._reader_done = anyio.Event()
        self._writer_done = anyio.Event()

    def jobs(self) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """What is to be run as tasks, by name."""
        return (("reader", self._read), ("writer", self._write))

    async def drain(self) -> None:
        """Wait until the writer has ended: the outbox is closed and empty, or the link has ended.

        If cancelled, nothing has changed.
        """
        await self._writer_done.wait()

    async def stop_reading(self) -> None:
        """End the reader. If cancelled, it has ended all the same."""
        self._reader_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._reader_done.wait()

    async def _read(self) -> None:
        try:
            with self._reader_scope:
                while True:
                    if self._received(await self._link.receive()):
                        await self._hand_over()
                    self._publish()
        finally:
            self._reader_done.set()

    async def _hand_over(self) -> None:
        # Bounded: a peer that does not read must not keep us from reading.
        for _ in range(HAND_OVER_TURNS):
            if self._outbox.idle:
                return
            await anyio.lowlevel.checkpoint()

    async def _write(self) -> None:
        link, outbox, traffic = self._link, self._outbox, self._traffic
        try:
            await anyio.lowlevel.checkpoint()  # Who hears of the opening may close at once: then nothing is sent.
            while True:
                batch = await outbox.receive()
                await link.send(batch)
                traffic.messages_sent += len(batch)
                traffic.characters_sent += sum(map(len, batch))
        except anyio.EndOfStream:
            pass  # Closed and all sent.
        finally:
            self._writer_done.set()
