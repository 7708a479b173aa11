"""From the application's audio to the connection: the context of the media, and the short path of a piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_transport.protocol.engine.requests import append_text

from ..endpoint.media import MediaContext
from ..interface.operations import OVERHEAD, send_audio

if TYPE_CHECKING:
    from realtime_transport.protocol.engine.engine import Engine

    from .attempt import Attempt

__all__ = ["media_context", "sends_at_once"]


def media_context(attempt: Attempt, engine: Engine, muted: bool) -> MediaContext:
    """Make the context for the media of *attempt*."""

    async def send(audio: bytes) -> None:
        if sends_at_once(attempt, audio):
            return
        attempt.life.require_open()
        assert attempt.connection is not None
        operation = send_audio(audio)
        await attempt.connection.send(operation.size, lambda now: operation.run(engine, now))

    return MediaContext(
        settings=attempt.settings,
        session=engine.initial_session,
        default_format=attempt.endpoint.policy.default_format,
        engine=engine,
        hub=attempt.hub,
        muted=muted,
        send_audio=send,
        is_open=lambda: attempt.life.is_open,
        close=attempt.close,
        observers=attempt.observers,
    )


def sends_at_once(attempt: Attempt, audio: object) -> bool:
    """The short path of audio, where nothing has to be refused or waited for. Returns whether it was taken.

    `Engine.send_audio` has the same effect.
    """
    connection = attempt.connection
    if connection is None or type(audio) is not bytes or not attempt.owner.is_here():
        return False
    if not connection.takes_audio(OVERHEAD + len(audio) * 4 // 3):
        return False
    connection.send_audio(append_text(audio))
    return True
