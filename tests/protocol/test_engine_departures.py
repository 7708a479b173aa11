"""Where the engine leaves the JavaScript SDK on purpose: promises, by their numbers in the docs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_transport.errors import ConfigError, DecodeError, RemoteProtocolError
from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    ErrorEvent,
    FunctionCallEvent,
    ItemUpdateEvent,
    TurnDoneEvent,
)
from realtime_transport.protocol.engine.function_calls import MAX_CALLS
from realtime_transport.protocol.engine.receiver import MAX_PROBLEMS
from realtime_transport.protocol.wire import server_events as server
from realtime_transport.protocol.wire.objects import ServerError
from tests.protocol.engine_driver import CANCEL, EngineDriver, truncate

BUSY = "conversation_already_has_active_response"


def decode_error(event: object) -> DecodeError:
    assert isinstance(event, ErrorEvent)
    assert isinstance(event.error, DecodeError)
    return event.error


# 1. One bad item never hurts the connection.


@pytest.mark.parametrize(
    "text", ["not json {", "", "[]", "42", "null", '"x"', '{"event_id":"x"}', '{"type":7}', '{"type":null}', '{"a":']
)
def test_1_frames_that_are_no_events(text: str) -> None:
    talk = EngineDriver()
    [event] = talk.raw(text)
    error = decode_error(event)
    assert isinstance(event, ErrorEvent)
    assert event.raw == text
    assert error.size == len(text)
    assert talk.told("response.created", response={"id": "r"}) == ["turn_started"]


def test_1_binary_frames() -> None:
    talk = EngineDriver()
    assert talk.raw(b"\0\1\2") == []
    [event] = talk.raw(b'{"type":"vendor.bin"}')
    assert isinstance(event, server.UnknownServerEvent)


@pytest.mark.parametrize("delta", ["%%%", "AQIDB", "AQ==AQ==", "é", 5, ["AQI="], {"a": 1}, True])
def test_1_audio_that_is_not_base64(delta: Any) -> None:
    talk = EngineDriver()
    [event] = talk.server("response.output_audio.delta", item_id="i", response_id="r", content_index=0, delta=delta)
    error = decode_error(event)
    assert (error.path, error.message_type) == ("delta", "response.output_audio.delta")
    assert isinstance(event, ErrorEvent)
    assert isinstance(event.raw, dict)
    assert event.raw["delta"] == delta
    talk.audio(20)
    talk.interrupt()
    assert talk.sent() == [truncate("i1", 0)]


@pytest.mark.parametrize("delta", ["AQI", "AQ\nI=", " AQI= "])
def test_1_audio_in_base64_as_browsers_take_it(delta: str) -> None:
    talk = EngineDriver()
    [event] = talk.server("response.output_audio.delta", item_id="i", response_id="r", content_index=0, delta=delta)
    assert isinstance(event, AudioEvent)
    assert event.data == b"\1\2"


@pytest.mark.parametrize("fields", [{}, {"delta": None}])
def test_1_audio_without_audio(fields: dict[str, Any]) -> None:
    talk = EngineDriver()
    events = talk.server("response.output_audio.delta", item_id="i", response_id="r", content_index=0, **fields)
    assert events == []


@pytest.mark.parametrize("fields", [{}, {"item_id": None, "response_id": None, "content_index": None}])
def test_1_audio_that_belongs_nowhere_is_still_audio(fields: dict[str, Any]) -> None:
    talk = EngineDriver()
    [event] = talk.server("response.output_audio.delta", delta="AQI=", **fields)
    assert event == AudioEvent(data=b"\1\2", response_id="", item_id="")
    assert talk.interrupt() == []  # and nothing could be truncated


def test_1_audio_with_odd_fields() -> None:
    talk = EngineDriver()
    error, another, audio = talk.server(
        "response.output_audio.delta", delta="AQI=", item_id=7, response_id="r", output_index="x"
    )
    assert {decode_error(error).path, decode_error(another).path} == {"item_id", "output_index"}
    assert isinstance(audio, AudioEvent)
    assert audio.data == b"\1\2"


def test_1_wrong_types_are_kept_and_reported() -> None:
    talk = EngineDriver()
    typed, error, update = talk.server(
        "conversation.item.done", previous_item_id=5, item={"id": "i", "type": "message", "role": "user"}
    )
    assert isinstance(typed, server.ConversationItemDone)
    assert typed.previous_item_id == 5  # type: ignore[comparison-overlap]
    assert decode_error(error).path == "previous_item_id"
    assert isinstance(update, ItemUpdateEvent)
    many = {"type": "rate_limits.updated", "rate_limits": [1] * 1000}
    assert len(talk.raw(json.dumps(many))) == 1 + MAX_PROBLEMS


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("vendor.news", {"a": 1}),
        ("conversation.item.added", {"item": {"type": "hologram", "id": "h"}}),
        ("conversation.item.added", {"item": None}),
        ("conversation.item.added", {}),
        ("response.content_part.added", {"part": {"type": "smell"}}),
        ("rate_limits.updated", {"rate_limits": None}),
        ("rate_limits.updated", {"rate_limits": [{"name": "new", "x": 1}], "more": {}}),
        ("session.updated", {"session": {"audio": None, "tools": [{"type": "new"}], "turbo": True}}),
        ("session.updated", {"session": None}),
        ("response.output_audio.done", {}),
        ("input_audio_buffer.speech_started", {}),
        ("conversation.item.truncated", {}),
        ("conversation.item.deleted", {"item_id": None}),
    ],
)
def test_1_what_is_new_or_missing_is_no_error(kind: str, fields: dict[str, Any]) -> None:
    talk = EngineDriver()
    assert not [event for event in talk.server(kind, **fields) if isinstance(event, ErrorEvent)]
    assert talk.sent() == []


@pytest.mark.parametrize(
    ("error", "read"),
    [
        ({"code": "c", "message": "m", "event_id": "e"}, ServerError(code="c", message="m", event_id="e")),
        ("plain text", ServerError(message="plain text")),
        (None, ServerError()),
        ([1], ServerError()),
        ({"code": 5}, ServerError(code=5)),  # type: ignore[arg-type]
    ],
)
def test_1_errors_of_the_server(error: Any, read: ServerError) -> None:
    talk = EngineDriver()
    typed, event = talk.server("error", error=error)
    assert isinstance(typed, server.Error)
    assert isinstance(event, ErrorEvent)
    assert event.error == talk.engine.last_error == read
    assert event.raw == {"type": "error", "event_id": "ev", "error": error}
    assert event.event_id == ("e" if isinstance(error, dict) and "event_id" in error else None)


def test_1_where_an_error_lies() -> None:
    talk = EngineDriver()
    assert ErrorEvent(error=ServerError(param="session.voice")).path == "session.voice"
    assert ErrorEvent(error=ServerError()).path == ""
    assert ErrorEvent(error=RemoteProtocolError("x")).path == ""
    [event] = talk.raw('{"type":7}')
    assert isinstance(event, ErrorEvent)
    assert event.path == "type"


# 2. Monotonic time, and real positions where they are reported.


def test_2_reported_positions() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(300, "a")
    talk.engine.audio_played("a", 0, 24 * 250)
    talk.audio(300, "b")
    talk.advance_ms(5000)
    talk.interrupt()
    assert talk.sent() == [CANCEL, truncate("a", 250), truncate("b", 0)]


# 3. After an interruption.


def test_3_late_audio_is_discarded() -> None:
    talk = EngineDriver()
    talk.created("r1")
    talk.audio(100)
    talk.interrupt()
    assert talk.audio(100) == []
    assert talk.audio(100, item_id="i2") == []
    assert talk.interrupt() == []
    talk.done("r1", status="cancelled")
    assert talk.audio(100) == []
    talk.created("r2")
    assert [type(event) for event in talk.audio(100, item_id="i3", response_id="r2")] == [AudioEvent]


def test_3_undelivered_audio_is_withdrawn() -> None:
    talk = EngineDriver()
    talk.created("r1")
    talk.audio(100, "i1", "r1")
    talk.done("r1")
    talk.created("r2")
    talk.audio(100, "i2", "r2")
    talk.done("r2")
    talk.created("r3")
    [event] = talk.interrupt()
    assert isinstance(event, AudioInterruptedEvent)
    assert event.withdraws == {"r1", "r2", "r3"}


@pytest.mark.parametrize("by", ["interrupt", "speech"])
def test_3_late_audio_of_a_response_that_the_server_cancels(by: str) -> None:
    talk = EngineDriver()
    talk.server("session.updated", session={"audio": {"input": {"turn_detection": {"interrupt_response": True}}}})
    talk.created()
    talk.audio(100)
    talk.speech() if by == "speech" else talk.interrupt(cancel=False)
    assert talk.audio(100) == []


def test_3_a_response_is_cancelled_before_its_first_audio() -> None:
    talk = EngineDriver()
    talk.created()
    assert talk.interrupt() == []  # nothing was heard, nothing is told
    assert talk.sent() == [CANCEL]
    assert talk.audio(100) == []
    assert talk.interrupt() == []
    assert talk.sent() == []


def test_3_a_response_of_text_is_cancelled() -> None:
    talk = EngineDriver()
    talk.created()
    talk.server("response.output_text.delta", item_id="i", response_id="r1", delta="x")
    talk.interrupt()
    assert talk.sent() == [CANCEL]


def test_3_the_typed_delta_is_told_to_who_asks_for_it() -> None:
    talk = EngineDriver()
    talk.engine.set_interest(lambda kind: True)
    talk.created()
    talk.audio(100)
    talk.interrupt()
    assert [type(event) for event in talk.audio(100)] == [server.ResponseOutputAudioDelta]


def test_3_responses_without_an_id() -> None:
    talk = EngineDriver()
    talk.server("response.created", response={"id": None})
    talk.server("response.output_audio.delta", item_id="i", content_index=0, delta="AQI=")
    [event] = talk.interrupt()
    assert isinstance(event, AudioInterruptedEvent)
    assert event.withdraws == {""}
    talk.server("response.done", response={"id": None})
    assert talk.sent() == [CANCEL, truncate("i", 0)]


# 5. Updates merge. 6. Wrong configuration is an error at once.


def test_5_updates_merge() -> None:
    talk = EngineDriver(session_config={"instructions": "a"})
    talk.engine.update_session_config({"voice": "ash"}, False)
    talk.engine.update_session_config({"voice": "ash"}, True)
    merged, reset = (frame["session"] for frame in talk.sent())
    assert merged["instructions"] == "a"
    assert "instructions" not in reset


def test_6_wrong_configuration() -> None:
    talk = EngineDriver()
    with pytest.raises(ConfigError) as caught:
        talk.engine.update_session_config({"audio": {"input": {"format": "opus"}}}, True)
    assert caught.value.key == "audio.input.format"
    assert talk.sent() == []


# 8. The response sequencer cannot block.


def test_8_a_refused_create_is_sent_again() -> None:
    talk = EngineDriver()
    talk.engine.request_response({"n": 1}, talk.now)
    talk.engine.request_response({"n": 2}, talk.now)
    talk.error(BUSY)
    talk.error("rate_limit")
    assert [frame["response"] for frame in talk.sent()] == [{"n": 1}]
    talk.done("unheard of")
    assert [frame["response"] for frame in talk.sent()] == [{"n": 1}]
    talk.created()
    talk.done()
    assert [frame["response"] for frame in talk.sent()] == [{"n": 2}]


def test_8_a_race_with_turn_detection() -> None:
    talk = EngineDriver()
    talk.engine.request_response(None, talk.now)
    [create] = talk.sent()
    talk.created("of the server")  # taken for the answer
    talk.error(BUSY, create["event_id"])
    assert talk.sent() == []
    talk.done("of the server")
    [again] = talk.sent()
    assert again["event_id"] != create["event_id"]


def test_8_errors_are_recognised_by_event_id_and_code_and_not_by_prose() -> None:
    talk = EngineDriver()
    talk.engine.request_response({"n": 1}, talk.now)
    talk.engine.request_response({"n": 2}, talk.now)
    talk.sent()
    talk.engine.send_message("hello", None, False, talk.now)
    talk.sent()
    talk.server("error", error={"message": "response.create failed", "code": None})
    talk.error("response_cancel_not_active")
    talk.error(BUSY, "somebody else's")
    assert talk.sent() == []


def test_8_an_unanswered_create_times_out() -> None:
    talk = EngineDriver(create_timeout=30.0)
    talk.engine.request_response({"n": 1}, talk.now)
    talk.engine.request_response({"n": 2}, talk.now)
    assert talk.engine.get_timer() == talk.now + 30
    talk.advance_ms(29_999)
    assert talk.engine.take_events() == []
    talk.advance_ms(1)
    [event] = talk.engine.take_events()
    assert isinstance(event, ErrorEvent)
    assert isinstance(event.error, RemoteProtocolError)
    assert event.event_id == "response_create-1"
    assert [frame["event_id"] for frame in talk.sent()] == ["response_create-1", "response_create-2"]


def test_8_a_refusal_is_not_believed_for_ever() -> None:
    talk = EngineDriver(create_timeout=30.0)
    talk.engine.request_response(None, talk.now)
    talk.error(BUSY)
    talk.advance_ms(30_000)
    assert [frame["event_id"] for frame in talk.sent()] == ["response_create-1", "response_create-2"]
    assert talk.engine.take_events() == []


def test_8_without_a_deadline_it_waits() -> None:
    talk = EngineDriver(create_timeout=None)
    talk.engine.request_response(None, talk.now)
    assert talk.engine.get_timer() is None


# 9. Function calls, MCP calls, turns.


def test_9_each_function_call_is_told_once() -> None:
    talk = EngineDriver()
    call = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}", "status": "completed"}
    told = [event for _ in range(3) for event in talk.server("response.output_item.done", item=call, response_id="r")]
    assert len([event for event in told if isinstance(event, FunctionCallEvent)]) == 1
    assert talk.told("response.output_item.done", item={**call, "call_id": "d"}) == ["item_update", "function_call"]
    nameless = {"type": "function_call", "status": "completed"}
    assert talk.told("response.output_item.done", item=nameless) == ["function_call"]
    assert talk.told("response.output_item.done", item=nameless) == ["function_call"]
    talk.engine.connection_opened(talk.now)
    assert "function_call" in talk.told("response.output_item.done", item=call)


def test_9_calls_are_not_remembered_for_ever() -> None:
    talk = EngineDriver()
    for n in range(MAX_CALLS + 1):
        item = {"type": "function_call", "call_id": f"c{n}", "status": "completed"}
        assert talk.told("response.output_item.done", item=item) == ["function_call"]
    assert talk.told("response.output_item.done", item={**item, "call_id": "c0"}) == ["function_call"]
    assert talk.told("response.output_item.done", item=item) == []


def test_9_arguments_that_are_not_json() -> None:
    talk = EngineDriver()
    item = {"id": "f", "type": "function_call", "call_id": "c", "arguments": "{oops", "status": "completed"}
    assert talk.told("response.output_item.done", item=item) == ["item_update", "error", "function_call"]


def test_9_a_retrieved_finished_mcp_call_is_completed() -> None:
    talk = EngineDriver()
    item = {"id": "m", "type": "mcp_call", "name": "n", "arguments": "{}", "output": "o"}
    _, update = talk.server("conversation.item.retrieved", item=item)
    assert isinstance(update, ItemUpdateEvent)
    assert update.item.status == "completed"  # type: ignore[union-attr]


def test_9_turn_done_has_status_and_the_servers_total() -> None:
    talk = EngineDriver()
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 9}
    *_, done = talk.server("response.done", response={"id": "r", "status": "incomplete", "usage": usage})
    assert isinstance(done, TurnDoneEvent)
    assert (done.status, done.usage.total_tokens) == ("incomplete", 9)


# 10. Tracing. 11. History. 14. Without a connection.


@pytest.mark.parametrize("reported", [None, "auto", {"workflow_name": "theirs"}])
def test_10_tracing_can_be_switched_off(reported: Any) -> None:
    talk = EngineDriver(session_config={"tracing": None})
    talk.server("session.created", session={"tracing": reported})
    assert talk.sent() == [{"type": "session.update", "session": {"type": "realtime", "tracing": None}}]


def test_11_a_reordering_is_a_change() -> None:
    talk = EngineDriver()
    items = [{"itemId": name, "type": "message", "role": "user", "content": []} for name in "ab"]
    talk.engine.reset_history(items, [dict(reversed(item.items())) for item in items])
    assert talk.sent() == []
    talk.engine.reset_history(items, items[::-1])
    assert [frame["type"] for frame in talk.sent()] == ["conversation.item.delete", "conversation.item.create"]
