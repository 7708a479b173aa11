"""The audio of one connection: from a source to the outbox, from the engine to a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.connection.hub import Tap
from realtime_transport.late_classes import define, frozen
from realtime_transport.protocol.engine.events import AudioEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from realtime_transport.audio.capture import CapturePump
    from realtime_transport.audio.playback import PlaybackPump
    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.connection.hub import Hub
    from realtime_transport.connection.interface import Event
    from realtime_transport.protocol.engine.engine import Engine

    from .observer import WireObserver
    from .options import Settings

__all__ = ["Media", "MediaContext"]


@frozen()
class MediaContext:
    """What the media of one connection are made of.

    Attributes:
        settings: The audio source and sink, the bounds and the clock of the transport.
        session: The payload that opens the session.
        default_format: The audio format if the payload names none.
        engine: Takes the position of playback, and numbers events.
        hub: Publishes events.
        muted: Whether the source begins muted.
        send_audio: Sends audio to the server; waits for room.
        is_open: Whether the connection is open.
        close: Begins to close it.
        observers: They get the sound that is sent as media.
    """

    settings: Settings
    session: Mapping[str, Any]
    default_format: AudioFormat
    engine: Engine
    hub: Hub
    muted: bool
    send_audio: Callable[[bytes], Awaitable[None]]
    is_open: Callable[[], bool]
    close: Callable[[], None]
    observers: Sequence[WireObserver] = ()

    @property
    def input_format(self) -> AudioFormat:
        """The format of the audio that is sent."""
        return self._format("input")

    @property
    def output_format(self) -> AudioFormat:
        """The format of the audio that is received."""
        return self._format("output")

    async def send_audio_if_open(self, audio: bytes) -> None:
        """As `send_audio`; without a connection *audio* is dropped. If cancelled, nothing was queued."""
        if self.is_open():
            await self.send_audio(audio)

    def _format(self, side: str) -> AudioFormat:
        named = self.session.get("audio", {}).get(side, {}).get("format")
        return self.default_format if named is None else AudioFormat.parse(named)


@define()
class Media:
    """The pumps of a connection, and what connects them with the engine and the hub.

    Attributes:
        capture: Sends the audio of the source; ``None`` without a source.
        playback: Plays the model's audio; ``None`` without a sink.
    """

    capture: CapturePump | None = None
    playback: PlaybackPump | None = None

    @classmethod
    def build(cls, context: MediaContext) -> Media:
        """Make the pumps for the source and sink of the settings."""
        settings, media = context.settings, cls()
        if settings.audio_source is not None:
            media.capture = _capture(context, settings.audio_source)
        if settings.audio_sink is not None:
            media.playback = _playback(context, settings.audio_sink)
        return media

    def pumps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The tasks to run, by name."""
        pumps: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if self.capture is not None:
            pumps.append(("capture pump", self.capture.run))
        if self.playback is not None:
            pumps.append(("playback pump", self.playback.run))
        return pumps

    def companions(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The tasks to run while the connection is opened and after, by name. They do not raise."""
        return []

    def tap(self) -> Tap | None:
        """The tap that takes the model's audio when it is published; ``None`` without a sink."""
        playback = self.playback
        if playback is None:
            return None
        from realtime_transport.audio.playback import PlaybackKey

        def put(event: Event) -> None:
            audio = cast("AudioEvent", event)
            playback.put(PlaybackKey(audio.response_id, audio.item_id, audio.content_index), audio.data)

        return Tap(accepts=lambda kind: issubclass(kind, AudioEvent), put=put, withdraw=playback.withdraw)

    def refresh(self) -> None:
        """Report the present position of playback to the engine."""
        if self.playback is not None:
            self.playback.refresh()

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute the source, if there is one."""
        if self.capture is not None:
            self.capture.muted = muted


def _capture(context: MediaContext, source: AudioSource) -> CapturePump:
    from realtime_transport.audio.capture import CapturePump  # Here: most servers of calls have no audio ends.

    return CapturePump(
        source,
        context.input_format,
        send=context.send_audio,
        clock=context.settings.clock,
        muted=context.muted,
    )


def _playback(context: MediaContext, sink: AudioSink) -> PlaybackPump:
    from realtime_transport.audio.playback import PlaybackPump

    settings, engine = context.settings, context.engine

    def report(item_id: str, content_index: int, samples: int) -> None:
        engine.audio_played(item_id, content_index, samples)

    return PlaybackPump(
        sink, context.output_format, report, max_bytes=settings.max_playback_bytes, clock=settings.clock
    )
