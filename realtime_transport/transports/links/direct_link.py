"""The WebSocket link directly on a socket: no layer between the operating system and the frames.

This module holds what both event loops share, `direct_asyncio` and `direct_trio` the rest. On asyncio a connection
needs no tasks to read and write it, see `realtime_transport.connection.link.DirectLink`.
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
    """The buffer that all links of this thread read into: its contents are used before the next read begins.

    A new buffer for each read, as ``recv(n)`` makes it, is memory that the operating system maps, clears and unmaps: 13
    µs, more than all later steps.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = memoryview(bytearray(READ_BYTES))
    return buffer


IDLE_SECONDS = 1e-3
"""A link that has not written for this long writes at once: a call, which sends every 20 ms, not a loop of sends."""


class DirectWebSocketLink:
    """The common part of the links for both event loops."""

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

    # Differs by event loop

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Write *data*, now or as soon as the peer reads; `_blocked` says which."""

    @abstractmethod
    def _flush_soon(self) -> None:
        """Call `_flush` after the tasks that are ready have run."""

    # Reading

    def _step(self, messages: list[str | bytes]) -> None:
        """Hand over *messages*, answer pings, detect the end. Other tasks run before the next step."""
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
        """Do nothing: this link sends control frames itself."""

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
    """Ignore the argument: the link is being closed."""


def nothing() -> list[str]:
    """No messages: the link is not attached, or is being closed."""
    return []
