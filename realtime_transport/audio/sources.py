"""Where audio comes from: files, memory, whatever can be iterated."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter, Resampler
from realtime_transport.errors import ConfigError, missing_extra

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from numpy import float32
    from numpy.typing import NDArray

__all__ = ["AudioSource", "BytesSource", "FileInfo", "FileSource", "IterableSource"]

_BLOCK_MS = 200
"""What one `receive` of a recording brings: ten frames a thread hop, and 10 KB held."""


class AudioSource(Protocol):
    """Something that audio can be taken from."""

    @property
    def format(self) -> AudioFormat:
        """The format of what `receive` returns; it never changes."""
        ...

    @property
    def live(self) -> bool:
        """Whether audio comes at its own pace, as from a microphone; a recording comes as fast as it is asked for."""
        ...

    async def receive(self) -> bytes:
        """The next audio: at least one byte, any length. If cancelled, nothing was lost.

        Raises:
            anyio.EndOfStream: There is no more.
            anyio.ClosedResourceError: The source was closed.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what the source holds. Idempotent; happens even if cancelled."""
        ...


@attrs.frozen(kw_only=True)
class FileInfo:
    """What a file of audio holds, before any conversion.

    Attributes:
        rate: Samples per second and channel.
        channels: Number of channels.
        frames: Samples per channel.
        container: The container by soundfile's name, such as ``"WAV"`` or ``"FLAC"``.
    """

    rate: int
    channels: int
    frames: int
    container: str

    @property
    def seconds(self) -> float:
        """How long the file plays."""
        return self.frames / self.rate


@named_fields
@attrs.define(eq=False)
class FileSource:
    """A recording in a file: WAV, FLAC, OGG, MP3 or what else libsndfile reads, of any rate and number of channels.

    Channels are averaged to one, and the result is resampled once, straight to *format*. It is the same, to the bit,
    for any *block_ms*. Files are read in worker threads. Needs the extra ``audio``.

    Args:
        path: The file. Opened at the first `receive`, or by `open`.
        format: What `receive` returns.
        block_ms: How much to read at once, in milliseconds of the file.
    """

    path: str | os.PathLike[str]
    format: AudioFormat = attrs.field(kw_only=True, default=AudioFormat.PCM24K)
    block_ms: float = attrs.field(kw_only=True, default=_BLOCK_MS)
    live: bool = attrs.field(init=False, default=False)
    _reader: _FileReader | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)
    _guard: anyio.ResourceGuard = attrs.field(init=False, factory=lambda: anyio.ResourceGuard("reading from"))

    async def open(self) -> FileInfo:
        """Open the file, unless it is open, and say what it holds. If cancelled, it may be open.

        Raises:
            ConfigError: The file is missing, unreadable, no audio, or empty; ``key`` is ``"file"``.
            MissingExtraError: soundfile, numpy or soxr is not installed.
            anyio.ClosedResourceError: The source was closed.
        """
        with self._guard:
            return (await self._open()).info

    async def receive(self) -> bytes:
        """The next part of the recording, in `format`. If cancelled, nothing was lost.

        Raises:
            anyio.EndOfStream: The recording is over.
            ConfigError: The file cannot be read, as with `open`, or is damaged further on; ``key`` is ``"file"``.
            MissingExtraError: soundfile, numpy or soxr is not installed.
            anyio.ClosedResourceError: The source was closed.
        """
        with self._guard:
            reader = await self._open()
            # The thread is waited for even if we are cancelled meanwhile, and its result still returned.
            data = await anyio.to_thread.run_sync(reader.read)
        if self._closed:
            raise anyio.ClosedResourceError
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        """Close the file. Idempotent; happens even if cancelled."""
        self._closed = True
        reader, self._reader = self._reader, None
        if reader is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(reader.close)

    async def _open(self) -> _FileReader:
        if self._closed:
            raise anyio.ClosedResourceError
        if self._reader is None:
            reader = await anyio.to_thread.run_sync(_FileReader, os.fspath(self.path), self.format, self.block_ms)
            if self._closed:
                reader.close()
                raise anyio.ClosedResourceError
            self._reader = reader
        return self._reader


class _FileReader:
    """The blocking part of `FileSource`. Closing waits for a read in another thread: libsndfile does not."""

    def __init__(self, path: str, target: AudioFormat, block_ms: float) -> None:
        try:
            import numpy
            import soundfile
        except ImportError as error:
            missing_extra(error, "audio")
        self._path = path
        self._numpy = numpy
        self._errors = cast("type[Exception]", soundfile.SoundFileError)
        self._check_is_file()
        try:
            self._file: Any = soundfile.SoundFile(path)
        except (self._errors, OSError, TypeError) as error:  # TypeError: a headerless format (.raw) was assumed.
            raise self._error(
                f"it is no audio that can be read ({error}); give a WAV, FLAC, OGG or MP3 file"
            ) from error
        try:
            self.info = self._read_info()
            self._resampler = Resampler(self.info.rate, target.rate)
            self._encoder = Converter(target.linear, target)
        except BaseException:
            self._file.close()
            raise
        self._block = max(1, int(self.info.rate * block_ms / 1000))
        self._ended = False
        self._lock = threading.Lock()

    def read(self) -> bytes:
        """The next part, converted; empty at the end."""
        with self._lock:
            while not self._ended:
                data = self._encoder.process(self._resampler.process_floats(*self._next_block()))
                if data:
                    return data
            return b""

    def close(self) -> None:
        with self._lock:
            self._ended = True
            self._file.close()

    def _next_block(self) -> tuple[NDArray[float32], bool]:
        try:
            block = self._file.read(self._block, dtype="float32", always_2d=True)
        except (self._errors, OSError) as error:
            raise self._error(f"it is damaged ({error}); repair or convert it") from error
        self._ended = len(block) == 0
        return self._mono(block), self._ended

    def _mono(self, block: NDArray[float32]) -> NDArray[float32]:
        channels = block.shape[1]
        if channels == 1:
            return block[:, 0]
        # Added one after the other in double precision: numpy's mean picks its order by the shape of the block.
        total = block[:, 0].astype(self._numpy.float64)
        for channel in range(1, channels):
            total += block[:, channel]
        return (total / channels).astype(self._numpy.float32)

    def _check_is_file(self) -> None:
        try:
            with Path(self._path).open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise self._error(f"{error.strerror or error}; check the path and its permissions") from error
        if empty:
            raise self._error("it is empty; give a file with a recording in it")

    def _read_info(self) -> FileInfo:
        file = self._file
        info = FileInfo(rate=file.samplerate, channels=file.channels, frames=file.frames, container=file.format)
        if info.frames == 0:
            raise self._error("it holds no audio, only a header; give a file with a recording in it")
        return info

    def _error(self, why: str) -> ConfigError:
        return ConfigError(f"cannot read audio from {self._path!r}: {why}", key="file")


@named_fields
@attrs.define(eq=False)
class BytesSource:
    """A recording in memory.

    Args:
        data: The samples.
        format: Their format.
        block_ms: How much `receive` returns at once, in milliseconds.
    """

    data: bytes
    format: AudioFormat
    block_ms: float = attrs.field(kw_only=True, default=_BLOCK_MS)
    live: bool = attrs.field(init=False, default=False)
    _position: int = attrs.field(init=False, default=0)
    _closed: bool = attrs.field(init=False, default=False)

    async def receive(self) -> bytes:
        """The next part of the recording. If cancelled, nothing was lost.

        Raises:
            anyio.EndOfStream: The recording is over.
            anyio.ClosedResourceError: The source was closed.
        """
        await anyio.lowlevel.checkpoint()
        if self._closed:
            raise anyio.ClosedResourceError
        size = self.format.bytes_for(max(1, self.format.samples_for_ms(self.block_ms)))
        block = self.data[self._position : self._position + size]
        if not block:
            raise anyio.EndOfStream
        self._position += len(block)
        return block

    async def aclose(self) -> None:
        """Let go of nothing: the data is yours. Idempotent. Never waits: there is nothing to cancel."""
        self._closed = True


@named_fields
@attrs.define(eq=False)
class IterableSource:
    """Audio from anything that yields bytes asynchronously, such as a memory object stream or an async generator.

    The iterable is yours: it is not closed. Note that cancelling an async generator while it waits ends it.

    Args:
        iterable: Yields samples in *format*, in pieces of any length; empty ones are skipped.
        format: Their format.
        live: Whether the pieces come at their own pace.
    """

    iterable: AsyncIterable[bytes]
    format: AudioFormat
    live: bool = attrs.field(kw_only=True, default=True)
    _iterator: AsyncIterator[bytes] | None = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)

    async def receive(self) -> bytes:
        """The next piece. If cancelled, nothing was lost that the iterable did not lose.

        Raises:
            anyio.EndOfStream: The iterable is exhausted.
            anyio.ClosedResourceError: The source was closed.
        """
        while True:
            await anyio.lowlevel.checkpoint()
            if self._closed:
                raise anyio.ClosedResourceError
            if self._iterator is None:
                self._iterator = aiter(self.iterable)
            try:
                data = await anext(self._iterator)
            except StopAsyncIteration:
                raise anyio.EndOfStream from None
            if data:
                return bytes(data)

    async def aclose(self) -> None:
        """Stop giving audio; the iterable stays open. Idempotent. Never waits: there is nothing to cancel."""
        self._closed = True
