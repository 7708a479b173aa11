"""One WebRTC call: the conversation, its data channel and audio track, and the WebSockets beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import attrs
import orjson
import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.emulator.conversation.effects import (
    AbortConnection,
    CloseWith,
    Effect,
    GoSilent,
    SendFrame,
    SendServerEvent,
)
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.codec import decode_session, dumps, encode
from realtime_transport.rtc.host import Inbox
from realtime_transport.rtc.settings import PeerCallbacks, PeerOptions

from .playout import Playout
from .sdp_answer import service_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.clock import Clock
    from realtime_transport.emulator.conversation.conversation import Conversation
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.replies import Responder
    from realtime_transport.protocol.wire.model import ServerEvent
    from realtime_transport.rtc.host import AsyncioHost
    from realtime_transport.rtc.peer import Peer

__all__ = ["Call", "Sideband"]

OPEN_TIMEOUT = 15.0
"""Seconds that a client gets to open its data channel. ICE alone would wait for more than a minute."""

SILENCE_TIMEOUT = 15.0
"""Seconds without a packet after which a client counts as gone. A client that sends nothing else checks consent
(RFC 7675) every 4 to 6 seconds, and one of these checks may be lost."""

MAX_MESSAGE_BYTES = 256 * 1024
"""At a larger message the service closes the channel without an error, whatever size it announces."""

MAX_WAITING = 64 * 1024 * 1024

MAX_WAITING_EVENTS = 10_000
"""The number of events that may wait for a sideband that does not read."""

_CLEAR = "output_audio_buffer.clear"


@attrs.define(eq=False)
class Sideband:
    """A WebSocket on a call: the peer of its `WebSocketConnection`."""

    _call: Call
    wake: Callable[[], None] = attrs.field(init=False, default=lambda: None)
    """Called when there are effects; set by the connection."""
    _effects: list[Effect] = attrs.field(init=False, factory=list[Effect])

    def open(self, now: float) -> None:
        """Send the first event, and get what the call sends from now on."""
        self.push(SendServerEvent(self._call.greeting()))
        self._call.attach(self)

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a message, as if it had arrived over the data channel."""
        self._call.put(("message", data), len(data))

    def get_timer(self) -> float | None:
        """``None``: it has no timer."""
        return None

    def handle_timer(self, now: float) -> None:
        """Do nothing: there is no timer."""

    def detach(self) -> None:
        """Detach from the call, since the WebSocket has ended."""
        self._call.detach(self)

    def push(self, effect: Effect) -> None:
        """Queue an effect for the WebSocket. A client for which too many wait is disconnected."""
        if len(self._effects) >= MAX_WAITING_EVENTS:
            self._effects = [AbortConnection()]
            self.detach()
        else:
            self._effects.append(effect)
        self.wake()

    def take_effects(self) -> list[Effect]:
        """The effects on the connection."""
        effects, self._effects = self._effects, []
        return effects


