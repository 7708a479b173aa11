from __future__ import annotations

import itertools
from typing import Any

import pytest

from realtime_transport.errors import DecodeError
from realtime_transport.protocol.engine.events import (
    AudioDoneEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    FunctionCallEvent,
    ItemDeletedEvent,
    ItemUpdateEvent,
    McpApprovalRequestEvent,
    McpToolCallCompletedEvent,
    McpToolsListedEvent,
    OutputTextDeltaEvent,
    SemanticEvent,
    TurnDoneEvent,
    TurnStartedEvent,
    Usage,
    UsageUpdateEvent,
)
from realtime_transport.protocol.engine.projection import PROJECTIONS, item_to_retrieve
from realtime_transport.protocol.engine.realtime_items import (
    RealtimeMcpCallApprovalRequestItem,
    RealtimeMcpCallItem,
    RealtimeMessageItem,
    RealtimeToolCallItem,
)
from realtime_transport.protocol.wire.codec import decode_server_event
from realtime_transport.protocol.wire.items import (
    InputAudioPart,
    InputImagePart,
    InputTextPart,
    OutputAudioPart,
    OutputTextPart,
    UnknownPart,
)
from realtime_transport.protocol.wire.json_types import UNSET


def project(kind: str, **fields: Any) -> list[SemanticEvent]:
    event, _ = decode_server_event({"type": kind, **fields})
    projection = PROJECTIONS[type(event)]
    told = list(projection.project(event, itertools.count(1).__next__))
    assert [each.sequence for each in told] == list(range(1, len(told) + 1))
    assert {type(each) for each in told} <= {*projection.produces, ErrorEvent}
    return told


ADDED, DONE, RETRIEVED = (f"conversation.item.{name}" for name in ("added", "done", "retrieved"))
OUT_ADDED, OUT_DONE = "response.output_item.added", "response.output_item.done"


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        (ADDED, UNSET, "in_progress"),
        (DONE, UNSET, "completed"),
        (RETRIEVED, UNSET, "completed"),
        (OUT_ADDED, UNSET, "in_progress"),
        (OUT_DONE, UNSET, "completed"),
        (ADDED, None, "in_progress"),
        (ADDED, "completed", "completed"),
        (DONE, "incomplete", "incomplete"),
        (RETRIEVED, "in_progress", "in_progress"),
        (OUT_DONE, "incomplete", "incomplete"),
    ],
)
def test_status_of_messages(kind: str, status: Any, told: str) -> None:
    item = {"id": "i", "type": "message", "role": "user", "content": []}
    if status is not UNSET:
        item["status"] = status
    [update] = project(kind, item=item)
    assert update == ItemUpdateEvent(item=RealtimeMessageItem(item_id="i", role="user", status=told))


def test_system_messages_have_no_status() -> None:
    [update] = project(DONE, item={"id": "i", "type": "message", "role": "system", "status": "completed"})
    assert isinstance(update, ItemUpdateEvent)
    assert isinstance(update.item, RealtimeMessageItem)
    assert update.item.status is UNSET


@pytest.mark.parametrize(
    ("kind", "fields", "previous"),
    [
        (ADDED, {"previous_item_id": "p"}, "p"),
        (ADDED, {"previous_item_id": None}, None),
        (ADDED, {}, UNSET),
        (DONE, {"previous_item_id": "p"}, "p"),
        (RETRIEVED, {"previous_item_id": "p"}, UNSET),
        (OUT_DONE, {}, UNSET),
    ],
)
def test_previous_item(kind: str, fields: dict[str, Any], previous: Any) -> None:
    [update] = project(kind, item={"id": "i", "type": "message", "role": "user"}, **fields)
    assert isinstance(update, ItemUpdateEvent)
    assert isinstance(update.item, RealtimeMessageItem)
    assert update.item.previous_item_id is previous or update.item.previous_item_id == previous


@pytest.mark.parametrize(
    ("role", "part", "told"),
    [
        ("user", {"type": "input_text", "text": "a"}, InputTextPart(text="a")),
        ("user", {"type": "input_audio", "transcript": None}, InputAudioPart(transcript=None)),
        ("user", {"type": "input_image", "image_url": "u"}, InputImagePart(image_url="u")),
        ("user", {"type": "audio", "transcript": "t"}, OutputAudioPart(type="audio", transcript="t")),
        ("assistant", {"type": "output_text", "text": "a"}, OutputTextPart(text="a")),
        ("assistant", {"type": "text", "text": "a"}, OutputTextPart(text="a")),
        ("assistant", {"type": "audio", "transcript": "t"}, OutputAudioPart(transcript="t")),
        ("assistant", {"type": "hologram", "x": 1}, UnknownPart(type="hologram", extra={"x": 1})),
        ("director", {"type": "input_text", "text": "a"}, InputTextPart(text="a")),
        ("user", 5, 5),  # one odd entry hurts nobody
    ],
)
def test_content(role: str, part: Any, told: Any) -> None:
    [update] = project(DONE, item={"id": "i", "type": "message", "role": role, "content": [part, part]})
    assert isinstance(update, ItemUpdateEvent)
    assert isinstance(update.item, RealtimeMessageItem)
    assert update.item.content == (told, told)


