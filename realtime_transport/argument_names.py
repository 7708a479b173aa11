"""Errors for arguments that do not exist: they name the one that was probably meant.

Users of the JavaScript SDK write ``apiKey`` for ``api_key``, and one object of options instead of keyword arguments.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache, wraps
from inspect import Parameter, iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import attrs

from realtime_transport.errors import ConfigError
from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["named", "named_fields", "unknown_argument"]

F = TypeVar("F", bound="Callable[..., Any]")
C = TypeVar("C", bound="type[Any]")


def unknown_argument(owner: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for an argument *name* that *owner* does not take; it names the nearest of *known*."""
    names, snake = list(known), snake_case(name)
    setting = _setting_hint(snake, names)
    if setting:
        return ConfigError(f"{name}: {owner} has no such option; {setting}", key=name)
    synonym = _SYNONYMS.get(snake, "")
    near = [synonym] if synonym in names and snake not in names else get_close_matches(snake, names, 1, 0.7)
    hint = f"; did you mean {near[0]}=?" if near else ""
    return ConfigError(f"{name}: {owner} has no such option{hint}", key=name)


_SYNONYMS = {"base_url": "url", "url": "base_url"}
"""Different names for the same option in different classes."""


_IN_INPUT = {
    "input_audio_format": "format",
    "input_audio_noise_reduction": "noise_reduction",
    "noise_reduction": "noise_reduction",
    "input_audio_transcription": "transcription",
    "transcription": "transcription",
    "turn_detection": "turn_detection",
}
_IN_OUTPUT = {"output_audio_format": "format", "speed": "speed"}
_AT_THE_TOP = (
    *("audio", "include", "instructions", "max_output_tokens", "output_modalities", "parallel_tool_calls", "prompt"),
    *("provider_data", "reasoning", "tool_choice", "tools", "tracing", "truncation", "voice"),
)
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    **{name: ("audio", "input", last) for name, last in _IN_INPUT.items()},
    **{name: ("audio", "output", last) for name, last in _IN_OUTPUT.items()},
    **{name: (name,) for name in _AT_THE_TOP},
    "modalities": ("output_modalities",),
}
"""Settings of a session by the names that people write as arguments, those of the beta protocol included: where they
are in the configuration."""


def _setting_hint(name: str, known: Sequence[str]) -> str:
    """How a setting of a session is passed to what takes the arguments *known*; empty if *name* is none."""
    path = _SETTINGS.get(name, ())
    if len(path) > 1 and path[0] in known:
        return f"it is written {path[0]}={_as_mapping(path[1:])}"
    taken_by = [argument for argument in ("initial_session_config", "config") if argument in known]
    return f"settings go into {taken_by[0]}={_as_mapping(path)}" if path and taken_by else ""


def _as_mapping(path: Sequence[str]) -> str:
    """A mapping with a value at the end of *path*."""
    return "{" + ": {".join(f'"{name}"' for name in path) + ": …" + "}" * len(path)


def snake_case(name: str) -> str:
    """*name*, perhaps in camelCase, in snake_case."""
    return re.sub(r"(?<!^)(?<!_)([A-Z])", r"_\1", name).lower()


@frozen(kw_only=False)
class _Expected:
    """The arguments that a function takes."""

    owner: str
    names: frozenset[str]
    positional: int
    anything: bool

    @classmethod
    def by(cls, function: Callable[..., Any]) -> _Expected:
        parameters = list(signature(function).parameters.values())
        by_name = [each.name for each in parameters if each.kind in _BY_NAME]
        by_place = [each for each in parameters if each.kind in _BY_PLACE]
        takes_rest = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
        owner, _, name = function.__qualname__.rpartition(".")
        return cls(
            owner=owner.rpartition(".")[2] if name == "__init__" else f"{name}()",
            names=frozenset(by_name) - {"self"},
            positional=10_000 if takes_rest else len(by_place),
            anything=any(each.kind is Parameter.VAR_KEYWORD for each in parameters),
        )

    def refuse(self, arguments: tuple[object, ...], options: Mapping[str, object]) -> None:
        """Raise for an option that does not exist, or for a mapping of options that should be keyword arguments."""
        if not self.anything:
            for name in options:
                if name not in self.names:
                    raise unknown_argument(self.owner, name, sorted(self.names))
        if len(arguments) > self.positional and isinstance(arguments[-1], dict):
            self._refuse_object(cast("dict[object, object]", arguments[-1]))

    def _refuse_object(self, given: Mapping[object, object]) -> NoReturn:
        written = ", ".join(f"{snake_case(str(name))}=…" for name in given)
        call = self.owner.removesuffix("()")
        raise ConfigError(f"options are keyword arguments, not an object: {call}({written})")


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_BY_PLACE = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.POSITIONAL_ONLY)


def named(function: F) -> F:
    """Decorate *function*: an unknown argument raises `ConfigError` that names the nearest known one."""
    expected = _Expected.by(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        expected.refuse(args, kwargs)
        return function(*args, **kwargs)

    async def call_later(*args: Any, **kwargs: Any) -> Any:
        expected.refuse(args, kwargs)
        return await function(*args, **kwargs)

    return cast("F", wraps(function)(call_later if iscoroutinefunction(function) else call))


@cache
def _field_names(cls: type[Any]) -> frozenset[str]:
    fields = attrs.fields(cls)
    return frozenset(field.alias for field in fields if field.init and field.alias)


def named_fields(cls: C) -> C:
    """As `named`, for the constructor of an `attrs` class."""

    def new(made: type[Any], *_args: Any, **kwargs: Any) -> Any:
        names = _field_names(made)
        for name in kwargs:
            if name not in names:
                raise unknown_argument(made.__name__, name, sorted(names))
        return object.__new__(made)

    cls.__new__ = new
    return cls
