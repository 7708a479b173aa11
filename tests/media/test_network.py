"""Loss and jitter: the delay comes back, and what was said is still there. Judged by samples alone."""

from __future__ import annotations

from pathlib import Path

import anyio
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from realtime_transport import BufferSink, OpenAIRealtimeWebRTC
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.replies import Reply, Speech
from realtime_transport.emulator.sound import AudioClip
from tests.measure import dbfs, floats, frequency, longest_gap_ms, sine

from .bad_network import Relay, harm

pytestmark = pytest.mark.anyio

RATE = 24_000
SECONDS = 66


def speech() -> bytes:
    """A minute of recorded speech."""
    folder = Path(__file__).parents[2] / "examples/audio"
    parts = []
    for file in sorted(folder.glob("*.wav")):
        voice, rate = soundfile.read(file, dtype="int16")
        parts.append(soxr.resample(voice, rate, RATE))
    whole = np.concatenate(parts)
    times = -(-SECONDS * RATE // len(whole))
    return np.tile(whole, times)[: (SECONDS + 4) * RATE].astype("<i2").tobytes()


def lag_and_likeness(heard: NDArray[np.float64], said: NDArray[np.float64], at: int) -> tuple[float, float]:
    """How late (ms) the 600 ms that were said at sample *at* are heard, and how alike (0 to 1)."""
    piece = said[at : at + RATE * 6 // 10]
    window = heard[at : at + len(piece) + RATE]
    size = 1 << (len(window) + len(piece) - 1).bit_length()
    scores = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(piece, size)), size)
    scores = scores[: len(window) - len(piece) + 1]
    sums = np.concatenate([[0.0], np.cumsum(window**2)])
    powers = sums[len(piece) :] - sums[: -len(piece)]
    scores /= np.sqrt(powers * np.sum(piece**2) + 1e-9)
    best = int(np.argmax(scores))
    return best * 1000 / RATE, float(scores[best])


async def listen(said: bytes, loss: float, jitter: float) -> tuple[NDArray[np.float64], object, Relay]:
    """What a client hears of *said* through a bad network, from the first sample on; silence where it hears nothing."""
    clip = AudioClip(said, AudioFormat.PCM24K)
    relay = Relay(loss, jitter)
    sink = BufferSink(AudioFormat.PCM24K)
    async with RealtimeEmulator(responder=lambda _: Reply(outputs=[Speech(text="Speech", audio=clip)])) as emulator:
        url = f"{emulator.base_url}/realtime/calls"
        transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=None, audio_sink=sink)
        async with transport.connect():
            harm(transport.connection_state.peer_connection, relay)
            await transport.send_message("Speak")
            while sink.samples_played < SECONDS * RATE:
                await anyio.sleep(0.2)
            statistics = transport.audio_statistics()
    return floats(sink.data), statistics, relay


@pytest.mark.parametrize(("loss", "jitter"), [(0.0, 0.0), (0.02, 0.03), (0.05, 0.03)])
async def test_the_delay_does_not_stay(loss: float, jitter: float) -> None:
    said_pcm = speech()
    said = floats(said_pcm)
    heard, statistics, relay = await listen(said_pcm, loss, jitter)
    found = []
    for second in np.arange(1, SECONDS - 4, 0.5):
        at = int(second * RATE)
        if dbfs(said[at : at + RATE * 6 // 10]) > -35:
            found.append((second, *lag_and_likeness(heard, said, at)))
    start = np.median([lag for second, lag, like in found if second < 8 and like > 0.5])
    end = np.median([lag for second, lag, like in found if second > SECONDS - 14 and like > 0.5])
    likeness = np.array([like for _, _, like in found])
    print(
        f"\nloss {loss:.0%}, jitter {jitter * 1000:.0f} ms ({relay.lost} of {relay.lost + relay.passed} packets lost): "
        f"delay at the start {start:.0f} ms, after {SECONDS - 10} s {end:.0f} ms ({end - start:+.0f}); likeness median "
        f"{np.median(likeness):.3f}, worst tenth {np.quantile(likeness, 0.1):.3f}; {statistics}"
    )
    assert abs(end - start) <= 120
    assert np.median(likeness) > 0.85
    assert relay.lost > 0 or loss == 0


async def test_a_clean_network_has_no_gaps() -> None:
    said = sine(SECONDS + 4, 440, 0.25)
    heard, statistics, _ = await listen(said, 0.0, 0.0)
    steady = heard[RATE : RATE * 31]
    print(f"\n{frequency(steady):.2f} Hz, {dbfs(steady):.2f} dBFS, gap {longest_gap_ms(steady)} ms; {statistics}")
    assert frequency(steady) == pytest.approx(440, abs=1)
    assert dbfs(steady) == pytest.approx(-15.05, abs=1)
    assert longest_gap_ms(steady) <= 60
