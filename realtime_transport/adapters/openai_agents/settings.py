"""Translates the framework's settings of a session into a transport's configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agents.exceptions import UserError
from agents.model_settings import MCPToolChoice
from agents.realtime import DEFAULT_MODEL_SETTINGS, RealtimeSessionModelSettings
from agents.tool import (
    FunctionTool,
    ensure_function_tool_supports_responses_only_features,
    ensure_tool_choice_supports_backend,
)
from pydantic import BaseModel

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agents.handoffs import Handoff
    from agents.tool import Tool

__all__ = ["DEFAULTS", "session_config"]

# The transport has its own formats, for instance that of a telephone.
DEFAULTS: RealtimeSessionModelSettings = cast(
    "RealtimeSessionModelSettings",
    {name: value for name, value in DEFAULT_MODEL_SETTINGS.items() if not name.endswith("_format")},
)
"""The default settings of the framework's own model, without the audio formats."""

_KNOWN = frozenset(RealtimeSessionModelSettings.__annotations__)

_PASSED_ON = ("instructions", "prompt", "max_output_tokens")
"""Settings that mean the same on both sides, null included."""

_PASSED_ON_IF_GIVEN = ("parallel_tool_calls", "reasoning")
"""Settings whose null means that they are not given."""

_SHORT_NAMES = {"pcm": "audio/pcm", "pcmu": "audio/pcmu", "pcma": "audio/pcma"}

_TURN_DETECTION = {
    "createResponse": "create_response",
    "interruptResponse": "interrupt_response",
    "prefixPaddingMs": "prefix_padding_ms",
    "silenceDurationMs": "silence_duration_ms",
    "idleTimeoutMs": "idle_timeout_ms",
    "modelVersion": "model_version",
}


def session_config(
    settings: RealtimeSessionModelSettings,
    defaults: RealtimeSessionModelSettings,
) -> dict[str, Any]:
    """The configuration of a transport for *settings*.

    Args:
        settings: The settings of an agent's session.
        defaults: Settings for what *settings* leave out.

    Raises:
        UserError: There is no such setting, or a tool cannot be offered to the model.
    """
    unknown = sorted(settings.keys() - _KNOWN)
    if unknown:
        raise UserError(f"model settings: there is no setting {unknown[0]!r}; known are {', '.join(sorted(_KNOWN))}")
    given = cast("Mapping[str, Any]", {**defaults, **settings})
    config: dict[str, Any] = {name: given[name] for name in _PASSED_ON if name in given}
    config |= {name: given[name] for name in _PASSED_ON_IF_GIVEN if given.get(name) is not None}
    modalities = given.get("output_modalities") or given.get("modalities")
    if modalities:
        config["output_modalities"] = list(modalities)
    audio: Mapping[str, Any] = given.get("audio") or {}
    ends = {
        "input": _input(audio.get("input") or {}, given),
        "output": _output(audio.get("output") or {}, given),
    }
    config["audio"] = {side: end for side, end in ends.items() if end}
    if "tools" in given or "handoffs" in given:
        config["tools"] = _tools(given.get("tools") or (), given.get("handoffs") or ())
    if given.get("tool_choice") is not None:
        config["tool_choice"] = _tool_choice(given["tool_choice"], config.get("tools", ()))
    return config


def _input(nested: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    end = _format("input", nested, given)
    for name, flat in (
        ("noise_reduction", "input_audio_noise_reduction"),
        ("transcription", "input_audio_transcription"),
        ("turn_detection", "turn_detection"),
    ):
        if name in nested or flat in given:
            end[name] = nested[name] if name in nested else given[flat]
    detection: object = end.get("turn_detection")
    if isinstance(detection, Mapping):
        end["turn_detection"] = _snake(cast("Mapping[str, Any]", detection))
    return end


def _output(nested: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    end = _format("output", nested, given)
    voice = nested.get("voice") or given.get("voice")
    if voice is not None:
        end["voice"] = voice
    speed = nested["speed"] if "speed" in nested else given.get("speed")
    if speed is not None:
        end["speed"] = speed
    return end


def _format(side: str, nested: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    named = nested.get("format")
    if named is None:
        named = given.get(f"{side}_audio_format")
    if named is None:
        return {}
    if isinstance(named, BaseModel):
        named = named.model_dump(exclude_none=True)
    try:
        return {
            "format": AudioFormat.parse(_SHORT_NAMES.get(named, named) if isinstance(named, str) else named).to_wire()
        }
    except ConfigError as error:
        raise UserError(f"audio.{side}.{error}") from error


def _snake(detection: Mapping[str, Any]) -> dict[str, Any]:
    """*detection* with the names of the wire; if both names are given, that of the wire wins."""
    named = {name: value for name, value in detection.items() if name not in _TURN_DETECTION}
    return {_TURN_DETECTION[name]: detection[name] for name in detection if name in _TURN_DETECTION} | named


def _tools(tools: Iterable[Tool], handoffs: Iterable[Handoff[Any, Any]]) -> list[dict[str, Any]]:
    offered: list[dict[str, Any]] = []
    sources: dict[str, list[str]] = {}
    for tool in tools:
        if not isinstance(tool, FunctionTool):
            raise UserError(f"Tool {tool.name} is unsupported. Must be a function tool.")
        if tool.is_enabled is not False:
            ensure_function_tool_supports_responses_only_features(tool, backend_name="Realtime models")
            offered.append(_function(tool.name, tool.description, tool.params_json_schema))
            sources.setdefault(tool.name, []).append("function tool")
    for handoff in handoffs:
        if handoff.is_enabled is not False:
            offered.append(_function(handoff.tool_name, handoff.tool_description, handoff.input_json_schema))
            sources.setdefault(handoff.tool_name, []).append("handoff")
    for name, kinds in sources.items():
        if len(kinds) > 1:
            counts = Counter(kinds).items()
            summary = " and ".join(kind if count == 1 else f"{count} {kind}s" for kind, count in counts)
            raise UserError(f"Duplicate Realtime tool name found: {name!r} ({summary}). Rename all but one of them.")
    return offered


def _function(name: str, description: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "name": name, "description": description, "parameters": parameters}


def _tool_choice(choice: object, tools: Iterable[Mapping[str, Any]]) -> object:
    ensure_tool_choice_supports_backend(choice, backend_name="Realtime models")
    if isinstance(choice, MCPToolChoice):
        return {"type": "mcp", "server_label": choice.server_label, "name": choice.name}
    if isinstance(choice, str) and any(tool["name"] == choice for tool in tools):
        return {"type": "function", "name": choice}
    return choice
