"""What the tests of playback share: a sink that plays when it is told to, and a record of what was reported."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import attrs
import numpy as np

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackKey
from realtime_transport.testing import ManualClock

PCM = AudioFormat.PCM24K
PCM8 = AudioFormat.PCM8K
ULAW = AudioFormat.PCMU

A = PlaybackKey("resp_a", "item_a", 0)
A1 = PlaybackKey("resp_a", "item_a", 1)
B = PlaybackKey("resp_b", "item_b", 0)


def speech(samples: int, seed: int = 5) -> bytes:
    return np.random.default_rng(seed).integers(-9_000, 9_000, samples).astype("<i2").tobytes()


async def settle() -> None:
    await ManualClock().advance(0)


@attrs.define(eq=False)
class Reports:
    """Notes reports and checks what holds for all of them."""

    log: list[tuple[str, int, int]] = attrs.field(factory=list)

    def __call__(self, item_id: str, content_index: int, samples: int) -> None:
        assert samples > self.last(item_id, content_index), "went back, or said nothing new"
        self.log.append((item_id, content_index, samples))

    def last(self, item_id: str, content_index: int = 0) -> int:
        return max((n for item, index, n in self.log if (item, index) == (item_id, content_index)), default=0)


@attrs.define(eq=False)
class Speaker:
    """A sink that plays when a test says so, and takes `capacity` samples."""

    format: AudioFormat = PCM
    capacity: int = 10**9
    slow_to_cancel: bool = False
    deaf: bool = False  # A waiting send does not notice that there is room again.
    samples_played: int = 0
    held: bytes = b""
    heard: bytes = b""
    clears: int = 0
    _changed: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    async def send(self, pcm: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        while self.held and len(self.held) + len(pcm) > self.format.bytes_for(self.capacity):
            with anyio.CancelScope(shield=self.slow_to_cancel):
                await self._changed.wait()
        self.held += pcm

    def play(self, samples: int) -> None:
        size = self.format.bytes_for(samples)
        self.heard += self.held[:size]
        self.samples_played += self.format.samples_in(len(self.held[:size]))
        self.held = self.held[size:]
        self._change()

    def clear(self) -> None:
        self.held = b""
        self.clears += 1
        if not self.deaf:
            self._change()

    async def drain(self) -> None:
        await anyio.lowlevel.checkpoint()
        while self.held:
            await self._changed.wait()

    async def aclose(self) -> None:
        raise AssertionError("the sink is not the pump's to close")

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