@pytest.mark.parametrize("kind", [OUT_ADDED, OUT_DONE])
def test_function_call(kind: str) -> None:
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": '{"a":1}'}
    complete = [
        ItemUpdateEvent(item=RealtimeToolCallItem(item_id="f", name="n", arguments='{"a":1}', status="in_progress")),
        FunctionCallEvent(id="f", call_id="c", name="n", arguments='{"a":1}', response_id="r"),
    ]
    # What has just been added without a status has only begun.
    assert project(kind, item=item, response_id="r") == (complete if kind == OUT_DONE else [])
    assert project(kind, item={**item, "status": None}, response_id="r") == (complete if kind == OUT_DONE else [])
    for status in ("incomplete", "in_progress"):
        assert project(kind, item={**item, "status": status}, response_id="r") == []
    assert project(kind, item={**item, "status": "completed"}, response_id="r") == complete
    assert project(ADDED, item={**item, "status": "completed"}) == []


def test_function_call_with_arguments_that_are_not_json() -> None:
    item = {
        "id": "f",
        "type": "function_call",
        "call_id": "c",
        "name": "n",
        "arguments": "{oops",
        "status": "completed",
    }
    update, error, call = project(OUT_DONE, item=item)
    assert isinstance(update, ItemUpdateEvent)
    assert isinstance(error, ErrorEvent)
    assert isinstance(error.error, DecodeError)
    assert (error.path, error.error.message_type) == ("item.arguments", OUT_DONE)
    assert isinstance(call, FunctionCallEvent)
    assert call.arguments == "{oops"
    assert "oops" not in str(error.error)


@pytest.mark.parametrize("arguments", [UNSET, None, ""])
def test_a_call_without_arguments_is_no_error(arguments: Any) -> None:
    item = {"type": "function_call", "call_id": "c", "status": "completed"}
    if arguments is not UNSET:
        item["arguments"] = arguments
    assert project(OUT_DONE, item=item) == [FunctionCallEvent(call_id="c")]


@pytest.mark.parametrize("kind", ["mcp_call", "mcp_tool_call"])
@pytest.mark.parametrize(
    ("event", "fields", "status"),
    [
        (ADDED, {}, "in_progress"),
        (DONE, {"output": "o"}, "completed"),
        (DONE, {"output": None}, "completed"),
        (OUT_ADDED, {}, "in_progress"),
        (OUT_DONE, {"output": "o"}, "completed"),
        (RETRIEVED, {}, "in_progress"),
        (RETRIEVED, {"output": None}, "in_progress"),
        (RETRIEVED, {"output": "o"}, "completed"),  # it has finished, whatever message says so
        (RETRIEVED, {"output": ""}, "completed"),
        (RETRIEVED, {"output": None, "error": {"type": "http_error", "code": 500}}, "completed"),
    ],
)
def test_mcp_call(kind: str, event: str, fields: dict[str, Any], status: str) -> None:
    item = {"id": "m", "type": kind, "name": "n", "arguments": "{}", "server_label": "s", **fields}
    update, *rest = project(event, item=item)
    assert isinstance(update, ItemUpdateEvent)
    call = update.item
    assert isinstance(call, RealtimeMcpCallItem)
    assert (call.type, call.status, call.output, call.server_label) == (kind, status, fields.get("output"), "s")
    assert (call.error is None) == ("error" not in fields)
    assert rest == ([McpToolCallCompletedEvent(item=call)] if event == DONE else [])


@pytest.mark.parametrize(("arguments", "read"), [("", {}), (None, {}), ('{"q":{"a":[1]}}', {"q": {"a": [1]}})])
@pytest.mark.parametrize("decision", [UNSET, None, True, False])
def test_approval_request(arguments: str | None, read: dict[str, Any], decision: Any) -> None:
    item = {"id": "q", "type": "mcp_approval_request", "server_label": "s", "name": "n", "arguments": arguments}
    if decision is not UNSET:
        item["approved"] = decision
    request = RealtimeMcpCallApprovalRequestItem(
        item_id="q",
        server_label="s",
        name="n",
        arguments=read,
        approved=decision if isinstance(decision, bool) else None,
    )
    assert project(DONE, item=item) == [ItemUpdateEvent(item=request), McpApprovalRequestEvent(item=request)]
    for other in (ADDED, RETRIEVED, OUT_DONE):
        assert project(other, item=item) == []


