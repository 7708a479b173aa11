"""The telephone side of one connection: its tasks, and what connects them with the engine and the hub."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from realtime_transport.connection.hub import Tap
from realtime_transport.errors import DecodeError, RealtimeError, TransportError
from realtime_transport.late_classes import define, frozen
from realtime_transport.protocol.engine.events import AudioDoneEvent, AudioEvent, ErrorEvent
from realtime_transport.protocol.wire.server_events import (
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    SessionUpdated,
)

from ..endpoint.media import Media
from .messages import PhoneMark, PhoneMedia, PhoneMessage, PhoneStarted, PhoneStopped
from .sockets import SocketEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from realtime_transport.clock import Clock
    from realtime_transport.connection.hub import Hub
    from realtime_transport.connection.interface import Event
    from realtime_transport.protocol.engine.engine import Engine

    from .codec import MediaCodec
    from .intake import Intake
    from .liveness import Liveness
    from .playout import Heard, Playout
    from .sockets import PhoneSocket
    from .transcoding import Transcoder

__all__ = ["ModelSide", "PhoneLeg", "PhoneLine"]

logger: logging.Logger = logging.getLogger("realtime_transport")

START_TIMEOUT = 5.0
"""Seconds that audio of the model waits for the stream to start before an error is reported: providers send ``start``
first."""


@define(kw_only=True)
class PhoneLine:
    """The state that lasts as long as the provider's socket, over all connections to the model.

    Attributes:
        started: The start of the stream, once it is known.
    """

    socket: PhoneSocket
    codec: MediaCodec
    playout: Playout
    intake: Intake
    liveness: Liveness
    started: PhoneStarted | None = None

    def start(self, started: PhoneStarted) -> list[Heard]:
        """Note the start of a stream. Returns what an earlier stream has played."""
        if self.started is None or (started.stream_id, started.audio_format) != (
            self.started.stream_id,
            self.started.audio_format,
        ):
            self.intake.start(started.audio_format)
        self.started = started
        return self.playout.start(started.stream_id)


@frozen()
class ModelSide:
    """The part of the connection to the model that a leg uses.

    Attributes:
        is_open: Whether there is a connection; audio that arrives without one is dropped.
        send: Sends audio to the server; waits for room.
        close: Begins to close the connection.
    """

    is_open: Callable[[], bool]
    send: Callable[[bytes], Awaitable[None]]
    close: Callable[[], None]


@define(kw_only=True)
class PhoneLeg(Media):
    """Carries audio between the provider's socket and the engine for one connection.

    Args:
        line: The telephone.
        model: The connection to the model.
        formats: The formats of both sides.
        engine: Takes the positions of playback.
        hub: Publishes the provider's messages as events.
        clock: The clock.
    """

    _line: PhoneLine = attrs.field(alias="line")
    _model: ModelSide = attrs.field(alias="model")
    _formats: Transcoder = attrs.field(alias="formats")
    _engine: Engine = attrs.field(alias="engine")
    _hub: Hub = attrs.field(alias="hub")
    _clock: Clock = attrs.field(alias="clock")
    _start_due: float | None = attrs.field(default=None, init=False)
    _playout_wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _timer_wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _heard: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _over: bool = attrs.field(default=False, init=False)

    # The interface for the connection

    def pumps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        return [("telephone writer", self._write), ("telephone timer", self._time)]

    def companions(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        # The telephone does not wait for the model: the caller may hang up while it connects, and what the caller says
        # before the connection is open must not be sent later.
        return [("telephone reader", self._read)]

    def tap(self) -> Tap:
        return Tap(accepts=lambda kind: issubclass(kind, _TAPPED), put=self._put, withdraw=self._withdraw)

    def _put(self, event: Event) -> None:
        match cast("object", event):
            case AudioEvent() as audio:
                self._play(audio)
            case AudioDoneEvent() as done:
                self._finish(done)
            case ResponseCreated() as created:
                self._formats.response_created(created)
            case InputAudioBufferSpeechStarted():
                self._line.intake.speech_started()
                self._timer_wake.set()
            case InputAudioBufferSpeechStopped():
                self._line.intake.speech_stopped()
            case SessionUpdated() as updated:
                self._formats.session_updated(updated)
            case _:
                pass

    def _play(self, event: AudioEvent) -> None:
        if not event.item_id:  # Audio without an item could not be truncated.
            return
        playout, formats = self._line.playout, self._formats
        audio = formats.to_caller(event.data, event.response_id)
        rate = formats.output_format(event.response_id).rate
        playout.play(event.response_id, event.item_id, event.content_index, audio, rate)
        self._playout_wake.set()
        if playout.waits_for_start and self._start_due is None:
            self._start_due = self._clock.now() + START_TIMEOUT
            self._timer_wake.set()

    def _finish(self, event: AudioDoneEvent) -> None:
        playout, rest = self._line.playout, self._formats.end_of_part(event.response_id)
        if rest:
            playout.play(event.response_id, event.item_id, event.content_index, rest)
        playout.finish(event.response_id, event.item_id, event.content_index)
        self._playout_wake.set()

    def _withdraw(self, _responses: frozenset[str]) -> None:
        # A provider can clear only its whole buffer.
        self._formats.clear()
        self._line.playout.clear()
        self._playout_wake.set()
        self._heard.set()

    async def drained(self) -> None:
        """Wait until the caller has heard everything, or the connection ends. If cancelled, nothing has changed."""
        while not (self._line.playout.idle or self._over):
            self._heard = anyio.Event()
            await self._heard.wait()

    # Tasks

    async def _read(self) -> None:
        line = self._line
        line.liveness.heard(self._clock.now())
        self._timer_wake.set()
        try:
            while True:
                data = await line.socket.receive()
                line.liveness.heard(self._clock.now())
                try:
                    message = line.codec.decode(data)
                except DecodeError as exc:
                    self._emit_error(exc)
                else:
                    await self._handle(message)
        except SocketEnded as exc:
            logger.debug("the telephone has gone: %s", exc)
        except RealtimeError:
            return  # The connection to the model has ended, and reports that itself.
        except Exception as exc:  # noqa: BLE001 - whatever the server's framework raises for a broken socket
            self._emit_broken(exc)
        self._model.close()

    async def _handle(self, message: PhoneMessage) -> None:
        self._publish(message)
        match message:
            case PhoneMedia():
                await self._media(message)
            case PhoneMark():
                heard = self._line.playout.reach(message.name)
                if heard is not None:
                    self._report(heard)
                    self._heard.set()
            case PhoneStarted():
                self._start(message)
            case PhoneStopped():
                self._model.close()
            case _:
                pass
        if message.problem is not None:
            self._emit_error(message.problem)

    def _start(self, started: PhoneStarted) -> None:
        for heard in self._line.start(started):
            self._report(heard)
        self._formats.caller = started.audio_format
        self._playout_wake.set()

    async def _media(self, message: PhoneMedia) -> None:
        line = self._line
        if line.started is None and message.stream_id is not None:
            # The application has read the start message itself.
            self._start(PhoneStarted(stream_id=message.stream_id, audio_format=line.codec.audio_format))
        if not self._model.is_open():
            line.intake.reset()
            return
        if line.started is not None and line.started.problem is not None:
            return  # Audio in an encoding that the model does not know.
        pieces = line.intake.receive(message.audio, message.timestamp_ms, self._clock.now(), message.chunk)
        self._timer_wake.set()
        await self._send(pieces)

    async def _send(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            audio = self._formats.to_model(piece)
            if audio:
                await self._model.send(audio)

    def _report(self, heard: Heard) -> None:
        self._engine.audio_played(heard.item_id, heard.content_index, heard.samples)
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
            self._emit_broken(exc)
        finally:
            playout.forget()
            self._line.intake.reset()
            self._over = True
            self._heard.set()
        self._model.close()

    async def _time(self) -> None:
        line, clock = self._line, self._clock
        while True:
            self._timer_wake = anyio.Event()
            deadlines = (line.intake.get_timer(), line.liveness.get_timer(), self._start_due)
            with clock.move_on_at(min((at for at in deadlines if at is not None), default=None)):
                await self._timer_wake.wait()
            now = clock.now()
            await self._send(line.intake.handle_timer(now))
            self._check_start(now)
            match line.liveness.handle_timer(now):
                case "ask":
                    line.playout.ask()
                    self._playout_wake.set()
                case "gone":
                    self._emit_error(TransportError(f"the telephone has sent nothing for {line.liveness.timeout:g} s"))
                    self._model.close()
                    return
                case None:
                    pass

    def _check_start(self, now: float) -> None:
        if self._start_due is None or now < self._start_due:
            return
        self._start_due = None
        if self._line.playout.waits_for_start:
            self._emit_error(
                TransportError(
                    f"the provider has not said within {START_TIMEOUT:g} s that the stream has started, and audio of "
                    "the model waits for it; if the application has read that message itself, pass it as start="
                )
            )

    # Events

    def _emit_broken(self, exc: Exception) -> None:
        error = TransportError(f"the socket of the telephone broke: {str(exc) or type(exc).__name__}")
        error.__cause__ = exc
        self._emit_error(error)

    def _emit_error(self, error: RealtimeError) -> None:
        self._hub.publish([ErrorEvent(error=error, sequence=self._engine.next_sequence())])

    def _publish(self, message: PhoneMessage) -> None:
        if self._hub.wants(type(message)):
            self._hub.publish([attrs.evolve(message, sequence=self._engine.next_sequence())])


_TAPPED = (
    AudioEvent,
    AudioDoneEvent,
    ResponseCreated,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    SessionUpdated,
)
"""The events of the connection that the telephone needs."""
