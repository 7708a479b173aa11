"""What a replay found: frozen figures."""

from __future__ import annotations

import math
from typing import Any

import attrs

__all__ = ["BargeIn", "RecordingReport", "ReplayReport", "Reply", "Turn"]


@attrs.frozen(kw_only=True)
class RecordingReport:
    """One recording that was played.

    Attributes:
        name: What it was called.
        starts_at_ms: Where it begins in the audio of the session, in milliseconds.
        seconds: How long it plays, without the silence behind it.
        sha256: Of what the source gave, once converted to the session's format, without the silence behind it.
        frames: Frames that were sent, silence included.
        stalls: How often a frame was so late that the pace began anew.
        late_p50_ms: Half of the frames were sent no later than this after their moment.
        late_p99_ms: The same for 99 of 100.
        late_max_ms: The latest frame.
    """

    name: str
    starts_at_ms: int
    seconds: float
    sha256: str
    frames: int
    stalls: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


@attrs.frozen(kw_only=True)
class Turn:
    """One turn of the user.

    Attributes:
        item_id: The item that it became.
        recording: The recording in which it was spoken.
        start_ms: Where the server says it starts in the audio of the session; its padding included. ``None`` if the
            turn was committed by hand.
        end_ms: Where the server says it ends, the silence that it waited for included.
        ended_at: When its last sample was sent, in seconds since the replay began: the last one of speech, or where
            the turn was committed by hand, of the recording.
        transcript: What the server understood, if the session transcribes.
        committed_at: When it was committed by hand, or the server said that it was.
        transcribed_at: When the whole transcript came.
        sha256: Of the audio from `start_ms` to `end_ms`, if the replay keeps digests.
    """

    item_id: str
    recording: str
    start_ms: int | None
    end_ms: int | None
    ended_at: float | None
    transcript: str
    committed_at: float | None = None
    transcribed_at: float | None = None
    sha256: str | None = None

    @property
    def transcript_latency(self) -> float | None:
        """Seconds from the end of the turn to its transcript."""
        if self.ended_at is None or self.transcribed_at is None:
            return None
        return self.transcribed_at - self.ended_at


@attrs.frozen(kw_only=True)
class Reply:
    """One response of the model.

    Attributes:
        response_id: Its id.
        answers: The last turn before it; ``None`` for one that no turn asked for.
        status: ``"completed"``, ``"cancelled"``, ``"failed"``, ``"incomplete"``; ``None`` if it has not ended.
        detail: Why it did not complete, if the server said so.
        first_audio_at: When its first audio came, in seconds since the replay began.
        latency: Seconds from the end of the turn to the first audio: what the user waits.
        audio_bytes: Audio that was delivered.
        audio_seconds: How long that audio plays.
        transcript: What the model said or wrote.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
        thinking: Seconds from the commit of the turn to the first audio: the model's part of the latency.
        heard_at: When its first sample was heard, if there is a listener.
        heard_latency: Seconds from the end of the turn to that.
        gaps: Seconds of each silence in its midst, since audio came late.
        audio_input_tokens: How many of the input are audio; all, if the server does not say.
        cached_tokens: How many of the input were cached.
        cached_audio_tokens: How many of these are audio.
        audio_output_tokens: How many of the output are audio; all, if the server does not say.
        sha256: Of its audio, if the replay keeps digests.
    """

    response_id: str
    answers: str | None
    status: str | None
    detail: str | None
    first_audio_at: float | None
    latency: float | None
    audio_bytes: int
    audio_seconds: float
    transcript: str
    input_tokens: int
    output_tokens: int
    thinking: float | None = None
    heard_at: float | None = None
    heard_latency: float | None = None
    gaps: tuple[float, ...] = ()
    audio_input_tokens: int = 0
    cached_tokens: int = 0
    cached_audio_tokens: int = 0
    audio_output_tokens: int = 0
    sha256: str | None = None


@attrs.frozen(kw_only=True)
class BargeIn:
    """The user spoke while a reply was playing, and it stopped.

    Attributes:
        item_id: The turn of the user.
        response_id: The reply.
        recording: The recording that broke in.
        onset_at: When the first sample of the speech was sent, by where the server says that it began.
        heard_ms: How much of the item had been heard.
        silent_at: When the listener fell silent; ``None`` if nothing was left to be heard.
        truncated_at: When the truncation went to the wire; ``None`` where the server truncates, or nobody watched.
        acknowledged_at: When the server confirmed it: that the item is truncated, or its buffer cleared.
    """

    item_id: str
    response_id: str
    recording: str
    onset_at: float
    heard_ms: int
    silent_at: float | None
    truncated_at: float | None
    acknowledged_at: float | None


