"""Puts pieces of audio back into the order in which they were numbered. Without I/O."""

from __future__ import annotations

from typing import NamedTuple

import attrs

__all__ = ["Packet", "Reorderer"]

MAX_HELD = 5
"""Pieces that wait for a missing one, 100 ms of audio as providers send it: more would be heard as a delay."""

MAX_WAIT = 0.1
"""Seconds that a piece waits for a missing one, where no further ones come."""

MAX_LATE = 50
"""A piece whose number is further back than this is no late one: the numbers begin anew."""


class Packet(NamedTuple):
    """A piece of audio, and when it began."""

    audio: bytes
    timestamp_ms: int | None


@attrs.define(eq=False, repr=False)
class Reorderer:
    """Holds pieces back that came too early, until the missing ones have come or are given up.

    A piece that comes after it was given up, or twice, is dropped.
    """

    _next: int | None = attrs.field(default=None, init=False)
    _held: dict[int, Packet] = attrs.field(factory=dict[int, Packet], init=False)
    _give_up_at: float | None = attrs.field(default=None, init=False)

    def start(self, first: int | None) -> None:
        """Forget everything. The next piece is *first*; ``None``: whichever comes."""
        self._next = first
        self._held.clear()
        self._give_up_at = None

    def receive(self, packet: Packet, chunk: int | None, now: float, *, contiguous: bool = False) -> list[Packet]:
        """What can be passed on now.

        Args:
            packet: What has come.
            chunk: Its number; one without a number is passed on.
            now: The time.
            contiguous: It begins where the last one ended, so that nothing is missing whatever the numbers say.
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
        """When `handle_timer` is to be called."""
        return self._give_up_at

    def handle_timer(self, now: float) -> list[Packet]:
        """What has waited long enough."""
        if self._give_up_at is None or now < self._give_up_at:
            return []
        return self._release()

    def _follow(self) -> list[Packet]:
        """What comes directly behind what was passed on."""
        packets: list[Packet] = []
        while self._next in self._held:
            packets.append(self._held.pop(self._next))
            self._next += 1
        if not self._held:
            self._give_up_at = None
        return packets

    def _release(self) -> list[Packet]:
        """Everything, in order: what is missing in between is given up."""
        packets = [packet for _, packet in sorted(self._held.items())]
        if self._held:
            self._next = max(self._held) + 1
        self._held.clear()
        self._give_up_at = None
        return packets
