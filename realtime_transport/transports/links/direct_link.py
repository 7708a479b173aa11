"""The WebSocket link on a socket of our own: no layer between the operating system and the frames.

Here is what both event loops have in common; `direct_asyncio` and `direct_trio` hold what they do differently. A
connection need not run a task to read it or to write it, see `realtime_transport.connection.link.DirectLink`.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from time import perf_counter
from typing import TYPE_CHECKING

from realtime_transport.connection.link import LinkEnds, LinkStatistics
from realtime_transport.connection.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from .frame_codec import FrameCodec

__all__ = ["READ_BYTES", "DirectWebSocketLink", "ignore", "nothing", "read_buffer"]

READ_BYTES = 128 * 1024
"""Some twenty audio deltas of 100 ms: under load one read brings many messages (64 KiB: a third more CPU)."""

_of_thread = threading.local()


def read_buffer() -> memoryview:
    """The buffer that all links of this thread read into: what a read brings is taken before the next one begins.

    A buffer for each read, as ``recv(n)`` makes it, is memory that the operating system maps, clears and takes back:
    13 µs, more than all that follows.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = memoryview(bytearray(READ_BYTES))
    return buffer


IDLE_SECONDS = 1e-3
"""A link that has not written for so long writes at once: a call does, every 20 ms; a loop that sends does not."""


class DirectWebSocketLink:
    """What both event loops have in common. Not used by itself."""

    _codec: FrameCodec

    def __init__(self) -> None:
        self._ends: LinkEnds | None = None
        self._inbox: list[str | bytes] = []
        self._change = Wakeup()
        self._drained = Wakeup()
        self._blocked = False
        self._flush_is_due = False
        self._written_at = 0.0
        self._ended = False

    # What the event loops do differently

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Write *data*, now or as soon as the peer reads; then `_blocked` says which."""

    @abstractmethod
    def _flush_soon(self) -> None:
        """Call `_flush` when the tasks that can run now have run."""

    # Reading

    def _step(self, messages: list[str | bytes]) -> None:
        """Hand over *messages*, answer pings, notice the end. Other tasks run before the next step."""
        codec = self._codec
        if codec.has_control and not self._blocked:
            self._write(codec.control_to_send())
        if messages:
            if self._ends is None:
                self._inbox.extend(messages)
                self._change.wake()
            else:
                self._ends.received(messages)
        if not codec.open:
            if not self._ended:
                self._end()
            self._change.wake()

    def _end(self) -> None:
        self._ended = True
        self._change.wake()
        self._drained.wake()
        if self._ends is not None:
            self._ends.ended(self._codec.closed())

    # Writing

    def poke(self, *, at_once: bool = False) -> None:
        """See `realtime_transport.connection.link.DirectLink.poke`."""
        if self._blocked or self._ended:
            return
        if at_once or perf_counter() - self._written_at > IDLE_SECONDS:
            self._flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._flush_soon()

    def offer(self, text: str, /) -> bool:
        """See `realtime_transport.connection.link.DirectLink.offer`."""
        codec, now = self._codec, perf_counter()
        if now - self._written_at > IDLE_SECONDS and codec.open and not self._blocked and not self._ended:
            self._write(codec.encode((text,)))
            self._written_at = now
            return True
        if not self._flush_is_due and not self._blocked and not self._ended:
            self._flush_is_due = True
            self._flush_soon()
        return False

    def _flush(self) -> None:
        self._flush_is_due = False
        codec, take = self._codec, nothing if self._ends is None else self._ends.take
        while not self._blocked and not self._ended:
            batch = take()
            if batch:
                self._write(codec.encode(batch))
                self._written_at = perf_counter()
                continue
            if codec.has_control:
                self._write(codec.control_to_send())
            if not self._blocked:
                self._drained.wake()
            return

    async def drain(self) -> None:
        """See `realtime_transport.connection.link.DirectLink.drain`."""
        if self._flush_is_due and not self._blocked:
            self._flush()
        while self._blocked and not self._ended:
            await self._drained.wait()

    def on_control(self, _wake: Callable[[], None], /) -> None:
        """Control frames need nobody to send them here."""

    def ping(self) -> bool:
        """See `realtime_transport.connection.link.KeepAliveLink.ping`."""
        if not self._codec.ping():
            return False
        if not self._blocked:
            self._write(self._codec.control_to_send())
        return True

    # State

    @property
    def bytes_received(self) -> int:
        """See `realtime_transport.connection.link.KeepAliveLink.bytes_received`."""
        return self._codec.bytes_received

    def statistics(self) -> LinkStatistics:
        """The counters right now."""
        codec = self._codec
        return LinkStatistics(path="direct", bytes_received=codec.bytes_received, pings_received=codec.pings_received)

    def _take_inbox(self) -> list[str | bytes]:
        messages, self._inbox = self._inbox, []
        return messages


def ignore(_ignored: object) -> None:
    """The link is being closed: nobody listens."""


def nothing() -> list[str]:
    """Nothing is to be written: the link is not attached, or is being closed."""
    return []
