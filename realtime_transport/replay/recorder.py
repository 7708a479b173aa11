"""The bookkeeping of a replay: what was sent, what came, what is still owed. No I/O; time is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    OutputTextDeltaEvent,
    ServerError,
    TurnDoneEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.wire.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemTruncated,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    SessionCreated,
    SessionUpdated,
)
from realtime_transport.replay.barge_ins import BargeIns
from realtime_transport.replay.dialogue import Dialogue
from realtime_transport.replay.report import ReplayReport, Reply
from realtime_transport.replay.sent_audio import SentAudio
from realtime_transport.replay.timeline import TimelineEntry, describe, text_of, value_at, whole_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime_transport.audio.capture import CaptureStatistics
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.replay.listener import Listener

__all__ = ["Recorder"]

HARMLESS = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
"""Races that every session may run into and that change nothing; see the protocol's rules on responses."""


@attrs.define(eq=False)
class _SessionView:
    """What the server says of its session, and how often it is still to be asked."""

    id: str = ""
    type: str = "realtime"
    answers: bool = True
    """Whether each turn is answered unasked."""
    closing_silence_ms: int = 0
    padding_ms: int = 0
    fences: int = 0
    """Updates that change nothing and are not confirmed."""

    def receive(self, session: object, *, is_answer: bool) -> None:
        """The server described the session, in answer to an update or not."""
        self.type = text_of(value_at(session, "type")) or "realtime"
        turn_detection = value_at(session, "audio", "input", "turn_detection")
        self.answers = value_at(turn_detection, "create_response") is not False and self.type == "realtime"
        silence = value_at(turn_detection, "silence_duration_ms")
        self.closing_silence_ms = silence if isinstance(silence, int) else 0
        padding = value_at(turn_detection, "prefix_padding_ms")
        self.padding_ms = padding if isinstance(padding, int) else 0
        self.id = text_of(value_at(session, "id")) or self.id
        if is_answer and self.fences:
            self.fences -= 1


