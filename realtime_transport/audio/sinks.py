"""Where audio goes: files, memory, and what plays at the pace of real time."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.errors import ConfigError, ConsumerTooSlow

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["AudioSink", "BufferSink", "PacedSink", "WavSink"]


class AudioSink(Protocol):
    """Something that plays audio to a listener, or stands for one."""

    @property
    def format(self) -> AudioFormat:
        """The format of what `send` takes; it never changes."""
        ...

    @property
    def samples_played(self) -> int:
        """Samples that have reached the listener since the beginning. Never goes back; cleared ones never count."""
        ...

    async def send(self, pcm: bytes) -> None:
        """Play *pcm*, whole samples, after what was sent before; wait for room. If cancelled, nothing was taken."""
        ...

    def clear(self) -> None:
        """Drop at once what has not been played, including what a waiting `send` holds, which then returns."""
        ...

    async def drain(self) -> None:
        """Wait until everything that was sent has been played or cleared. If cancelled, nothing was lost."""
        ...

    async def aclose(self) -> None:
        """Stop, without waiting for what has not been played. Idempotent; happens even if cancelled."""
        ...


@named_fields
@attrs.define(eq=False)
class BufferSink:
    """Keeps what it is sent in memory; what was sent counts as played.

    Args:
        format: The format of what it takes.
        max_bytes: How much it keeps; 64 MiB is 23 minutes of linear audio at 24 kHz.
    """

    format: AudioFormat = AudioFormat.PCM24K
    max_bytes: int = attrs.field(kw_only=True, default=64 * 1024 * 1024)
    _data: bytearray = attrs.field(init=False, factory=bytearray)
    _samples: int = attrs.field(init=False, default=0)
    _closed: bool = attrs.field(init=False, default=False)

    @property
    def data(self) -> bytes:
        """What was sent and has not been taken."""
        return bytes(self._data)

    @property
    def samples_played(self) -> int:
        """Samples that were sent."""
        return self._samples

    def take(self) -> bytes:
        """What was sent since the last time, which makes room again."""
        data, self._data = bytes(self._data), bytearray()
        return data

    async def send(self, pcm: bytes) -> None:
        """Keep *pcm*. If cancelled, nothing was taken.

        Raises:
            ConsumerTooSlow: `max_bytes` would be passed; nothing was taken.
            anyio.ClosedResourceError: The sink was closed.
        """
        await anyio.lowlevel.checkpoint()
        if self._closed:
            raise anyio.ClosedResourceError
        if len(self._data) + len(pcm) > self.max_bytes:
            raise ConsumerTooSlow(f"the buffer holds {self.max_bytes} bytes", limit=self.max_bytes, unit="bytes")
        self._data += pcm
        self._samples += self.format.samples_in(len(pcm))

    def clear(self) -> None:
        """Nothing: all has been played."""

    async def drain(self) -> None:
        """Return: all has been played. Never waits: there is nothing to cancel."""
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Take no more; `data` stays. Idempotent. Never waits: there is nothing to cancel."""
        self._closed = True