@pytest.mark.parametrize("arguments", ["{oops", "[1]", "5"])
def test_approval_request_that_cannot_be_read(arguments: str) -> None:
    [error] = project(DONE, item={"id": "q", "type": "mcp_approval_request", "arguments": arguments})
    assert isinstance(error, ErrorEvent)
    assert error.path == "item.arguments"


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"type": "message", "role": "user"}, "item.id"),
        ({"type": "message", "id": "i"}, "item.role"),
        ({"type": "mcp_call"}, "item.id"),
        ({"type": "mcp_approval_request"}, "item.id"),
    ],
)
def test_items_that_cannot_be_placed(item: dict[str, Any], path: str) -> None:
    [error] = project(DONE, item=item)
    assert isinstance(error, ErrorEvent)
    assert error.path == path
    assert error.raw == {"type": DONE, "item": item}


def test_tools_listed() -> None:
    tools = [{"name": "n", "x": 1}, "odd"]
    item = {"id": "l", "type": "mcp_list_tools", "server_label": "s", "tools": tools}
    assert project(ADDED, item=item) == []
    assert project(DONE, item=item) == [McpToolsListedEvent(server_label="s", tools=tools)]
    assert project(DONE, item={"type": "mcp_list_tools"}) == [McpToolsListedEvent(server_label="", tools=[])]
    assert project(DONE, item={"type": "mcp_list_tools", "tools": None}) == [
        McpToolsListedEvent(server_label="", tools=[])
    ]


@pytest.mark.parametrize("item", [None, 5, {"type": "hologram"}, {"type": "function_call_output"}, {}])
@pytest.mark.parametrize("kind", [ADDED, DONE, RETRIEVED, OUT_ADDED, OUT_DONE])
def test_items_that_mean_nothing_here(kind: str, item: Any) -> None:
    assert project(kind, item=item) == []


def test_deltas() -> None:
    fields: dict[str, Any] = {"item_id": "i", "response_id": "r", "content_index": 1, "delta": "x"}
    assert project("response.output_audio_transcript.delta", **fields) == [
        AudioTranscriptDeltaEvent(delta="x", item_id="i", response_id="r", content_index=1)
    ]
    assert project("response.output_text.delta", **fields) == [
        OutputTextDeltaEvent(delta="x", item_id="i", response_id="r", content_index=1)
    ]
    assert project("response.output_text.delta", delta="x") == [OutputTextDeltaEvent(delta="x")]
    assert project("response.output_text.delta", delta=None) == []
    assert project("response.output_audio_transcript.delta") == []
    assert project("response.output_audio.done", item_id="i", response_id="r") == [
        AudioDoneEvent(item_id="i", response_id="r")
    ]
    assert project("conversation.item.deleted", item_id="i") == [ItemDeletedEvent(item_id="i")]
    assert project("conversation.item.deleted") == []


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (UNSET, Usage()),
        (None, Usage()),
        ({}, Usage()),
        ({"input_tokens": 3}, Usage(input_tokens=3, total_tokens=3)),
        ({"output_tokens": 8, "output_token_details": None}, Usage(output_tokens=8, total_tokens=8)),
        (
            {"input_tokens": 3, "output_tokens": 8, "total_tokens": 100, "input_token_details": {"cached_tokens": 2}},
            Usage(input_tokens=3, output_tokens=8, total_tokens=100, input_tokens_details={"cached_tokens": 2}),
        ),
        ({"input_tokens": "many"}, Usage()),
    ],
)
def test_usage(usage: Any, read: Usage) -> None:
    response: dict[str, Any] = {"id": "r", "status": "failed", "output": [{"id": "a", "type": "message"}]}
    if usage is not UNSET:
        response["usage"] = usage
    update, done = project("response.done", response=response)
    assert update == UsageUpdateEvent(usage=read)
    assert isinstance(done, TurnDoneEvent)
    assert (done.response_id, done.status, done.usage) == ("r", "failed", read)
    assert [item.id for item in done.output] == ["a"]
    assert done.raw["response"] is response


@pytest.mark.parametrize("response", [UNSET, None, {}, {"id": None, "output": None}])
def test_turns_with_little_in_them(response: Any) -> None:
    fields = {} if response is UNSET else {"response": response}
    _, done = project("response.done", **fields)
    assert isinstance(done, TurnDoneEvent)
    assert (done.response_id, tuple(done.output)) == ("", ())
    assert project("response.created", **fields) == [TurnStartedEvent(response_id="")]


@pytest.mark.parametrize(
    ("kind", "item_id", "retrieved"),
    [
        ("conversation.item.input_audio_transcription.completed", "i", "i"),
        ("conversation.item.truncated", "i", "i"),
        ("response.mcp_call.in_progress", "i", "i"),
        ("mcp_list_tools.in_progress", "i", "i"),
        ("mcp_list_tools.in_progress", None, None),
        ("mcp_list_tools.in_progress", 5, None),
        ("conversation.item.truncated", "", None),
        ("mcp_list_tools.completed", "i", None),
        ("conversation.item.input_audio_transcription.delta", "i", None),
    ],
)
def test_retrieval(kind: str, item_id: Any, retrieved: str | None) -> None:
    event, _ = decode_server_event({"type": kind, "item_id": item_id})
    assert item_to_retrieve(event) == retrieved
