"""The turns of the user and the replies of the model in one replay. No I/O; time is an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.protocol.engine.events import Usage
from realtime_transport.replay.report import Reply, Turn
from realtime_transport.replay.timeline import text_of, value_at, whole_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.protocol.engine.events import TurnDoneEvent
    from realtime_transport.replay.sent_audio import SentAudio

__all__ = ["Dialogue", "ModelReply", "UserTurn"]


@attrs.define(eq=False)
class Dialogue:
    """Who spoke when, which reply answers which turn, and what is still owed.

    Times are seconds since the replay began.

    Args:
        digests: Digest the replies.
    """

    _digests: bool = attrs.field(kw_only=True, default=False, alias="digests")
    _turns: dict[str, UserTurn] = attrs.field(init=False, factory=lambda: dict[str, UserTurn]())
    _replies: dict[str, ModelReply] = attrs.field(init=False, factory=lambda: dict[str, ModelReply]())
    _commits: list[float] = attrs.field(init=False, factory=list[float])
    """When turns were committed by hand that the server has not confirmed."""
    _being_played: set[str] = attrs.field(init=False, factory=set[str])
    """Responses that the server plays, where it owns playback."""

    @property
    def owed(self) -> bool:
        """Whether something is under way: speech, an answer that is due or has not ended, a confirmation."""
        return (
            bool(self._commits)
            or any(turn.is_open for turn in self._turns.values())
            or any(reply.status is None for reply in self._replies.values())
            or bool(self._being_played)
        )

    @property
    def unanswered(self) -> int:
        """How many turns wait for an answer."""
        return sum(turn.is_open for turn in self._turns.values()) + len(self._commits)

    @property
    def newest_reply(self) -> ModelReply | None:
        """The last response that began; ``None`` before the first."""
        return next(reversed(self._replies.values()), None)

    @property
    def turns(self) -> Iterable[UserTurn]:
        """The turns of the user, in order."""
        return self._turns.values()

    @property
    def replies(self) -> Iterable[ModelReply]:
        """The responses of the model, in order."""
        return self._replies.values()

    def turn(self, item_id: str, recording: str) -> UserTurn:
        """The turn of that item; a new one is spoken in *recording*."""
        return self._turns.setdefault(item_id, UserTurn(item_id, recording))

    def commit_sent(self, seconds: float) -> None:
        """A turn was committed by hand, and an answer asked for."""
        self._commits.append(seconds)

    def committed(self, turn: UserTurn, seconds: float, *, server_answers: bool) -> None:
        """The server confirmed that *turn* is committed: by hand, or by its detector."""
        by_hand = self._commits.pop(0) if self._commits else None
        turn.ended_at = by_hand if turn.ended_at is None else turn.ended_at
        turn.committed_at = seconds if by_hand is None else by_hand
        turn.is_answered = turn.is_answered or (by_hand is None and not server_answers)
        turn.is_committed = True

    def refused(self) -> None:
        """The server reported an error: if it was a commit that was refused, nothing confirms it any more."""
        self._commits.clear()

    def transcribed(self, item_id: str, transcript: str, seconds: float) -> None:
        """The transcript of a turn has come."""
        if (turn := self._turns.get(item_id)) is not None:
            turn.transcript, turn.transcribed_at = transcript, seconds

    def reply(self, response_id: str) -> ModelReply:
        """The reply of that id; a new one answers all turns that wait."""
        reply = self._replies.get(response_id)
        if reply is None:
            waiting = [turn for turn in self._turns.values() if turn.is_committed and not turn.is_answered]
            for turn in waiting:
                turn.is_answered = True
            turn = waiting[-1] if waiting else None
            reply = self._replies[response_id] = ModelReply(response_id, turn, keeps=self._digests)
        return reply

    def server_plays(self, response_id: str) -> None:
        """The server has begun to play a response."""
        self._being_played.add(response_id)

    def server_played(self, response_id: str) -> None:
        """The server plays it no more."""
        self._being_played.discard(response_id)


@attrs.define(eq=False)
class UserTurn:
    """A turn of the user, as far as it is known."""

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

    def freeze(self, sent: SentAudio) -> Turn:
        """For the report."""
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
class ModelReply:
    """A response of the model, as far as it is known."""

    response_id: str
    turn: UserTurn | None
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
        """A piece of its audio came."""
        self.audio_bytes += len(data)
        if self.keeps:
            self._digest.update(data)
        if self.first_audio_at is None:
            self.first_audio_at = seconds

    def end(self, event: TurnDoneEvent) -> None:
        """It has ended."""
        details = value_at(event.response, "status_details")
        self.status = text_of(event.status) or "completed"
        self.detail = text_of(value_at(details, "error", "code")) or text_of(value_at(details, "reason"))
        self.usage = event.usage

    def freeze(self, output_format: AudioFormat) -> Reply:
        """For the report."""
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
