"""The rule that checks each setting of a session, and the names of the settings.

A rule checks one value, given in plain JSON and with the path under which the user wrote it, and may bring it into
its final form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError, brief
from realtime_transport.protocol.wire.codec import encode
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import WireModel
from realtime_transport.protocol.wire.tools import tool_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["AUDIO_NAMES", "LEGACY_NAMES", "NESTED", "PASSED_ON", "RULES", "plain", "wrong"]

Rule: TypeAlias = "Callable[[Any, str], Any]"
"""Takes the value and its path and returns the final value; `UNSET`: as if the setting were not given."""


def wrong(key: str, expected: str, value: object) -> ConfigError:
    """The error for a value of the wrong type."""
    return ConfigError(f"{key or 'configuration'}: {expected} expected, not {brief(value)}", key=key)


def plain(value: object, key: str) -> Any:
    """A copy of *value* in plain JSON, without what is `UNSET`."""
    try:
        return _plain(value, key)
    except RecursionError:
        raise ConfigError(f"{key}: it holds itself, or is nested too deeply for JSON", key=key) from None


def _plain(value: object, key: str) -> Any:
    if isinstance(value, AudioFormat):
        return value.to_wire()
    if isinstance(value, WireModel):
        return _plain(encode(value), key)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {str(name): _plain(entry, f"{key}.{name}") for name, entry in mapping.items() if entry is not UNSET}
    if isinstance(value, list | tuple):
        entries = cast("Sequence[object]", value)
        return [_plain(entry, f"{key}[{index}]") for index, entry in enumerate(entries)]
    if isinstance(value, float) and not math.isfinite(value) and not key.endswith(".rate"):
        raise wrong(key, "a finite number", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an enumeration becomes its value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise wrong(key, "a value that JSON knows", value)


def _of(*kinds: type, expected: str) -> Rule:
    """A rule that accepts null and values of these types; `True` is no number."""

    def check(value: Any, key: str) -> Any:
        if value is not None and type(value) not in kinds:
            raise wrong(key, expected, value)
        return value

    return check


_text = _of(str, expected="text")
_object = _of(dict, expected="a mapping")
_list = _of(list, expected="a list")


def _texts(value: Any, key: str) -> Any:
    entries: list[Any] = _list(value, key) or []
    for index, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise wrong(f"{key}[{index}]", "text", entry)
    return value


def _format(value: Any, key: str) -> Any:
    if value is None or value == "":
        return None
    audio_format = AudioFormat.parse(value, key=key)
    if not isinstance(value, dict):
        return audio_format.to_wire()
    mapping = cast("dict[str, Any]", value)
    if "rate" in mapping and mapping["rate"] is None:
        raise wrong(f"{key}.rate", "a whole number of samples per second", None)
    return mapping


def _turn_detection(value: Any, key: str) -> Any:
    """Both spellings are understood; where both are given, camelCase wins unless it is null."""
    if _object(value, key) is None:
        return None
    rest = cast("dict[str, Any]", value)
    found: dict[str, Any] = {}
    for name in _TURN_DETECTION:
        camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
        wire, other = rest.pop(name, UNSET), rest.pop(camel, UNSET)
        chosen = wire if other is None or other is UNSET else other
        if chosen is not UNSET:
            found[name] = chosen
    return {**found, **rest} or UNSET


_TURN_DETECTION = (
    "create_response",
    "interrupt_response",
    "prefix_padding_ms",
    "silence_duration_ms",
    "idle_timeout_ms",
    "model_version",
)


def _prompt(value: Any, key: str) -> Any:
    if _object(value, key) is None:
        return None
    given = cast("dict[str, Any]", value)
    prompt: dict[str, Any] = {}
    for wire, names in {
        "id": ("promptId", "prompt_id", "id"),
        "version": ("version",),
        "variables": ("variables",),
    }.items():
        for name in names:
            if name in given:
                prompt.setdefault(wire, given[name])
    return prompt


def _tracing(value: Any, key: str) -> Any:
    if value == "auto":
        return value
    return _of(dict, expected='"auto" or a mapping')(value, key)


def _tools(value: Any, key: str) -> Any:
    if _list(value, key) is None:
        return None
    return [tool_payload(tool, f"{key}[{index}]") for index, tool in enumerate(value)]


RULES: Mapping[str, Rule] = {
    "model": _text,
    "instructions": _text,
    "output_modalities": _texts,
    "input_format": _format,
    "noise_reduction": _object,
    "transcription": _object,
    "turn_detection": _turn_detection,
    "output_format": _format,
    "voice": _of(str, dict, expected="text or a mapping"),
    "speed": _of(int, float, expected="a number"),
    "tool_choice": _of(str, dict, expected="text or a mapping"),
    "tools": _tools,
    "parallel_tool_calls": _of(bool, expected="True or False"),
    "reasoning": _object,
    "prompt": _prompt,
    "tracing": _tracing,
    "provider_data": _object,
}

AUDIO_NAMES: Mapping[str, Mapping[str, str]] = {
    "input": {
        "format": "input_format",
        "noise_reduction": "noise_reduction",
        "transcription": "transcription",
        "turn_detection": "turn_detection",
    },
    "output": {"format": "output_format", "voice": "voice", "speed": "speed"},
}

NESTED = {flat for names in AUDIO_NAMES.values() for flat in names.values()} - {"voice"}

PASSED_ON = frozenset({"max_output_tokens", "truncation", "include"})
"""Fields of a session that are sent as they are, under their own names."""

LEGACY_NAMES: Mapping[str, str] = {
    "modalities": "output_modalities",
    "input_audio_format": "input_format",
    "output_audio_format": "output_format",
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
    "input_audio_noise_reduction": "noise_reduction",
    "speed": "speed",
}
