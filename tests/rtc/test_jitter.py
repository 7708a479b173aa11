"""The jitter buffer on simulated networks: order, losses, delay up and down. No I/O, no clock."""

from __future__ import annotations

import random

import numpy as np
import pytest

from realtime_transport.rtc.jitter import JitterBuffer, opus_ticks
from realtime_transport.rtc.waveform import FRAME_BYTES, conceal, energy, shorten

CODE_20_MS = bytes([0b11111000])  # CELT, 20 ms, one frame
RATE = 24_000


def tone(frames: int) -> list[bytes]:
    samples = np.sin(2 * np.pi * 200 * np.arange(frames * 480) / RATE) * 8000
    pcm = np.rint(samples).astype("<i2").tobytes()
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]


class Network:
    """Packets that hold their number; the decoder gives the frame of a tone."""

    def __init__(self, frames: int) -> None:
        self.frames = tone(frames)
        self.decoded: list[int] = []
        self.buffer = JitterBuffer(self.decode)

    def decode(self, payload: bytes) -> bytes:
        number = int.from_bytes(payload[1:5], "big")
        self.decoded.append(number)
        return self.frames[number]

    def put(self, number: int, now: float, origin: int = 0) -> None:
        self.buffer.put((origin + number * 960) % 2**32, CODE_20_MS + number.to_bytes(4, "big"), now)

    def run(self, arrivals: list[tuple[float, int]], seconds: float, origin: int = 0) -> list[bytes | None]:
        waiting, out = sorted(arrivals), []
        for tick in range(int(seconds * 50)):
            now = tick / 50
            while waiting and waiting[0][0] <= now:
                at, number = waiting.pop(0)
                self.put(number, at, origin)
            out.append(self.buffer.pull(now))
        return out


def test_a_clean_stream_comes_out_as_it_went_in() -> None:
    network = Network(100)
    out = network.run([(n * 0.02 + 0.005, n) for n in range(100)], 2.3)
    sound = b"".join(frame for frame in out if frame is not None)
    assert sound.startswith(b"".join(network.frames[:40]))
    statistics = network.buffer.statistics()
    assert (statistics.received, statistics.lost, statistics.late) == (100, 0, 0)
    assert out[-1] is None  # Paused: nothing came.
    assert not network.buffer.active


def test_order_is_restored_and_timestamps_wrap() -> None:
    network = Network(60)
    arrivals = [(n * 0.02 + (0.03 if n % 5 == 0 else 0.0), n) for n in range(60)]
    network.run(arrivals, 1.5, origin=2**32 - 960 * 30)
    assert network.decoded == list(range(60))


def test_a_lost_packet_costs_no_delay() -> None:
    network = Network(200)
    lost = {20, 50, 51, 90}
    network.run([(n * 0.02, n) for n in range(200) if n not in lost], 3.9)
    statistics = network.buffer.statistics()
    assert statistics.lost == 4
    assert statistics.stretched_ms == 0
    assert statistics.pauses == 0


@pytest.mark.parametrize("loss", [0.0, 0.02, 0.05])
def test_the_delay_goes_away_again(loss: float) -> None:
    rng = random.Random(5)
    frames = 1500
    network = Network(frames)
    # 10 s of 80 ms jitter, then a calm network.
    arrivals = [
        (n * 0.02 + rng.random() * (0.08 if n < 500 else 0.002), n) for n in range(frames) if rng.random() >= loss
    ]
    levels: list[int] = []
    waiting = sorted(arrivals)
    for tick in range(frames):
        now = tick / 50
        while waiting and waiting[0][0] <= now:
            at, number = waiting.pop(0)
            network.put(number, at)
        network.buffer.pull(now)
        levels.append(network.buffer.statistics().delay_ms)
    assert max(levels[200:500]) >= 60
    assert np.mean(levels[-300:]) <= 60
    assert network.buffer.statistics().pauses == 0


def test_a_pause_of_the_sender_is_skipped() -> None:
    network = Network(200)
    arrivals = [(n * 0.02, n) for n in range(50)] + [(n * 0.02, n) for n in range(100, 150)]
    out = network.run(arrivals, 3.2)
    assert network.decoded == [*range(50), *range(100, 150)]
    assert network.buffer.statistics().lost == 0
    assert sum(frame is None for frame in out) > 30


def test_another_stream_begins_anew() -> None:
    network = Network(100)
    for n in range(10):
        network.put(n, n * 0.02)
        network.buffer.pull(n * 0.02)
    for n in range(10, 20):
        network.put(n, n * 0.02, origin=10**9)
        network.buffer.pull(n * 0.02)
    assert network.decoded[-1] >= 15


def test_too_much_is_not_kept() -> None:
    network = Network(500)
    for n in range(500):
        network.put(n, 0.0)
    assert network.buffer.statistics().delay_ms <= 1000


@pytest.mark.parametrize(
    ("packet", "ticks"),
    [
        (b"", 960),
        (bytes([0b00000000]), 480),
        (bytes([0b00011000]), 2880),
        (bytes([0b01101000]), 960),
        (bytes([0b10000000]), 120),
        (bytes([0b11111001]), 1920),
        (bytes([0b11111011, 3]), 2880),
        (bytes([0b11111011]), 960),
    ],
)
def test_the_length_of_a_packet(packet: bytes, ticks: int) -> None:
    assert opus_ticks(packet) == ticks


def test_what_is_made_up_goes_on_and_fades() -> None:
    history = b"".join(tone(4))
    levels = [energy(conceal(history, run)) for run in range(5)]
    assert levels[0] > 0.4 * energy(history)
    assert levels == sorted(levels, reverse=True)
    assert levels[4] < 0.1 * levels[0]


def test_shortening_keeps_the_tone() -> None:
    pcm = b"".join(tone(2))
    short = shorten(pcm)
    removed = (len(pcm) - len(short)) // 2
    assert 240 <= removed <= 480
    assert removed % 120 == 0  # Whole periods of 200 Hz at 24 kHz.
    assert energy(short) == pytest.approx(energy(pcm), rel=0.05)
