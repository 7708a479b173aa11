"""Turns the results of tools into text for the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import attrs
import orjson

__all__ = ["BackgroundResult", "ToolOutput", "background_result", "default_render", "tool_output"]


@attrs.frozen
class BackgroundResult:
    """A result that is sent without asking for a response. See `background_result`."""

    value: Any


@attrs.frozen(kw_only=True)
class ToolOutput:
    """A text and an image for the model. See `tool_output`."""

    text: str
    image: str | None = None


def background_result(value: Any) -> BackgroundResult:
    """Return this from a tool to send the model *value* without asking for a response."""
    return BackgroundResult(value)


def tool_output(text: str, *, image: str | None = None) -> ToolOutput:
    """Return this from a tool to send the model a text and an image.

    Args:
        text: The output of the call.
        image: A ``data:`` URI with a PNG or JPEG; it becomes a message of the user, before the one response.
    """
    return ToolOutput(text=text, image=image)


def default_render(value: Any) -> str:
    """The text for *value*: text as it is, ``None`` as ``null``, everything else as compact JSON.

    Data classes, attrs classes and pydantic models become objects; other values that JSON cannot represent,
    ``str(value)``.

    Raises:
        TypeError: *value* is bytes: a model reads text.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("a tool returned bytes; return text, or tool_output(text, image=...)")
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:  # Integers beyond 64 bits, which orjson refuses.
        return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _plain(value: Any) -> Any:
    kind = cast("type[Any]", type(value))
    if attrs.has(kind):
        return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "_asdict"):
        return value._asdict()
    if hasattr(kind, "__struct_fields__"):
        return {name: getattr(value, name) for name in kind.__struct_fields__}
    if issubclass(kind, Mapping):
        return dict(value)
    if issubclass(kind, set | frozenset):
        return list(value)
    if issubclass(kind, bytes | bytearray | memoryview):
        raise TypeError("bytes cannot be told to a model")
    return str(value)
