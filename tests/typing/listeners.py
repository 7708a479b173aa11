"""What type checkers refuse of listeners: each comment hides an error, and is itself one where there is none."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from realtime_transport import OpenAIRealtimeWebSocket, RealtimeEmitter, RealtimeSession, RealtimeSessionEmitter
from realtime_transport.events import AudioEvent


def hears_audio(event: AudioEvent) -> None:
    """Listens to audio."""


def of_a_transport(transport: OpenAIRealtimeWebSocket) -> None:
    emitter = RealtimeEmitter(transport)
    emitter.on("audio", hears_audio).once("audio", hears_audio).off("audio", hears_audio)
    emitter.on("audio", lambda event: len(event.data))
    emitter.on("audio", lambda event: event.no_such_attribute)  # type: ignore
    emitter.on("turn_done", hears_audio)  # type: ignore
    emitter.on("no_such_event", hears_audio)  # type: ignore


def of_a_session(session: RealtimeSession[int]) -> None:
    emitter = RealtimeSessionEmitter(session)
    emitter.on("agent_end", lambda event: event.output.upper())
    emitter.on("agent_end", lambda event: event.no_such_attribute)  # type: ignore
    emitter.on("agent_end", hears_audio)  # type: ignore
    emitter.transport.on("audio", hears_audio)
