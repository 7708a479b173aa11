"""The audio of a WebRTC connection: from a source to the local track, from the server's track to a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from realtime_transport.audio.capture import CapturePump
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.connection.hub import Tap
from realtime_transport.late_classes import define
from realtime_transport.protocol.engine.events import AudioEvent
from realtime_transport.protocol.wire.server_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    SessionUpdated,
)
from realtime_transport.rtc.host import Inbox

from .endpoint.media import Media

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AsyncExitStack

    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.clock import Clock
    from realtime_transport.connection.hub import Hub
    from realtime_transport.connection.interface import Event
    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.rtc.host import AsyncioHost
    from realtime_transport.rtc.peer import Peer

    from .endpoint.observer import WireObserver

__all__ = ["DEFAULT_DEVICE", "WebRTCMedia"]

DEFAULT_DEVICE = "default"

MAX_WAITING = 15
"""The number of the server's frames that wait for the sink: 300 ms. More wait only after a stall of this process or the
sink."""

DISCARD = 1.0
"""Seconds after an interruption during which arriving audio is dropped, unless the server reports that it has cleared
its buffer or begun to play again."""

STRAGGLERS = 0.1
"""Seconds that audio from before the server's ``cleared`` may still be in the jitter buffer."""

_WATCHED = (SessionUpdated, OutputAudioBufferStarted, OutputAudioBufferStopped, OutputAudioBufferCleared)


@define()
class WebRTCMedia(Media):
    """Holds back the user's audio until the session is configured, and drops the server's audio at an interruption.

    Args:
        source_or_device: The source of the user's audio, or a device by name or index; ``None``: silence.
        sink_or_device: The sink of the server's audio, or a device by name or index; ``None``: none.
        hub: Publishes audio events.
        engine: Numbers them.
        clock: The clock.
        muted: Whether to begin muted.
        observers: They get the audio of both directions.
    """

    source_or_device: AudioSource | str | int | None = attrs.field(kw_only=True)
    sink_or_device: AudioSink | str | int | None = attrs.field(kw_only=True)
    hub: Hub = attrs.field(kw_only=True)
    engine: Engine = attrs.field(kw_only=True)
    clock: Clock = attrs.field(kw_only=True)
    muted: bool = attrs.field(kw_only=True)
    observers: Sequence[WireObserver] = attrs.field(kw_only=True, default=())
    inbox: Inbox | None = attrs.field(init=False, default=None)
    _sink: AudioSink | None = attrs.field(init=False, default=None)
    _host: AsyncioHost | None = attrs.field(init=False, default=None)
    _peer: Peer | None = attrs.field(init=False, default=None)
    _configured: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _response_id: str = attrs.field(init=False, default="")
    _discard_until: float = attrs.field(init=False, default=float("-inf"))

    def __attrs_post_init__(self) -> None:
        source = self._device(self.source_or_device, "Microphone")
        if source is not None:
            # Silence while muted: the server's turn detection must see the end of speech.
            self.capture: CapturePump | None = CapturePump(
                cast("AudioSource", source),
                AudioFormat.PCM24K,
                send=self._send,
                when_muted="silence",
                clock=self.clock,
                muted=self.muted,
            )
        self._sink = cast("AudioSink | None", self._device(self.sink_or_device, "Speaker"))

    def _device(self, given: object, kind: str) -> Any:
        if not isinstance(given, str | int):
            return given
        from realtime_transport.audio import devices

        return getattr(devices, kind)(None if given == DEFAULT_DEVICE else given)

    async def open(self, stack: AsyncExitStack) -> None:
        """Open the devices that were given by name; *stack* closes them, also if this is cancelled.

        Sources and sinks that were passed in are left as they are.

        Raises:
            ConfigError: There is no such device.
            MissingExtraError: sounddevice is not installed.
        """
        if isinstance(self.source_or_device, str | int) and self.capture is not None:
            stack.push_async_callback(self.capture.source.aclose)
            await cast("Any", self.capture.source).open()
        if isinstance(self.sink_or_device, str | int) and self._sink is not None:
            stack.push_async_callback(self._sink.aclose)
            await cast("Any", self._sink).open()

    def prepare(self, host: AsyncioHost) -> Callable[[bytes], None]:
        """The function that takes the frames of the server's audio, for calls from *host*."""
        inbox = self.inbox = Inbox(host, MAX_WAITING, drop_oldest=True)

        def put(frame: bytes) -> None:
            inbox.put(frame)

        return put

    def attach(self, host: AsyncioHost, peer: Peer) -> None:
        """Set the peer that sends the user's audio."""
        self._host, self._peer = host, peer

    def pumps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The tasks to run, by name."""
        pumps: list[tuple[str, Callable[[], Awaitable[None]]]] = [("playback pump", self._play)]
        if self.capture is not None:
            pumps.append(("capture pump", self._capture))
        return pumps

    def tap(self) -> Tap:
        """The tap for the server's events that concern the audio."""
        return Tap(
            accepts=lambda kind: issubclass(kind, _WATCHED), put=self._watch, withdraw=lambda _: self._drop(DISCARD)
        )

    def refresh(self) -> None:
        """Do nothing: the server plays the audio, and knows the position."""

    def _drop(self, seconds: float) -> None:
        """Drop audio that has not been played, and what arrives within *seconds*."""
        self._discard_until = self.clock.now() + seconds
        if self.inbox is not None:
            self.inbox.take()
        if self._sink is not None:
            self._sink.clear()

    def _watch(self, event: Event) -> None:
        match event:
            case SessionUpdated():
                self._configured.set()
                if self._host is not None and self._peer is not None:
                    self._host.call(self._peer.voice.open)
            case OutputAudioBufferStarted(response_id=response_id):
                self._response_id = response_id if isinstance(response_id, str) else ""
                self._discard_until = float("-inf")
            case OutputAudioBufferStopped():
                self._response_id = ""
            case OutputAudioBufferCleared():
                self._response_id = ""
                self._drop(STRAGGLERS)
            case _:
                pass

    async def _capture(self) -> None:
        await self._configured.wait()
        assert self.capture is not None
        await self.capture.run()

    async def _send(self, frame: bytes) -> None:
        assert self._host is not None
        assert self._peer is not None
        self._host.call(self._peer.voice.put, frame)
        for observer in self.observers:
            observer.media(frame, sent=True)

    async def _play(self) -> None:
        assert self.inbox is not None
        sink = self._sink
        converter = None if sink is None else Converter(AudioFormat.PCM24K, sink.format)
        while frames := await self.inbox.receive():
            if self.clock.now() < self._discard_until:
                continue
            pcm = b"".join(frames)
            for observer in self.observers:
                observer.media(pcm, sent=False)
            if self.hub.wants(AudioEvent):
                self.hub.publish([self._event(pcm)])
            if sink is not None and converter is not None:
                await sink.send(converter.process(pcm))

    def _event(self, pcm: bytes) -> AudioEvent:
        engine, response_id = self.engine, self._response_id
        item_id, content_index = engine.part_played_by_server(response_id)
        return AudioEvent(
            data=pcm,
            response_id=response_id,
            item_id=item_id,
            content_index=content_index,
            sequence=engine.next_sequence(),
        )
