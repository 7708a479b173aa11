"""Puts pieces of audio back into the order in which they were numbered. Without I/O."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from realtime_transport.late_classes import define

__all__ = ["Packet", "Reorderer"]

MAX_HELD = 5
"""The number of pieces that wait for a missing one: 100 ms of audio. More would be heard as a delay."""

MAX_WAIT = 0.1
"""Seconds that a piece waits for a missing one if no further pieces arrive."""

MAX_LATE = 50
"""A piece whose number is further back than this is not late: the numbers start again."""


class Packet(NamedTuple):
    """A piece of audio, and when it began in milliseconds."""

    audio: bytes
    timestamp_ms: int | None


@define()
class Reorderer:
    """Holds back pieces that arrive early, until the missing ones have arrived or are given up.

    A piece that arrives after it was given up, or twice, is dropped.
    """

    _next: int | None = attrs.field(default=None, init=False)
    _held: dict[int, Packet] = attrs.field(factory=dict[int, Packet], init=False)
    _give_up_at: float | None = attrs.field(default=None, init=False)

    def start(self, first: int | None) -> None:
        """Forget everything. The next piece is *first*; ``None``: any number."""
        self._next = first
        self._held.clear()
        self._give_up_at = None

    def receive(self, packet: Packet, chunk: int | None, now: float, *, contiguous: bool = False) -> list[Packet]:
        """Take a piece. Returns the pieces to pass on, in order.

        Args:
            packet: The piece.
            chunk: Its number; a piece without a number is passed on.
            now: The time.
            contiguous: Whether it begins where the last one ended: then nothing is missing, whatever the numbers say.
        """
        if chunk is None:
            return [packet]
        if self._next is None or chunk == self._next or (contiguous and chunk > self._next):
            self._next = chunk + 1
            return [packet, *self._follow()]
        if chunk < self._next - MAX_LATE:
            held = self._release()
            self._next = chunk + 1
            return [*held, packet]
        if chunk < self._next:
            return []
        self._held[chunk] = packet
        if len(self._held) >= MAX_HELD:
            return self._release()
        if self._give_up_at is None:
            self._give_up_at = now + MAX_WAIT
        return []

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
        return self._give_up_at

    def handle_timer(self, now: float) -> list[Packet]:
        """The pieces that have waited long enough."""
        if self._give_up_at is None or now < self._give_up_at:
            return []
        return self._release()

    def _follow(self) -> list[Packet]:
        """The held pieces that directly follow what was passed on."""
        packets: list[Packet] = []
        while self._next in self._held:
            packets.append(self._held.pop(self._next))
            self._next += 1
        if not self._held:
            self._give_up_at = None
        return packets

    def _release(self) -> list[Packet]:
        """All held pieces, in order; missing ones in between are given up."""
        packets = [packet for _, packet in sorted(self._held.items())]
        if self._held:
            self._next = max(self._held) + 1
        self._held.clear()
        self._give_up_at = None
        return packets
