"""The session configuration for an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from realtime_transport.argument_types import expect
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.settings import read_settings
from realtime_transport.protocol.wire.json_types import UNSET

if TYPE_CHECKING:
    from realtime_transport.protocol.config.settings import SessionConfigInput

    from .scope import PreparedAgent

__all__ = ["agent_config", "check_config", "tracing_config"]

_AUDIO: Mapping[str, tuple[str, str]] = {
    "input_format": ("input", "format"),
    "noise_reduction": ("input", "noise_reduction"),
    "transcription": ("input", "transcription"),
    "turn_detection": ("input", "turn_detection"),
    "output_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}


def agent_config(
    prepared: PreparedAgent,
    config: SessionConfigInput | None,
    overrides: SessionConfigInput | None = None,
    *,
    model: str | None = None,
    tracing: Any = UNSET,
    is_change: bool = False,
) -> dict[str, Any]:
    """The whole configuration for an agent: *config*, *overrides* over it, and over both the agent's own settings.

    Args:
        prepared: The agent.
        config: The configuration of the session.
        overrides: Further settings of this call.
        model: The model, where the session names one.
        tracing: The result of `tracing_config`.
        is_change: Another agent was active before, whose tools must be removed.

    Raises:
        ConfigError: A setting has a wrong type or value.
    """
    settings: dict[str, Any] = {}
    for layer in (config, overrides):
        if layer is not None:
            settings |= read_settings(layer)
    settings["instructions"] = prepared.instructions
    settings |= _voice(overrides, config, prepared.agent.voice)
    settings.pop("prompt", None)
    if prepared.prompt is not None:
        settings["prompt"] = dict(prepared.prompt)
    settings.pop("tools", None)
    tools = prepared.payloads()
    if tools or (is_change and prepared.prompt is None):
        settings["tools"] = tools
    settings.pop("model", None)
    if model is not None:
        settings["model"] = model
    settings["tracing"] = tracing
    return _nested(settings)


def _voice(overrides: SessionConfigInput | None, config: SessionConfigInput | None, own: str | None) -> dict[str, Any]:
    """``audio.output.voice`` of the overrides, then of the configuration; then ``voice`` likewise; then the agent's."""
    layers = [layer for layer in (overrides, config) if layer is not None]
    for layer in layers:
        audio = layer.get("audio") if isinstance(layer, Mapping) else layer.audio
        found = {} if audio is None or audio is UNSET else read_settings({"audio": audio})
        if "voice" in found:
            return {"voice": found["voice"]}
    for layer in layers:
        voice = layer.get("voice", UNSET) if isinstance(layer, Mapping) else layer.voice
        if voice is not UNSET:
            return {"voice": voice}
    return {} if own is None else {"voice": own}


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        if value is UNSET:
            continue
        if name in _AUDIO:
            side, key = _AUDIO[name]
            nested.setdefault("audio", {}).setdefault(side, {})[key] = value
        else:
            nested[name] = value
    return nested


def check_config(config: SessionConfigInput | None) -> None:
    """Check the configuration of a session.

    Raises:
        ConfigError: A setting has a wrong type or value, or belongs to the agent.
    """
    if config is None:
        return
    settings = read_settings(config)
    for name in ("instructions", "tools", "prompt"):
        if settings.get(name) is not None:
            raise ConfigError(f"{name}: belongs to the agent, not to the configuration of the session", key=name)


def tracing_config(
    *,
    disabled: bool,
    workflow_name: str | None,
    group_id: str | None,
    metadata: Mapping[str, Any] | None,
) -> Any:
    """The labels for the vendor's traces of the session: `UNSET` for the default, ``None`` for no traces.

    Raises:
        ConfigError: A value has a wrong type, or there is a group or metadata without a workflow name.
    """
    expect(workflow_name, str, "workflow_name", "text")
    expect(group_id, str, "group_id", "text")
    expect(metadata, Mapping, "trace_metadata", "a mapping")
    if disabled:
        return None
    if workflow_name is None:
        for name, value in (("group_id", group_id), ("trace_metadata", metadata)):
            if value is not None:
                raise ConfigError(f"{name}: needs a workflow_name to be filed under", key=name)
        return UNSET
    tracing: dict[str, Any] = {"workflow_name": workflow_name}
    if group_id is not None:
        tracing["group_id"] = group_id
    if metadata is not None:
        tracing["metadata"] = dict(metadata)
    return tracing
