"""The audio ends of one connection: from a source to the outbox, from the engine to a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.audio.capture import CapturePump
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackKey, PlaybackPump
from realtime_transport.connection.subscription import Tap
from realtime_transport.protocol.engine.events import AudioEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.connection.interface import Event
    from realtime_transport.protocol.engine.engine import Engine

    from .options import Settings

__all__ = ["Media"]


@attrs.define(eq=False)
class Media:
    """The pumps of a connection, and their joints with the engine and the hub.

    Attributes:
        capture: Sends what the source gives; ``None`` without a source.
        playback: Plays what the model says; ``None`` without a sink.
    """

    capture: CapturePump | None = None
    playback: PlaybackPump | None = None

    @classmethod
    def build(
        cls,
        settings: Settings,
        session: Mapping[str, Any],
        engine: Engine,
        send: Callable[[bytes], Awaitable[None]],
        *,
        muted: bool,
    ) -> Media:
        """Make the pumps for the formats of *session*, the payload that opens the session."""
        media = cls()
        if settings.audio_source is not None:
            media.capture = _capture(settings, settings.audio_source, _format(session, "input"), send, muted=muted)
        if settings.audio_sink is not None:
            media.playback = _playback(settings, settings.audio_sink, _format(session, "output"), engine)
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
        """The tasks to run from before the connection is opened, by name. They do not raise."""
        return []

    def tap(self) -> Tap | None:
        """What takes the model's audio at reader time; ``None`` without a sink."""
        playback = self.playback
        if playback is None:
            return None

        def put(event: Event) -> None:
            audio = cast("AudioEvent", event)
            playback.put(PlaybackKey(audio.response_id, audio.item_id, audio.content_index), audio.data)

        return Tap(accepts=lambda kind: issubclass(kind, AudioEvent), put=put, withdraw=playback.withdraw)

    def refresh(self) -> None:
        """Let the engine know how far playback is right now."""
        if self.playback is not None:
            self.playback.refresh()


def _format(session: Mapping[str, Any], side: str) -> AudioFormat:
    return AudioFormat.parse(session["audio"][side]["format"])


def _capture(
    settings: Settings,
    source: AudioSource,
    audio_format: AudioFormat,
    send: Callable[[bytes], Awaitable[None]],
    *,
    muted: bool,
) -> CapturePump:
    return CapturePump(source, audio_format, send=send, clock=settings.clock, muted=muted)


def _playback(settings: Settings, sink: AudioSink, audio_format: AudioFormat, engine: Engine) -> PlaybackPump:
    clock = settings.clock

    def report(item_id: str, content_index: int, samples: int) -> None:
        engine.audio_played(item_id, content_index, samples, clock.now())

    return PlaybackPump(sink, audio_format, report, max_bytes=settings.max_playback_bytes, clock=clock)
