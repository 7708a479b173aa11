"""G.711, both laws, exactly as ITU-T specifies them, without numpy.

Linear audio is 16-bit little-endian, as everywhere in the package. The arithmetic is that of the ITU-T Software Tool
Library (Recommendation G.191, module G711): 14 bits for µ-law, 13 for A-law, negative samples by one's complement,
so that what lies exactly on a decision value of G.711 goes where the reference implementation puts it.
"""

from __future__ import annotations

import functools
import sys
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["alaw_decode", "alaw_encode", "ulaw_decode", "ulaw_encode"]


def ulaw_decode(data: bytes | bytearray | memoryview) -> bytes:
    """The linear samples of µ-law *data*: two bytes for each byte."""
    return _decode(data, *_halves(_expand_ulaw))


def ulaw_encode(pcm: bytes | bytearray | memoryview) -> bytes:
    """The µ-law of linear *pcm*: one byte for every two.

    Raises:
        ValueError: *pcm* ends in the middle of a sample.
    """
    return _encode(pcm, _table(_compress_ulaw))


def alaw_decode(data: bytes | bytearray | memoryview) -> bytes:
    """The linear samples of A-law *data*: two bytes for each byte."""
    return _decode(data, *_halves(_expand_alaw))


def alaw_encode(pcm: bytes | bytearray | memoryview) -> bytes:
    """The A-law of linear *pcm*: one byte for every two.

    Raises:
        ValueError: *pcm* ends in the middle of a sample.
    """
    return _encode(pcm, _table(_compress_alaw))


def _decode(data: bytes | bytearray | memoryview, low: bytes, high: bytes) -> bytes:
    data = bytes(data)
    pcm = bytearray(2 * len(data))
    pcm[0::2] = data.translate(low)
    pcm[1::2] = data.translate(high)
    return bytes(pcm)


def _encode(pcm: bytes | bytearray | memoryview, table: bytes) -> bytes:
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes are not a whole number of 16-bit samples")
    return bytes(map(table.__getitem__, _unsigned_samples(pcm)))


def _unsigned_samples(pcm: bytes | bytearray | memoryview) -> Sequence[int]:
    if sys.byteorder == "little":
        return memoryview(pcm).cast("B").cast("H")
    samples = array("H", bytes(pcm))
    samples.byteswap()
    return samples


@functools.cache
def _halves(expand: Callable[[int], int]) -> tuple[bytes, bytes]:
    """The low and the high byte of each code's sample, as tables for `bytes.translate`."""
    samples = [expand(code) & 0xFFFF for code in range(256)]
    return bytes(s & 0xFF for s in samples), bytes(s >> 8 for s in samples)


@functools.cache
def _table(compress: Callable[[int], int]) -> bytes:
    """The code of each sample, which is taken as unsigned; 64 KiB, made at first use."""
    return bytes(map(compress, (*range(32768), *range(-32768, 0))))


def _expand_ulaw(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84 << ((inverted & 0x70) >> 4)) - 0x84
    return -magnitude if inverted & 0x80 else magnitude


def _compress_ulaw(sample: int) -> int:
    magnitude = min(((~sample if sample < 0 else sample) >> 2) + 33, 0x1FFF)
    segment = magnitude.bit_length() - 5  # 1 to 8: the bias of 33 sets bit 5.
    code = (8 - segment) << 4 | 0x0F - (magnitude >> segment & 0x0F)
    return code if sample < 0 else code | 0x80


def _expand_alaw(code: int) -> int:
    code ^= 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + 8
    if segment:
        magnitude = magnitude + 0x100 << segment - 1
    return magnitude if code & 0x80 else -magnitude


def _compress_alaw(sample: int) -> int:
    magnitude = (~sample if sample < 0 else sample) >> 4
    segment = max(magnitude.bit_length() - 4, 0)  # The two lowest segments have the same step.
    code = segment << 4 | (magnitude >> max(segment - 1, 0)) & 0x0F
    return (code if sample < 0 else code | 0x80) ^ 0x55
