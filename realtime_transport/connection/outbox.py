"""The queue between senders and the writer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from realtime_transport.late_classes import frozen

from .wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .interface import Outgoing

__all__ = ["Outbox", "OutboxStatistics"]

BATCH_BYTES = 64 * 1024
"""The size of one write: large enough to spread its cost, small enough not to delay a cancel."""

OVERTAKE_BYTES = 64 * 1024
"""With less waiting audio than this (1 s of PCM in base64) order is kept; with more, control messages overtake it."""


@frozen()
class OutboxStatistics:
    """The state of an outbox.

    Attributes:
        messages: Waiting messages.
        bytes: Waiting characters.
        audio_bytes: The characters of audio among them.
        waiting_senders: Tasks that wait for room.
    """

    messages: int
    bytes: int
    audio_bytes: int
    waiting_senders: int


class Outbox:
    """Messages in call order, bounded in bytes (the wire is UTF-8, but nearly all of it is ASCII: one per character).

    Senders wait in `wait_and`; `put` never waits and has no bound, so that all messages of one call are queued without
    a task switch in between. Messages whose lane overtakes are queued before waiting audio, but before no other
    message, once more than `OVERTAKE_BYTES` of audio waits.

    Attributes:
        bytes: Waiting characters.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._queue: deque[tuple[str, bool]] = deque()
        self.bytes: int = 0
        self._audio_bytes = 0
        self._waiting: list[tuple[int, anyio.Event]] = []
        self._writer = Wakeup()
        self._granted = False
        self._poked = False
        self._closed = False

    def has_room(self, size: int) -> bool:
        """Whether a call that sends *size* characters may queue them now; one above the bound needs an empty outbox."""
        if self._waiting or self._granted:
            return False
        return self.bytes + size <= self._max_bytes or not self._queue or self._closed

    def _fits(self, size: int) -> bool:
        return self._closed or self.bytes + size <= self._max_bytes or not self._queue

    async def wait_and(self, size: int, queue: Callable[[], None]) -> None:
        """Wait in order for room for *size* characters, then call *queue*. If cancelled, it was not called."""
        entry = (size, anyio.Event())
        self._waiting.append(entry)
        self._admit()
        try:
            await entry[1].wait()
        except BaseException:
            if entry in self._waiting:
                self._waiting.remove(entry)
            else:
                self._granted = False
            self._admit()
            raise
        try:
            queue()
        finally:
            self._granted = False
            self._admit()

    def _admit(self) -> None:
        # One at a time: a sender that wakes queues its messages before the next one is admitted.
        if self._waiting and not self._granted and self._fits(self._waiting[0][0]):
            self._granted = True
            self._waiting.pop(0)[1].set()

    def put(self, messages: Sequence[Outgoing]) -> bool:
        """Queue *messages* in order; after `close`, nothing. Returns whether one of them may overtake audio."""
        if self._closed:
            return False
        urgent = False
        for message in messages:
            text, lane = message.text, message.lane
            audio = lane.is_audio
            urgent = urgent or lane.overtakes
            if lane.overtakes and self._audio_bytes > OVERTAKE_BYTES:
                self._insert_before_audio(text)
            else:
                self._queue.append((text, audio))
            self.bytes += len(text)
            if audio:
                self._audio_bytes += len(text)
        self._writer.wake()
        return urgent

    def put_audio(self, text: str) -> None:
        """Queue a piece of audio, as `put` does."""
        self._queue.append((text, True))
        self.bytes += len(text)
        self._audio_bytes += len(text)

    def _insert_before_audio(self, text: str) -> None:
        index = len(self._queue)
        while index and self._queue[index - 1][1]:
            index -= 1
        self._queue.insert(index, (text, False))

    def poke(self) -> None:
        """Wake the writer even if no message waits, since its link has a control message to send."""
        self._poked = True
        self._writer.wake()

    async def receive(self) -> list[str]:
        """Wait for messages and take about `BATCH_BYTES` of them; empty after `poke`. If cancelled, none was taken.

        Raises:
            anyio.EndOfStream: The outbox was closed and is empty.
        """
        while not self._queue and not self._poked:
            if self._closed:
                raise anyio.EndOfStream
            await self._writer.wait()
        self._poked = False
        return self.take()

    def take(self) -> list[str]:
        """Take about `BATCH_BYTES` of the waiting messages; empty if there are none. For a link without a writer."""
        queue = self._queue
        if not queue:
            return []
        batch: list[str] = []
        size = 0
        while queue and (not batch or size + len(queue[0][0]) <= BATCH_BYTES):
            text, audio = queue.popleft()
            batch.append(text)
            size += len(text)
            if audio:
                self._audio_bytes -= len(text)
        self.bytes -= size
        if self._waiting:
            self._admit()
        return batch

    def close(self, *, discard: bool = False) -> None:
        """Accept no more messages; waiting ones are still written unless *discard*. Wakes all waiting tasks."""
        self._closed = True
        if discard:
            self._queue.clear()
            self.bytes = self._audio_bytes = 0
        self._admit()
        self._writer.wake()

    @property
    def idle(self) -> bool:
        """Whether the writer has sent everything and waits for more."""
        return self._writer.waited_for and not self._queue

    def statistics(self) -> OutboxStatistics:
        """The state right now."""
        return OutboxStatistics(
            messages=len(self._queue),
            bytes=self.bytes,
            audio_bytes=self._audio_bytes,
            waiting_senders=len(self._waiting),
        )
