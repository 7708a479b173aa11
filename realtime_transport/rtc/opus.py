"""Opus between 24 kHz mono samples and packets, by libopus in PyAV.

aiortc's own encoder takes 96 kb/s stereo without error correction and halves the power of mono input. Ours hands
finished packets to aiortc, which sends them as they are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import attrs

from realtime_transport.errors import missing_extra

from .settings import OpusSettings
from .waveform import FRAME_BYTES, FRAME_SAMPLES, RATE

try:
    import av
    from av.error import FFmpegError
    from av.packet import Packet
except ImportError as _error:  # pragma: no cover - depends on the installation
    missing_extra(_error, "webrtc")

__all__ = ["OpusDecoder", "OpusEncoder"]

_TIME_BASE = Fraction(1, 48_000)


@attrs.define(eq=False)
class OpusEncoder:
    """20 ms of 24 kHz mono samples to one packet."""

    settings: OpusSettings = attrs.field(factory=OpusSettings)
    _context: Any = attrs.field(init=False)
    _samples: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        context: Any = av.CodecContext.create("libopus", "w")
        context.sample_rate = RATE
        context.layout = "mono"
        context.format = "s16"
        context.bit_rate = self.settings.bitrate
        options = {"application": "voip", "frame_duration": "20", "dtx": str(int(self.settings.dtx))}
        if self.settings.expected_loss:
            options |= {"fec": "1", "packet_loss": str(self.settings.expected_loss)}
        context.options = options
        self._context = context

    def encode(self, pcm: bytes, timestamp: int) -> Packet[Any]:
        """The packet for *pcm*, with *timestamp* in units of 1/48000 s."""
        assert len(pcm) == FRAME_BYTES
        frame: Any = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.sample_rate = RATE
        frame.pts = self._samples
        self._samples += FRAME_SAMPLES
        frame.planes[0].update(pcm)
        (packet,) = self._context.encode(frame)
        packet.pts, packet.time_base = timestamp, _TIME_BASE
        return packet


@attrs.define(eq=False)
class OpusDecoder:
    """Packets to 24 kHz mono samples. libopus mixes stereo down; FFmpeg lets it run at 48 kHz only."""

    _context: Any = attrs.field(init=False)
    _resampler: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        context: Any = av.CodecContext.create("libopus", "r")
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = 48_000
        self._context = context
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)

    def decode(self, payload: bytes) -> bytes:
        """The samples of a packet: half as many as its timestamps say; nothing of one that cannot be read."""
        pcm = b""
        try:
            for frame in self._context.decode(Packet(payload)):
                frame.pts = None
                for part in self._resampler.resample(frame):
                    pcm += bytes(part.planes[0])[: part.samples * 2]
        except FFmpegError:
            return bytes(FRAME_BYTES)
        return pcm
