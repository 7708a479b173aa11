"""Both laws against the tables of Recommendation G.711 itself: decision values, quantised values, character signals."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise

import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

ALL_CODES = bytes(range(256))
ALL_SAMPLES = range(-32768, 32768)

# Column 5 of tables 2a and 1a: the least magnitude of each interval, on a scale of 8159 and of 4096. The last entry is
# the full scale, which is no decision.
ULAW_DECISIONS = list(accumulate([0, 1, *[2] * 15, *(s for e in range(2, 9) for s in [2**e] * 16)]))
ALAW_DECISIONS = list(accumulate([0, *[2] * 32, *(s for e in range(2, 8) for s in [2**e] * 16)]))


def pack(samples: range | list[int]) -> bytes:
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def unpack(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "little", signed=True) for i in range(0, len(data), 2)]


def interval(sample: int, decisions: list[int], unit: int) -> int:
    """The interval of *sample*; on a decision value: outwards if positive, inwards if negative (G.191)."""
    if sample >= 0:
        return min(bisect_right(decisions, sample / unit), 128) - 1
    return min(bisect_left(decisions, -sample / unit), 128) - 1


def test_the_tables_of_this_test() -> None:
    assert ULAW_DECISIONS[:4] == [0, 1, 3, 5]
    assert [ULAW_DECISIONS[i] for i in (16, 32, 48, 64, 80, 96, 112, 127, 128)] == [
        31, 95, 223, 479, 991, 2015, 4063, 7903, 8159,
    ]  # fmt: skip
    assert [ALAW_DECISIONS[i] for i in (0, 1, 32, 48, 64, 80, 96, 112, 127, 128)] == [
        0, 2, 64, 128, 256, 512, 1024, 2048, 3968, 4096,
    ]  # fmt: skip


def test_ulaw_decodes_to_the_quantised_values() -> None:
    values = [0] + [(low + high) // 2 * 4 for low, high in pairwise(ULAW_DECISIONS[1:])]
    assert unpack(ulaw_decode(ALL_CODES)) == [-v for v in reversed(values)] + list(reversed(values))


def test_alaw_decodes_to_the_quantised_values() -> None:
    values = [(low + high) // 2 * 8 for low, high in pairwise(ALAW_DECISIONS)]
    decoded = unpack(alaw_decode(ALL_CODES))
    assert [decoded[(0x80 | n) ^ 0x55] for n in range(128)] == values
    assert [decoded[n ^ 0x55] for n in range(128)] == [-v for v in values]


def test_ulaw_encodes_every_sample() -> None:
    expected = bytes((0xFF if s >= 0 else 0x7F) - interval(s, ULAW_DECISIONS, 4) for s in ALL_SAMPLES)
    assert ulaw_encode(pack(ALL_SAMPLES)) == expected


def test_alaw_encodes_every_sample() -> None:
    expected = bytes(((0x80 if s >= 0 else 0) | interval(s, ALAW_DECISIONS, 8)) ^ 0x55 for s in ALL_SAMPLES)
    assert alaw_encode(pack(ALL_SAMPLES)) == expected


def test_known_vectors() -> None:
    linear = pack([0, 0x1234, 0x4567, -0x4567, 0x7FFF, -0x8000])
    assert ulaw_encode(linear) == bytes.fromhex("ff ad 8e 0e 80 00")
    assert alaw_encode(linear) == bytes.fromhex("d5 87 a4 24 aa 2a")
    assert unpack(ulaw_decode(bytes.fromhex("00 80 7f ff 0e 8e"))) == [-32124, 32124, 0, 0, -17788, 17788]
    assert unpack(alaw_decode(bytes.fromhex("2a aa 55 d5"))) == [-32256, 32256, -8, 8]


def test_every_code_survives_the_round_trip() -> None:
    assert alaw_encode(alaw_decode(ALL_CODES)) == ALL_CODES
    # µ-law has two zeros; the negative one comes back as the positive one.
    assert ulaw_encode(ulaw_decode(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


def test_silence_of_the_formats_is_the_encoding_of_zero() -> None:
    assert ulaw_encode(bytes(6)) == AudioFormat.PCMU.silence(3)
    assert alaw_encode(bytes(6)) == AudioFormat.PCMA.silence(3)


@pytest.mark.parametrize("encode", [ulaw_encode, alaw_encode])
def test_half_a_sample_is_refused(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(ValueError, match="3 bytes"):
        encode(b"\0\0\0")


def test_linear_audio_is_little_endian_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = pack(range(-300, 300))
    expected = ulaw_encode(samples)
    other = {"little": "big", "big": "little"}[sys.byteorder]
    swapped = array("H", samples)
    swapped.byteswap()
    monkeypatch.setattr(sys, "byteorder", other)  # Of a machine that has its bytes the other way round,
    assert ulaw_encode(swapped.tobytes()) == expected  # so that this is little-endian for it.


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer(kind: type) -> None:
    assert ulaw_encode(kind(b"\0\0")) == b"\xff"
    assert alaw_decode(kind(b"\xd5")) == b"\x08\x00"
    assert ulaw_encode(kind(b"")) == ulaw_decode(kind(b"")) == b""
