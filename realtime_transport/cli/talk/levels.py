"""How loud both sides are."""

from __future__ import annotations

import array
import math
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from realtime_transport.audio.devices import Microphone, Speaker
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["FLOOR_DB", "MeteredMicrophone", "MeteredSpeaker", "level_of", "meter"]

FLOOR_DB = 60
"""Quieter than -60 dBFS is drawn as nothing."""


def level_of(pcm: bytes) -> float:
    """The level of 16-bit samples in dBFS; of nothing, the lowest."""
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if not samples:
        return -FLOOR_DB
    power = sum(sample * sample for sample in samples[::8]) / len(samples[::8]) / 32768**2
    return max(-FLOOR_DB, 10 * math.log10(power + 1e-9))


def meter(level: float, width: int = 20) -> str:
    """A bar of *width* characters for a level in dBFS."""
    full = round((level + FLOOR_DB) / FLOOR_DB * width)
    return "#" * full + "." * (width - full)


@attrs.define(eq=False)
class MeteredMicrophone:
    """A microphone that knows how loud it is."""

    inner: Microphone
    live: bool = attrs.field(init=False, default=True)
    level: float = attrs.field(init=False, default=-FLOOR_DB)

    @property
    def format(self) -> AudioFormat:
        """The format of its audio."""
        return self.inner.format

    async def receive(self) -> bytes:
        """What the microphone gives. If cancelled, nothing was lost."""
        pcm = await self.inner.receive()
        self.level = level_of(pcm)
        return pcm

    async def aclose(self) -> None:
        """Let the device go. Happens even if cancelled."""
        await self.inner.aclose()


@attrs.define(eq=False)
class MeteredSpeaker:
    """A loudspeaker that knows how loud it is, and how many samples it was given since it was cleared."""

    inner: Speaker
    level: float = attrs.field(init=False, default=-FLOOR_DB)
    samples_sent: int = attrs.field(init=False, default=0)
    _taken: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    @property
    def format(self) -> AudioFormat:
        """The format of its audio."""
        return self.inner.format

    @property
    def samples_played(self) -> int:
        """Samples that were handed to the sound card."""
        return self.inner.samples_played

    async def send(self, pcm: bytes) -> None:
        """Play *pcm*; wait for room. If cancelled, nothing was taken."""
        await self.inner.send(pcm)
        self.level = level_of(pcm)
        self.samples_sent += self.format.samples_in(len(pcm))
        self._taken.set()
        self._taken = anyio.Event()

    async def until_sent(self, samples: int) -> None:
        """Wait until it was given *samples* since it was cleared. If cancelled, nothing has changed."""
        while self.samples_sent < samples:
            await self._taken.wait()

    def clear(self) -> None:
        """Drop what has not been played."""
        self.inner.clear()
        self.level = -FLOOR_DB
        self.samples_sent = 0

    async def drain(self) -> None:
        """Wait until everything was played or cleared. If cancelled, nothing was lost."""
        await self.inner.drain()

    async def aclose(self) -> None:
        """Let the device go. Happens even if cancelled."""
        await self.inner.aclose()

    def fade(self) -> None:
        """Lower what is shown, as time passes in silence."""
        self.level = max(-FLOOR_DB, self.level - 6)