class Recorder:
    """Follows one replay.

    Args:
        input_format: What is sent.
        output_format: What comes back.
        speed: Of the replay, for the report.
        started: When the replay began.
        listener: Who hears the replies.
        digests: Keep what is sent, and digest turns and replies.
        server_plays: The server owns playback: what it cuts off is silent at once.
    """

    def __init__(
        self,
        input_format: AudioFormat,
        output_format: AudioFormat,
        speed: float | None,
        started: float,
        *,
        listener: Listener | None = None,
        digests: bool = False,
        server_plays: bool = False,
    ) -> None:
        self.listener: Listener | None = listener
        self.server_plays: bool = server_plays
        self.last_event_at: float = started
        self.finished: bool = False
        self._output_format = output_format
        self._speed = speed
        self._started = started
        self._sent = SentAudio(input_format, keeps=digests)
        self._session = _SessionView()
        self._dialogue = Dialogue(digests=digests)
        self._barge_ins = BargeIns()
        self._errors: list[str] = []

    # What the replay does

    def recording_began(self, name: str, now: float) -> TimelineEntry:
        """A recording is about to be played."""
        self._sent.begin(name)
        return self._note("recording_began", now, self._sent.recording)

    def frame_sent(self, frame: bytes, now: float) -> None:
        """A frame of audio has been handed to the transport."""
        self._sent.add(frame, now - self._started)

    def recording_ended(self, statistics: CaptureStatistics, samples: int, now: float) -> TimelineEntry:
        """A recording of so many *samples* was played, and the silence behind it."""
        self._sent.end(statistics, samples)
        return self._note("recording_ended", now, self._sent.recording)

    def turn_committed(self, now: float) -> TimelineEntry:
        """The turn was committed by hand, and an answer asked for."""
        self._dialogue.commit_sent(now - self._started)
        return self._note("turn_committed", now, self._sent.recording)

    def fence_sent(self, now: float) -> TimelineEntry:
        """A ``session.update`` that changes nothing was sent: its answer says that all audio has been looked at."""
        self._session.fences += 1
        return self._note("fence_sent", now, None)

    def _note(self, what: str, now: float, detail: str | None) -> TimelineEntry:
        return TimelineEntry(seconds=now - self._started, origin="replay", type=what, detail=detail)

    # What the server does

    @property
    def owed(self) -> bool:
        """Whether something is under way: speech, an answer that is due or has not ended, a confirmation."""
        return self._session.fences > 0 or self._dialogue.owed

    @property
    def session_type(self) -> str:
        """``"realtime"`` or ``"transcription"``, as the server says."""
        return self._session.type

    def receive(self, event: Event, now: float) -> TimelineEntry:
        """An event was delivered."""
        seconds, dialogue = now - self._started, self._dialogue
        self.last_event_at = now
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                self._session.receive(session, is_answer=isinstance(event, SessionUpdated))
            case InputAudioBufferSpeechStarted() | InputAudioBufferSpeechStopped() | InputAudioBufferCommitted():
                self._input(event, seconds)
            case ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, transcript=transcript):
                dialogue.transcribed(str(item_id), text_of(transcript) or "", seconds)
            case TurnStartedEvent(response_id=response_id):
                dialogue.reply(response_id)
            case AudioEvent():
                self._audio(event, now)
            case AudioTranscriptDeltaEvent(response_id=response_id, delta=delta):
                dialogue.reply(response_id).transcript += delta
            case OutputTextDeltaEvent(response_id=response_id, delta=delta):
                dialogue.reply(response_id).transcript += delta
            case TurnDoneEvent():
                dialogue.reply(event.response_id).end(event)
            case AudioInterruptedEvent():
                self._interrupted(event, now)
            case ConversationItemTruncated(item_id=item_id):
                self._barge_ins.confirmed(str(item_id), seconds)
            case OutputAudioBufferStarted(response_id=response_id):
                dialogue.server_plays(str(response_id))
            case OutputAudioBufferStopped(response_id=response_id):
                dialogue.server_played(str(response_id))
            case OutputAudioBufferCleared(response_id=response_id):
                dialogue.server_played(str(response_id))
                self._barge_ins.confirmed(str(response_id), seconds)
            case ErrorEvent():
                self._error(event)
            case _:
                pass
        return describe(event, seconds)

    def _input(
        self,
        event: InputAudioBufferSpeechStarted | InputAudioBufferSpeechStopped | InputAudioBufferCommitted,
        seconds: float,
    ) -> None:
        session, turn = self._session, self._dialogue.turn(str(event.item_id), self._sent.recording)
        match event:
            case InputAudioBufferSpeechStarted(audio_start_ms=int(start_ms)):
                turn.start_ms = start_ms
                onset_at = self._sent.when(start_ms + session.padding_ms)
                self._barge_ins.speech(turn.item_id, turn.recording, onset_at)
            case InputAudioBufferSpeechStopped(audio_end_ms=int(end_ms)):
                turn.end_ms = end_ms
                turn.ended_at = self._sent.when(end_ms - session.closing_silence_ms)
            case InputAudioBufferCommitted():
                self._dialogue.committed(turn, seconds, server_answers=session.answers)
            case _:
                pass

    def _audio(self, event: AudioEvent, now: float) -> None:
        self._dialogue.reply(event.response_id).hear(event.data, now - self._started)
        if self.listener is not None:
            self.listener.hear((event.response_id, event.item_id, event.content_index), len(event.data), now)

    def _interrupted(self, event: AudioInterruptedEvent, now: float) -> None:
        was_playing = False
        if self.listener is not None:
            was_playing = self.listener.withdraw(None if self.server_plays else event.withdraws, now)
        self._barge_ins.stopped(event, now - self._started if was_playing else None)

    def message_sent(self, message: str, now: float) -> None:
        """*message* goes to the wire now."""
        self._barge_ins.sent(message, now - self._started)

    @property
    def newest_reply(self) -> tuple[str, bool] | None:
        """The last response that began: its id, and whether all of it is here; ``None`` before the first."""
        reply = self._dialogue.newest_reply
        return None if reply is None else (reply.response_id, reply.status is not None)

    def _error(self, event: ErrorEvent) -> None:
        error = event.error
        is_server = isinstance(error, ServerError)
        code = (text_of(error.code) or text_of(error.type) or "unknown") if is_server else type(error).__name__
        if code in HARMLESS:
            return
        self._errors.append(code)
        self._dialogue.refused()

    # The result

    def report(self, now: float) -> ReplayReport:
        """What was found so far."""
        sent, dialogue = self._sent, self._dialogue
        heard = [reply.first_audio_at for reply in dialogue.replies if reply.first_audio_at is not None]
        first_frame = sent.first_at
        return ReplayReport(
            speed=self._speed,
            seconds=now - self._started,
            finished=self.finished,
            recordings=sent.recordings,
            turns=tuple(turn.freeze(sent) for turn in dialogue.turns),
            replies=tuple(self._frozen_replies()),
            unanswered=dialogue.unanswered,
            interruptions=self._barge_ins.interruptions,
            errors=tuple(self._errors),
            input_sha256=sent.sha256,
            input_bytes=sent.size,
            time_to_first_audio=min(heard) - first_frame if heard and first_frame is not None else None,
            barge_ins=tuple(self._barge_ins.freeze()),
            session_id=whole_text(self._session.id),
        )

    def _frozen_replies(self) -> Iterator[Reply]:
        for reply in self._dialogue.replies:
            heard = None if self.listener is None else self.listener.heard(reply.response_id)
            if heard is not None:
                reply.heard_at, reply.gaps = heard.began_at - self._started, heard.gaps
            yield reply.freeze(self._output_format)