@attrs.define(eq=False)
class Call:
    """A call from its offer to its end.

    Args:
        id: ``rtc_…``.
        conversation: The conversation.
        host: The event loop of WebRTC.
        ids: Makes event ids.
        clock: The clock.
        on_event: Called with each message, as ``("client" or "server", message)``.
        ice_lite: Whether to never start a connectivity check, as the service.
    """

    id: str
    conversation: Conversation
    _host: AsyncioHost
    _ids: IdSource
    _clock: Clock
    _on_event: Callable[[str, str | bytes], None] | None = None
    _ice_lite: bool = True
    _inbox: Inbox = attrs.field(init=False)
    _playout: Playout = attrs.field(init=False)
    _peer: Peer | None = attrs.field(init=False, default=None)
    _sidebands: list[Sideband] = attrs.field(init=False, factory=list[Sideband])
    _is_open: bool = attrs.field(init=False, default=False)
    _is_silent: bool = attrs.field(init=False, default=False)
    _is_over: bool = attrs.field(init=False, default=False)
    _hearing: Converter | None = attrs.field(init=False, default=None)
    _pending: list[Effect] = attrs.field(init=False, factory=list[Effect])
    """Events of the playout that wait to be sent."""

    def __attrs_post_init__(self) -> None:
        self._inbox = Inbox(self._host, MAX_WAITING)
        self._playout = Playout(lambda event: self.put(("event", event)))

    def put(self, item: tuple[str, Any], size: int = 1) -> None:
        """Queue an event of the call. May be called from any thread; never waits."""
        if not self._inbox.put(item, size):
            self._inbox.end()

    # Setting up

    async def answer(self, offer: str) -> str:
        """The SDP answer to *offer*.

        If cancelled, `aclose` releases what was made.

        Raises:
            NegotiationError: The offer cannot be used.
        """
        from realtime_transport.rtc.peer import Peer

        options = PeerOptions(loopback=True, silence_timeout=SILENCE_TIMEOUT, ice_lite=self._ice_lite)
        callbacks = PeerCallbacks(
            opened=lambda: self.put(("open", None)),
            message=lambda data: self.put(("message", data), len(data)),
            sound=lambda pcm: self.put(("sound", pcm), len(pcm)),
            closed=lambda why: self.put(("closed", why)),
        )

        async def make() -> Peer:
            return Peer(options, callbacks, self._playout.pull)

        self._peer = await self._host.run(make)
        answer = await self._host.run(self._peer.answer, offer)
        return service_answer(answer, ice_lite=self._ice_lite)

    @property
    def is_open(self) -> bool:
        """Whether the media is connected: only then can a sideband attach."""
        return self._is_open and not self._is_over

    def greeting(self) -> ServerEvent:
        """The ``session.updated`` that a sideband gets first."""
        session = decode_session(self.conversation.session)[0]
        return ev.SessionUpdated(event_id=self._ids("event"), session=session)

    def attach(self, sideband: Sideband) -> None:
        """Send *sideband* what is sent from now on."""
        self._sidebands.append(sideband)

    def detach(self, sideband: Sideband) -> None:
        """Remove a sideband whose WebSocket has ended."""
        if sideband in self._sidebands:
            self._sidebands.remove(sideband)

    def hang_up(self) -> None:
        """End the call."""
        self.put(("closed", "hung up"))

    # Running

    async def run(self) -> None:
        """Serve the call to its end. If cancelled, the call is closed."""
        record = self.conversation.record
        try:
            await self._serve()
        finally:
            record.is_open = False
            record.close_code = record.close_code or 1000
            for sideband in self._sidebands:
                sideband.push(CloseWith(1000, "the call has ended"))
            with anyio.CancelScope(shield=True):
                await self.aclose()

    async def aclose(self) -> None:
        """Close the WebRTC connection. Idempotent. If cancelled, it is closed all the same, a little later."""
        if self._peer is not None:
            await self._host.run(self._peer.close, True)

    async def _serve(self) -> None:
        deadline = self._clock.now() + OPEN_TIMEOUT
        while not self._is_over:
            timer = deadline if not self._is_open else self.conversation.get_timer()
            items: list[tuple[str, Any]] = []
            if timer is None or timer > self._clock.now():
                with self._clock.move_on_at(timer):
                    items = await self._inbox.receive()
                    self._is_over = not items
            else:
                await anyio.lowlevel.checkpoint()
                items = self._inbox.take()
            now = self._clock.now()
            if not self._is_open and now >= deadline:
                return
            for kind, value in items:
                self._take(kind, value, now)
            timer = self.conversation.get_timer()
            if self._is_open and timer is not None and timer <= now:
                self.conversation.handle_timer(now)
            await self._send(self._collect(now))

    def _take(self, kind: str, value: Any, now: float) -> None:
        match kind:
            case "open":
                self._is_open = True
                assert self._peer is not None
                self._host.call(self._peer.voice.open)
                self.conversation.open(now)
            case "message":
                self._receive(value, now)
            case "sound":
                self._hear(value, now)
            case "obey":
                self._obey(value, now)
            case "event":
                self._pending.append(SendServerEvent(self._numbered(value)))
            case _:
                self._is_over = True

    def _obey(self, directive: tuple[Responder, str], now: float) -> None:
        try:
            self.conversation.obey(*directive, now)
        except Refusal:
            return  # A response began since the call was asked.

    def _numbered(self, event: ServerEvent) -> ServerEvent:
        self.conversation.record.sent[event.type] += 1
        return attrs.evolve(event, event_id=self._ids("event"))

    def _receive(self, data: str | bytes, now: float) -> None:
        if self._is_silent:
            return
        if len(data) > MAX_MESSAGE_BYTES // 4 and _size(data) > MAX_MESSAGE_BYTES:
            self._is_over = True
            return
        if self._on_event is not None:
            self._on_event("client", data)
        if _is_clear(data):
            self.conversation.record.received[_CLEAR] += 1
            self._playout.clear()
        else:
            self.conversation.receive(data, now)

    def _hear(self, pcm: bytes, now: float) -> None:
        if not self._is_open or self._is_silent:
            return
        wanted = self.conversation.input_format
        if self._hearing is None or self._hearing.target != wanted:
            self._hearing = Converter(AudioFormat.PCM24K, wanted)
        audio = self._hearing.process(pcm)
        if audio:
            self.conversation.hear(audio, now)

    # What the conversation wants done

    def _collect(self, now: float) -> list[str]:
        texts: list[str] = []
        effects = [*self.conversation.take_effects(), *self._pending]
        self._pending.clear()
        for effect in effects:
            match effect:
                case SendServerEvent(event=ev.ResponseOutputAudioDelta() as delta):
                    self._play(delta)
                    continue
                case SendServerEvent(event=event):
                    self._follow(event)
                    texts.append(dumps(encode(event)))
                case SendFrame(text=text):
                    texts.append(text)
                case GoSilent():
                    self._is_silent = True
                case _:
                    self._is_over = True
            for sideband in tuple(self._sidebands):
                sideband.push(effect)
        return texts

    def _play(self, delta: ev.ResponseOutputAudioDelta) -> None:
        # Audio goes by the track, never over the data channel.
        output = self.conversation.session["audio"]["output"]["format"]
        audio = pybase64.b64decode(cast("str", delta.delta))
        self._playout.add(cast("str", delta.response_id), audio, AudioFormat.parse(output))

    def _follow(self, event: ServerEvent) -> None:
        match event:
            case ev.InputAudioBufferSpeechStarted():
                detection: dict[str, Any] = self.conversation.session["audio"]["input"]["turn_detection"] or {}
                if detection.get("interrupt_response"):
                    self._playout.clear()
            case ev.ResponseDone(response=response):
                self._playout.finish(cast("Any", response).id)
            case _:
                pass

    async def _send(self, texts: list[str]) -> None:
        if not texts or self._peer is None or not self._is_open:
            return
        if self._on_event is not None:
            for text in texts:
                self._on_event("server", text)
        limit = self._peer.max_message_bytes
        try:
            await self._host.run(self._peer.send, [_fitted(text, limit) for text in texts])
        except ConnectionError:
            self._is_over = True


def _fitted(text: str, limit: int) -> str:
    """*text*, without the audio that it holds if it is too large for the data channel: an item that was retrieved."""
    if len(text) * 4 <= limit or len(text.encode()) <= limit:
        return text
    event = orjson.loads(text)
    for part in event.get("item", {}).get("content", ()):
        part.pop("audio", None)
    shorter = orjson.dumps(event)
    if len(shorter) <= limit:
        return shorter.decode()
    error = {"type": "server_error", "code": "message_too_large", "param": None, "event_id": None}
    error["message"] = f"An event of type '{event['type']}' is too large for the data channel."
    return orjson.dumps({"type": "error", "event_id": event.get("event_id"), "error": error}).decode()


def _size(data: str | bytes) -> int:
    return len(data.encode()) if isinstance(data, str) else len(data)


def _is_clear(data: str | bytes) -> bool:
    if _CLEAR not in (data if isinstance(data, str) else data.decode("utf-8", "replace")):
        return False
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return isinstance(event, dict) and cast("dict[str, Any]", event).get("type") == _CLEAR
