"""The default responder: repeats what the user sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from realtime_transport.emulator.replies import (
    ApprovalAnswer,
    FunctionCall,
    FunctionOutput,
    Input,
    McpCall,
    Reply,
    Speech,
    Turn,
    UserAudio,
    UserImage,
    UserText,
)

from .directives import reply_to_directive

__all__ = ["echo_responder", "plain_reply"]


def echo_responder(turn: Turn) -> Reply:
    """Obey a directive, or repeat the input.

    A user text that starts with ``/`` may be a directive; see ``docs/emulator.md``. Text is repeated, speech is played
    back, a picture is described by type and size, the output of a function is repeated.
    """
    return reply_to_directive(turn) or plain_reply(turn)


def plain_reply(turn: Turn) -> Reply:
    """The reply without directives."""
    call = _required_call(turn)
    if call is not None:
        return Reply(outputs=[call])
    if not turn.inputs:
        return Reply(outputs=[Speech(text=_opening(turn))])
    return Reply(outputs=[output for entry in turn.inputs for output in _answer(entry)])


def _opening(turn: Turn) -> str:
    if turn.instructions:
        return f"As instructed: {turn.instructions}"
    return "Hello, this is the emulator. Say something, and I will say it back."


def _answer(entry: Input) -> Sequence[Speech | McpCall]:
    match entry:
        case UserText(text):
            return [Speech(text=f"You said: {text}")]
        case UserAudio(clip, transcript):
            said = transcript or f"({clip.seconds:.1f} seconds of speech)"
            return [Speech(text=f"You said: {said}", audio=clip)]
        case UserImage(media_type, size):
            return [Speech(text=f"I see a picture of type {media_type} and {size} bytes.")]
        case FunctionOutput(name, output):
            return [Speech(text=f"{name or 'The function'} returned: {output}")]
        case ApprovalAnswer(approve=True):
            made_up = json.dumps({"tool": entry.name, "result": "made up by the emulator"})
            call = McpCall(
                server_label=entry.server_label,
                name=entry.name,
                arguments=entry.arguments,
                approval_request_id=entry.request_id,
                output=made_up,
            )
            return [call, Speech(text=f"{entry.name} returned: {made_up}")]
        case ApprovalAnswer():
            reason = f" Your reason: {entry.reason}" if entry.reason else ""
            return [Speech(text=f"You did not allow me to use {entry.name}.{reason}")]


def _required_call(turn: Turn) -> FunctionCall | None:
    """The call that ``tool_choice`` demands, with arguments that fit its schema."""
    choice = turn.tool_choice
    functions = [tool for tool in turn.tools if tool.get("type", "function") == "function"]
    if choice == "required" and functions:
        tool: Mapping[str, Any] | None = functions[0]
    elif isinstance(choice, Mapping):
        named = cast("Mapping[str, Any]", choice)
        tool = turn.tool(named["name"]) if named["type"] == "function" else None
    else:
        return None
    if tool is None:
        return None
    return FunctionCall(name=tool["name"], arguments=json.dumps(_example(tool.get("parameters") or {})))


_EXAMPLES: dict[str, Any] = {"string": "example", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def _example(schema: Mapping[str, Any]) -> Any:
    """A value that fits the plain parts of a JSON Schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = cast("list[str]", kind)[0]
    if kind == "array":
        return []
    if kind == "object":
        properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
        required = schema.get("required", list(properties))
        return {name: _example(properties.get(name, {})) for name in required}
    return _EXAMPLES.get(kind)
