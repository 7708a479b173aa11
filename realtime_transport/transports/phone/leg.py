"""The telephone side of one connection: its tasks, and its joints with the engine and the hub."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from realtime_transport.connection.subscription import Tap
from realtime_transport.errors import DecodeError, RealtimeError, TransportError
from realtime_transport.protocol.engine.events import AudioDoneEvent, AudioEvent, ErrorEvent
from realtime_transport.protocol.wire.server_events import (
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
)

from ..media import Media
from .messages import PhoneMark, PhoneMedia, PhoneMessage, PhoneStarted, PhoneStopped
from .sockets import SocketEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from realtime_transport.clock import Clock
    from realtime_transport.connection.interface import Event
    from realtime_transport.connection.subscription import Hub
    from realtime_transport.protocol.engine.engine import Engine

    from .codec import MediaCodec
    from .intake import Intake
    from .playout import Heard, Playout
    from .sockets import PhoneSocket

__all__ = ["PhoneLeg", "PhoneLine"]

logger: logging.Logger = logging.getLogger("realtime_transport")


@attrs.define(eq=False, kw_only=True)
class PhoneLine:
    """What lasts as long as the provider's socket, over all connections to the model.

    Attributes:
        silence_timeout: Seconds without any message after which the provider counts as gone; ``None``: never.
        started: The start of the stream, once it has come.
    """

    socket: PhoneSocket
    codec: MediaCodec
    playout: Playout
    intake: Intake
    silence_timeout: float | None
    started: PhoneStarted | None = None


@attrs.define(eq=False, kw_only=True)
class PhoneLeg(Media):
    """Carries audio between the provider's socket and the engine, while one connection lasts.

    Args:
        line: The telephone.
        is_open: Whether there is a connection; audio that comes without one is dropped.
        send: Sends audio to the server; waits for room.
        close: Begins to close the connection.
    """

    _line: PhoneLine = attrs.field(alias="line")
    _engine: Engine = attrs.field(alias="engine")
    _hub: Hub = attrs.field(alias="hub")
    _clock: Clock = attrs.field(alias="clock")
    _is_open: Callable[[], bool] = attrs.field(alias="is_open")
    _send: Callable[[bytes], Awaitable[None]] = attrs.field(alias="send")
    _close: Callable[[], None] = attrs.field(alias="close")
    _active: object = attrs.field(default=None, init=False)
    _heard_at: float = attrs.field(default=0.0, init=False)
    _playout_wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _timer_wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _news: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _over: bool = attrs.field(default=False, init=False)

    # The joints with the connection

    def pumps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        return [("telephone writer", self._write), ("telephone timer", self._time)]

    def companions(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        # The telephone does not wait for the model: it may hang up meanwhile, and what it said is old news afterwards.
        return [("telephone reader", self._read)]

    def tap(self) -> Tap:
        return Tap(accepts=lambda kind: issubclass(kind, tuple(_TAPPED)), put=self._put, withdraw=self._withdraw)

    def _put(self, event: Event) -> None:
        _TAPPED[type(event)](self, cast("Any", event))

    def _audio(self, event: AudioEvent) -> None:
        if event.item_id:  # What belongs to no item could not be truncated.
            self._line.playout.play(event.response_id, event.item_id, event.content_index, event.data)
            self._playout_wake.set()

    def _audio_done(self, event: AudioDoneEvent) -> None:
        self._line.playout.finish(event.response_id, event.item_id, event.content_index)
        self._playout_wake.set()

    def _response_created(self, event: ResponseCreated) -> None:
        self._active = _response_id(event)

    def _response_done(self, event: ResponseDone) -> None:
        if self._active == _response_id(event):
            self._active = None

    def _speech_started(self, _event: InputAudioBufferSpeechStarted) -> None:
        self.interrupted()
        self._line.intake.speech_started()
        self._timer_wake.set()

    def _speech_stopped(self, _event: InputAudioBufferSpeechStopped) -> None:
        self._line.intake.speech_stopped()

    def _withdraw(self, _responses: frozenset[str]) -> None:
        self._clear()

    def interrupted(self) -> None:
        """An interruption: where the active response has not been heard yet, nothing was withdrawn."""
        if self._active is not None:
            self._clear()

    def _clear(self) -> None:
        self._active = None
        self._line.playout.clear()
        self._playout_wake.set()
        self._news.set()

    async def drained(self) -> None:
        """Wait until the caller has heard everything, or the connection ends."""
        while not (self._line.playout.idle or self._over):
            self._news = anyio.Event()
            await self._news.wait()

    # Tasks

    async def _read(self) -> None:
        line = self._line
        self._heard_at = self._clock.now()
        self._timer_wake.set()
        try:
            while True:
                data = await line.socket.receive()
                self._heard_at = self._clock.now()
                try:
                    message = line.codec.decode(data)
                except DecodeError as exc:
                    self._tell(exc)
                else:
                    await self._handle(message)
        except SocketEnded as exc:
            logger.debug("the telephone has gone: %s", exc)
        except RealtimeError:
            return  # The connection to the model has ended meanwhile, and says so itself.
        except Exception as exc:  # noqa: BLE001 - whatever the server's framework raises for a broken socket
            self._tell_broken(exc)
        self._close()

    async def _handle(self, message: PhoneMessage) -> None:
        self._publish(message)
        line = self._line
        match message:
            case PhoneMedia() if self._is_open():
                for piece in line.intake.receive(message.audio, message.timestamp_ms, self._clock.now()):
                    await self._send(piece)
                self._timer_wake.set()
            case PhoneMark():
                heard = line.playout.reach(message.name)
                if heard is not None:
                    self._report(heard)
                    self._news.set()
            case PhoneStarted():
                line.started = message
                line.intake.start(message.audio_format)
                for heard in line.playout.start(message.stream_id):
                    self._report(heard)
                self._playout_wake.set()
            case PhoneStopped():
                self._close()
            case _ if message.problem is not None:
                self._tell(message.problem)
            case _:
                pass

    def _report(self, heard: Heard) -> None:
        now = self._clock.now()
        self._engine.audio_played(heard.item_id, heard.content_index, heard.samples, now)
        if heard.finished:
            self._engine.audio_finished(heard.item_id, heard.content_index)

    async def _write(self) -> None:
        playout, socket, clock = self._line.playout, self._line.socket, self._clock
        try:
            while True:
                self._playout_wake = anyio.Event()
                while (text := playout.take(clock.now())) is not None:
                    await socket.send(text)
                with clock.move_on_at(playout.get_timer()):
                    await self._playout_wake.wait()
        except SocketEnded as exc:
            logger.debug("the telephone has gone: %s", exc)
        except Exception as exc:  # noqa: BLE001 - as above
            self._tell_broken(exc)
        finally:
            playout.forget()
            self._line.intake.reset()
            self._over = True
            self._news.set()
        self._close()

    async def _time(self) -> None:
        line, clock = self._line, self._clock
        while True:
            self._timer_wake = anyio.Event()
            gone_at = None if line.silence_timeout is None else self._heard_at + line.silence_timeout
            deadlines = [deadline for deadline in (line.intake.get_timer(), gone_at) if deadline is not None]
            with clock.move_on_at(min(deadlines, default=None)):
                await self._timer_wake.wait()
            now = clock.now()
            silence = line.intake.handle_timer(now)
            if silence is not None:
                await self._send(silence)
            if gone_at is not None and now >= self._heard_at + (line.silence_timeout or 0.0):
                self._tell(TransportError(f"the telephone has sent nothing for {line.silence_timeout:g} s"))
                self._close()
                return

    # Telling

    def _tell_broken(self, exc: Exception) -> None:
        error = TransportError(f"the socket of the telephone broke: {exc or type(exc).__name__}")
        error.__cause__ = exc
        self._tell(error)

    def _tell(self, error: RealtimeError) -> None:
        self._hub.publish([ErrorEvent(error=error, sequence=self._engine.next_sequence())])

    def _publish(self, message: PhoneMessage) -> None:
        if self._hub.wants(type(message)):
            object.__setattr__(message, "sequence", self._engine.next_sequence())
            self._hub.publish([message])


_TAPPED: dict[type[Any], Callable[[PhoneLeg, Any], None]] = {
    AudioEvent: PhoneLeg._audio,  # pyright: ignore[reportPrivateUsage]
    AudioDoneEvent: PhoneLeg._audio_done,  # pyright: ignore[reportPrivateUsage]
    ResponseCreated: PhoneLeg._response_created,  # pyright: ignore[reportPrivateUsage]
    ResponseDone: PhoneLeg._response_done,  # pyright: ignore[reportPrivateUsage]
    InputAudioBufferSpeechStarted: PhoneLeg._speech_started,  # pyright: ignore[reportPrivateUsage]
    InputAudioBufferSpeechStopped: PhoneLeg._speech_stopped,  # pyright: ignore[reportPrivateUsage]
}
"""What of the connection's events concerns the telephone."""


def _response_id(event: ResponseCreated | ResponseDone) -> object:
    response = event.raw.get("response")
    return cast("dict[str, Any]", response).get("id") if isinstance(response, dict) else None
