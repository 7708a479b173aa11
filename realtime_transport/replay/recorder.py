"""The bookkeeping of a replay: what was sent, what came, what is still owed. No I/O; time is an argument."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

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
    Usage,
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
from realtime_transport.replay.report import RecordingReport, ReplayReport, Reply, Turn
from realtime_transport.replay.timeline import TimelineEntry, describe, text_of, whole_text

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

    input_format: AudioFormat
    output_format: AudioFormat
    speed: float | None
    started: float
    listener: Listener | None = attrs.field(kw_only=True, default=None)
    digests: bool = attrs.field(kw_only=True, default=False)
    server_plays: bool = attrs.field(kw_only=True, default=False)
    last_event_at: float = attrs.field(init=False, default=attrs.Factory(lambda self: self.started, takes_self=True))
    session_type: str = attrs.field(init=False, default="realtime")
    session_id: str = attrs.field(init=False, default="")
    finished: bool = attrs.field(init=False, default=False)
    _sent: _Sent = attrs.field(init=False)
    _recordings: list[RecordingReport] = attrs.field(init=False, factory=list[RecordingReport])
    _playing: str = attrs.field(init=False, default="")
    _starts_at_ms: int = attrs.field(init=False, default=0)
    _turns: dict[str, _Turn] = attrs.field(init=False, factory=dict[str, "_Turn"])
    _replies: dict[str, _Reply] = attrs.field(init=False, factory=dict[str, "_Reply"])
    _errors: list[str] = attrs.field(init=False, factory=list[str])
    _interruptions: int = attrs.field(init=False, default=0)
    _server_answers: bool = attrs.field(init=False, default=True)
    _closing_silence_ms: int = attrs.field(init=False, default=0)
    _padding_ms: int = attrs.field(init=False, default=0)
    _barge_ins: BargeIns = attrs.field(init=False, factory=BargeIns)
    _commits: list[float] = attrs.field(init=False, factory=list[float])
    """When turns were committed by hand that the server has not confirmed."""
    _fences: int = attrs.field(init=False, default=0)
    _being_played: set[str] = attrs.field(init=False, factory=set[str])
    """Responses that the server plays, where it owns playback."""

    def __attrs_post_init__(self) -> None:
        self._sent = _Sent(self.input_format, keeps=self.digests)

    # What the replay does

    def recording_began(self, name: str, now: float) -> TimelineEntry:
        """A recording is about to be played."""
        # The name of a file may hold bytes that are no text.
        self._playing, self._starts_at_ms = whole_text(name), self.input_format.ms(self._sent.samples)
        return self._note("recording_began", now, self._playing)

    def frame_sent(self, frame: bytes, now: float) -> None:
        """A frame of audio has been handed to the transport."""
        self._sent.add(frame, now - self.started)

    def recording_ended(self, statistics: CaptureStatistics, samples: int, now: float) -> TimelineEntry:
        """A recording of so many *samples* was played, and the silence behind it."""
        self._recordings.append(
            RecordingReport(
                name=self._playing,
                starts_at_ms=self._starts_at_ms,
                seconds=self.input_format.seconds(samples),
                sha256=statistics.recording_sha256,
                frames=statistics.frames,
                stalls=statistics.stalls,
                late_p50_ms=statistics.late_p50_ms,
                late_p99_ms=statistics.late_p99_ms,
                late_max_ms=statistics.late_max_ms,
            )
        )
        return self._note("recording_ended", now, self._playing)

    def turn_committed(self, now: float) -> TimelineEntry:
        """The turn was committed by hand, and an answer asked for."""
        self._commits.append(now - self.started)
        return self._note("turn_committed", now, self._playing)

    def fence_sent(self, now: float) -> TimelineEntry:
        """A ``session.update`` that changes nothing was sent: its answer says that all audio has been looked at."""
        self._fences += 1
        return self._note("fence_sent", now, None)

    def _note(self, what: str, now: float, detail: str | None) -> TimelineEntry:
        return TimelineEntry(seconds=now - self.started, origin="replay", type=what, detail=detail)

    # What the server does

    @property
    def owed(self) -> bool:
        """Whether something is under way: speech, an answer that is due or has not ended, a confirmation."""
        return (
            bool(self._commits)
            or self._fences > 0
            or any(turn.is_open for turn in self._turns.values())
            or any(reply.status is None for reply in self._replies.values())
            or bool(self._being_played)
        )

    def receive(self, event: Event, now: float) -> TimelineEntry:
        """An event was delivered."""
        seconds = now - self.started
        self.last_event_at = now
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                self._session(session, is_answer=isinstance(event, SessionUpdated))
            case InputAudioBufferSpeechStarted() | InputAudioBufferSpeechStopped() | InputAudioBufferCommitted():
                self._input(event, seconds)
            case ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, transcript=transcript):
                if (turn := self._turns.get(str(item_id))) is not None:
                    turn.transcript, turn.transcribed_at = text_of(transcript) or "", seconds
            case TurnStartedEvent(response_id=response_id):
                self._reply(response_id)
            case AudioEvent():
                self._audio(event, now)
            case AudioTranscriptDeltaEvent(response_id=response_id, delta=delta):
                self._reply(response_id).transcript += delta
            case OutputTextDeltaEvent(response_id=response_id, delta=delta):
                self._reply(response_id).transcript += delta
            case TurnDoneEvent():
                self._reply(event.response_id).end(event)
            case AudioInterruptedEvent():
                self._interrupted(event, now)
            case ConversationItemTruncated(item_id=item_id):
                self._barge_ins.confirmed(str(item_id), seconds)
            case OutputAudioBufferStarted(response_id=response_id):
                self._being_played.add(str(response_id))
            case OutputAudioBufferStopped(response_id=response_id):
                self._being_played.discard(str(response_id))
            case OutputAudioBufferCleared(response_id=response_id):
                self._being_played.discard(str(response_id))
                self._barge_ins.confirmed(str(response_id), seconds)
            case ErrorEvent():
                self._error(event)
            case _:
                pass
        return describe(event, seconds)

    def _session(self, session: object, *, is_answer: bool) -> None:
        self.session_type = text_of(_at(session, "type")) or "realtime"
        turn_detection = _at(session, "audio", "input", "turn_detection")
        self._server_answers = _at(turn_detection, "create_response") is not False and self.session_type == "realtime"
        silence = _at(turn_detection, "silence_duration_ms")
        self._closing_silence_ms = silence if isinstance(silence, int) else 0
        padding = _at(turn_detection, "prefix_padding_ms")
        self._padding_ms = padding if isinstance(padding, int) else 0
        self.session_id = text_of(_at(session, "id")) or self.session_id
        if is_answer and self._fences:
            self._fences -= 1

    def _input(
        self,
        event: InputAudioBufferSpeechStarted | InputAudioBufferSpeechStopped | InputAudioBufferCommitted,
        seconds: float,
    ) -> None:
        turn = self._turns.setdefault(str(event.item_id), _Turn(str(event.item_id), self._playing))
        match event:
            case InputAudioBufferSpeechStarted(audio_start_ms=int(start_ms)):
                turn.start_ms = start_ms
                onset_at = self._sent.when(start_ms + self._padding_ms)
                self._barge_ins.speech(turn.item_id, turn.recording, onset_at)
            case InputAudioBufferSpeechStopped(audio_end_ms=int(end_ms)):
                turn.end_ms = end_ms
                turn.ended_at = self._sent.when(end_ms - self._closing_silence_ms)
            case InputAudioBufferCommitted():
                by_hand = self._commits.pop(0) if self._commits else None
                turn.ended_at = by_hand if turn.ended_at is None else turn.ended_at
                turn.committed_at = seconds if by_hand is None else by_hand
                turn.is_answered = turn.is_answered or (by_hand is None and not self._server_answers)
                turn.is_committed = True
            case _:
                pass

    def _audio(self, event: AudioEvent, now: float) -> None:
        self._reply(event.response_id).hear(event.data, now - self.started)
        if self.listener is not None:
            self.listener.hear((event.response_id, event.item_id, event.content_index), len(event.data), now)

    def _interrupted(self, event: AudioInterruptedEvent, now: float) -> None:
        self._interruptions += 1
        was_playing = False
        if self.listener is not None:
            was_playing = self.listener.withdraw(None if self.server_plays else event.withdraws, now)
        self._barge_ins.stopped(event, now - self.started if was_playing else None)

    def message_sent(self, message: str, now: float) -> None:
        """*message* goes to the wire now."""
        self._barge_ins.sent(message, now - self.started)

    @property
    def newest_reply(self) -> tuple[str, bool] | None:
        """The last response that began: its id, and whether all of it is here; ``None`` before the first."""
        reply = next(reversed(self._replies.values()), None)
        return None if reply is None else (reply.response_id, reply.status is not None)

    def _reply(self, response_id: str) -> _Reply:
        """The reply of that id; a new one answers all turns that wait."""
        reply = self._replies.get(response_id)
        if reply is None:
            waiting = [turn for turn in self._turns.values() if turn.is_committed and not turn.is_answered]
            for turn in waiting:
                turn.is_answered = True
            turn = waiting[-1] if waiting else None
            reply = self._replies[response_id] = _Reply(response_id, turn, keeps=self.digests)
        return reply

    def _error(self, event: ErrorEvent) -> None:
        error = event.error
        is_server = isinstance(error, ServerError)
        code = (text_of(error.code) or text_of(error.type) or "unknown") if is_server else type(error).__name__
        if code in HARMLESS:
            return
        self._errors.append(code)
        self._commits.clear()  # If it was a commit that was refused, nothing confirms it any more.

    # The result

    def report(self, now: float) -> ReplayReport:
        """What was found so far."""
        heard = [reply.first_audio_at for reply in self._replies.values() if reply.first_audio_at is not None]
        first_frame = self._sent.first_at
        return ReplayReport(
            speed=self.speed,
            seconds=now - self.started,
            finished=self.finished,
            recordings=tuple(self._recordings),
            turns=tuple(turn.freeze(self._sent) for turn in self._turns.values()),
            replies=tuple(self._frozen_replies()),
            unanswered=sum(turn.is_open for turn in self._turns.values()) + len(self._commits),
            interruptions=self._interruptions,
            errors=tuple(self._errors),
            input_sha256=self._sent.sha256,
            input_bytes=self.input_format.bytes_for(self._sent.samples),
            time_to_first_audio=min(heard) - first_frame if heard and first_frame is not None else None,
            barge_ins=tuple(self._barge_ins.freeze()),
            session_id=whole_text(self.session_id),
        )

    def _frozen_replies(self) -> Iterator[Reply]:
        for reply in self._replies.values():
            heard = None if self.listener is None else self.listener.heard(reply.response_id)
            if heard is not None:
                reply.heard_at, reply.gaps = heard.began_at - self.started, heard.gaps
            yield reply.freeze(self.output_format)


def _at(value: object, *names: str) -> Any:
    """What stands at the path *names* below *value*; ``None`` where anything on the way is missing."""
    for name in names:
        value = getattr(value, name, None)
    return value


@attrs.define(eq=False)
class _Sent:
    """The audio that was sent, and when which sample was."""

    _format: AudioFormat
    keeps: bool = attrs.field(kw_only=True, default=False)
    samples: int = 0
    _kept: bytearray = attrs.field(init=False, factory=bytearray)
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256)
    _ends: list[int] = attrs.field(init=False, factory=list[int])  # Samples up to and with each frame.
    _times: list[float] = attrs.field(init=False, factory=list[float])

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def first_at(self) -> float | None:
        return self._times[0] if self._times else None

    def add(self, frame: bytes, seconds: float) -> None:
        self._digest.update(frame)
        if self.keeps:
            self._kept += frame
        self.samples += self._format.samples_in(len(frame))
        self._ends.append(self.samples)
        self._times.append(seconds)

    def digest(self, start_ms: int | None, end_ms: int | None) -> str | None:
        """SHA-256 of the audio between two moments; ``None`` where that is not known or was not kept."""
        if not self.keeps or start_ms is None or end_ms is None:
            return None
        first, last = (self._format.bytes_for(self._format.samples_for_ms(ms)) for ms in (start_ms, end_ms))
        return hashlib.sha256(self._kept[first:last]).hexdigest()

    def when(self, ms: int) -> float | None:
        """When the audio up to *ms* had been sent; ``None`` before any was."""
        if not self._times:
            return None
        frame = bisect.bisect_left(self._ends, self._format.samples_for_ms(ms))
        return self._times[min(frame, len(self._times) - 1)]


@attrs.define(eq=False)
class _Turn:
    item_id: str
    recording: str
    start_ms: int | None = None
    end_ms: int | None = None
    ended_at: float | None = None
    transcript: str = ""
    committed_at: float | None = None
    transcribed_at: float | None = None
    is_committed: bool = False
    is_answered: bool = False

    @property
    def is_open(self) -> bool:
        """Being spoken, or waiting for an answer."""
        return not (self.is_committed and self.is_answered)

    def freeze(self, sent: _Sent) -> Turn:
        return Turn(
            item_id=whole_text(self.item_id),
            recording=self.recording,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            ended_at=self.ended_at,
            transcript=self.transcript,
            committed_at=self.committed_at,
            transcribed_at=self.transcribed_at,
            sha256=sent.digest(self.start_ms, self.end_ms),
        )


@attrs.define(eq=False)
class _Reply:
    response_id: str
    turn: _Turn | None
    keeps: bool = attrs.field(kw_only=True, default=False)
    status: str | None = None
    detail: str | None = None
    first_audio_at: float | None = None
    audio_bytes: int = 0
    transcript: str = ""
    usage: Usage = attrs.field(factory=Usage)
    heard_at: float | None = None
    gaps: tuple[float, ...] = ()
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256)

    def hear(self, data: bytes, seconds: float) -> None:
        self.audio_bytes += len(data)
        if self.keeps:
            self._digest.update(data)
        if self.first_audio_at is None:
            self.first_audio_at = seconds

    def end(self, event: TurnDoneEvent) -> None:
        details = _at(event.response, "status_details")
        self.status = text_of(event.status) or "completed"
        self.detail = text_of(_at(details, "error", "code")) or text_of(_at(details, "reason"))
        self.usage = event.usage

    def freeze(self, output_format: AudioFormat) -> Reply:
        ended_at, committed_at = (None, None) if self.turn is None else (self.turn.ended_at, self.turn.committed_at)
        took, gave = self.usage.input_tokens_details, self.usage.output_tokens_details
        return Reply(
            response_id=whole_text(self.response_id),
            answers=None if self.turn is None else whole_text(self.turn.item_id),
            status=self.status,
            detail=self.detail,
            first_audio_at=self.first_audio_at,
            latency=_between(ended_at, self.first_audio_at),
            audio_bytes=self.audio_bytes,
            audio_seconds=output_format.seconds(output_format.samples_in(self.audio_bytes)),
            transcript=whole_text(self.transcript),
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            thinking=_between(committed_at, self.first_audio_at),
            heard_at=self.heard_at,
            heard_latency=_between(ended_at, self.heard_at),
            gaps=self.gaps,
            audio_input_tokens=_count(took.get("audio_tokens"), self.usage.input_tokens),
            cached_tokens=_count(took.get("cached_tokens"), 0),
            cached_audio_tokens=_count(_entry(took.get("cached_tokens_details"), "audio_tokens"), 0),
            audio_output_tokens=_count(gave.get("audio_tokens"), self.usage.output_tokens),
            sha256=self._digest.hexdigest() if self.keeps else None,
        )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _entry(value: object, name: str) -> object:
    return cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
