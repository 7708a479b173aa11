"""Converts settings and tools of pydantic-ai to the configuration of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic_ai.exceptions import UserError
from pydantic_ai.profiles.openai import OPENAI_REASONING_EFFORT_MAP
from pydantic_ai.realtime import RealtimeModelSettings
from pydantic_ai.settings import ToolOrOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_ai.realtime import RealtimeModelProfile, TurnDetection
    from pydantic_ai.tools import ToolDefinition

__all__ = ["TransportRealtimeModelSettings", "session_config", "stops_at_speech", "transcribes"]

SENSITIVITY: Mapping[str, float] = {"low": 0.7, "medium": 0.5, "high": 0.3}
"""Thresholds of the server's speech detection."""

TRANSCRIPTION_MODEL = "gpt-live-transcribe"
"""The model that ``"auto"`` stands for, as in pydantic-ai."""


class TransportRealtimeModelSettings(RealtimeModelSettings, total=False):
    """The settings of every realtime model, and those of servers that speak this protocol.

    Those with the prefix ``openai_`` are the ones of pydantic-ai's ``OpenAIRealtimeModelSettings``; a dictionary
    written for it can be passed.
    """

    openai_voice: Any
    """A voice by name, or ``{"id": …}``."""
    openai_input_noise_reduction: Literal["near_field", "far_field"]
    """The kind of microphone."""
    openai_output_speed: float
    """The speed of the model's speech; 1.0 is normal."""
    openai_turn_detection: Mapping[str, Any]
    """The turn detection as on the wire, in place of ``turn_detection``."""
    openai_truncation: Any
    """What the server drops when the conversation is too long, as on the wire."""
    session_config: Mapping[str, Any]
    """Other fields of `RealtimeSessionConfig`; they override the other settings."""


def transcribes(settings: RealtimeModelSettings) -> bool:
    """Whether the server transcribes what the user says."""
    return settings.get("input_transcription_model", "auto") is not None


def stops_at_speech(config: Mapping[str, Any]) -> bool:
    """Whether the server itself cancels a response when the user speaks, with that configuration."""
    detection = config["audio"]["input"].get("turn_detection")
    return detection is not None and bool(detection.get("interrupt_response"))


def session_config(
    instructions: str,
    tools: Sequence[ToolDefinition],
    settings: TransportRealtimeModelSettings,
    profile: RealtimeModelProfile,
    *,
    with_formats: bool,
) -> dict[str, Any]:
    """The configuration of a session.

    Args:
        instructions: The system prompt.
        tools: The functions that the model may call.
        settings: See `TransportRealtimeModelSettings`.
        profile: The abilities of the model.
        with_formats: Whether to name audio formats; not for a call, which has its own.

    Raises:
        UserError: The tool choice forces a call in every response, so that the model could never answer.
    """
    given, made = _formats(profile) if with_formats else ({}, {})
    offered, choice = _offered(tools, settings)
    config: dict[str, Any] = {
        "instructions": instructions,
        "output_modalities": [settings.get("output_modality", "audio")],
        "audio": {"input": {**given, **_input(settings)}, "output": {**made, **_output(settings)}},
        "tools": [_tool(tool) for tool in offered],
        "tracing": None,
    }
    if choice is not None:
        config["tool_choice"] = choice
    for name, key in (
        ("max_tokens", "max_output_tokens"),
        ("parallel_tool_calls", "parallel_tool_calls"),
        ("openai_truncation", "truncation"),
    ):
        if (value := settings.get(name)) is not None:
            config[key] = value
    thinking = settings.get("thinking")
    if thinking is not None and profile.get("supports_thinking", False):
        config["reasoning"] = {"effort": OPENAI_REASONING_EFFORT_MAP[thinking]}
    return {**config, **settings.get("session_config", {})}


def _formats(profile: RealtimeModelProfile) -> tuple[dict[str, Any], dict[str, Any]]:
    given, made = profile.get("audio_input_sample_rate", 24000), profile.get("audio_output_sample_rate", 24000)
    return {"format": {"type": "audio/pcm", "rate": given}}, {"format": {"type": "audio/pcm", "rate": made}}


def _input(settings: TransportRealtimeModelSettings) -> dict[str, Any]:
    model = settings.get("input_transcription_model", "auto")
    noise = settings.get("openai_input_noise_reduction")
    return {
        "turn_detection": _turn_detection(settings),
        "transcription": None if model is None else {"model": TRANSCRIPTION_MODEL if model == "auto" else model},
        "noise_reduction": None if noise is None else {"type": noise},
    }


def _output(settings: TransportRealtimeModelSettings) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if voice := settings.get("openai_voice"):
        output["voice"] = voice if isinstance(voice, str | dict) else voice.model_dump()
    if (speed := settings.get("openai_output_speed")) is not None:
        output["speed"] = speed
    return output


def _turn_detection(settings: TransportRealtimeModelSettings) -> dict[str, Any] | None:
    if "openai_turn_detection" in settings:
        return {"create_response": True, "interrupt_response": True, **settings["openai_turn_detection"]}
    wanted = settings.get("turn_detection", True)
    if wanted is False:
        return None
    detection: dict[str, Any] = {"type": "server_vad", "create_response": True, "interrupt_response": True}
    return detection if wanted is True else {**detection, **_knobs(wanted)}


def _knobs(wanted: TurnDetection) -> dict[str, Any]:
    knobs: dict[str, Any] = {}
    if "sensitivity" in wanted:
        knobs["threshold"] = SENSITIVITY[wanted["sensitivity"]]
    for name in ("prefix_padding_ms", "silence_duration_ms"):
        if (value := wanted.get(name)) is not None:
            knobs[name] = value
    return knobs


def _offered(
    tools: Sequence[ToolDefinition], settings: RealtimeModelSettings
) -> tuple[Sequence[ToolDefinition], str | None]:
    """The tools to offer to the model, and the choice among them."""
    choice = settings.get("tool_choice")
    match choice:
        case None:
            return tools, None
        case "none":
            return (), "none"
        case "auto":
            return tools, "auto"
        case ToolOrOutput(function_tools=names):
            known = {tool.name for tool in tools}
            unknown = sorted(set(names) - known)
            if unknown:
                raise UserError(f"tool_choice names tools that the session does not have: {', '.join(unknown)}")
            return [tool for tool in tools if tool.name in names], "auto"
        case _:
            raise UserError(
                "A realtime session cannot force a tool call: the choice holds for every response, also for the one "
                "after a tool's result, so the model could never answer. Restrict the tools by "
                "`ToolOrOutput(function_tools=[...])` instead."
            )


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"type": "function", "name": tool.name, "parameters": tool.parameters_json_schema, **described}
