"""The values of scenarios: their tags, and the JavaScript names."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNDEFINED", "Reader", "pattern", "snake"]

AUTO = re.compile(r"\{\{auto:([a-z_]+):(\d+)\}\}")


class _Undefined:
    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = _Undefined()
"""An argument or key that is absent."""

NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf"), "-0": -0.0}


def snake(name: str) -> str:
    """``updateSessionConfig`` as ``update_session_config``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def pattern(size: int, seed: int) -> bytes:
    """*size* bytes, byte i = (7 i + seed) mod 256."""
    return bytes((7 * i + seed) % 256 for i in range(256)) * (size // 256) + bytes(
        (7 * i + seed) % 256 for i in range(size % 256)
    )


@attrs.frozen
class Reader:
    """Reads values.

    Attributes:
        base: What ``{{ws}}`` stands for.
        key: Makes a key function of its tagged form.
        auto: The id generated for what a placeholder names; ``None`` if there is none yet.
    """

    base: str
    key: Callable[[dict[str, Any]], Any]
    auto: Callable[[str, int], str | None]

    def read(self, value: Any) -> Any:
        """*value* with its tags resolved; keys that are absent are left out."""
        match value:
            case str():
                return self._text(value)
            case list():
                return [None if (entry := self.read(item)) is UNDEFINED else entry for item in value]
            case dict():
                return self._object(value)
            case _:
                return value

    def _object(self, value: dict[str, Any]) -> Any:
        match value:
            case {"$bytes": str(text)}:
                return base64.b64decode(text)
            case {"$b64_pattern": {"bytes": size, "seed": seed}}:
                return base64.b64encode(pattern(size, seed)).decode()
            case {"$silence_bytes": size}:
                return bytes(size)
            case {"$undefined": _}:
                return UNDEFINED
            case {"$number": name}:
                return NUMBERS[name] if name in NUMBERS else float(name)
            case {"$fn_returns": _} | {"$fn_throws": _} | {"$fn_pending": _}:
                return self.key(value)
        entries = ((self._text(key), self.read(item)) for key, item in value.items())
        return {key: item for key, item in entries if item is not UNDEFINED}

    def _text(self, text: str) -> str:
        return AUTO.sub(self._id, text.replace("{{ws}}", self.base)) if "{{" in text else text

    def _id(self, match: re.Match[str]) -> str:
        return self.auto(match[1], int(match[2])) or match[0]
