"""The request classes of ``openai``: a null in every optional field is taken."""

from __future__ import annotations

import json
from typing import Any, Literal, Union, get_args, get_origin

import pytest

from tests.emulator.conversation_driver import ConversationDriver

pydantic = pytest.importorskip("pydantic")
realtime = pytest.importorskip("openai.types.realtime")


def smallest(model: Any) -> dict[str, Any]:
    """The least that *model* must hold, and null for everything else."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        fields[field.alias or name] = example(field.annotation) if field.is_required() else None
    return fields


def example(kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return smallest(kind)
    if origin is list:
        return []
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return example(arguments[0])
    if getattr(kind, "__metadata__", None):
        return example(arguments[0])
    return {str: "x", int: 0, float: 0.5, bool: True}.get(kind, "x")


NULL_AS_TOLD = {"tracing", "prompt", "include"}
SESSION = realtime.RealtimeSessionCreateRequest


@pytest.mark.parametrize("part", ["session", "audio", "input", "output", "tool", "server_vad", "semantic_vad"])
def test_session_updates(part: str) -> None:
    session = smallest(SESSION)
    if part != "session":
        session["audio"] = smallest(realtime.RealtimeAudioConfig)
    if part == "input":
        session["audio"]["input"] = smallest(realtime.RealtimeAudioConfigInput)
    if part == "output":
        session["audio"]["output"] = smallest(realtime.RealtimeAudioConfigOutput)
    if part == "tool":
        session["tools"] = [{**smallest(realtime.RealtimeFunctionTool), "type": "function", "name": "f"}]
    if part.endswith("_vad"):
        kinds = get_args(get_args(realtime.RealtimeAudioInputTurnDetection)[0])
        found = next(kind for kind in kinds if smallest(kind)["type"] == part)
        session["audio"]["input"] = {**smallest(realtime.RealtimeAudioConfigInput), "turn_detection": smallest(found)}
    accepted({"type": "session.update", "session": session, "event_id": None})


def test_responses() -> None:
    response = smallest(realtime.RealtimeResponseCreateParams)
    accepted({"type": "response.create", "response": response, "event_id": None})
    accepted({"type": "response.create", "response": {**response, "audio": {"output": None}}})


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
def test_messages(role: str) -> None:
    message = getattr(realtime, f"RealtimeConversationItem{role.capitalize()}Message")
    module = __import__(message.__module__, fromlist=["Content"])
    part = {**smallest(module.Content), "text": "x", "type": "output_text" if role == "assistant" else "input_text"}
    accepted({"type": "conversation.item.create", "item": {**smallest(message), "content": [part]}})


def test_calls_and_their_outputs() -> None:
    call = {**smallest(realtime.RealtimeConversationItemFunctionCall), "call_id": "call_1"}
    output = {**smallest(realtime.RealtimeConversationItemFunctionCallOutput), "call_id": "call_1"}
    accepted({"type": "conversation.item.create", "item": call}, {"type": "conversation.item.create", "item": output})


def accepted(*events: dict[str, Any]) -> None:
    talk = ConversationDriver.begin()
    for event in events:
        talk.say(json.loads(json.dumps(event)))
    assert talk.of("error") == []