@attrs.frozen(kw_only=True)
class ReplayReport:
    """What a replay found, so far or at its end.

    Attributes:
        speed: How many times faster than real time the recordings were played; ``None``: unpaced.
        seconds: How long it took.
        finished: All recordings were played, and their replies waited for.
        recordings: The recordings, in order.
        turns: The turns of the user, in order.
        replies: The responses of the model, in order.
        unanswered: Turns that nothing answered within the time.
        interruptions: How often the user talked over a reply; what had not been heard of it was taken back.
        errors: Codes of the errors that were reported, in order.
        input_sha256: Of all audio that was sent, the silence behind the recordings included: of the input buffer.
        input_bytes: The length of that.
        time_to_first_audio: Seconds from the first frame to the first audio of the model.
        barge_ins: How the reply stopped each time that the user talked over it, in order.
        session_id: What the server calls the session; empty if it did not say.
    """

    speed: float | None
    seconds: float
    finished: bool
    recordings: tuple[RecordingReport, ...]
    turns: tuple[Turn, ...]
    replies: tuple[Reply, ...]
    unanswered: int
    interruptions: int
    errors: tuple[str, ...]
    input_sha256: str
    input_bytes: int
    time_to_first_audio: float | None
    barge_ins: tuple[BargeIn, ...] = ()
    session_id: str = ""

    @property
    def latencies(self) -> tuple[float, ...]:
        """The turn latencies that could be measured, in seconds, in order."""
        return tuple(reply.latency for reply in self.replies if reply.latency is not None)

    @property
    def segments(self) -> int:
        """How many spoken segments the server's detector found."""
        return sum(turn.start_ms is not None for turn in self.turns)

    @property
    def output_bytes(self) -> int:
        """Audio of the model, in bytes."""
        return sum(reply.audio_bytes for reply in self.replies)

    @property
    def output_seconds(self) -> float:
        """How long the audio of the model plays."""
        return sum(reply.audio_seconds for reply in self.replies)

    @property
    def input_tokens(self) -> int:
        """Tokens that went in, over all replies."""
        return sum(reply.input_tokens for reply in self.replies)

    @property
    def output_tokens(self) -> int:
        """Tokens that came out, over all replies."""
        return sum(reply.output_tokens for reply in self.replies)

    @property
    def without_speech(self) -> tuple[str, ...]:
        """The recordings in which the server's detector found no speech; empty where it does not say what it finds."""
        if self.replies and not self.turns:
            return ()
        spoken = {turn.recording for turn in self.turns}
        return tuple(recording.name for recording in self.recordings if recording.name not in spoken)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the session cannot be called good; empty if it can. A reply that the user talks over is no problem."""
        found: list[str] = []
        if not self.finished:
            found.append("the session ended before the recordings and their replies did")
        failed = [reply for reply in self.replies if reply.status in ("failed", "incomplete")]
        found += [f"a reply ended {r.status}" + (f" ({r.detail})" if r.detail else "") for r in failed]
        found += [f"an error was reported: {code}" for code in self.errors]
        if self.unanswered:
            found.append(f"{self.unanswered} turn{'s' * (self.unanswered > 1)} of the user got no answer in time")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON object, with what follows from its figures."""
        latencies = sorted(self.latencies)
        return {
            **attrs.asdict(self),
            "segments": self.segments,
            "turn_latency": {
                "count": len(latencies),
                "p50": percentile(latencies, 0.5),
                "max": latencies[-1] if latencies else None,
            },
            "pacing_late_ms": {
                "p50": max((r.late_p50_ms for r in self.recordings), default=None),
                "p99": max((r.late_p99_ms for r in self.recordings), default=None),
                "max": max((r.late_max_ms for r in self.recordings), default=None),
            },
            "output_bytes": self.output_bytes,
            "output_seconds": self.output_seconds,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "without_speech": list(self.without_speech),
            "problems": list(self.problems),
        }


def percentile(ordered: list[float], share: float) -> float | None:
    """The value below or at which *share* of the *ordered* values lie; ``None`` of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
