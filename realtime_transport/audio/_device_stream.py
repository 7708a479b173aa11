"""One stream of PortAudio, and how its thread wakes the event loop without ever waiting for it."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from realtime_transport.errors import ConfigError, DeviceLost, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.clock import Clock

__all__ = ["DeviceStream", "import_sounddevice"]

logger: logging.Logger = logging.getLogger("realtime_transport")

BLOCK_MS = 10
"""What PortAudio brings or takes at once: half a frame, so that a frame waits for no more than that."""


def import_sounddevice() -> Any:
    """The module.

    Raises:
        MissingExtraError: It is not installed.
        ConfigError: PortAudio, the system library, is not.
    """
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


@attrs.define(eq=False, kw_only=True)
class DeviceStream:
    """A stream of PortAudio, opened by `open`. Its owner's callback runs in PortAudio's thread.

    Args:
        kind: ``"microphone"`` or ``"loudspeaker"``.
        device: Name, part of a name, or index; ``None``: the default one.
        format: The samples.
        callback: Called with the buffer of a block, in PortAudio's thread; it must not wait.
        clock: Where time comes from.
        stall_timeout: Seconds without a call of PortAudio after which the device counts as gone.

    Attributes:
        overflows: Blocks before which PortAudio lost input, because the machine was too busy.
        underflows: Blocks before which PortAudio had no output.
    """

    kind: str
    device: str | int | None
    format: AudioFormat
    callback: Callable[[Any], None]
    clock: Clock
    stall_timeout: float | None
    overflows: int = attrs.field(init=False, default=0)
    underflows: int = attrs.field(init=False, default=0)
    _calls: int = attrs.field(init=False, default=0)
    _stopped: bool = attrs.field(init=False, default=False)
    _closing: bool = attrs.field(init=False, default=False)
    _stream: Any = attrs.field(init=False, default=None)
    _waiters: deque[anyio.Event] = attrs.field(init=False, factory=deque[anyio.Event])
    _call_soon: Callable[[Callable[[], object]], object] = attrs.field(init=False, factory=lambda: _loop_caller())

    async def open(self) -> None:
        """Open the device and start it. If cancelled, it is open all the same.

        Raises:
            ConfigError: There is no such device, no device at all, or no PortAudio.
            MissingExtraError: sounddevice is not installed.
        """
        with anyio.CancelScope(shield=True):  # PortAudio cannot be cancelled, and opens in milliseconds.
            await anyio.to_thread.run_sync(self._open)

    async def aclose(self) -> None:
        """Let the device go. Happens even if cancelled."""
        self._closing = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)
        self.wake()

    async def wait_for_call(self, ready: Callable[[], bool]) -> None:
        """Wait until PortAudio has called, or `wake`; return at once if *ready*. If cancelled, nothing has changed.

        Raises:
            DeviceLost: The device has stopped, or has not called for ``stall_timeout`` seconds.
        """
        calls, event = self._calls, anyio.Event()
        self._waiters.append(event)  # Before looking: what PortAudio does from here on sets it.
        if ready():
            return
        self._raise_if_stopped()
        deadline = None if self.stall_timeout is None else self.clock.now() + self.stall_timeout
        with self.clock.move_on_at(deadline):
            await event.wait()
        # A loop that was blocked for as long sees the deadline first, and the calls that were made meanwhile.
        if not event.is_set() and calls == self._calls:
            logger.warning("the %s has stopped: nothing for %g s", self.kind, self.stall_timeout)
            self._stopped = True
        if not ready():
            self._raise_if_stopped()

    def wake(self) -> None:
        """Let those who wait look again. For the event loop's thread."""
        while self._waiters:
            self._waiters.popleft().set()

    def _raise_if_stopped(self) -> None:
        if self._stopped and not self._closing:
            raise DeviceLost(f"the {self.kind} has stopped: it was unplugged, or its system let it down")

    # In worker threads

    def _open(self) -> None:
        sounddevice = import_sounddevice()
        make = sounddevice.RawInputStream if self.kind == "microphone" else sounddevice.RawOutputStream
        try:
            self._stream = make(
                samplerate=self.format.rate,
                blocksize=self.format.samples_for_ms(BLOCK_MS),
                device=self.device,
                channels=1,
                dtype="int16",
                latency="low",
                callback=self._called,
                finished_callback=self._finished,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self._close()
            which = "no default one" if self.device is None else f"not {self.device!r}"
            raise ConfigError(
                f"there is no {self.kind} that can be used, {which}: {error}. "
                "`realtime-transport talk --list-devices` shows what there is",
                key="device",
            ) from error

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        error_type = import_sounddevice().PortAudioError
        for step in (stream.abort, stream.close):
            try:
                step()
            except error_type as error:  # A device that was unplugged cannot be stopped; it is to be closed anyway.
                logger.debug("closing the %s: %s", self.kind, error)

    # In PortAudio's thread, which must not wait: samples are lost meanwhile

    def _called(self, data: Any, _frames: int, _time: Any, status: Any) -> None:
        if status:
            self.overflows += bool(status.input_overflow)
            self.underflows += bool(status.output_underflow)
        self.callback(data)
        self._calls += 1
        self._wake_loop()

    def _finished(self) -> None:
        if not self._closing:
            logger.warning("the %s has stopped", self.kind)
        self._stopped = True
        self._wake_loop()

    def _wake_loop(self) -> None:
        while True:
            try:
                event = self._waiters.popleft()
            except IndexError:
                return
            try:
                self._call_soon(event.set)
            except RuntimeError:  # The event loop has ended: nobody waits any more.
                return


def _loop_caller() -> Callable[[Callable[[], object]], object]:
    """How another thread has the running event loop call a function, without waiting for it."""
    token = anyio.lowlevel.current_token()
    native: Any = token.native_token
    # trio's token, and asyncio's loop.
    return native.run_sync_soon if hasattr(native, "run_sync_soon") else native.call_soon_threadsafe
