"""What is refused, with which code, and where it says the fault is."""

from __future__ import annotations

import json
from typing import Any

import pybase64
import pytest

from realtime_transport.emulator.kinds import SessionKind
from tests.emulator.conversation_driver import ConversationDriver, append, silence, user_text


def session(**settings: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **settings}}


def audio_input(**settings: Any) -> dict[str, Any]:
    return session(audio={"input": settings})


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": fields}


def message(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return item(type="message", role=role, content=list(content))


def create(**response: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": response}


REFUSED: list[tuple[Any, str | None, str | None]] = [
    ("{", "invalid_json", None),
    ("", "invalid_json", None),
    ('{"type": NaN}', "invalid_json", None),
    ("[]", "invalid_event", None),
    (b"\x00\x01", "invalid_event", None),
    ({}, "missing_required_parameter", "type"),
    ({"type": "ping"}, "invalid_value", "type"),
    ({"type": 5}, "invalid_value", "type"),
    ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
    ({"type": "transcription_session.update", "session": {}}, "invalid_value", "type"),
    ({"type": "input_audio_buffer.clear", "event_id": 7}, "invalid_type", "event_id"),
    ({"type": "input_audio_buffer.clear", "event_id": "x" * 513}, "string_above_max_length", "event_id"),
    ({"type": "input_audio_buffer.clear", "now": True}, "unknown_parameter", "now"),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "session.update", "session": []}, "invalid_type", "session"),
    ({"type": "session.update", "session": {"voice": "alloy"}}, "missing_required_parameter", "session.type"),
    (session(type="transcription"), "invalid_value", "session.type"),
    (session(temperature=0.8), "unknown_parameter", "session.temperature"),
    (session(id="sess_1"), "unknown_parameter", "session.id"),
    (session(instructions=5), "invalid_type", "session.instructions"),
    (session(output_modalities=["audio", "text"]), "invalid_value", "session.output_modalities"),
    (session(output_modalities=["video"]), "invalid_value", "session.output_modalities[0]"),
    (session(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens"),
    (session(max_output_tokens=5000), "integer_above_max_value", "session.max_output_tokens"),
    (session(max_output_tokens="all"), "invalid_value", "session.max_output_tokens"),
    (session(max_output_tokens=True), "invalid_type", "session.max_output_tokens"),
    (session(tools=[{"name": "f"}]), "missing_required_parameter", "session.tools[0].type"),
    (session(tools=[{"type": "function", "name": None}]), "invalid_type", "session.tools[0].name"),
    (
        session(tools=[{"type": "mcp", "server_label": "s"}]),
        "missing_required_parameter",
        "session.tools[0].server_url",
    ),
    (session(nonsense=None), "unknown_parameter", "session.nonsense"),
    (session(audio={"output": {"voice": "nosuchvoice"}}), "invalid_value", "session.audio.output.voice"),
    (create(audio={"output": {"voice": "nosuchvoice"}}), "invalid_value", "response.audio.output.voice"),
    (create(tools=[{"name": "f"}]), "missing_required_parameter", "response.tools[0].type"),
    (audio_input(transcription={"model": "nosuchmodel"}), "invalid_value", "session.audio.input.transcription.model"),
    (
        audio_input(noise_reduction={"strength": 2}),
        "missing_required_parameter",
        "session.audio.input.noise_reduction.type",
    ),
    (
        audio_input(noise_reduction={"type": "near_field", "strength": "much"}),
        "invalid_type",
        "session.audio.input.noise_reduction.strength",
    ),
    (session(tools=[{"type": "function"}]), "missing_required_parameter", "session.tools[0].name"),
    (session(tools=[{"type": "web"}]), "invalid_value", "session.tools[0].type"),
    (
        session(tools=[{"type": "function", "name": "f", "strict": True}]),
        "unknown_parameter",
        "session.tools[0].strict",
    ),
    (session(tools=[{"type": "mcp"}]), "missing_required_parameter", "session.tools[0].server_label"),
    (session(tool_choice="any"), "invalid_value", "session.tool_choice"),
    (session(tool_choice={"type": "function"}), "missing_required_parameter", "session.tool_choice.name"),
    (
        session(truncation={"type": "retention_ratio"}),
        "missing_required_parameter",
        "session.truncation.retention_ratio",
    ),
    (session(audio={"output": {"speed": 2}}), "decimal_above_max_value", "session.audio.output.speed"),
    (session(audio={"output": {"voice": 3}}), "invalid_type", "session.audio.output.voice"),
    (audio_input(format="pcm16"), "invalid_type", "session.audio.input.format"),
    (audio_input(format={"type": "audio/pcm"}), "missing_required_parameter", "session.audio.input.format.rate"),
    (
        audio_input(format={"type": "audio/pcm", "rate": 16000}),
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    (audio_input(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
    (audio_input(turn_detection={"type": "none"}), "invalid_value", "session.audio.input.turn_detection.type"),
    (
        audio_input(turn_detection={"type": "server_vad", "threshold": 1.5}),
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        audio_input(turn_detection={"type": "server_vad", "idle_timeout_ms": 1000}),
        "integer_below_min_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        audio_input(turn_detection={"type": "semantic_vad", "threshold": 0.5}),
        "unknown_parameter",
        "session.audio.input.turn_detection.threshold",
    ),
    ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "A" * (20 * 1024 * 1024 + 4)}, "string_above_max_length", "audio"),
    ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
    (item(type="poem"), "invalid_value", "item.type"),
    (item(type="message", role="robot", content=[]), "invalid_value", "item.role"),
    (item(type="message", role="user"), "missing_required_parameter", "item.content"),
    (message("user", {"type": "input_text"}), "missing_required_parameter", "item.content[0].text"),
    (message("user", {"type": "output_text", "text": ""}), "invalid_value", "item.content[0].type"),
    (message("system", {"type": "input_audio", "audio": ""}), "invalid_value", "item.content[0].type"),
    (
        message("assistant", {"type": "output_audio", "audio": "AAAA"}),
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (
        message("user", {"type": "input_image", "image_url": "http://x/y.png"}),
        "invalid_value",
        "item.content[0].image_url",
    ),
    (message("user", {"type": "input_audio", "audio": "?"}), "invalid_value", "item.content[0].audio"),
    (item(type="function_call_output", call_id="c"), "missing_required_parameter", "item.output"),
    (item(type="mcp_approval_response", approval_request_id="m", approve="yes"), "invalid_type", "item.approve"),
    (
        item(type="mcp_approval_response", approval_request_id="m", approve=True),
        "invalid_value",
        "item.approval_request_id",
    ),
    (create(conversation="both"), "invalid_value", "response.conversation"),
    (create(modalities=["text"]), "unknown_parameter", "response.modalities"),
    (create(output_modalities=[]), "invalid_value", "response.output_modalities"),
    (create(metadata={str(n): "" for n in range(17)}), "object_above_max_properties", "response.metadata"),
    (create(metadata={"k": 5}), "invalid_type", "response.metadata.k"),
    (create(metadata={"k": "v" * 513}), "string_above_max_length", "response.metadata.k"),
    (create(input=[{"type": "item_reference"}]), "missing_required_parameter", "response.input[0].id"),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
    (
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 0.5},
        "invalid_type",
        "audio_end_ms",
    ),
    (
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": -1},
        "integer_below_min_value",
        "audio_end_ms",
    ),
]


@pytest.mark.parametrize(("sent", "code", "param"), REFUSED, ids=lambda value: str(value)[:40])
def test_refusals(sent: Any, code: str | None, param: str | None) -> None:
    talk = ConversationDriver.begin()
    event_id = None
    if isinstance(sent, dict):
        sent = {"event_id": "mine", **sent}
        event_id = sent["event_id"] if isinstance(sent["event_id"], str) else None
    talk.say(sent)
    (event,) = talk.events
    assert event["type"] == "error"
    error = event["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, event_id)
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    talk.forget()
    talk.ask("Still here?")
    assert talk.events[-1]["type"] == "rate_limits.updated"


def test_what_is_accepted() -> None:
    talk = ConversationDriver.begin()
    update = session(
        model="gpt-realtime",
        instructions="",
        output_modalities=["text"],
        audio={
            "input": {
                "format": {"type": "audio/pcmu"},
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "my-transcribe", "language": "de", "keywords": ["x"], "delay": "low"},
                "turn_detection": None,
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_1"}, "speed": 1},
        },
        tools=[
            {"type": "function", "name": "f", "description": "", "parameters": {"anything": "goes"}},
            {"type": "mcp", "server_label": "s", "server_url": "u", "require_approval": {"never": {"tool_names": []}}},
        ],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        max_output_tokens=4096,
        truncation={"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 1}},
        tracing={"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
        prompt={"id": "p", "version": None, "variables": {}},
        include=["item.input_audio_transcription.logprobs"],
    )
    talk.say(update)
    settings = talk.one("session.updated")["session"]
    assert settings["audio"]["output"]["voice"] == "voice_1"
    assert settings["audio"]["input"]["transcription"] == {"model": "my-transcribe", "language": "de", "prompt": None}
    assert settings["tools"] == update["session"]["tools"]


NULLS = {
    "instructions": session(instructions=None),
    "all of a session": session(
        model=None,
        output_modalities=None,
        audio={"input": {"format": None}, "output": {"format": None, "voice": None, "speed": None}},
        tools=None,
        tool_choice=None,
        parallel_tool_calls=None,
        reasoning=None,
        max_output_tokens=None,
        truncation=None,
    ),
    "no audio": session(audio=None),
    "turn detection": audio_input(
        turn_detection={"type": "server_vad", "threshold": None, "create_response": None, "idle_timeout_ms": None}
    ),
    "transcription": audio_input(transcription={"model": "whisper-1", "languages": None, "delay": None}),
    "tools": session(tools=[{"type": "function", "name": "f", "description": None, "parameters": None}]),
    "response": create(
        conversation=None,
        input=None,
        instructions=None,
        output_modalities=None,
        audio=None,
        tools=None,
        tool_choice=None,
        max_output_tokens=None,
        metadata=None,
        prompt=None,
    ),
    "no response": {"type": "response.create", "response": None, "event_id": None},
    "item": {
        **item(
            id=None,
            object=None,
            status=None,
            type="message",
            role="user",
            call_id=None,
            name=None,
            content=[
                {
                    "type": "input_text",
                    "text": "x",
                    "audio": None,
                    "transcript": None,
                    "image_url": None,
                    "detail": None,
                }
            ],
        ),
        "previous_item_id": None,
    },
    "part of a system message": message(
        "system", {"type": "input_text", "text": "x", "audio": None, "transcript": None, "image_url": None}
    ),
    "part of an assistant's message": message(
        "assistant", {"type": "output_text", "text": "x", "image_url": None, "detail": None}
    ),
    "call": item(id=None, call_id=None, object=None, type="function_call", name="f", arguments="{}", output=None),
}


@pytest.mark.parametrize("sent", NULLS.values(), ids=NULLS.keys())
def test_a_null_in_an_optional_field_is_as_if_it_were_left_out(sent: dict[str, Any]) -> None:
    talk = ConversationDriver.begin()
    before = talk.core.session
    talk.say(sent)
    assert not talk.of("error")
    changed = {key for key, value in talk.core.session.items() if value != before[key]} - {"audio", "tools"}
    assert not changed
    assert talk.core.session["audio"]["output"] == before["audio"]["output"]
    assert all(
        "audio" not in part for event in talk.of("conversation.item.added") for part in event["item"].get("content", ())
    )


def test_null_switches_off_where_it_has_a_meaning() -> None:
    talk = ConversationDriver.begin()
    talk.say(audio_input(noise_reduction={"type": "far_field"}, transcription={"model": "whisper-1"}))
    talk.say(audio_input(noise_reduction=None, transcription=None, turn_detection=None))
    settings = talk.of("session.updated")[-1]["session"]["audio"]["input"]
    assert [settings[key] for key in ("noise_reduction", "transcription", "turn_detection")] == [None] * 3


def test_the_strength_of_noise_reduction_outlives_an_update_without_it() -> None:
    talk = ConversationDriver.begin()
    strengths = []
    for given in ({"type": "near_field"}, {"strength": 2.5}, {"type": "far_field"}, None, {"type": "near_field"}):
        talk.say(audio_input(noise_reduction=given))
        strengths.append(talk.of("session.updated")[-1]["session"]["audio"]["input"]["noise_reduction"])
    assert strengths == [
        {"type": "near_field", "strength": 1},
        {"type": "near_field", "strength": 2.5},
        {"type": "far_field", "strength": 2.5},
        None,
        {"type": "near_field", "strength": 1},
    ]


def test_messages_of_the_user_name_their_object() -> None:
    talk = ConversationDriver.begin()
    talk.say(user_text("Hello"), append(silence(0.2)), {"type": "input_audio_buffer.commit"})
    added = talk.of("conversation.item.added")
    assert [event["item"]["object"] for event in added] == ["realtime.item"] * 2


def test_items_of_all_kinds() -> None:
    talk = ConversationDriver.begin()
    png = "data:image/png;base64," + pybase64.b64encode(b"\x89PNG").decode()
    talk.say(
        message("system", {"type": "input_text", "text": "s"}),
        message(
            "user",
            {"type": "input_text", "text": "u"},
            {"type": "input_image", "image_url": png, "detail": "low"},
            {"type": "input_audio", "audio": "AAAA", "transcript": "said"},
        ),
        message("assistant", {"type": "output_text", "text": "a"}),
        item(type="function_call", name="f", call_id="c1", arguments="{}"),
        item(type="function_call_output", call_id="c1", output=""),
    )
    assert not talk.of("error")
    added = [event["item"] for event in talk.of("conversation.item.added")]
    assert [i.get("role", i["type"]) for i in added] == [
        "system",
        "user",
        "assistant",
        "function_call",
        "function_call_output",
    ]
    assert added[1]["content"][2] == {"type": "input_audio", "transcript": "said"}  # The audio stays here.
    talk.forget()
    talk.say({"type": "conversation.item.retrieve", "item_id": added[1]["id"]})
    assert talk.events[0]["item"]["content"][2]["audio"] == "AAAA"


def test_a_translation_session_takes_three_events() -> None:
    from realtime_transport.emulator.conversation.session_object import default_session
    from realtime_transport.emulator.conversation.translation import Translation
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.protocol.wire.codec import encode

    ids = IdSource.seeded(0)
    settings = default_session(SessionKind.TRANSLATION, session_id="sess_t", model="m", expires_at=0)
    core = Translation(settings, SessionRecord(id="sess_t", kind="translation", model="m"), ids)

    def say(event: dict[str, Any]) -> list[Any]:
        core.receive(json.dumps(event), 0.0)
        return [encode(e.event) if hasattr(e, "event") else e for e in core.take_effects()]

    assert say(user_text("x"))[0]["error"]["param"] == "type"
    (updated,) = say({"type": "session.update", "session": {"audio": {"output": {"language": "no"}}}})
    assert updated["session"]["audio"]["output"]["language"] == "no"
    audio = pybase64.b64encode(bytes(48000 + 100)).decode()
    deltas = say({"type": "session.input_audio_buffer.append", "audio": audio})
    assert [event["type"] for event in deltas] == ["session.output_audio.delta"] * 5 + [
        "session.output_transcript.delta"
    ]
    assert [event["elapsed_ms"] for event in deltas] == [200, 400, 600, 800, 1000, 1000]
    last, closed, close = say({"type": "session.close"})
    assert (last["elapsed_ms"], closed["type"], close.code) == (1200, "session.closed", 1000)


def test_many_broken_frames_in_a_row() -> None:
    talk = ConversationDriver.begin()
    for text in ("null", "5", '"x"', "{}" * 2, '{"type":' * 500, "\x00", '{"type":"response.create","response":5}'):
        talk.say(text)
    assert len(talk.of("error")) == len(talk.events) == 7