@named_fields
@attrs.define(eq=False)
class WavSink:
    """Writes a WAV file; what was written counts as played.

    The header is right after every write, so that a crash leaves a file that plays. Needs no extra. Files are written
    in worker threads.

    Args:
        path: The file. Created at the first `send`, or by `open`; an existing one is overwritten.
        format: What to write: linear or G.711.
    """

    path: str | os.PathLike[str]
    format: AudioFormat = AudioFormat.PCM24K
    _file: _WavFile | None = attrs.field(init=False, default=None)
    _samples: int = attrs.field(init=False, default=0)
    _closed: bool = attrs.field(init=False, default=False)
    _guard: anyio.ResourceGuard = attrs.field(init=False, factory=lambda: anyio.ResourceGuard("writing to"))

    @property
    def samples_played(self) -> int:
        """Samples that were written."""
        return self._samples

    async def open(self) -> None:
        """Create the file, unless that has happened. If cancelled, it may have.

        Raises:
            ConfigError: The file cannot be created; ``key`` is ``"file"``.
            anyio.ClosedResourceError: The sink was closed.
        """
        with self._guard:
            await self._open()

    async def send(self, pcm: bytes) -> None:
        """Write *pcm*. If cancelled, nothing was written.

        Raises:
            ConfigError: The file cannot be created; ``key`` is ``"file"``.
            OSError: It cannot be written, as when the disk is full.
            anyio.ClosedResourceError: The sink was closed.
        """
        with self._guard:
            file = await self._open()
            # Once it has begun, the thread is waited for, and the call returns, even if we are cancelled meanwhile.
            if not await anyio.to_thread.run_sync(file.write, pcm):
                raise anyio.ClosedResourceError
            self._samples += self.format.samples_in(len(pcm))

    def clear(self) -> None:
        """Nothing: all has been played."""

    async def drain(self) -> None:
        """Return: all has been played. Never waits: there is nothing to cancel."""
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close the file. Idempotent; happens even if cancelled."""
        self._closed = True
        file, self._file = self._file, None
        if file is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(file.close)

    async def _open(self) -> _WavFile:
        if self._closed:
            raise anyio.ClosedResourceError
        if self._file is None:
            file = await anyio.to_thread.run_sync(_WavFile, os.fspath(self.path), self.format)
            if self._closed:
                file.close()
                raise anyio.ClosedResourceError
            self._file = file
        return self._file


_WAV_TAG = {"audio/pcm": 1, "audio/pcma": 6, "audio/pcmu": 7}
"""Format codes of the RIFF registry."""

_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, ``fmt`` and ``data``: the plain header of linear audio."""

_WAV_HEADER_G711 = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
"""The same with what the standard demands of other encodings: the size of an extension of ``fmt``, and ``fact``."""

_RIFF_LIMIT = 0xFFFFFFFF
"""Sizes above 4 GiB, a day of linear audio at 24 kHz, are written as this, which readers take as "to the end"."""


