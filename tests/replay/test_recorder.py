"""The bookkeeping of a replay, from events and times alone."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from realtime_transport.audio import AudioFormat
from realtime_transport.errors import DecodeError
from realtime_transport.events import (
    AudioEvent,
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    TurnDoneEvent,
    TurnStartedEvent,
    Usage,
)
from realtime_transport.protocol.engine.playback.ledger import Truncation
from realtime_transport.protocol.wire.codec import decode_server_event
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.replay import Listener
from realtime_transport.replay.recorder import Recorder

FRAME = AudioFormat.PCM24K.silence(480)  # 20 ms


def server(**fields: Any) -> Any:
    return decode_server_event(fields)[0]


def session(kind: str, turn_detection: dict[str, Any] | None) -> Any:
    audio = {"input": {"turn_detection": turn_detection}}
    return server(type=kind, event_id="e", session={"type": "realtime", "audio": audio})


def audio(response_id: str, ms: int) -> AudioEvent:
    return AudioEvent(data=bytes(48 * ms), response_id=response_id, item_id="item", content_index=0)


class Story:
    """A recorder, and a clock that stands at 100 s when the replay begins."""

    def __init__(self, turn_detection: dict[str, Any] | None) -> None:
        self.recorder = Recorder(AudioFormat.PCM24K, AudioFormat.PCM24K, 1.0, 100.0)
        self.now = 100.0
        self.tell(session("session.created", turn_detection))
        self.recorder.recording_began("a", self.now)

    def send(self, frames: int) -> None:
        for _ in range(frames):
            self.recorder.frame_sent(FRAME, self.now)
            self.now += 0.02

    def tell(self, *events: Any) -> None:
        for event in events:
            self.recorder.receive(event, self.now)

    def speak(self, start_ms: int, end_ms: int, item_id: str = "u1") -> None:
        self.tell(
            server(type="input_audio_buffer.speech_started", event_id="e", audio_start_ms=start_ms, item_id=item_id),
            server(type="input_audio_buffer.speech_stopped", event_id="e", audio_end_ms=end_ms, item_id=item_id),
            server(type="input_audio_buffer.committed", event_id="e", item_id=item_id),
        )


VAD = {"type": "server_vad", "silence_duration_ms": 200, "create_response": True}


def test_the_latency_counts_from_the_last_sample_of_speech() -> None:
    story = Story(VAD)
    story.send(60)  # 1.2 s
    story.speak(100, 1000)  # Speech to 800 ms, and the silence that ended it.
    story.tell(TurnStartedEvent(response_id="r1"), audio("r1", 100), audio("r1", 50))
    assert story.recorder.owed
    story.tell(TurnDoneEvent(response_id="r1", status="completed", usage=Usage(input_tokens=3, output_tokens=5)))
    assert not story.recorder.owed
    report = story.recorder.report(story.now)
    assert report.turns[0].ended_at == pytest.approx(0.78)  # The frame that ends at 800 ms was sent at 780.
    assert report.replies[0].latency == pytest.approx(1.2 - 0.78)
    assert report.replies[0].answers == "u1"
    assert report.replies[0].audio_seconds == pytest.approx(0.15)
    assert report.time_to_first_audio == pytest.approx(1.2)
    assert (report.input_tokens, report.output_tokens) == (3, 5)
    assert report.segments == 1


def test_a_reply_answers_all_turns_that_wait() -> None:
    story = Story(VAD)
    story.send(100)
    story.speak(0, 500, "u1")
    story.speak(600, 1200, "u2")
    story.tell(TurnStartedEvent(response_id="r1"), TurnDoneEvent(response_id="r1", status="completed"))
    report = story.recorder.report(story.now)
    assert report.unanswered == 0
    assert report.replies[0].answers == "u2"
    assert report.replies[0].latency is None  # It had no audio.


def test_what_is_owed_while_somebody_speaks_and_until_the_reply_has_ended() -> None:
    story = Story(VAD)
    story.send(10)
    assert not story.recorder.owed
    story.tell(server(type="input_audio_buffer.speech_started", event_id="e", audio_start_ms=0, item_id="u1"))
    assert story.recorder.owed
    story.tell(server(type="input_audio_buffer.speech_stopped", event_id="e", audio_end_ms=200, item_id="u1"))
    story.tell(server(type="input_audio_buffer.committed", event_id="e", item_id="u1"))
    assert story.recorder.owed
    assert story.recorder.report(story.now).unanswered == 1
    story.tell(TurnStartedEvent(response_id="r1"))
    assert story.recorder.owed
    assert story.recorder.report(story.now).unanswered == 0


@pytest.mark.parametrize("turn_detection", [{**VAD, "create_response": False}])
def test_nothing_is_owed_where_the_session_does_not_answer(turn_detection: dict[str, Any]) -> None:
    story = Story(turn_detection)
    story.send(60)
    story.speak(100, 1000)
    assert not story.recorder.owed
    assert story.recorder.report(story.now).unanswered == 0


def test_a_turn_that_is_committed_by_hand_is_owed_from_then_on() -> None:
    story = Story(None)
    story.send(50)
    story.recorder.turn_committed(story.now)
    assert story.recorder.owed
    story.now += 0.1
    story.tell(server(type="input_audio_buffer.committed", event_id="e", item_id="u1"))
    assert story.recorder.owed
    story.now += 0.2
    story.tell(TurnStartedEvent(response_id="r1"), audio("r1", 10), TurnDoneEvent(response_id="r1", status="completed"))
    assert not story.recorder.owed
    assert story.recorder.report(story.now).latencies == (pytest.approx(0.3),)


def test_a_commit_that_is_refused_is_owed_no_more() -> None:
    story = Story(None)
    story.recorder.turn_committed(story.now)
    story.tell(ErrorEvent(error=ServerError(type="invalid_request_error", code="input_audio_buffer_commit_empty")))
    assert not story.recorder.owed
    assert story.recorder.report(story.now).errors == ("input_audio_buffer_commit_empty",)


def test_a_fence_is_owed_until_the_session_is_updated() -> None:
    story = Story(VAD)
    story.recorder.fence_sent(story.now)
    assert story.recorder.owed
    story.tell(session("session.updated", VAD))
    assert not story.recorder.owed


def test_errors_are_problems_unless_they_are_races() -> None:
    story = Story(VAD)
    for code in ("response_cancel_not_active", "conversation_already_has_active_response", "invalid_value"):
        story.tell(ErrorEvent(error=ServerError(type="invalid_request_error", code=code)))
    story.tell(ErrorEvent(error=DecodeError("not JSON", size=3)))
    story.recorder.finished = True
    report = story.recorder.report(story.now)
    assert report.errors == ("invalid_value", "DecodeError")
    assert len(report.problems) == 2


def test_replies_that_fail_are_problems_and_those_that_are_talked_over_are_not() -> None:
    story = Story(VAD)
    story.recorder.finished = True
    details = {"type": "failed", "error": {"type": "server_error", "code": "tired"}}
    failed = server(
        type="response.done", event_id="e", response={"id": "r1", "status": "failed", "status_details": details}
    )
    story.tell(
        TurnStartedEvent(response_id="r1"),
        TurnDoneEvent(response_id="r1", status="failed", response=failed.response),
        TurnStartedEvent(response_id="r2"),
        AudioInterruptedEvent(withdraws=frozenset({"r2"})),
        TurnDoneEvent(response_id="r2", status="cancelled"),
    )
    report = story.recorder.report(story.now)
    assert report.problems == ("a reply ended failed (tired)",)
    assert report.interruptions == 1


def test_a_session_that_ends_early_is_a_problem() -> None:
    assert len(Story(VAD).recorder.report(101.0).problems) == 1


def test_the_timeline_holds_sizes_and_no_words() -> None:
    story = Story(VAD)
    secret = "the combination is 1234"
    entries = [
        story.recorder.receive(AudioTranscriptDeltaEvent(delta=secret, item_id="i", response_id="r"), 101.5),
        story.recorder.receive(server(type="response.output_text.done", event_id="e", text=secret), 101.5),
        story.recorder.receive(server(type="something.new", event_id="e", text=secret), 101.5),
        story.recorder.receive(audio("r", 20), 101.5),
    ]
    assert secret not in str([entry.as_json() for entry in entries])
    assert [entry.type for entry in entries] == [
        "audio_transcript_delta",
        "response.output_text.done",
        "something.new",
        "audio",
    ]
    assert [entry.origin for entry in entries] == ["event", "server", "server", "event"]
    assert all(entry.bytes for entry in entries)
    assert entries[0].as_json()["seconds"] == 1.5


def test_a_barge_in_is_timed_from_the_onset_of_speech() -> None:
    story = Story({**VAD, "prefix_padding_ms": 300})
    recorder = story.recorder
    recorder.listener = Listener(AudioFormat.PCM24K, buffer_ms=0)
    story.send(60)
    story.speak(100, 1000)
    story.tell(TurnStartedEvent(response_id="r1"), audio("r1", 5000))
    story.send(100)  # To 3.2 s.
    onset = server(type="input_audio_buffer.speech_started", event_id="e", audio_start_ms=2500, item_id="u2")
    cut = Truncation(item_id="item", content_index=0, audio_end_ms=2000)
    recorder.message_sent('{"type":"input_audio_buffer.append","audio":"' + "A" * 3000 + '"}', story.now)
    recorder.message_sent('{"type":"conversation.item.truncate","item_id":"item"}', story.now + 0.001)
    story.now += 0.002
    interrupted = AudioInterruptedEvent(
        response_id="r1", item_id="item", audio_end_ms=2000, truncations=(cut,), withdraws=frozenset({"r1"})
    )
    story.tell(onset, interrupted)
    story.now += 0.05
    story.tell(server(type="conversation.item.truncated", event_id="e", item_id="item", audio_end_ms=2000))
    (found,) = recorder.report(story.now).barge_ins
    assert found.onset_at == pytest.approx(2.78)  # The frame that ends at 2800 ms.
    assert (found.item_id, found.response_id, found.recording, found.heard_ms) == ("u2", "r1", "a", 2000)
    assert found.truncated_at == pytest.approx(3.201)
    assert found.silent_at == pytest.approx(3.202)
    assert found.acknowledged_at == pytest.approx(3.252)


def test_where_the_server_plays_its_cleared_buffer_is_the_confirmation() -> None:
    story = Story(VAD)
    recorder = story.recorder
    recorder.listener, recorder.server_plays = Listener(AudioFormat.PCM24K), True
    story.send(60)
    story.speak(100, 1000)
    story.tell(TurnStartedEvent(response_id="r1"), audio("r1", 5000))
    story.tell(
        server(type="input_audio_buffer.speech_started", event_id="e", audio_start_ms=1100, item_id="u2"),
        AudioInterruptedEvent(response_id="r1"),
        server(type="output_audio_buffer.cleared", event_id="e", response_id="r1"),
    )
    (found,) = recorder.report(story.now).barge_ins
    assert found.silent_at == pytest.approx(1.2)
    assert found.acknowledged_at == pytest.approx(1.2)
    assert found.truncated_at is None


def test_nothing_was_left_to_be_silenced() -> None:
    story = Story(VAD)
    story.recorder.listener = Listener(AudioFormat.PCM24K, buffer_ms=0)
    story.send(60)
    story.speak(100, 1000)
    story.tell(TurnStartedEvent(response_id="r1"), audio("r1", 100))
    story.send(10)
    story.tell(
        server(type="input_audio_buffer.speech_started", event_id="e", audio_start_ms=1100, item_id="u2"),
        AudioInterruptedEvent(response_id="r1", withdraws=frozenset({"r1"})),
    )
    (found,) = story.recorder.report(story.now).barge_ins
    assert found.silent_at is None


def test_tokens_of_which_the_server_says_nothing_are_audio() -> None:
    story = Story(VAD)
    story.tell(TurnStartedEvent(response_id="r1"))
    usage = Usage(
        input_tokens=100,
        output_tokens=50,
        input_tokens_details={
            "audio_tokens": 60,
            "text_tokens": 40,
            "cached_tokens": 30,
            "cached_tokens_details": {"audio_tokens": 20, "text_tokens": 10},
        },
    )
    story.tell(TurnDoneEvent(response_id="r1", status="completed", usage=usage))
    (reply,) = story.recorder.report(story.now).replies
    assert (reply.audio_input_tokens, reply.cached_tokens, reply.cached_audio_tokens) == (60, 30, 20)
    assert reply.audio_output_tokens == 50


def test_digests_of_turns_and_replies() -> None:
    story = Story(VAD)
    story.recorder = Recorder(AudioFormat.PCM24K, AudioFormat.PCM24K, 1.0, 100.0, digests=True)
    for number in range(60):
        story.recorder.frame_sent(bytes([number]) * 960, 100.0)
    story.speak(100, 1000)
    said = b"".join(bytes([number]) * 960 for number in range(5, 50))
    story.tell(TurnStartedEvent(response_id="r1"), AudioEvent(data=said, response_id="r1", item_id="i"))
    report = story.recorder.report(story.now)
    assert report.turns[0].sha256 == report.replies[0].sha256 == hashlib.sha256(said).hexdigest()
    assert report.turns[0].committed_at == 0.0
