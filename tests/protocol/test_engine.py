"""The engine as a whole: what goes out, what is told, in which order."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from realtime_transport.connection import interface as connection_interface
from realtime_transport.errors import (
    ConfigError,
    LocalProtocolError,
    UnsupportedOperation,
)
from realtime_transport.protocol.config.settings import RealtimeSessionConfig
from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    Event,
    FunctionCallEvent,
    ItemUpdateEvent,
    McpApprovalRequestEvent,
    TurnStartedEvent,
    UsageUpdateEvent,
)
from realtime_transport.protocol.engine.lanes import AUDIO, CONTROL, DATA
from realtime_transport.protocol.engine.policy import EnginePolicy
from realtime_transport.protocol.engine.realtime_items import RealtimeMcpCallApprovalRequestItem, RealtimeToolCallItem
from realtime_transport.protocol.wire import server_events as server
from realtime_transport.protocol.wire.client_events import InputAudioBufferClear, ResponseCreate
from realtime_transport.protocol.wire.items import InputTextPart, UserMessageItem
from realtime_transport.protocol.wire.responses import ResponseCreateParams
from realtime_transport.protocol.wire.session import RealtimeSession, TranscriptionSession
from tests.protocol.engine_driver import CANCEL, EngineDriver, truncate

CREATE = {"type": "response.create"}


def item_create(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item, **fields}


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(content)}


HELLO = user({"type": "input_text", "text": "hello"})


# Opening


def test_opening_sends_the_configuration() -> None:
    talk = EngineDriver(
        opened=False, model="m", session_config=RealtimeSessionConfig(instructions="Be brief.", model="ignored")
    )
    assert talk.sent() == []
    talk.engine.connection_opened(talk.now)
    [update] = talk.sent()
    assert update["type"] == "session.update"
    assert (update["session"]["model"], update["session"]["instructions"]) == ("m", "Be brief.")


def test_a_wrong_configuration_is_an_error_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError):
        EngineDriver(opened=False, session_config={"instructions": 5})


def test_ready_and_session() -> None:
    talk = EngineDriver()
    assert (talk.engine.ready, talk.engine.session) == (False, None)
    talk.server("session.created", session={"type": "realtime", "id": "s1"})
    assert talk.engine.ready
    assert talk.engine.session == RealtimeSession(id="s1")
    talk.server("session.updated", session={"type": "transcription", "id": "s2"})
    assert talk.engine.session == TranscriptionSession(id="s2")
    talk.server("session.updated", session=None)
    assert talk.engine.session == TranscriptionSession(id="s2")


def test_tracing_follows_the_session() -> None:
    talk = EngineDriver(session_config={"tracing": {"workflow_name": "w"}})
    talk.server("session.created", session={"tracing": None})
    assert talk.sent() == [
        {"type": "session.update", "session": {"type": "realtime", "tracing": {"workflow_name": "w"}}}
    ]
    talk = EngineDriver()
    talk.server("session.created", session={"id": "s"})
    assert talk.sent() == [{"type": "session.update", "session": {"type": "realtime", "tracing": "auto"}}]
    talk = EngineDriver(session_config={"tracing": {}})
    assert talk.engine.tracing == {}
    talk.server("session.created", session={"tracing": {"workflow_name": "theirs"}})
    assert talk.sent() == []


# Sending


def test_messages() -> None:
    talk = EngineDriver()
    talk.engine.send_message("hello", None, True, talk.now)
    assert talk.sent() == [item_create(HELLO), {**CREATE, "event_id": "response_create-1"}]
    talk.engine.send_message("hello", {"previous_item_id": "root", "event_id": "e"}, False, talk.now)
    assert talk.sent() == [item_create(HELLO, previous_item_id="root", event_id="e")]
    talk.engine.send_message(UserMessageItem(content=[InputTextPart(text="hello")]), {}, False, talk.now)
    assert talk.sent() == [item_create(HELLO)]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "input_image", "image": "data:x"}, {"type": "input_image", "image_url": "data:x"}),
        (
            {"type": "input_image", "image": "data:x", "providerData": {"detail": "high"}},
            {"type": "input_image", "image_url": "data:x", "detail": "high"},
        ),
        (
            {"type": "input_image", "image": "data:x", "provider_data": {"detail": "low"}},
            {"type": "input_image", "image_url": "data:x", "detail": "low"},
        ),
        ({"type": "input_image", "image_url": "data:x"}, {"type": "input_image", "image_url": "data:x"}),
        ({"type": "input_text", "text": "é", "x": 1}, {"type": "input_text", "text": "é", "x": 1}),
        ({"type": "input_image"}, {"type": "input_image"}),
        (InputTextPart(text="x"), {"type": "input_text", "text": "x"}),
    ],
)
def test_parts_of_messages(part: Any, sent: dict[str, Any]) -> None:
    talk = EngineDriver()
    talk.engine.send_message({"type": "message", "role": "user", "content": [part]}, {}, False, talk.now)
    assert talk.sent() == [item_create(user(sent))]


def test_images() -> None:
    talk = EngineDriver()
    talk.engine.add_image("data:x", True, talk.now)
    assert [frame["type"] for frame in talk.sent()] == ["conversation.item.create", "response.create"]
    talk.engine.add_image("data:x", False, talk.now)
    assert talk.sent() == [item_create(user({"type": "input_image", "image_url": "data:x"}))]


@pytest.mark.parametrize("audio", [b"\1\2", bytearray(b"\1\2"), memoryview(b"\1\2")])
def test_audio(audio: Any) -> None:
    talk = EngineDriver()
    talk.engine.send_audio(audio, False)
    talk.engine.send_audio(b"", True)
    assert talk.sent() == [
        {"type": "input_audio_buffer.append", "audio": "AQI="},
        {"type": "input_audio_buffer.append", "audio": ""},
        {"type": "input_audio_buffer.commit"},
    ]


def test_audio_above_the_limit_of_the_service() -> None:
    talk = EngineDriver()
    with pytest.raises(LocalProtocolError):
        talk.engine.send_audio(bytes(12 * 1024 * 1024), True)
    assert talk.sent() == []


def test_raw_events() -> None:
    talk = EngineDriver()
    talk.engine.send_event({"type": "vendor.custom", "nested": {"a": [1, None, "é🙂"]}}, talk.now)
    talk.engine.send_event(InputAudioBufferClear(), talk.now)
    talk.engine.send_event(ResponseCreate(response=ResponseCreateParams(instructions="x")), talk.now)
    talk.engine.send_event({"type": "response.cancel"}, talk.now)
    assert talk.sent() == [
        {"type": "vendor.custom", "nested": {"a": [1, None, "é🙂"]}},
        {"type": "input_audio_buffer.clear"},
        {**CREATE, "response": {"instructions": "x"}, "event_id": "response_create-1"},
        CANCEL,
    ]


def test_requests_for_responses() -> None:
    talk = EngineDriver()
    talk.created()
    talk.engine.request_response(None, talk.now)
    talk.engine.send_message("hello", None, True, talk.now)
    talk.engine.request_response({}, talk.now)
    talk.engine.request_response(ResponseCreateParams(instructions="x"), talk.now)
    assert talk.sent() == [item_create(HELLO)]
    created: list[dict[str, Any]] = []
    for _ in range(4):
        talk.done()
        created += talk.sent()
        talk.created()
    assert created == [
        {**CREATE, "event_id": "response_create-1"},
        {**CREATE, "response": {}, "event_id": "response_create-2"},
        {**CREATE, "response": {"instructions": "x"}, "event_id": "response_create-3"},
    ]


def test_what_waits_does_not_change_under_the_callers_hands() -> None:
    talk = EngineDriver()
    talk.created()
    options: dict[str, Any] = {"instructions": "then"}
    event: dict[str, Any] = {**CREATE, "response": options}
    talk.engine.request_response(options, talk.now)
    talk.engine.send_event(event, talk.now)
    options["instructions"] = "now"
    talk.done()
    talk.created()
    talk.done()
    assert [frame["response"]["instructions"] for frame in talk.sent()] == ["then", "then"]


def test_function_call_output() -> None:
    talk = EngineDriver()
    call = FunctionCallEvent(id="f", call_id="c", name="n", arguments="{}", previous_item_id="p")
    talk.engine.send_function_call_output(call, "", True, talk.now)
    output = {"type": "function_call_output", "output": "", "call_id": "c"}
    assert talk.sent() == [item_create(output), {**CREATE, "event_id": "response_create-1"}]
    [update] = talk.engine.take_events()
    assert update == ItemUpdateEvent(
        item=RealtimeToolCallItem(item_id="f", name="n", arguments="{}", status="completed", output="")
    )
    assert isinstance(update, ItemUpdateEvent)
    assert update.item.previous_item_id == "p"  # type: ignore[union-attr]
    talk.engine.send_function_call_output({"callId": "c"}, "x", False, talk.now)
    assert talk.sent() == [item_create({**output, "output": "x"})]
    assert talk.engine.take_events() == []  # without an item there is none to update


@pytest.mark.parametrize(("reason", "more"), [(None, {}), ("", {"reason": ""}), ("no", {"reason": "no"})])
def test_mcp_response(reason: str | None, more: dict[str, Any]) -> None:
    talk = EngineDriver()
    item = RealtimeMcpCallApprovalRequestItem(item_id="q")
    for request in (item, McpApprovalRequestEvent(item=item), {"type": "mcp_approval_request", "itemId": "q"}):
        talk.engine.send_mcp_response(request, False, reason=reason)
        answer = {"type": "mcp_approval_response", "approval_request_id": "q", "approve": False, **more}
        assert talk.sent() == [item_create(answer, previous_item_id="q")]


def message(name: str, text: str = "") -> dict[str, Any]:
    return {"itemId": name, "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def test_history_is_edited() -> None:
    talk = EngineDriver()
    talk.engine.reset_history([message("a")], [message("b", "x")])
    assert talk.sent() == [
        {"type": "conversation.item.delete", "item_id": "a", "event_id": "history_delete-1"},
        {**item_create({"id": "b", **user({"type": "input_text", "text": "x"})}), "event_id": "history_create-2"},
    ]


@pytest.mark.parametrize("answer", ["deleted", "error", "added", None])
def test_answers_to_edits_of_the_history(answer: str | None) -> None:
    talk = EngineDriver()
    talk.engine.reset_history([message("a"), message("b")], [message("a")])  # 1: deletes b
    if answer == "added":
        talk.engine.reset_history([message("a")], [message("a"), message("b")])  # 2: creates b again
        talk.server("conversation.item.added", item={"id": "b", "type": "message", "role": "user"})
    elif answer == "deleted":
        talk.server("conversation.item.deleted", item_id="b")
    elif answer == "error":
        talk.error("item_delete_invalid_item_id", "history_delete-1")
    talk.sent()
    kept = [message("b"), message("c")]
    talk.engine.reset_history(kept, [kept[0], message("n"), kept[1]])
    # What is on its way out is nothing to stand behind.
    anchor = "b" if answer in ("deleted", "error") else "root"
    assert [frame["previous_item_id"] for frame in talk.sent()] == [anchor]


def test_configuration_is_updated() -> None:
    talk = EngineDriver(session_config={"voice": "ash"})
    preview = talk.engine.build_session_payload({"instructions": "x"})
    assert talk.sent() == []
    talk.engine.update_session_config({"instructions": "x"}, False)
    talk.engine.update_session_config({"instructions": "x"}, True)
    merged, reset = (frame["session"] for frame in talk.sent())
    assert merged["audio"]["output"]["voice"] == "ash"
    assert reset == preview
    talk.engine.model = "other"
    talk.engine.update_session_config({}, False)
    assert talk.sent()[0]["session"]["model"] == talk.engine.model == "other"


def test_lanes() -> None:
    talk = EngineDriver()
    talk.created()
    talk.audio(100)
    talk.engine.send_audio(b"\0\0", True)
    talk.engine.send_event({"type": "session.input_audio_buffer.append", "audio": ""}, talk.now)
    talk.interrupt()
    talk.engine.send_message("hello", None, False, talk.now)
    talk.engine.send_event({"type": "response.cancel"}, talk.now)
    talk.engine.send_event({"type": "output_audio_buffer.clear"}, talk.now)
    assert [message.lane for message in talk.engine.take_messages()] == [
        AUDIO,
        DATA,
        AUDIO,
        CONTROL,
        CONTROL,
        DATA,
        CONTROL,
        CONTROL,
    ]


def test_unsent_calls_change_nothing() -> None:
    talk = EngineDriver()
    for wrong in (
        lambda: talk.engine.send_event({"no": "type"}, talk.now),
        lambda: talk.engine.send_event({"type": "x", "set": {1, 2}}, talk.now),
        lambda: talk.engine.send_event({**CREATE, "response": {"set": {1, 2}}}, talk.now),
        lambda: talk.engine.send_message({"type": "message"}, None, True, talk.now),
        lambda: talk.engine.send_message("hello", {"set": {1, 2}}, True, talk.now),
        lambda: talk.engine.request_response({"set": {1, 2}}, talk.now),
        lambda: talk.engine.send_function_call_output({"id": "f"}, "x", True, talk.now),
        lambda: talk.engine.send_mcp_response({"type": "mcp_approval_request"}, True),
        lambda: talk.engine.send_mcp_response({"type": "what"}, True),
        lambda: talk.engine.reset_history([], [{"itemId": "a", "type": "message", "content": 5}]),
        lambda: talk.engine.audio_played("i", 0, -1),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
    assert talk.sent() == []
    assert talk.engine.take_events() == []
    talk.engine.request_response(None, talk.now)
    assert talk.sent() == [{**CREATE, "event_id": "response_create-1"}]


def test_every_method_that_is_given_the_time_uses_it() -> None:
    asked_by_the_connection = set(dir(connection_interface.Engine))
    for name, method in inspect.getmembers(Engine, inspect.isfunction):
        if "now" in inspect.signature(method).parameters and name not in asked_by_the_connection:
            uses = inspect.getsource(method).count("now")
            assert uses > 1, f"Engine.{name} takes the time and does not use it"


def test_audio_that_the_wire_does_not_take() -> None:
    talk = EngineDriver(policy=EnginePolicy(audio_refused="the call carries the audio"))
    with pytest.raises(UnsupportedOperation, match="the call carries"):
        talk.engine.send_audio(b"\0\0", False)


# Receiving


def test_the_typed_event_comes_first() -> None:
    talk = EngineDriver()
    assert [type(event) for event in talk.created()] == [server.ResponseCreated, TurnStartedEvent]
    events = talk.server("conversation.item.done", item={"id": "i", "type": "message", "role": "user"})
    assert [type(event) for event in events] == [server.ConversationItemDone, ItemUpdateEvent]
    assert [type(event) for event in talk.server("vendor.news", a=1)] == [server.UnknownServerEvent]


def test_events_are_numbered_in_their_order() -> None:
    talk = EngineDriver()
    events = [*talk.created(), *talk.audio(10), *talk.done()]
    talk.engine.send_function_call_output(FunctionCallEvent(id="f", call_id="c"), "x", False, talk.now)
    events += talk.engine.take_events()
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert talk.engine.next_sequence() == len(events) + 1


def test_audio_is_told_without_its_typed_delta() -> None:
    talk = EngineDriver()
    [event] = talk.server(
        "response.output_audio.delta",
        event_id="e9",
        item_id="i",
        response_id="r",
        content_index=1,
        output_index=2,
        delta="AQI=",
    )
    assert event == AudioEvent(data=b"\1\2", response_id="r", item_id="i", content_index=1, output_index=2)
    assert isinstance(event, AudioEvent)
    typed = event.server_event
    assert isinstance(typed, server.ResponseOutputAudioDelta)
    assert (typed.event_id, typed.delta, typed.sequence) == ("e9", "AQI=", event.sequence)


def test_only_what_is_wanted_is_built() -> None:
    talk = EngineDriver()
    wanted: set[type[Event]] = {server.ResponseOutputAudioDelta}
    talk.engine.set_interest(lambda kind: kind in wanted)
    assert [isinstance(event, server.ResponseOutputAudioDelta) for event in talk.audio(10)] == [True]
    assert talk.created() == talk.done() == talk.server("vendor.news") == []
    talk.engine.set_interest(lambda kind: kind is UsageUpdateEvent)
    assert [type(event) for event in talk.done()] == [UsageUpdateEvent]
    assert talk.audio(10) == []


def test_the_rules_hold_whatever_is_wanted() -> None:
    talk = EngineDriver()
    talk.engine.set_interest(lambda kind: False)
    talk.server("session.created", session={"id": "s"})
    assert talk.engine.ready
    talk.created()
    talk.audio(400)
    talk.advance_ms(100)
    talk.engine.request_response(None, talk.now)
    talk.sent()
    [told] = talk.speech()
    assert isinstance(told, AudioInterruptedEvent)  # it withdraws audio from whoever listens
    assert talk.sent() == [CANCEL, truncate("i1", 100)]
    talk.server("conversation.item.truncated", item_id="i1", audio_end_ms=100, content_index=0)
    talk.done()
    assert talk.sent() == [
        {"type": "conversation.item.retrieve", "item_id": "i1"},
        {**CREATE, "event_id": "response_create-1"},
    ]


def test_the_end_of_a_connection() -> None:
    talk = EngineDriver()
    talk.server("session.created", session={"id": "s"})
    talk.created()
    talk.audio(100)
    talk.engine.request_response(None, talk.now)
    talk.error("session_expired")
    talk.sent()
    talk.engine.receive_eof(talk.now)
    assert talk.engine.take_events() == []
    assert not talk.engine.ready
    assert isinstance(talk.engine.session, RealtimeSession)
    assert talk.engine.last_error is not None
    assert talk.engine.last_error.code == "session_expired"
    assert talk.engine.get_timer() is None
    talk.engine.connection_opened(talk.now)
    assert (talk.engine.session, talk.engine.last_error) == (None, None)
    assert [frame["type"] for frame in talk.sent()] == ["session.update"]
    talk.done()
    assert talk.sent() == []