class _WavFile:
    """The blocking part of `WavSink`. Closing waits for a write in another thread."""

    def __init__(self, path: str, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._size = 0
        self._lock = threading.Lock()
        try:
            # Unbuffered: what `write` returned from is the system's, and survives us.
            self._file: BinaryIO = Path(path).open("wb", buffering=0)  # noqa: SIM115  # Closed in close().
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(f"cannot write audio to {path!r}: {why}; check the path", key="file") from error
        try:
            self._file.write(self._header())
        except BaseException:
            self._file.close()
            raise

    def write(self, data: bytes) -> bool:
        """Append *data*, then correct the header; false if the file was closed."""
        with self._lock:
            if self._file.closed:
                return False
            self._file.seek(len(self._header()) + self._size)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._size += len(data)
            self._file.seek(0)
            self._file.write(self._header())
            return True

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _header(self) -> bytes:
        linear = self._format.encoding == "audio/pcm"
        layout = _WAV_HEADER if linear else _WAV_HEADER_G711
        width, rate = self._format.bytes_per_sample, self._format.rate
        riff = (b"RIFF", min(layout.size - 8 + self._size, _RIFF_LIMIT), b"WAVE")
        fmt = (_WAV_TAG[self._format.encoding], 1, rate, rate * width, width, 8 * width)
        data = (b"data", min(self._size, _RIFF_LIMIT))
        if linear:
            return layout.pack(*riff, b"fmt ", 16, *fmt, *data)
        return layout.pack(*riff, b"fmt ", 18, *fmt, 0, b"fact", 4, min(self._size // width, _RIFF_LIMIT), *data)


@named_fields
@attrs.define(eq=False)
class PacedSink:
    """Plays into another sink at the pace of real time, as a loudspeaker would.

    Samples count as played when their moment has come by the clock, without any task: what is asked is calculated.
    What was played is passed on to *sink* by the next `send`, `drain` or `aclose`; what was cleared never gets there.
    So ``PacedSink(WavSink("heard.wav"))`` writes what a listener would have heard.

    Args:
        sink: Takes what was played. It belongs to this sink, which closes it.
        clock: Where time comes from.
        buffer_ms: How much may wait to be played before `send` waits, in milliseconds. More makes it robust against
            stalls; barge-in does not suffer from it, since `clear` takes effect at once.
    """

    sink: AudioSink
    clock: Clock = attrs.field(kw_only=True, factory=EventLoopClock)
    buffer_ms: float = attrs.field(kw_only=True, default=200)
    _waiting: bytearray = attrs.field(init=False, factory=bytearray)  # Taken, and not yet passed on or cleared.
    _taken: int = attrs.field(init=False, default=0)  # Samples, without those that were cleared.
    _passed_on: int = attrs.field(init=False, default=0)  # Samples of these.
    _anchor: tuple[float, int] = attrs.field(init=False, default=(0.0, 0))  # When which sample began to play.
    _cleared: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _closed: bool = attrs.field(init=False, default=False)
    _guard: anyio.ResourceGuard = attrs.field(init=False, factory=lambda: anyio.ResourceGuard("playing to"))
    _passing: anyio.Lock = attrs.field(init=False, factory=anyio.Lock)

    @property
    def format(self) -> AudioFormat:
        """The format of *sink*."""
        return self.sink.format

    @property
    def samples_played(self) -> int:
        """Samples whose moment has come."""
        since, first = self._anchor
        # A thousandth of a sample is the rounding of a deadline that was calculated from a number of samples.
        return min(self._taken, first + int((self.clock.now() - since) * self.format.rate + 1e-3))

    async def send(self, pcm: bytes) -> None:
        """Play *pcm* after what was sent before; wait for room. If cancelled, nothing was taken.

        More than fits into `buffer_ms` is taken once all else has been played.

        Raises:
            anyio.ClosedResourceError: The sink was closed.
        """
        with self._guard:
            await anyio.lowlevel.checkpoint()
            samples, cleared = self.format.samples_in(len(pcm)), self._cleared
            room = max(0, self.format.samples_for_ms(self.buffer_ms) - samples)
            await self._wait_until_played(self._taken - room)
            if not cleared.is_set():
                await self._pass_on()
            if self._closed:
                raise anyio.ClosedResourceError
            if cleared.is_set():
                return
            if self.samples_played == self._taken:  # It had run dry: these samples begin to play now.
                self._anchor = (self.clock.now(), self._taken)
            self._waiting += pcm[: self.format.bytes_for(samples)]
            self._taken += samples

    def clear(self) -> None:
        """Drop at once what has not been played, including what a waiting `send` holds, which then returns."""
        self._taken = self.samples_played
        del self._waiting[self.format.bytes_for(self._taken - self._passed_on) :]
        self._cleared.set()
        self._cleared = anyio.Event()

    async def drain(self) -> None:
        """Wait until everything that was sent has been played or cleared. If cancelled, nothing was lost."""
        await anyio.lowlevel.checkpoint()
        while self.samples_played < self._taken:
            await self._wait_until_played(self._taken)
        if not self._closed:
            await self._pass_on()
            await self.sink.drain()

    async def aclose(self) -> None:
        """Stop, pass on what has been played, and close *sink*. Idempotent; happens even if cancelled."""
        if self._closed:
            return
        self._closed = True
        self.clear()
        with anyio.CancelScope(shield=True):
            try:
                await self._pass_on()
            finally:
                await self.sink.aclose()

    async def _wait_until_played(self, sample: int) -> None:
        """Wait until *sample* samples have been played, or the rest was cleared."""
        cleared = self._cleared
        while self.samples_played < sample and not cleared.is_set():
            since, first = self._anchor
            with self.clock.move_on_at(since + (sample - first) / self.format.rate):
                await cleared.wait()

    async def _pass_on(self) -> None:
        async with self._passing:
            while due := self.samples_played - self._passed_on:
                part = bytes(self._waiting[: self.format.bytes_for(due)])
                await self.sink.send(part)
                # What was played stays even if the rest was cleared meanwhile.
                self._passed_on += due
                del self._waiting[: len(part)]
