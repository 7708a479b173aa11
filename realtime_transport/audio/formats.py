"""The audio formats of the protocol, and the arithmetic between bytes, samples and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import attrs

from realtime_transport.errors import ConfigError
from realtime_transport.late_classes import frozen

__all__ = ["AudioFormat", "Encoding"]

Encoding = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
"""16-bit little-endian linear, G.711 µ-law, G.711 A-law, by their names on the wire."""

_PCM_RATE = 24_000
"""The rate of ``audio/pcm`` where none is given, in Hz; the service takes no other."""

_G711_RATE = 8_000
"""The one rate of G.711, in Hz."""

_BYTES_PER_SAMPLE = {"audio/pcm": 2, "audio/pcmu": 1, "audio/pcma": 1}
_SILENCE = {"audio/pcm": b"\0\0", "audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}
_LEGACY: dict[str, Encoding] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
    "audio/pcm": "audio/pcm",
    "audio/pcmu": "audio/pcmu",
    "audio/pcma": "audio/pcma",
}


def _usual_rate(audio_format: AudioFormat) -> int:
    return _PCM_RATE if audio_format.encoding == "audio/pcm" else _G711_RATE


def _check_encoding(_format: AudioFormat, _attribute: attrs.Attribute[Encoding], encoding: Encoding) -> None:
    if encoding not in _BYTES_PER_SAMPLE:
        known = ", ".join(_BYTES_PER_SAMPLE)
        raise ConfigError(f"unknown audio encoding {encoding!r}; known are {known}", key="encoding")


def _check_rate(audio_format: AudioFormat, _attribute: attrs.Attribute[int], rate: int) -> None:
    if rate <= 0:
        raise ConfigError(f"the rate of audio is a number of samples per second, not {rate}", key="rate")
    if audio_format.encoding != "audio/pcm" and rate != _G711_RATE:
        raise ConfigError(f"{audio_format.encoding} has {_G711_RATE} samples per second, not {rate}", key="rate")


@frozen()
class AudioFormat:
    """How mono samples are written as bytes.

    Attributes:
        encoding: ``"audio/pcm"`` (16-bit little-endian), ``"audio/pcmu"`` (G.711 µ-law) or ``"audio/pcma"`` (A-law).
        rate: Samples per second. 24,000 for ``audio/pcm`` if not given; always 8,000 for G.711.

    Raises:
        ConfigError: The encoding is unknown, or the rate is impossible.
    """

    PCM24K: ClassVar[AudioFormat]
    """Linear at 24 kHz: what the service speaks by default."""
    PCM48K: ClassVar[AudioFormat]
    """Linear at 48 kHz: WebRTC and most sound cards."""
    PCM16K: ClassVar[AudioFormat]
    """Linear at 16 kHz: what voice detectors want."""
    PCM8K: ClassVar[AudioFormat]
    """Linear at 8 kHz: the telephone, decoded."""
    PCMU: ClassVar[AudioFormat]
    """G.711 µ-law: the telephone in North America and Japan, Twilio."""
    PCMA: ClassVar[AudioFormat]
    """G.711 A-law: the telephone elsewhere."""

    encoding: Encoding = attrs.field(validator=_check_encoding)
    rate: int = attrs.field(default=attrs.Factory(_usual_rate, takes_self=True), validator=_check_rate)

    @classmethod
    def parse(cls, value: object, *, key: str = "format") -> AudioFormat:
        """The format that *value* means.

        Args:
            value: An `AudioFormat`, a name of the wire (``"audio/pcm"``), a legacy name (``"pcm16"``,
                ``"g711_ulaw"``, ``"g711_alaw"``), or a mapping with ``type`` and perhaps ``rate`` as in a session.
            key: Where the value stands in the caller's configuration, for the error.

        Raises:
            ConfigError: It means none; ``key`` says where.
        """
        if isinstance(value, AudioFormat):
            return value
        name, rate = value, None
        if isinstance(value, Mapping):
            mapping = cast("Mapping[object, object]", value)
            name, rate = mapping.get("type"), mapping.get("rate")
        encoding = _LEGACY.get(name) if isinstance(name, str) else None
        if encoding is None:
            known = ", ".join(repr(n) for n in _LEGACY)
            raise ConfigError(f"{key}: unknown audio format {value!r}; known are {known}", key=key)
        if rate is None:
            return cls(encoding=encoding)
        if not isinstance(rate, int) or isinstance(rate, bool) or rate <= 0:
            raise ConfigError(f"{key}.rate: a whole number of samples per second, not {rate!r}", key=f"{key}.rate")
        try:
            return cls(encoding=encoding, rate=rate)
        except ConfigError as error:
            raise ConfigError(f"{key}.rate: {error}", key=f"{key}.rate") from None

    def to_wire(self) -> dict[str, str | int]:
        """The format as it stands in a session: ``type``, and ``rate`` for linear audio."""
        if self.encoding == "audio/pcm":
            return {"type": self.encoding, "rate": self.rate}
        return {"type": self.encoding}

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of one sample: 2 for linear audio, 1 for G.711."""
        return _BYTES_PER_SAMPLE[self.encoding]

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second."""
        return self.rate * self.bytes_per_sample

    @property
    def linear(self) -> AudioFormat:
        """Linear audio at the same rate."""
        return self if self.encoding == "audio/pcm" else AudioFormat(encoding="audio/pcm", rate=self.rate)

    def samples_in(self, nbytes: int) -> int:
        """Whole samples in *nbytes* bytes."""
        return nbytes // self.bytes_per_sample

    def bytes_for(self, samples: int) -> int:
        """Bytes of *samples* samples."""
        return samples * self.bytes_per_sample

    def samples_for_ms(self, ms: float) -> int:
        """Whole samples in *ms* milliseconds."""
        return int(self.rate * ms / 1000)

    def ms(self, samples: int) -> int:
        """Whole milliseconds in *samples* samples, rounded down: never more than there is."""
        return samples * 1000 // self.rate

    def seconds(self, samples: int) -> float:
        """Seconds that *samples* samples last."""
        return samples / self.rate

    def silence(self, samples: int) -> bytes:
        """*samples* samples of silence."""
        return _SILENCE[self.encoding] * samples


AudioFormat.PCM24K = AudioFormat(encoding="audio/pcm", rate=24_000)
AudioFormat.PCM48K = AudioFormat(encoding="audio/pcm", rate=48_000)
AudioFormat.PCM16K = AudioFormat(encoding="audio/pcm", rate=16_000)
AudioFormat.PCM8K = AudioFormat(encoding="audio/pcm", rate=8_000)
AudioFormat.PCMU = AudioFormat(encoding="audio/pcmu", rate=8_000)
AudioFormat.PCMA = AudioFormat(encoding="audio/pcma", rate=8_000)
