"""Streams of samples from one rate and encoding to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.audio import g711
from realtime_transport.errors import missing_extra

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import float32
    from numpy.typing import NDArray

    from realtime_transport.audio.formats import AudioFormat

    _Buffer = bytes | bytearray | memoryview

__all__ = ["Converter", "Resampler"]

_DECODE: dict[str, Callable[[_Buffer], bytes]] = {"audio/pcmu": g711.ulaw_decode, "audio/pcma": g711.alaw_decode}
_ENCODE: dict[str, Callable[[_Buffer], bytes]] = {"audio/pcmu": g711.ulaw_encode, "audio/pcma": g711.alaw_encode}


@attrs.define(eq=False)
class Resampler:
    """Mono 16-bit samples from one rate to another, by soxr, as a stream.

    The result depends on the samples alone and not on how they were cut into pieces, to the bit: soxr is given floating
    point, because with integers it adds dither that differs from run to run. It holds 5 to 75 ms back, depending on the
    rates; `flush` brings them out, and the total is then ``samples * rate_out / rate_in``, rounded half up. With equal
    rates everything passes unchanged and nothing is needed; otherwise the extra ``audio`` is.

    Args:
        rate_in: Samples per second of what goes in.
        rate_out: Samples per second of what comes out.

    Raises:
        MissingExtraError: numpy or soxr is not installed.
    """

    rate_in: int
    rate_out: int
    _stream: Any = attrs.field(init=False, default=None)
    _odd: bytes = attrs.field(init=False, default=b"")

    def __attrs_post_init__(self) -> None:
        self.reset()

    def process(self, pcm: _Buffer) -> bytes:
        """What comes out when *pcm*, 16-bit little-endian, goes in; possibly nothing yet.

        Half a sample at the end waits for its other half.
        """
        if self._odd or len(pcm) % 2:
            whole = self._odd + bytes(pcm)
            cut = len(whole) & ~1
            pcm, self._odd = whole[:cut], whole[cut:]
        if self._stream is None:
            return bytes(pcm)
        import numpy as np

        return self.process_floats(np.multiply(np.frombuffer(pcm, "<i2"), 1 / 32768, dtype=np.float32))

    def process_floats(self, samples: NDArray[float32], last: bool = False) -> bytes:
        """What comes out, 16-bit little-endian, when *samples* go in, full scale at ±1; louder ones are clipped.

        Args:
            samples: One-dimensional.
            last: Nothing follows: bring out the rest, as `flush` does.
        """
        import numpy as np

        if self._stream is not None:
            samples = self._stream.resample_chunk(np.ascontiguousarray(samples, dtype=np.float32), last=last)
            if last:
                self.reset()
        return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()

    def flush(self) -> bytes:
        """The rest, as at the end of a recording; what goes in next begins a new one. Half a sample is dropped."""
        self._odd = b""
        if self._stream is None:
            return b""
        import numpy as np

        return self.process_floats(np.empty(0, np.float32), last=True)

    def reset(self) -> None:
        """Forget everything that went in."""
        self._odd = b""
        if self.rate_in == self.rate_out:
            return
        try:
            import numpy as np
            import soxr
        except ImportError as error:
            missing_extra(error, "audio")
        self._stream = soxr.ResampleStream(self.rate_in, self.rate_out, 1, dtype=np.float32.__name__, quality="HQ")


@attrs.define(eq=False)
class Converter:
    """Bytes of one audio format to bytes of another, as a stream.

    Like `Resampler`, the result does not depend on how the stream is cut into pieces. Only a change of rate needs the
    extra ``audio``; from G.711 to linear and back does not.

    Args:
        source: The format of what goes in.
        target: The format of what comes out.

    Raises:
        MissingExtraError: The rates differ, and numpy or soxr is not installed.
    """

    source: AudioFormat
    target: AudioFormat
    _resampler: Resampler = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._resampler = Resampler(self.source.rate, self.target.rate)

    @property
    def is_identity(self) -> bool:
        """Whether what goes in comes out unchanged."""
        return self.source == self.target

    def process(self, data: _Buffer) -> bytes:
        """What comes out when *data* goes in; possibly nothing yet."""
        if self.source == self.target and self.source.bytes_per_sample == 1:
            return bytes(data)
        decode = _DECODE.get(self.source.encoding)
        return self._encode(self._resampler.process(decode(data) if decode else data))

    def flush(self) -> bytes:
        """The rest, as at the end of a recording; what goes in next begins a new one. Half a sample is dropped."""
        return self._encode(self._resampler.flush())

    def reset(self) -> None:
        """Forget everything that went in."""
        self._resampler.reset()

    def _encode(self, pcm: bytes) -> bytes:
        encode = _ENCODE.get(self.target.encoding)
        return encode(pcm) if encode else pcm
