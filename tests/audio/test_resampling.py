from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.g711 import alaw_encode, ulaw_decode
from realtime_transport.audio.resampling import Converter, Resampler
from realtime_transport.errors import MissingExtraError

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]


def noise(samples: int) -> bytes:
    loud = np.random.default_rng(7).normal(0, 9_000, samples)
    return np.clip(loud, -32768, 32767).astype("<i2").tobytes()


def run(stream: Resampler | Converter, data: bytes, block: int) -> bytes:
    out = [stream.process(data[i : i + block]) for i in range(0, len(data), block)]
    return b"".join(out) + stream.flush()


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("rate_out", [8_000, 24_000, 48_000])
def test_the_result_does_not_depend_on_the_pieces(rate_in: int, rate_out: int) -> None:
    data = noise(5_000)
    hashes = {
        hashlib.sha256(run(Resampler(rate_in, rate_out), data, block)).hexdigest()
        for block in (3, 40, 41, 960, 1_000, len(data))  # Odd ones cut samples in two.
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("samples", [0, 1, 479, 5_000])
def test_flush_completes_the_number_of_samples(rate_in: int, samples: int) -> None:
    out = run(Resampler(rate_in, 24_000), noise(samples), 960)
    assert len(out) == 2 * int(samples * 24_000 / rate_in + 0.5)


def test_equal_rates_pass_unchanged() -> None:
    data = noise(1_000)
    assert run(Resampler(24_000, 24_000), data, 7) == data


def test_a_tone_stays_the_tone() -> None:
    seconds = np.arange(8_000) / 8_000
    tone = (10_000 * np.sin(2 * np.pi * 440 * seconds)).astype("<i2").tobytes()
    out = np.frombuffer(run(Resampler(8_000, 24_000), tone, 320), "<i2")[2_400:-2_400]
    expected = 10_000 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)[2_400:-2_400]
    assert np.abs(out - expected).max() < 3  # Aligned in time and equal in level: soxr's delay is compensated.


def test_what_is_too_loud_is_clipped_and_the_rest_rounded() -> None:
    out = Resampler(8_000, 8_000).process_floats(np.array([1.5, -1.5, 0.5, 1.6 / 32768, -1.6 / 32768], np.float32))
    assert np.frombuffer(out, "<i2").tolist() == [32767, -32768, 16384, 2, -2]


def test_flush_begins_a_new_recording() -> None:
    data = noise(3_000)
    stream = Resampler(8_000, 24_000)
    assert run(stream, data, 100) == run(stream, data, 999)


def test_reset_forgets() -> None:
    data = noise(3_000)
    stream = Resampler(8_000, 24_000)
    stream.process(noise(777) + b"x")
    stream.reset()
    assert run(stream, data, 100) == run(Resampler(8_000, 24_000), data, 100)


def test_flush_drops_half_a_sample() -> None:
    stream = Converter(AudioFormat.PCM24K, AudioFormat.PCM24K)
    assert stream.process(b"abc") == b"ab"
    assert stream.flush() == b""
    assert stream.process(b"de") == b"de"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (AudioFormat.PCMU, AudioFormat.PCM24K),
        (AudioFormat.PCM24K, AudioFormat.PCMA),
        (AudioFormat.PCMU, AudioFormat.PCMA),
        (AudioFormat.PCM8K, AudioFormat.PCMU),
    ],
)
def test_conversion_does_not_depend_on_the_pieces(source: AudioFormat, target: AudioFormat) -> None:
    data = noise(2_000)
    whole = run(Converter(source, target), data, len(data))
    assert {run(Converter(source, target), data, block) for block in (1, 33, 640)} == {whole}
    samples = source.samples_in(len(data))
    assert len(whole) == target.bytes_for(round(samples * target.rate / source.rate))


def test_conversion_between_the_laws_goes_by_linear() -> None:
    codes = bytes(range(256))
    assert Converter(AudioFormat.PCMU, AudioFormat.PCM8K).process(codes) == ulaw_decode(codes)
    assert Converter(AudioFormat.PCMU, AudioFormat.PCMA).process(codes) == alaw_encode(ulaw_decode(codes))


@pytest.mark.parametrize("known", [AudioFormat.PCM24K, AudioFormat.PCMU, AudioFormat.PCMA])
def test_the_same_format_passes_unchanged(known: AudioFormat) -> None:
    stream = Converter(known, known)
    assert stream.is_identity
    codes = bytes(range(256))
    assert run(stream, codes, 5) == codes  # Even the negative zero of µ-law, which linear audio has not.


@pytest.mark.parametrize("module", ["numpy", "soxr"])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[audio\]'") as caught:
        Converter(AudioFormat.PCM8K, AudioFormat.PCM24K)
    assert (caught.value.name, caught.value.extra) == (module, "audio")
    assert Converter(AudioFormat.PCMU, AudioFormat.PCM8K).process(b"\xff") == b"\0\0"  # The telephone needs neither.
