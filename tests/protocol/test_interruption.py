"""Interruptions: decided once, in the way of each wire, and told with what was cut off."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest

from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    Withdrawal,
)
from realtime_transport.protocol.engine.playback.ledger import Truncation
from realtime_transport.protocol.engine.policy import SERVER_PLAYBACK, EnginePolicy
from realtime_transport.protocol.wire import server_events as server
from tests.protocol.engine_driver import CANCEL, EngineDriver, truncate

CREATE = {"type": "response.create"}
HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}


def test_interruption_cancels_truncates_and_tells() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(400)
    talk.advance_ms(150)
    [event] = talk.interrupt()
    assert event == AudioInterruptedEvent(
        response_id="r1",
        item_id="i1",
        samples_heard=3600,
        audio_end_ms=150,
        truncations=(Truncation(item_id="i1", content_index=0, audio_end_ms=150, samples=3600, response_id="r1"),),
        withdraws=frozenset({"r1"}),
    )
    assert talk.sent() == [CANCEL, truncate("i1", 150)]
    assert talk.interrupt() == []
    assert talk.sent() == []


def test_interruption_without_cancelling() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(400)
    talk.interrupt(cancel=False)
    assert talk.sent() == [truncate("i1", 0)]


@pytest.mark.parametrize(
    ("turn_detection", "cancels"),
    [
        ({"type": "server_vad", "interrupt_response": False}, True),
        ({"type": "server_vad", "interrupt_response": True}, False),
        ({"type": "semantic_vad"}, True),
        (None, True),
    ],
)
def test_speech_interrupts(turn_detection: Any, cancels: bool) -> None:
    talk = EngineDriver()
    talk.server("session.updated", session={"audio": {"input": {"turn_detection": turn_detection}}})
    talk.created()
    talk.audio(500)
    talk.advance_ms(77)
    [interrupted] = talk.speech()
    assert talk.sent() == [*([CANCEL] if cancels else []), truncate("i1", 77)]
    assert isinstance(interrupted, AudioInterruptedEvent)
    [cause] = interrupted.preceded_by
    assert isinstance(cause, server.InputAudioBufferSpeechStarted)
    assert cause.sequence < interrupted.sequence


def test_speech_while_nothing_is_heard() -> None:
    talk = EngineDriver()
    assert [type(event) for event in talk.speech()] == [server.InputAudioBufferSpeechStarted]
    talk.created()
    assert [type(event) for event in talk.speech()] == [server.InputAudioBufferSpeechStarted]
    assert talk.sent() == []  # the server has not said that it leaves cancelling to us
    talk.server("session.updated", session={"audio": {"input": {"turn_detection": {"interrupt_response": False}}}})
    talk.speech()
    assert talk.sent() == [CANCEL]


@pytest.mark.parametrize(
    ("audio_format", "ms"),
    [
        ({"type": "audio/pcm", "rate": 16000}, 300),
        ({"type": "audio/pcm"}, 200),
        ({"type": "audio/pcmu"}, 1200),
        ({"type": "audio/pcma"}, 1200),
        ({"type": "audio/opus"}, 200),
        ("g711_ulaw", 1200),
        ("g711_alaw", 1200),
        ("pcm16", 200),
        (None, 200),
        ({"type": "audio/pcm", "rate": "fast"}, 200),
        ({"type": "audio/pcm", "rate": 0}, 200),
    ],
)
@pytest.mark.parametrize("of_the_response", [False, True])
def test_length_follows_the_format(audio_format: Any, ms: int, of_the_response: bool) -> None:
    talk = EngineDriver()
    audio = {"audio": {"output": {"format": audio_format}}}
    if not of_the_response:
        talk.server("session.updated", session=audio)
    talk.created(**(audio if of_the_response else {}))
    talk.audio(200)  # as linear audio at 24 kHz
    talk.advance_ms(60_000)
    talk.interrupt()
    assert talk.sent() == [CANCEL, truncate("i1", ms)]


def test_nothing_is_truncated_that_was_heard_to_its_end() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(100)
    talk.audio_done()
    talk.done()
    talk.advance_ms(100)
    assert [type(event) for event in talk.interrupt()] == [AudioInterruptedEvent]
    assert talk.sent() == []


def test_a_message_after_an_interruption_waits_for_the_end() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(500)
    talk.interrupt()
    talk.engine.send_message("hello", None, True, talk.now)
    assert talk.sent() == [CANCEL, truncate("i1", 0), {"type": "conversation.item.create", "item": HELLO}]
    talk.done(status="cancelled")
    assert talk.sent() == [{**CREATE, "event_id": "response_create-1"}]


def test_cancelling_stops_the_model_but_not_the_sound() -> None:
    talk = EngineDriver()
    talk.engine.cancel_response(talk.now)
    assert talk.sent() == []
    talk.created()
    talk.audio(100)
    talk.engine.cancel_response(talk.now)
    assert talk.sent() == [CANCEL]
    assert talk.engine.take_events() == []
    assert [type(event) for event in talk.audio(100)] == [AudioEvent]


def test_a_cancellation_by_hand_counts() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(100)
    talk.engine.send_event(CANCEL, talk.now)
    talk.interrupt()
    assert talk.sent() == [CANCEL, truncate("i1", 0)]


def test_where_the_server_plays_it_is_asked_to_drop() -> None:
    clear = {"type": "output_audio_buffer.clear"}
    talk = EngineDriver(policy=SERVER_PLAYBACK)
    # Nothing was playing: for the application nothing has happened, but what is on its way must not be heard.
    assert [type(event) for event in talk.interrupt()] == [Withdrawal]
    assert talk.sent() == [clear]
    talk.created()
    [withdrawal] = talk.interrupt()
    assert isinstance(withdrawal, Withdrawal)
    assert withdrawal.withdraws == {"r1"}
    assert talk.sent() == [CANCEL, clear]
    talk.interrupt(cancel=False)
    assert talk.sent() == [clear]
    assert [type(event) for event in talk.speech()] == [server.InputAudioBufferSpeechStarted, Withdrawal]
    assert talk.sent() == [clear]


def server_playing(talk: EngineDriver, response_id: str = "r1", item_id: str = "i1") -> None:
    """The server begins to play a reply of which it has said what it is."""
    talk.created(response_id)
    talk.server(
        "response.content_part.added",
        response_id=response_id,
        item_id=item_id,
        content_index=0,
        part={"type": "audio", "transcript": ""},
    )
    talk.server("output_audio_buffer.started", response_id=response_id)


def interruptions(events: list[Any]) -> list[AudioInterruptedEvent]:
    return [event for event in events if isinstance(event, AudioInterruptedEvent)]


def test_where_the_server_plays_an_interruption_says_what_was_cut_off() -> None:
    talk = EngineDriver(policy=SERVER_PLAYBACK)
    server_playing(talk)
    talk.advance_ms(250)
    [event] = talk.interrupt()
    assert event == AudioInterruptedEvent(
        response_id="r1", item_id="i1", samples_heard=6000, audio_end_ms=250, withdraws=frozenset({"r1"})
    )
    # The server confirms, and the response ends: that is the same interruption.
    assert not interruptions(talk.server("output_audio_buffer.cleared", response_id="r1"))
    assert not interruptions(talk.done(status="cancelled"))
    assert not interruptions(talk.interrupt())


@pytest.mark.parametrize("by", ["cleared", "done"])
def test_where_the_server_plays_its_detector_interrupts(by: str) -> None:
    talk = EngineDriver(policy=attrs.evolve(SERVER_PLAYBACK, interrupts_on_speech=False))
    server_playing(talk)
    talk.advance_ms(40)
    talk.speech()
    cleared = partial(talk.server, "output_audio_buffer.cleared", response_id="r1")
    response = {"id": "r1", "status": "cancelled", "status_details": {"reason": "turn_detected"}}
    done = partial(talk.server, "response.done", response=response)
    first, second = (cleared, done) if by == "cleared" else (done, cleared)
    [event] = interruptions(first())
    assert (event.response_id, event.item_id, event.audio_end_ms) == ("r1", "i1", 40)
    [cause] = event.preceded_by
    assert isinstance(cause, server.OutputAudioBufferCleared | server.ResponseDone)
    assert 0 < cause.sequence < event.sequence
    assert not interruptions(second())
    assert talk.sent() == []


def test_a_reply_that_the_server_has_played_cannot_be_cut_off() -> None:
    talk = EngineDriver(policy=SERVER_PLAYBACK)
    server_playing(talk)
    talk.done()
    talk.server("output_audio_buffer.stopped", response_id="r1")
    assert not interruptions(talk.interrupt())
    assert not interruptions(talk.server("output_audio_buffer.cleared", response_id="r1"))


def test_an_error_in_what_the_server_says_of_a_reply_is_no_interruption() -> None:
    talk = EngineDriver(policy=SERVER_PLAYBACK)
    server_playing(talk)
    assert not interruptions(talk.server("output_audio_buffer.cleared", response_id="other"))
    assert not interruptions(talk.server("response.done", response={"id": "other", "status_details": "turn_detected"}))
    assert len(interruptions(talk.interrupt())) == 1


def test_one_response_can_be_interrupted_and_the_other_plays_on() -> None:
    talk = EngineDriver(policy=EnginePolicy(playback_reported=True))
    talk.created("main")
    talk.created("aside", conversation_id=None)
    talk.audio(100, "m", "main")
    talk.audio(100, "a", "aside")
    talk.engine.audio_played("m", 0, 1200)
    talk.engine.interrupt(True, talk.now, "aside")
    assert talk.sent() == [{**CANCEL, "response_id": "aside"}, truncate("a", 0)]
    [event] = talk.engine.take_events()
    assert isinstance(event, AudioInterruptedEvent)
    assert (event.response_id, event.item_id, event.withdraws) == ("aside", "a", {"aside"})
    assert [type(event) for event in talk.audio(10, "a", "aside")] == []
    assert [type(event) for event in talk.audio(10, "m", "main")] == [AudioEvent]
    talk.engine.interrupt(True, talk.now, "nobody")
    assert (talk.sent(), talk.engine.take_events()) == ([], [])
    talk.engine.interrupt(True, talk.now, "main")
    assert talk.sent() == [{**CANCEL, "response_id": "main"}, truncate("m", 50)]


def test_a_response_can_be_cancelled_by_its_id() -> None:
    talk = EngineDriver()
    talk.created("r1")
    talk.engine.cancel_response(talk.now, "other")
    assert talk.sent() == []
    talk.engine.cancel_response(talk.now, "r1")
    assert talk.sent() == [{**CANCEL, "response_id": "r1"}]
    talk.engine.cancel_response(talk.now, "r1")
    assert talk.sent() == []


def test_a_wire_that_does_not_interrupt_on_speech() -> None:
    talk = EngineDriver(policy=EnginePolicy(interrupts_on_speech=False))
    talk.created()
    talk.audio(100)
    assert [type(event) for event in talk.speech()] == [server.InputAudioBufferSpeechStarted]
    assert talk.sent() == []


def test_reported_positions_count_from_the_first_report_on() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(300, "a")
    talk.engine.audio_played("a", 0, 4800)
    talk.audio(300, "b")
    talk.advance_ms(10_000)
    talk.interrupt()
    assert talk.sent() == [CANCEL, truncate("a", 200), truncate("b", 0)]


def test_the_end_of_another_response_leaves_the_active_one() -> None:
    talk = EngineDriver()
    talk.created("r1")
    talk.audio(100, response_id="r1")
    talk.done("out of band")
    [event] = talk.interrupt(cancel=False)
    assert isinstance(event, AudioInterruptedEvent)
    assert event.withdraws == {"r1"}
