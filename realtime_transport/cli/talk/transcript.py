"""What of a conversation is said in words, a line for each thing of note. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    OutputTextDeltaEvent,
    TurnDoneEvent,
)
from realtime_transport.protocol.wire.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
)
from realtime_transport.session.core.events import AgentHandoffEvent, AgentToolEndEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Transcript", "words_heard"]

CHARACTERS_PER_SECOND = 15
"""Of speech whose length is not known. English is read at about 150 words a minute, of six characters each."""

MAX_REPLIES = 16
"""Replies that can be cut off: they play one after the other, and one that is older has been heard."""


def words_heard(text: str, heard: float, length: float | None) -> str:
    """The words of *text* that can have been heard.

    Args:
        text: What is said.
        heard: Seconds of it that were heard.
        length: Seconds that it takes; ``None``: not known.
    """
    share = heard * CHARACTERS_PER_SECOND / max(1, len(text)) if length is None else heard / max(length, 1e-3)
    if share >= 1:
        return text.strip()
    kept, behind = text[: round(len(text) * share)], text[round(len(text) * share) :]
    if not behind[:1].isspace():  # Within a word, which was not heard.
        kept = kept[: max(kept.rfind(" "), 0)]
    return kept.strip()


@attrs.define(eq=False)
class _Reply:
    text: str = ""
    audio_bytes: int = 0


@attrs.define(eq=False)
class Transcript:
    """Follows the events of a conversation, and gives the lines that tell of it.

    Attributes:
        format: The format of the model's audio.
        samples_received: Samples of the model's audio that came since it was interrupted, or since the beginning.
    """

    format: AudioFormat = AudioFormat.PCM24K
    samples_received: int = attrs.field(init=False, default=0)
    _replies: dict[str, _Reply] = attrs.field(init=False, factory=dict[str, _Reply])
    """By item, in their order."""
    _said: dict[str, list[str]] = attrs.field(init=False, factory=dict[str, "list[str]"])
    """The items of the responses that go on."""
    _cut: set[str] = attrs.field(init=False, factory=set[str])
    """Responses that go on, and of which nothing more is heard."""

    def lines(self, event: object) -> Iterable[str]:
        """What to say of *event*."""
        match event:
            case ConversationItemInputAudioTranscriptionCompleted(transcript=str(text)):
                yield f"you:   {text.strip()}"
            case AudioTranscriptDeltaEvent() | OutputTextDeltaEvent() if event.response_id not in self._cut:
                self._reply(event.response_id, event.item_id).text += event.delta
            case AudioEvent() if event.response_id not in self._cut:
                self._reply(event.response_id, event.item_id).audio_bytes += len(event.data)
                self.samples_received += self.format.samples_in(len(event.data))
            case TurnDoneEvent():
                yield from self._done(event.response_id)
            case AudioInterruptedEvent():
                yield self._cut_off(event)
            case InputAudioBufferSpeechStarted():
                yield "       (you speak)"
            case AgentToolEndEvent(tool=tool, result=result):
                yield f"       ({tool.name} returned {len(result)} characters)"
            case AgentHandoffEvent(to_agent=agent):
                yield f"       ({agent.name} takes over)"
            case ErrorEvent(error=error):
                yield f"error: {getattr(error, 'message', error)}"
            case _:
                pass

    def _reply(self, response_id: str, item_id: str) -> _Reply:
        items = self._said.setdefault(response_id, [])
        if item_id not in items:
            items.append(item_id)
        while len(self._replies) >= MAX_REPLIES and item_id not in self._replies:
            del self._replies[next(iter(self._replies))]
        return self._replies.setdefault(item_id, _Reply())

    def _done(self, response_id: str) -> Iterable[str]:
        self._cut.discard(response_id)
        found = [self._replies[item] for item in self._said.pop(response_id, ()) if item in self._replies]
        text = " ".join("".join(reply.text for reply in found).split())
        if text:
            yield f"model: {text}"

    def _cut_off(self, event: AudioInterruptedEvent) -> str:
        """What was heard of the reply that was playing. What of it is still to come is not told."""
        self.samples_received = 0
        if self._said.pop(event.response_id, None) is not None and event.response_id:
            self._cut.add(event.response_id)
        reply = self._replies.get(event.item_id)
        heard = event.audio_end_ms / 1000
        if reply is None:
            return "       (interrupted)"
        length = self.format.seconds(self.format.samples_in(reply.audio_bytes)) if reply.audio_bytes else None
        whole = "" if length is None else f" of {length:.1f} s"
        words = words_heard(" ".join(reply.text.split()), heard, length)
        return f'       (cut off: {heard:.1f} s{whole} heard: "{words + " " if words else ""}—")'
