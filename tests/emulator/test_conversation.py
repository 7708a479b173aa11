"""Turns, items and responses, in the order that recordings of the service show."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from realtime_transport.emulator.conversation.effects import CloseWith
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.replies import Reply, Speech, Turn
from tests.emulator.conversation_driver import ConversationDriver, append, audio_of, shape, silence, speech, user_text

CREATE = {"type": "response.create"}
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SPOKEN_REPLY = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
]
SPOKEN_END = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def manual(**more: Any) -> ConversationDriver:
    return ConversationDriver.begin(audio={"input": {"turn_detection": None}}, **more)


def test_the_first_event_is_the_whole_session() -> None:
    talk = ConversationDriver.begin(greet=False)
    talk.core.open(0.0)
    talk.run()
    session = talk.one("session.created")["session"]
    assert talk.types == ["session.created"]
    assert session["object"] == "realtime.session"
    assert session["id"].startswith("sess_")
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert session["output_modalities"] == ["audio"]
    assert session["tracing"] is None


def test_order_of_a_text_turn() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("Say a short greeting.")
    assert shape(talk.events) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    created, done = talk.one("response.created")["response"], talk.one("response.done")["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "You said: Say a short greeting."}]
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"] > 0
    assert set(created) == set(done) >= {"status_details", "conversation_id", "metadata", "max_output_tokens", "audio"}
    assert talk.one("response.content_part.added")["part"] == {"type": "text", "text": ""}
    assert (
        "".join(event["delta"] for event in talk.of("response.output_text.delta"))
        == done["output"][0]["content"][0]["text"]
    )
    assert all("obfuscation" in event for event in talk.of("response.output_text.delta"))


def test_order_of_a_spoken_reply_to_text() -> None:
    talk = ConversationDriver.begin()
    talk.ask("Hello")
    kinds = shape(talk.events)
    assert kinds[:8] == ["conversation.item.added", "conversation.item.done", "response.created", *SPOKEN_REPLY]
    assert kinds[-7:] == SPOKEN_END
    added, done = talk.of("conversation.item.added")
    assert added["previous_item_id"] is None
    assert done["previous_item_id"] == added["item"]["id"]
    assert done["item"] == {**done["item"], "role": "assistant", "status": "in_progress", "content": []}
    part = talk.one("response.done")["response"]["output"][0]["content"][0]
    assert part == {"type": "output_audio", "transcript": "You said: Hello"}
    assert len(audio_of(talk.events)) / 48000 >= 0.6
    assert "".join(e["delta"] for e in talk.of("response.output_audio_transcript.delta")) == "You said: Hello"


def test_order_of_a_spoken_turn() -> None:
    talk = ConversationDriver.begin(audio={"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}})
    talk.hear(silence(0.5) + speech(2.0) + silence(1.0))
    kinds = shape(talk.events)
    assert kinds[:9] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        *SPOKEN_REPLY[:3],
    ]
    rest = [kind for kind in kinds if "transcription" not in kind]
    assert rest[-7:] == SPOKEN_END
    started, stopped = talk.one("input_audio_buffer.speech_started"), talk.one("input_audio_buffer.speech_stopped")
    committed = talk.one("input_audio_buffer.committed")
    assert started["item_id"] == stopped["item_id"] == committed["item_id"]
    assert committed["previous_item_id"] is None
    item = talk.of("conversation.item.added")[0]["item"]
    assert item["id"] == started["item_id"]
    assert item["content"] == [{"type": "input_audio", "transcript": None}]
    # The speech lies from 0.5 to 2.5 s; 300 ms of padding before it and 200 ms of silence after it belong to it.
    assert 200 <= started["audio_start_ms"] <= 350
    assert 2450 <= stopped["audio_end_ms"] <= 2850
    assert talk.core.record.segments == [(started["audio_start_ms"], stopped["audio_end_ms"])]


def test_a_transcription_names_the_duration_and_reaches_the_item() -> None:
    talk = ConversationDriver.begin(audio={"input": {"transcription": {"model": "whisper-1"}}})
    talk.hear(speech(2.0) + silence(1.0))
    done = talk.one("conversation.item.input_audio_transcription.completed")
    clip_seconds = (talk.core.record.segments[0][1] - talk.core.record.segments[0][0]) / 1000
    assert done["transcript"] == f"({clip_seconds:.1f} seconds of speech)"
    assert done["usage"] == {"type": "duration", "seconds": 3}
    deltas = talk.of("conversation.item.input_audio_transcription.delta")
    assert "".join(event["delta"] for event in deltas) == f" {done['transcript']}"
    (item,) = (e["item"] for e in talk.say({"type": "conversation.item.retrieve", "item_id": done["item_id"]}))
    assert item["content"][0]["transcript"] == done["transcript"]


def test_without_a_transcription_setting_there_is_none() -> None:
    talk = ConversationDriver.begin()
    talk.hear(speech(1.0) + silence(0.8))
    assert not any("transcription" in kind for kind in talk.types)


def test_a_function_call_and_its_output() -> None:
    talk = ConversationDriver.begin(tools=[TOOL], output_modalities=["text"])
    talk.ask('/call get_weather {"city": "Oslo"}')
    assert shape(talk.events)[2:] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    (call,) = talk.one("response.done")["response"]["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "get_weather", '{"city": "Oslo"}')
    assert call["status"] == "completed"
    done = talk.one("response.function_call_arguments.done")
    assert (done["call_id"], done["name"]) == (call["call_id"], "get_weather")
    talk.forget()
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "12 degrees"}
    talk.say({"type": "conversation.item.create", "item": output})
    assert talk.types == ["conversation.item.added", "conversation.item.done"]  # It does not go on by itself.
    assert "status" not in talk.events[0]["item"]
    talk.say(CREATE)
    said = talk.one("response.done")["response"]["output"][0]["content"][0]["text"]
    assert said == "get_weather returned: 12 degrees"


def test_several_calls_are_answered_together() -> None:
    talk = ConversationDriver.begin(tools=[TOOL, {**TOOL, "name": "get_time"}], output_modalities=["text"])
    talk.ask("/call get_weather\n/call get_time {}")
    calls = talk.one("response.done")["response"]["output"]
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    assert [event["output_index"] for event in talk.of("response.output_item.added")] == [0, 1]
    talk.forget()
    for number, call in enumerate(calls):
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": f"output {number}"}
        talk.say({"type": "conversation.item.create", "item": output})
    talk.say(CREATE)
    texts = [item["content"][0]["text"] for item in talk.one("response.done")["response"]["output"]]
    assert texts == ["get_weather returned: output 0", "get_time returned: output 1"]


def test_a_manual_turn_is_not_answered_unasked() -> None:
    talk = manual()
    audio = speech(1.0)
    talk.say(append(audio[:20000]), append(audio[20000:]))
    assert talk.types == []
    talk.say({"type": "input_audio_buffer.commit"})
    assert talk.types == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    talk.say(CREATE)
    assert audio_of(talk.events) == audio
    assert talk.core.record.input_audio_sha256 == hashlib.sha256(audio).hexdigest()
    assert talk.core.record.input_audio_bytes == len(audio)


def test_a_commit_needs_100_ms() -> None:
    talk = manual()
    talk.say(append(silence(0.099)))
    talk.say({"type": "input_audio_buffer.commit", "event_id": "mine"})
    error = talk.one("error")["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")
    assert "99" in error["message"]
    talk.forget()
    talk.say(append(silence(0.001)), {"type": "input_audio_buffer.commit"})
    assert talk.types[0] == "input_audio_buffer.committed"


def test_clearing_the_buffer() -> None:
    talk = manual()
    talk.say(append(silence(1.0)), {"type": "input_audio_buffer.clear"}, {"type": "input_audio_buffer.commit"})
    assert talk.types == ["input_audio_buffer.cleared", "error"]


def test_audio_on_both_sides_of_a_commit_is_kept_apart() -> None:
    talk = manual()
    for number in (1, 2):
        talk.say(append(bytes([number, 0]) * 4800), {"type": "input_audio_buffer.commit"})
    first, second = (e["item_id"] for e in talk.of("input_audio_buffer.committed"))
    assert talk.of("input_audio_buffer.committed")[1]["previous_item_id"] == first
    talk.forget()
    talk.say({"type": "conversation.item.retrieve", "item_id": second})
    assert talk.one("conversation.item.retrieved")["item"]["content"][0]["audio"].startswith("AgAC")


def test_a_commit_by_hand_in_the_middle_of_speech() -> None:
    talk = ConversationDriver.begin()
    talk.hear(speech(1.0))
    started = talk.one("input_audio_buffer.speech_started")
    talk.say({"type": "input_audio_buffer.commit"})
    assert talk.one("input_audio_buffer.committed")["item_id"] == started["item_id"]
    talk.hear(silence(1.0))
    assert talk.of("input_audio_buffer.speech_stopped") == []


def test_barge_in_cancels_the_response() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/say 20")
    talk.advance(1.0)
    talk.forget()
    talk.hear(speech(0.6))
    kinds = [kind for kind in talk.types if "delta" not in kind]
    assert kinds == ["input_audio_buffer.speech_started", *SPOKEN_END]
    response = talk.one("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    talk.forget()
    talk.hear(silence(1.0))
    assert len(talk.of("response.created")) == 1


def test_barge_in_can_be_switched_off() -> None:
    talk = ConversationDriver.begin(
        audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}, audio_speed=1.0
    )
    talk.ask("/say 20")
    talk.forget()
    talk.hear(speech(0.6) + silence(0.6))
    assert talk.of("response.done") == []
    # The response that the end of speech would have started finds another one active.
    assert talk.one("error")["error"]["code"] == "conversation_already_has_active_response"
    assert talk.one("error")["error"]["event_id"] is None


def test_the_server_can_be_told_not_to_answer() -> None:
    talk = ConversationDriver.begin(
        audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
    )
    talk.hear(speech(1.0) + silence(1.0))
    assert talk.types[-1] == "conversation.item.done"
    talk.say(CREATE)
    assert len(talk.of("response.created")) == 1


def test_semantic_vad_waits_longer() -> None:
    talk = ConversationDriver.begin(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}})
    assert talk.core.session["audio"]["input"]["turn_detection"]["interrupt_response"] is True
    talk.hear(speech(1.0) + silence(0.35))
    assert talk.of("input_audio_buffer.speech_stopped") == []
    talk.hear(silence(0.3))
    assert len(talk.of("input_audio_buffer.speech_stopped")) == 1


def test_the_idle_timeout_prompts_the_user() -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    talk = ConversationDriver.begin(audio={"input": {"turn_detection": detection}})
    talk.hear(silence(0.5))
    talk.ask("/say 2")
    talk.forget()
    talk.hear(silence(6.0))
    assert talk.types == []  # Two seconds of playback come first.
    talk.hear(silence(1.5))
    assert talk.types[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


def test_only_one_response_at_a_time() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/say 5")
    active = talk.one("response.created")["response"]["id"]
    talk.say({**CREATE, "event_id": "second"})
    error = talk.one("error")["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    assert active in error["message"]
    talk.advance(6.0)
    assert len(talk.of("response.created")) == len(talk.of("response.done")) == 1


def test_cancelling() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/say 5")
    talk.advance(1.0)
    talk.forget()
    talk.say({"type": "response.cancel"})
    assert talk.types == SPOKEN_END
    assert talk.one("response.done")["response"]["status_details"] == {
        "type": "cancelled",
        "reason": "client_cancelled",
    }
    assert talk.advance(10.0) == []
    talk.say({"type": "response.cancel", "event_id": "again"})
    error = talk.one("error")["error"]
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "again")


def test_responses_out_of_band() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/say 5")
    first = talk.one("response.created")["response"]
    talk.forget()
    aside = {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "x"}, "input": []}
    talk.say({**CREATE, "response": aside})
    response = talk.one("response.done")["response"]
    assert (response["conversation_id"], response["metadata"]) == (None, {"topic": "x"})
    assert response["status"] == "completed"
    assert not any(kind.startswith("conversation.item") for kind in talk.types)
    talk.forget()
    talk.say({**CREATE, "response": {"conversation": "none", "instructions": "be brief"}})
    second = talk.one("response.created")["response"]
    talk.say({"type": "response.cancel", "response_id": second["id"]})
    assert talk.one("response.done")["response"]["id"] == second["id"]
    assert first["conversation_id"].startswith("conv_")


def test_the_input_of_a_response_replaces_the_conversation() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.say(user_text("in the conversation"))
    item_id = talk.one("conversation.item.done")["item"]["id"]
    message = user_text("only here")["item"]
    talk.say({**CREATE, "response": {"input": [message, {"type": "item_reference", "id": item_id}]}})
    texts = [item["content"][0]["text"] for item in talk.one("response.done")["response"]["output"]]
    assert texts == ["You said: only here", "You said: in the conversation"]
    talk.say({**CREATE, "response": {"input": [{"type": "item_reference", "id": "item_nowhere"}]}})
    assert talk.one("error")["error"]["param"] == "response.input[0].id"


def test_a_response_without_anything_new() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.say(CREATE)
    assert talk.one("response.done")["response"]["output"][0]["content"][0]["text"].startswith("Hello")
    talk.forget()
    talk.say({**CREATE, "response": {"instructions": "Greet the caller."}})
    assert "Greet the caller." in talk.one("response.done")["response"]["output"][0]["content"][0]["text"]


def test_settings_of_one_response() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("Hi", output_modalities=["audio"], audio={"output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}})
    response = talk.one("response.done")["response"]
    assert response["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "marin"}
    assert len(audio_of(talk.events)) == pytest.approx(8000 * len("You said: Hi") / 15, rel=0.01)


def test_max_output_tokens_cuts_the_reply() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("one two three four five six seven eight nine ten", max_output_tokens=6)
    response = talk.one("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] <= 6
    assert response["output"][0]["status"] == "incomplete"


def test_a_tool_choice_of_required_calls() -> None:
    talk = ConversationDriver.begin(tools=[TOOL], tool_choice="required")
    talk.ask("anything")
    (call,) = talk.one("response.done")["response"]["output"]
    assert call["arguments"] == '{"city": "example"}'


def test_truncating_what_was_heard() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/say 2")
    item_id = talk.one("response.done")["response"]["output"][0]["id"]
    truncate = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
    talk.forget()
    talk.say({**truncate, "audio_end_ms": 2001})
    error = talk.one("error")["error"]
    assert error["code"] == "invalid_value"
    assert error["message"] == "Audio content of 2000ms is already shorter than 2001ms"
    talk.forget()
    talk.say({**truncate, "audio_end_ms": 700}, {"type": "conversation.item.retrieve", "item_id": item_id})
    assert talk.events[0] == {**truncate, "type": "conversation.item.truncated", "audio_end_ms": 700} | {
        "event_id": talk.events[0]["event_id"]
    }
    (part,) = talk.one("conversation.item.retrieved")["item"]["content"]
    assert len(part["audio"]) == 700 * 48 * 4 // 3
    assert "transcript" not in part


def test_truncating_while_it_is_being_said() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/say 5")
    talk.advance(1.0)
    item_id = talk.one("response.output_item.added")["item"]["id"]
    truncate = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
    talk.say({**truncate, "audio_end_ms": 4000})
    assert talk.one("error")["error"]["code"] == "invalid_value"  # Not sent yet, so not heard.
    talk.say({**truncate, "audio_end_ms": 500}, {"type": "response.cancel"})
    assert talk.one("conversation.item.truncated")["audio_end_ms"] == 500
    assert talk.one("response.done")["response"]["output"][0]["content"] == [{"type": "output_audio"}]


def test_only_assistant_audio_can_be_truncated() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("Hi")
    for item_id in (e["item"]["id"] for e in talk.of("conversation.item.done")):
        talk.forget()
        talk.say({"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 0})
        assert talk.one("error")["error"]["code"] == "unsupported_content_type"


@pytest.mark.parametrize("verb", ["delete", "retrieve", "truncate"])
def test_unknown_items(verb: str) -> None:
    talk = ConversationDriver.begin()
    event: dict[str, Any] = {"type": f"conversation.item.{verb}", "item_id": "item_x", "event_id": "e"}
    if verb == "truncate":
        event |= {"content_index": 0, "audio_end_ms": 0}
    talk.say(event)
    error = talk.one("error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == (f"item_{verb}_invalid_item_id", None, "e")


def test_where_items_go() -> None:
    talk = ConversationDriver.begin()
    for item_id, previous in (("b", None), ("a", "root"), ("d", ""), ("c", "b")):
        event = user_text(item_id)
        event["item"]["id"] = item_id
        event["previous_item_id"] = previous
        talk.say(event)
    added = [(e["item"]["id"], e["previous_item_id"]) for e in talk.of("conversation.item.added")]
    assert added == [("b", None), ("a", None), ("d", "b"), ("c", "b")]
    talk.forget()
    talk.say({**user_text("x"), "previous_item_id": "nowhere", "event_id": "e"})
    error = talk.one("error")["error"]
    assert (error["param"], error["event_id"]) == ("previous_item_id", "e")
    talk.say({"type": "conversation.item.delete", "item_id": "c"})
    assert talk.one("conversation.item.deleted")["item_id"] == "c"


def test_an_output_needs_its_call() -> None:
    talk = ConversationDriver.begin()
    item = {"type": "function_call_output", "call_id": "call_x", "output": ""}
    talk.say({"type": "conversation.item.create", "item": item})
    assert talk.one("error")["error"]["code"] == "invalid_tool_call_id"


def test_updates_merge_and_answer_with_the_whole() -> None:
    talk = ConversationDriver.begin()
    talk.say({"type": "session.update", "session": {"type": "realtime", "instructions": "", "tools": [TOOL]}})
    turn_detection = {"type": "server_vad", "threshold": 0.7}
    audio = {"input": {"turn_detection": turn_detection, "transcription": {"model": "whisper-1"}}}
    talk.say({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    session = talk.events[-1]["session"]
    assert (session["instructions"], session["tools"]) == ("", [TOOL])
    assert session["audio"]["input"]["turn_detection"]["threshold"] == 0.7
    assert session["audio"]["input"]["turn_detection"]["prefix_padding_ms"] == 300
    assert session["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": None, "prompt": None}
    assert session["audio"]["output"]["voice"] == "alloy"


def test_a_refused_update_changes_nothing() -> None:
    talk = ConversationDriver.begin()
    update = {"type": "realtime", "instructions": "new", "output_modalities": ["audio", "text"]}
    talk.say({"type": "session.update", "session": update, "event_id": "e"})
    assert talk.one("error")["error"]["param"] == "session.output_modalities"
    talk.say({"type": "session.update", "session": {"type": "realtime"}})
    assert talk.one("session.updated")["session"]["instructions"] != "new"


def test_the_voice_is_fixed_once_it_was_heard() -> None:
    talk = ConversationDriver.begin()
    voice = {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "marin"}}}}
    talk.say(voice)
    talk.ask("Hi")
    talk.forget()
    talk.say(voice)
    assert talk.types == ["session.updated"]  # The same voice is no change.
    voice["session"]["audio"]["output"]["voice"] = "cedar"
    talk.say(voice)
    assert talk.one("error")["error"]["code"] == "cannot_update_voice"


def test_the_model_and_tracing_are_fixed() -> None:
    talk = ConversationDriver.begin(tracing="auto")
    talk.say({"type": "session.update", "session": {"type": "realtime", "model": "gpt-realtime", "tracing": "auto"}})
    assert talk.types == ["session.updated"]
    talk.say({"type": "session.update", "session": {"type": "realtime", "model": "gpt-realtime-mini"}})
    talk.say({"type": "session.update", "session": {"type": "realtime", "tracing": None}})
    assert [e["error"]["param"] for e in talk.of("error")] == ["session.model", "session.tracing"]


def test_g711_in_and_out() -> None:
    from realtime_transport.audio.formats import AudioFormat
    from tests.emulator.conversation_driver import recording

    telephone = {"format": {"type": "audio/pcmu"}}
    talk = ConversationDriver.begin(audio={"input": telephone, "output": telephone})
    audio = recording("vm-options", AudioFormat.PCMU)[: 8000 * 3]
    for at in range(0, len(audio), 160):
        talk.say(append(audio[at : at + 160]))
    talk.say(append(b"\xff" * 8000))
    started, stopped = talk.one("input_audio_buffer.speech_started"), talk.one("input_audio_buffer.speech_stopped")
    clip = audio_of(talk.events)
    assert clip == (audio + b"\xff" * 8000)[started["audio_start_ms"] * 8 : stopped["audio_end_ms"] * 8]


def test_a_transcription_session() -> None:
    transcription = {"model": "gpt-4o-transcribe"}
    talk = ConversationDriver.begin(SessionKind.TRANSCRIPTION, audio={"input": {"transcription": transcription}})
    talk.hear(speech(1.0) + silence(1.0))
    assert not any(kind.startswith(("response", "rate_limits")) for kind in talk.types)
    assert talk.one("conversation.item.input_audio_transcription.completed")["usage"]["type"] == "tokens"
    talk.say({"type": "response.create"})
    assert talk.one("error")["error"]["param"] == "type"
    talk.forget()
    model = {"audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}}}}
    talk.say({"type": "session.update", "session": {"type": "transcription", **model}})
    assert "Turn detection is not supported" in talk.one("error")["error"]["message"]


def test_the_end_of_the_hour() -> None:
    talk = ConversationDriver.begin()
    talk.advance(3599.0)
    assert talk.events == []
    talk.advance(1.0)
    error = talk.one("error")["error"]
    assert error["code"] == "session_expired"
    assert talk.others == [CloseWith(1001, error["message"])]
    assert talk.say(CREATE) == []  # Nothing follows a close.


def test_each_created_response_is_done_exactly_once() -> None:
    def chatter(turn: Turn) -> Reply:
        return Reply(outputs=[Speech(text="a b c", seconds=0.5), Speech(text="d e f", seconds=0.5)])

    talk = ConversationDriver.begin(responder=chatter, audio_speed=2.0)
    for step in range(40):
        talk.say(CREATE)
        talk.advance(0.05 * (step % 7))
        if step % 3 == 0:
            talk.say({"type": "response.cancel"})
    talk.advance(10.0)
    created = [e["response"]["id"] for e in talk.of("response.created")]
    assert created == [e["response"]["id"] for e in talk.of("response.done")]
    for response_id in created:
        own = [e for e in talk.events if e.get("response_id") == response_id]
        added = [e["item"]["id"] for e in own if e["type"] == "response.output_item.added"]
        assert added == [e["item"]["id"] for e in own if e["type"] == "response.output_item.done"]


def test_a_large_append_is_listened_to_in_slices() -> None:
    talk = ConversationDriver.begin()
    talk.core.receive(__import__("json").dumps(append(silence(1.0) + speech(3.0) + silence(2.0))), 0.0)
    assert talk.core.get_timer() == float("-inf")
    talk.run()
    assert talk.core.get_timer() != float("-inf")
    assert "input_audio_buffer.speech_stopped" in talk.types


def test_the_oldest_audio_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_transport.emulator.conversation.history.MAX_AUDIO_BYTES", 2 * 48000)
    talk = manual()
    for _ in range(3):
        talk.say(append(speech(1.0)), {"type": "input_audio_buffer.commit"})
    sizes: list[int] = []
    for event in talk.of("input_audio_buffer.committed"):
        (retrieved,) = talk.say({"type": "conversation.item.retrieve", "item_id": event["item_id"]})
        sizes.append(len(retrieved["item"]["content"][0]["audio"]))
    assert sizes == [0, 64000, 64000]


def test_silence_of_an_hour_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_transport.emulator.sound.MAX_BUFFERED_MS", 2000)
    talk = ConversationDriver.begin()
    talk.hear(silence(5.0))
    talk.say({"type": "input_audio_buffer.commit"})
    item_id = talk.one("input_audio_buffer.committed")["item_id"]
    (retrieved,) = talk.say({"type": "conversation.item.retrieve", "item_id": item_id})
    assert len(retrieved["item"]["content"][0]["audio"]) == 2 * 64000
    assert talk.core.record.input_audio_bytes == 5 * 48000
