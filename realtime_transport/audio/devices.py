"""The microphone and the loudspeaker, by PortAudio (extra ``devices``)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.audio._device_stream import DeviceStream, import_sounddevice
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.clock import Clock, EventLoopClock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Device", "Microphone", "Speaker", "list_devices"]

MAX_CAPTURED = 50
"""Blocks (500 ms) that wait for a reader; the oldest are dropped: nobody wants to send stale speech."""

MAX_PLAYING_MS = 60
"""What `Speaker.send` puts ahead of the loudspeaker before it waits; it is dropped by `Speaker.clear`."""

STALL_TIMEOUT = 5.0
"""Seconds without a call of PortAudio, which comes every 10 ms: longer than any device takes to start or to wake."""


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
    sounddevice = import_sounddevice()
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


@attrs.define(eq=False)
class _Opener:
    """Opens a device once, for whoever asks first."""

    make: Callable[[], DeviceStream]
    stream: DeviceStream | None = attrs.field(init=False, default=None)
    closed: bool = attrs.field(init=False, default=False)
    _lock: anyio.Lock = attrs.field(init=False, factory=anyio.Lock)

    async def open(self) -> DeviceStream:
        if self.closed:
            raise anyio.ClosedResourceError
        if self.stream is not None:
            return self.stream
        async with self._lock:
            if self.stream is None and not self.closed:
                stream = self.make()
                await stream.open()
                if self.closed:
                    await stream.aclose()
                else:
                    self.stream = stream
        if self.closed or self.stream is None:
            raise anyio.ClosedResourceError
        return self.stream

    async def aclose(self) -> None:
        self.closed = True
        if self.stream is not None:
            await self.stream.aclose()


@named_fields
@attrs.define(eq=False)
class Microphone:
    """An audio source: a microphone of this machine.

    It is opened by `open`, or at the first `receive`, and recorded from then on; what nobody takes for half a second
    is dropped, counted in `dropped_blocks`. The recording thread never waits for the event loop.

    Args:
        device: Name, part of a name, or index; ``None``: the default one.
        format: What `receive` returns; linear, and a rate that the device can do. 24 kHz is right for the service.
        stall_timeout: Seconds without audio after which the device counts as unplugged; ``None``: only if the system
            says so.
        clock: Where time comes from.
    """

    device: str | int | None = None
    format: AudioFormat = attrs.field(kw_only=True, default=AudioFormat.PCM24K)
    stall_timeout: float | None = attrs.field(kw_only=True, default=STALL_TIMEOUT)
    clock: Clock = attrs.field(kw_only=True, factory=EventLoopClock)
    live: bool = attrs.field(init=False, default=True)
    # The recording thread appends, which drops the oldest of a full deque, and counts; the loop takes, and counts.
    _blocks: deque[bytes] = attrs.field(init=False, factory=lambda: deque[bytes](maxlen=MAX_CAPTURED))
    _recorded: int = attrs.field(init=False, default=0)
    _taken: int = attrs.field(init=False, default=0)
    _opener: _Opener = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._opener = _Opener(self._make)

    @property
    def dropped_blocks(self) -> int:
        """Blocks of 10 ms that nobody took for half a second."""
        return max(0, self._recorded - self._taken - len(self._blocks))

    @property
    def overflows(self) -> int:
        """Blocks before which the system lost audio: the machine was too busy to record."""
        return 0 if self._opener.stream is None else self._opener.stream.overflows

    async def open(self) -> None:
        """Begin to record, unless it does. If cancelled while the device opens, it is open all the same.

        Raises:
            ConfigError: There is no such device, no device at all, or no PortAudio.
            MissingExtraError: sounddevice is not installed.
            anyio.ClosedResourceError: It was closed.
        """
        await self._opener.open()

    async def receive(self) -> bytes:
        """The next 10 ms or more. If cancelled, nothing was lost.

        Raises:
            ConfigError: As for `open`.
            MissingExtraError: As for `open`.
            DeviceLost: The device was unplugged, or stopped.
            anyio.ClosedResourceError: It was closed.
        """
        stream = await self._opener.open()
        while not self._blocks:
            if self._opener.closed:
                raise anyio.ClosedResourceError
            await stream.wait_for_call(lambda: bool(self._blocks))
        data = b""
        while self._blocks:
            data += self._blocks.popleft()
            self._taken += 1
        return data

    async def aclose(self) -> None:
        """Stop recording and let the device go. Idempotent; happens even if cancelled."""
        await self._opener.aclose()

    def _make(self) -> DeviceStream:
        return DeviceStream(
            kind="microphone",
            device=self.device,
            format=self.format,
            callback=self._record,
            clock=self.clock,
            stall_timeout=self.stall_timeout,
        )

    def _record(self, data: Any) -> None:
        # PortAudio's thread.
        self._blocks.append(bytes(data))
        self._recorded += 1


@named_fields
@attrs.define(eq=False)
class Speaker:
    """An audio sink: a loudspeaker of this machine. The playing thread never waits for the event loop.

    Args:
        device: Name, part of a name, or index; ``None``: the default one.
        format: What `send` takes; linear, and a rate that the device can do.
        stall_timeout: Seconds in which nothing of what waits is played, after which the device counts as unplugged;
            ``None``: only if the system says so.
        clock: Where time comes from.
    """

    device: str | int | None = None
    format: AudioFormat = attrs.field(kw_only=True, default=AudioFormat.PCM24K)
    stall_timeout: float | None = attrs.field(kw_only=True, default=STALL_TIMEOUT)
    clock: Clock = attrs.field(kw_only=True, factory=EventLoopClock)
    _playing: _PlayQueue = attrs.field(init=False, factory=lambda: _PlayQueue())
    _clears: int = attrs.field(init=False, default=0)
    _opener: _Opener = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._opener = _Opener(self._make)

    @property
    def samples_played(self) -> int:
        """Samples that were handed to the sound card."""
        return self.format.samples_in(self._playing.played)

    @property
    def underflows(self) -> int:
        """Blocks before which the system had nothing to play: the machine was too busy."""
        return 0 if self._opener.stream is None else self._opener.stream.underflows

    async def open(self) -> None:
        """Open the device, unless it is open. If cancelled while it opens, it is open all the same.

        Raises:
            ConfigError: There is no such device, no device at all, or no PortAudio.
            MissingExtraError: sounddevice is not installed.
            anyio.ClosedResourceError: It was closed.
        """
        await self._opener.open()

    async def send(self, pcm: bytes) -> None:
        """Play *pcm* after what was sent before; wait while 60 ms wait. If cancelled, nothing was taken.

        Raises:
            ConfigError: As for `open`.
            MissingExtraError: As for `open`.
            DeviceLost: The device was unplugged, or stopped.
            anyio.ClosedResourceError: It was closed.
        """
        stream = await self._opener.open()
        await anyio.lowlevel.checkpoint()
        clears = self._clears
        room = self.format.bytes_for(self.format.samples_for_ms(MAX_PLAYING_MS))
        while self._playing.waiting > room:
            await stream.wait_for_call(lambda: self._playing.waiting <= room)
            if self._opener.closed:
                raise anyio.ClosedResourceError
            if clears != self._clears:
                return
        self._playing.put(pcm)

    def clear(self) -> None:
        """Drop at once what has not been played; a waiting `send` returns."""
        self._clears += 1
        self._playing.clear()
        if self._opener.stream is not None:
            self._opener.stream.wake()

    async def drain(self) -> None:
        """Wait until everything was played or cleared. If cancelled, nothing was lost.

        Raises:
            DeviceLost: The device was unplugged, or stopped, with something left to play.
        """
        while self._playing.waiting and self._opener.stream is not None and not self._opener.closed:
            await self._opener.stream.wait_for_call(lambda: not self._playing.waiting)
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Stop playing and let the device go. Idempotent; happens even if cancelled."""
        await self._opener.aclose()

    def _make(self) -> DeviceStream:
        return DeviceStream(
            kind="loudspeaker",
            device=self.device,
            format=self.format,
            callback=self._playing.take,
            clock=self.clock,
            stall_timeout=self.stall_timeout,
        )


