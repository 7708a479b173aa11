"""Makes rows of the results from the report of a replay. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.bench.results import BargeIn, Check, Session, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from realtime_transport.bench.corpus import Utterance
    from realtime_transport.bench.plan import Place
    from realtime_transport.replay import ReplayReport, Reply
    from realtime_transport.replay.report import Turn as SpokenTurn

__all__ = ["Noted", "barge_in_rows", "check_row", "session_figures", "turn_rows"]


@attrs.frozen(kw_only=True)
class Noted:
    """The emulator's record of a session, to compare with.

    Attributes:
        segments: Where speech began and ended, in milliseconds.
        input_sha256: SHA-256 of the audio that it received.
    """

    segments: tuple[tuple[int, int], ...]
    input_sha256: str


def turn_rows(place: Place, report: ReplayReport, utterances: Sequence[Utterance]) -> Iterator[Turn]:
    """A row for each turn."""
    words = {utterance.name: utterance.words for utterance in utterances}
    replies = {reply.answers: reply for reply in report.replies if reply.answers is not None}
    cut_off = {one.response_id for one in report.barge_ins}
    is_alone = place.transport == "websocket"  # Over WebRTC the audio is encoded with a lossy codec.
    for turn in report.turns:
        reply = replies.get(turn.item_id)
        yield Turn(
            **attrs.asdict(place),
            recording=turn.recording,
            start_ms=turn.start_ms,
            end_ms=turn.end_ms,
            transcript=turn.transcript_latency,
            words=turn.transcript,
            expected=words.get(turn.recording),
            **({} if reply is None else _answer(reply)),
            is_echo=None if reply is None or not is_alone or reply.response_id in cut_off else _is_echo(turn, reply),
        )
        is_alone = reply is not None and place.transport == "websocket"  # An answer to two turns repeats both.


def _answer(reply: Reply) -> dict[str, Any]:
    return {
        "latency": reply.latency,
        "heard": reply.heard_latency,
        "thinking": reply.thinking,
        "reply_seconds": reply.audio_seconds,
        "gaps": reply.gaps,
        "status": reply.status,
    }


def _is_echo(turn: SpokenTurn, reply: Reply) -> bool | None:
    if turn.sha256 is None or reply.sha256 is None or reply.status != "completed":
        return None
    return turn.sha256 == reply.sha256


def barge_in_rows(place: Place, report: ReplayReport) -> Iterator[BargeIn]:
    """A row for each barge-in."""
    for one in report.barge_ins:
        yield BargeIn(
            **attrs.asdict(place),
            recording=one.recording,
            heard_ms=one.heard_ms,
            silence=_since(one.onset_at, one.silent_at),
            truncation=_since(one.onset_at, one.truncated_at),
            acknowledged=_since(one.onset_at, one.acknowledged_at),
        )


def _since(onset_at: float, at: float | None) -> float | None:
    return None if at is None else at - onset_at


def session_figures(report: ReplayReport) -> dict[str, Any]:
    """The fields of a `Session` that come from its report."""
    played = report.recordings
    return {
        "first_audio": report.time_to_first_audio,
        "late_p50_ms": max((one.late_p50_ms for one in played), default=0.0),
        "late_p99_ms": max((one.late_p99_ms for one in played), default=0.0),
        "late_max_ms": max((one.late_max_ms for one in played), default=0.0),
        "frames": sum(one.frames for one in played),
        "input_sha256": report.input_sha256,
        "session_id": report.session_id,
        "input_tokens": report.input_tokens,
        "output_tokens": report.output_tokens,
        "finished": report.finished and not report.unanswered,
    }


def check_row(session: Session, turns: Sequence[Turn], noted: Mapping[str, Noted]) -> Check | None:
    """How *session* and its *turns* differ from what was *noted*; ``None`` if the emulator does not know it."""
    known = noted.get(session.session_id)
    if known is None:
        return None
    ours = [(turn.start_ms, turn.end_ms) for turn in turns if turn.start_ms is not None and turn.end_ms is not None]
    distances = [
        float(max(abs(start - their_start), abs(end - their_end)))
        for (start, end), (their_start, their_end) in zip(ours, known.segments, strict=False)
    ]
    return Check(
        sessions=session.sessions,
        session=session.session,
        repeat=session.repeat,
        transport=session.transport,
        backend=session.backend,
        segment_ms=max(distances, default=None),
        segments_off=abs(len(ours) - len(known.segments)),
        is_input_whole=session.transport == "webrtc" or session.input_sha256 == known.input_sha256,
    )
