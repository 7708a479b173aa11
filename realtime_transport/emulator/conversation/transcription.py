"""Input transcription. There is no recognizer: a placeholder names the duration, or a script supplies the words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.emulator.sound import AudioClip
from realtime_transport.protocol.wire import server_events as ev

from . import usage

if TYPE_CHECKING:
    from .event_sender import EventSender
    from .history import Entry
    from .timer_queue import TimerQueue

__all__ = ["Recognizer", "Transcriber", "placeholder"]

Recognizer = Callable[[AudioClip], str]
"""Says what was said in a piece of audio."""

_COMPLETED_AFTER = 0.05
"""Seconds from the commit: live, a transcription completes in the middle of the reply."""


def placeholder(clip: AudioClip) -> str:
    """The transcript where no script supplies one: it names the duration."""
    return f"({clip.seconds:.1f} seconds of speech)"


@attrs.define(eq=False)
class Transcriber:
    """Sends the transcription of committed audio, beside whatever else is going on."""

    _sender: EventSender
    _timers: TimerQueue

    def transcribe(self, entry: Entry, settings: Mapping[str, Any], now: float) -> None:
        """Send what was heard in *entry*: the deltas now and the whole a little later."""
        text = entry.heard or ""
        for word in text.split(" "):
            delta = f" {word}"
            self._sender.emit(
                ev.ConversationItemInputAudioTranscriptionDelta(
                    item_id=entry.id, content_index=0, delta=delta, extra=self._sender.padding(delta)
                )
            )
        clip = cast("AudioClip", entry.sound)

        def complete(_now: float) -> None:
            entry.set_transcript(text)
            self._sender.emit(
                ev.ConversationItemInputAudioTranscriptionCompleted(
                    item_id=entry.id,
                    content_index=0,
                    transcript=text,
                    usage=usage.of_transcription(settings["model"], clip.seconds, text),
                )
            )

        self._timers.at(now + _COMPLETED_AFTER, complete)