@attrs.define(eq=False)
class _PlayQueue:
    """What a loudspeaker is to play. One thread puts and clears, another takes; neither ever waits for the other.

    Each attribute is written by one of the threads alone. Positions are in bytes from the first that was put.

    Attributes:
        played: Bytes that were taken, and not cleared before.
    """

    _pieces: deque[tuple[int, bytes]] = attrs.field(factory=deque["tuple[int, bytes]"], init=False)
    _put: int = attrs.field(default=0, init=False)  # Where the next piece begins.
    _cleared: int = attrs.field(default=0, init=False)  # Nothing before this is to be played.
    _taken: int = attrs.field(default=0, init=False)  # Everything before this was taken.
    _rest: tuple[int, bytes] = attrs.field(default=(0, b""), init=False)
    played: int = attrs.field(default=0, init=False)

    @property
    def waiting(self) -> int:
        """Bytes that were neither taken nor cleared."""
        return self._put - max(self._cleared, self._taken)

    def put(self, data: bytes) -> None:
        start, self._put = self._put, self._put + len(data)
        self._pieces.append((start, bytes(data)))

    def clear(self) -> None:
        self._cleared = self._put
        self._pieces.clear()

    def take(self, out: Any) -> None:
        """Fill *out*, with silence where there is nothing to play."""
        data = b""
        while len(data) < len(out):
            start, piece = self._rest
            if not piece:
                try:
                    start, piece = self._pieces.popleft()
                except IndexError:
                    break
            if start < self._cleared:
                self._rest = (0, b"")
                continue
            part = piece[: len(out) - len(data)]
            self._rest = (start + len(part), piece[len(part) :])
            self._taken = start + len(part)
            data += part
        self.played += len(data)
        out[:] = data.ljust(len(out), b"\0")
