"""The microphone and the loudspeaker, by PortAudio (extra ``devices``)."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Device", "Microphone", "Speaker", "list_devices"]

BLOCK_MS = 10
"""What PortAudio brings or takes at once: half a frame, so that a frame waits for no more than that."""

MAX_CAPTURED = 50
"""Blocks (500 ms) that wait for a reader; the oldest are dropped: nobody wants to send stale speech."""

MAX_PLAYING_MS = 60
"""What `Speaker.send` puts ahead of the loudspeaker before it waits; it is dropped by `Speaker.clear`."""

POLL = 0.01
"""Seconds between looks at how much the loudspeaker has played."""


@attrs.frozen(kw_only=True)
class Device:
    """A sound device.

    Attributes:
        index: Its number, which may stand for its name.
        name: Its name.
        inputs: Channels that can be recorded.
        outputs: Channels that can be played.
        is_default_input: Whether it is the default microphone.
        is_default_output: Whether it is the default loudspeaker.
    """

    index: int
    name: str
    inputs: int
    outputs: int
    is_default_input: bool
    is_default_output: bool


def list_devices() -> list[Device]:
    """The sound devices of this machine. Blocks for some milliseconds.

    Raises:
        MissingExtraError: sounddevice is not installed.
        ConfigError: PortAudio, the system library, is not.
    """
    sounddevice = _sounddevice()
    default_in, default_out = sounddevice.default.device
    return [
        Device(
            index=index,
            name=found["name"],
            inputs=found["max_input_channels"],
            outputs=found["max_output_channels"],
            is_default_input=index == default_in,
            is_default_output=index == default_out,
        )
        for index, found in enumerate(sounddevice.query_devices())
    ]


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("sounddevice", "devices") from error
    except OSError as error:
        raise ConfigError(
            f"sound devices need the system library PortAudio ({error}): apt-get install libportaudio2, "
            "or pass an audio source and sink of your own",
            key="device",
        ) from error
    return sounddevice


def _open(kind: str, device: str | int | None, audio_format: AudioFormat, callback: Callable[..., None]) -> Any:
    sounddevice = _sounddevice()
    make = sounddevice.RawInputStream if kind == "microphone" else sounddevice.RawOutputStream
    try:
        stream = make(
            samplerate=audio_format.rate,
            blocksize=audio_format.samples_for_ms(BLOCK_MS),
            device=device,
            channels=1,
            dtype="int16",
            latency="low",
            callback=callback,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        which = "no default one" if device is None else f"not {device!r}"
        raise ConfigError(
            f"there is no {kind} that can be used, {which}: {error}. "
            "`realtime-transport talk --list-devices` shows what there is",
            key="device",
        ) from error
    return stream


def _close(stream: Any) -> None:
    stream.abort()
    stream.close()


@attrs.define(eq=False)
class Microphone:
    """An audio source: a microphone of this machine.

    It is opened by `open`, or at the first `receive`, and recorded from then on; what nobody takes for half a second
    is dropped, counted in `dropped_blocks`.

    Args:
        device: Name, part of a name, or index; ``None``: the default one.
        format: What `receive` returns; linear, and a rate that the device can do. 24 kHz is right for the service.
    """

    device: str | int | None = None
    format: AudioFormat = attrs.field(kw_only=True, default=AudioFormat.PCM24K)
    live: bool = attrs.field(init=False, default=True)
    dropped_blocks: int = attrs.field(init=False, default=0)
    _stream: Any = attrs.field(init=False, default=None)
    _blocks: deque[bytes] = attrs.field(init=False, factory=deque[bytes])
    _wake: anyio.Event | None = attrs.field(init=False, default=None)
    _token: Any = attrs.field(init=False, default=None)
    _closed: bool = attrs.field(init=False, default=False)
    _lock: Any = attrs.field(init=False, factory=anyio.Lock)

    async def open(self) -> None:
        """Begin to record, unless it does. If cancelled, nothing is open that was not.

        Raises:
            ConfigError: There is no such device, no device at all, or no PortAudio.
            MissingExtraError: sounddevice is not installed.
            anyio.ClosedResourceError: It was closed.
        """
        async with self._lock:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._stream is None:
                self._token = anyio.lowlevel.current_token()
                with anyio.CancelScope(shield=True):  # PortAudio cannot be cancelled, and opens in milliseconds.
                    self._stream = await anyio.to_thread.run_sync(
                        _open, "microphone", self.device, self.format, self._record
                    )

    async def receive(self) -> bytes:
        """The next 10 ms or more. If cancelled, nothing was lost.

        Raises:
            ConfigError: As for `open`.
            MissingExtraError: As for `open`.
            anyio.ClosedResourceError: It was closed.
        """
        if self._stream is None:
            await self.open()
        while not self._blocks:
            if self._closed:
                raise anyio.ClosedResourceError
            self._wake = anyio.Event()
            if not self._blocks:
                await self._wake.wait()
        data = b""
        while self._blocks:
            data += self._blocks.popleft()
        return data

    async def aclose(self) -> None:
        """Stop recording and let the device go. Idempotent; happens even if cancelled."""
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_close, stream)
        self._notify()

    def _record(self, data: Any, _frames: int, _time: Any, _status: Any) -> None:
        # PortAudio's thread.
        self._blocks.append(bytes(data))
        while len(self._blocks) > MAX_CAPTURED:
            self._blocks.popleft()
            self.dropped_blocks += 1
        try:
            anyio.from_thread.run_sync(self._notify, token=self._token)
        except Exception:  # noqa: BLE001 - the event loop has ended: nobody will read
            return

    def _notify(self) -> None:
        if self._wake is not None:
            self._wake.set()


@attrs.define(eq=False)
class Speaker:
    """An audio sink: a loudspeaker of this machine.

    Args:
        device: Name, part of a name, or index; ``None``: the default one.
        format: What `send` takes; linear, and a rate that the device can do.
    """

    device: str | int | None = None
    format: AudioFormat = attrs.field(kw_only=True, default=AudioFormat.PCM24K)
    _stream: Any = attrs.field(init=False, default=None)
    _waiting: bytearray = attrs.field(init=False, factory=bytearray)
    _guard: Any = attrs.field(init=False, factory=threading.Lock)
    _played: int = attrs.field(init=False, default=0)
    _clears: int = attrs.field(init=False, default=0)
    _closed: bool = attrs.field(init=False, default=False)
    _lock: Any = attrs.field(init=False, factory=anyio.Lock)

    @property
    def samples_played(self) -> int:
        """Samples that were handed to the sound card."""
        return self._played

    async def open(self) -> None:
        """Open the device, unless it is open. If cancelled, nothing is open that was not.

        Raises:
            ConfigError: There is no such device, no device at all, or no PortAudio.
            MissingExtraError: sounddevice is not installed.
            anyio.ClosedResourceError: It was closed.
        """
        async with self._lock:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._stream is None:
                with anyio.CancelScope(shield=True):
                    self._stream = await anyio.to_thread.run_sync(
                        _open, "loudspeaker", self.device, self.format, self._play
                    )

    async def send(self, pcm: bytes) -> None:
        """Play *pcm* after what was sent before; wait while 60 ms wait. If cancelled, nothing was taken.

        Raises:
            ConfigError: As for `open`.
            MissingExtraError: As for `open`.
            anyio.ClosedResourceError: It was closed.
        """
        if self._stream is None:
            await self.open()
        await anyio.lowlevel.checkpoint()
        clears = self._clears
        room = self.format.bytes_for(self.format.samples_for_ms(MAX_PLAYING_MS))
        while len(self._waiting) > room:
            if self._closed:
                raise anyio.ClosedResourceError
            await anyio.sleep(POLL)
            if clears != self._clears:
                return
        with self._guard:
            self._waiting += pcm

    def clear(self) -> None:
        """Drop at once what has not been played; a waiting `send` returns."""
        self._clears += 1
        with self._guard:
            self._waiting.clear()

    async def drain(self) -> None:
        """Wait until everything was played or cleared. If cancelled, nothing was lost."""
        while self._waiting and not self._closed:  # noqa: ASYNC110 - PortAudio's thread plays
            await anyio.sleep(POLL)
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Stop playing and let the device go. Idempotent; happens even if cancelled."""
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_close, stream)

    def _play(self, out: Any, _frames: int, _time: Any, _status: Any) -> None:
        # PortAudio's thread.
        with self._guard:
            data = bytes(self._waiting[: len(out)])
            del self._waiting[: len(data)]
        self._played += self.format.samples_in(len(data))
        out[:] = data.ljust(len(out), b"\0")
