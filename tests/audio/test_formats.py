from __future__ import annotations

import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("pcm16", AudioFormat.PCM24K),
        ("g711_ulaw", AudioFormat.PCMU),
        ("g711_alaw", AudioFormat.PCMA),
        ("audio/pcm", AudioFormat.PCM24K),
        ("audio/pcmu", AudioFormat.PCMU),
        ({"type": "audio/pcm", "rate": 24_000}, AudioFormat.PCM24K),
        ({"type": "audio/pcm", "rate": 8_000}, AudioFormat.PCM8K),
        ({"type": "audio/pcm"}, AudioFormat.PCM24K),
        ({"type": "audio/pcma"}, AudioFormat.PCMA),
        ({"type": "audio/pcmu", "rate": None}, AudioFormat.PCMU),
        ({"type": "audio/pcmu", "rate": 8_000}, AudioFormat.PCMU),
        (AudioFormat.PCM48K, AudioFormat.PCM48K),
    ],
)
def test_parse(value: object, expected: AudioFormat) -> None:
    assert AudioFormat.parse(value) == expected


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("mp3", "audio.input.format"),
        ("", "audio.input.format"),
        (None, "audio.input.format"),
        (7, "audio.input.format"),
        ({}, "audio.input.format"),
        ({"type": ["audio/pcm"]}, "audio.input.format"),
        ({"type": "audio/pcm", "rate": "24000"}, "audio.input.format.rate"),
        ({"type": "audio/pcm", "rate": 0}, "audio.input.format.rate"),
        ({"type": "audio/pcm", "rate": True}, "audio.input.format.rate"),
        ({"type": "audio/pcmu", "rate": 16_000}, "audio.input.format.rate"),
    ],
)
def test_parse_refuses_and_names_the_key(value: object, key: str) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        AudioFormat.parse(value, key="audio.input.format")
    assert caught.value.key == key


def test_the_constructor_refuses() -> None:
    with pytest.raises(ConfigError):
        AudioFormat(encoding="audio/opus")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        AudioFormat(encoding="audio/pcm", rate=-1)
    with pytest.raises(ConfigError):
        AudioFormat(encoding="audio/pcma", rate=16_000)


def test_arithmetic_counts_whole_samples() -> None:
    pcm = AudioFormat.PCM24K
    assert (pcm.bytes_per_sample, pcm.bytes_per_second) == (2, 48_000)
    assert pcm.samples_in(961) == 480
    assert pcm.bytes_for(480) == 960
    assert pcm.samples_for_ms(20) == 480
    assert pcm.ms(479) == 19  # Never more than there is.
    assert pcm.seconds(12_000) == 0.5
    assert pcm.silence(2) == b"\0\0\0\0"
    ulaw = AudioFormat.PCMU
    assert (ulaw.bytes_per_sample, ulaw.bytes_per_second, ulaw.samples_in(3)) == (1, 8_000, 3)
    assert ulaw.silence(2) == b"\xff\xff"
    assert AudioFormat.PCMA.silence(1) == b"\xd5"
    assert ulaw.linear == AudioFormat.PCM8K
    assert pcm.linear is pcm


def test_to_wire() -> None:
    assert AudioFormat.PCM24K.to_wire() == {"type": "audio/pcm", "rate": 24_000}
    assert AudioFormat.PCMU.to_wire() == {"type": "audio/pcmu"}
    for known in (AudioFormat.PCM24K, AudioFormat.PCM8K, AudioFormat.PCMU, AudioFormat.PCMA):
        assert AudioFormat.parse(known.to_wire()) == known
