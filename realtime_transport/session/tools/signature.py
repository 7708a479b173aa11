"""Derives from a Python function what a model needs to call it: name, description, JSON Schema, and a decoder.

The only module that imports msgspec and docstring-parser; it is loaded when the first tool is made.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
import typing
from typing import Annotated, Any, cast, get_args, get_origin

import attrs

from realtime_transport.errors import ConfigError, missing_extra

from .arguments import InvalidArguments
from .callbacks import name_of
from .context import RunContext, ToolContext

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

try:
    import docstring_parser
    import msgspec
except ImportError as _error:
    missing_extra(_error, "agents")

__all__ = ["Call", "Signature", "read_signature", "type_schema"]


@attrs.frozen
class Call:
    """Decoded arguments: ``function(*args, **kwargs)``, the context aside."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@attrs.frozen(kw_only=True)
class Signature:
    """What a tool needs to know about a function.

    Attributes:
        name: Its name.
        description: The docstring without its sections.
        parameters: A JSON Schema of type ``object``.
        read: Decodes JSON text to a `Call`; raises `InvalidArguments`.
        wants_context: Whether its first parameter takes the context.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    read: Callable[[str], Call]
    wants_context: bool


def read_signature(function: Callable[..., Any], *, strict: bool = True) -> Signature:
    """Read the signature and the docstring of *function*.

    Raises:
        ConfigError: A parameter cannot be described to a model; ``key`` names it.
        MissingExtraError: The extra ``agents`` is not installed.
    """
    name = name_of(function)
    docs = docstring_parser.parse(inspect.getdoc(function) or "")
    parameters = list(inspect.signature(function).parameters.values())
    hints = _type_hints(function, name)
    wants_context = bool(parameters) and _is_context(hints.get(parameters[0].name))
    parameters = parameters[wants_context:]
    texts = {entry.arg_name: entry.description or "" for entry in docs.params}
    fields = [_field(parameter, hints, texts, name) for parameter in parameters]
    struct = msgspec.defstruct(
        _class_name(name), [field.definition for field in fields], kw_only=True, forbid_unknown_fields=strict
    )
    positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
    names = tuple(p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY)
    decode = _decoder(struct)

    def read(text: str) -> Call:
        decoded = decode(text)
        return Call(
            tuple(getattr(decoded, entry) for entry in positional), {entry: getattr(decoded, entry) for entry in names}
        )

    parts = (docs.short_description, docs.long_description)
    return Signature(
        name=name,
        description="\n\n".join(part for part in parts if part),
        parameters=_schema(struct, strict=strict),
        read=read,
        wants_context=wants_context,
    )


def type_schema(kind: Any, name: str) -> tuple[dict[str, Any], Callable[[str], Any]]:
    """The JSON Schema of a type whose values are objects, and its decoder.

    Raises:
        ConfigError: It cannot be described to a model.
    """
    wire = _wire_type(kind, name)
    try:
        decode = _decoder(wire)
        schema = _schema(wire, strict=False)
    except (TypeError, NotImplementedError) as error:
        raise ConfigError(f"{name}: {error}", key=name) from error
    if schema.get("type") != "object":
        raise ConfigError(f"{name}: the input of a handoff is an object; {kind!r} is none", key=name)
    return schema, decode


def _type_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"{name}: its annotations cannot be read: {error}", key=name) from error


def _is_context(hint: Any) -> bool:
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, RunContext | ToolContext)


def _class_name(name: str) -> str:
    return re.sub(r"\W", "_", name) + "_arguments"


# Fields


@attrs.frozen
class _Field:
    definition: tuple[str, Any] | tuple[str, Any, Any]


def _field(parameter: inspect.Parameter, hints: Mapping[str, Any], texts: Mapping[str, str], tool: str) -> _Field:
    where = f"{tool}.{parameter.name}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise ConfigError(f"{where}: a model cannot fill {parameter}; name each parameter", key=parameter.name)
    if parameter.name not in hints:
        raise ConfigError(f"{where}: has no annotation; a model must know what to put there", key=parameter.name)
    kind, text = _described(hints[parameter.name])
    if _is_context(kind):
        raise ConfigError(f"{where}: the context is the first parameter or none", key=parameter.name)
    wire = _wire_type(kind, where)
    _check(wire, where, parameter.name)
    text = text or texts.get(parameter.name, "")
    if text:
        wire = Annotated[wire, msgspec.Meta(description=text)]
    if parameter.default is parameter.empty:
        return _Field((parameter.name, wire))
    return _Field((parameter.name, wire, _default(parameter.default)))


def _described(hint: Any) -> tuple[Any, str]:
    """The type without its plain-text annotation, and that text."""
    if get_origin(hint) is not Annotated:
        return hint, ""
    kind, *notes = get_args(hint)
    text = next((note for note in notes if isinstance(note, str)), "")
    rest = [note for note in notes if not isinstance(note, str)]
    for note in rest:
        kind = Annotated[kind, note]
    return kind, text


def _default(value: Any) -> Any:
    if value is None or type(value) in (str, int, float, bool, bytes):
        return value
    return msgspec.field(default_factory=lambda: copy.copy(value))


def _check(kind: Any, where: str, key: str) -> None:
    try:
        msgspec.json.Decoder(kind, dec_hook=_decode_foreign)
        _raw_schema(kind)
    except (TypeError, NotImplementedError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{where}: {error}", key=key) from error


# Types with a schema of their own: pydantic's


class _AnyInstance(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True  # msgspec checks the result with isinstance; the adapter has validated it.


class _Foreign(metaclass=_AnyInstance):
    """Stands for a pydantic ``TypeAdapter``, which is a value and not a type."""

    adapter: Any


def _wire_type(kind: Any, where: str) -> Any:
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return kind
    if isinstance(kind, pydantic.TypeAdapter):
        return _AnyInstance("TypeAdapter", (_Foreign,), {"adapter": kind})
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, pydantic.TypeAdapter):
                return _AnyInstance("TypeAdapter", (_Foreign,), {"adapter": note})
    return kind


def _adapter_of(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, _Foreign):
        return kind.adapter
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return pydantic.TypeAdapter(kind)
    return None


def _decode_foreign(kind: Any, value: Any) -> Any:
    adapter = _adapter_of(kind)
    if adapter is None:
        raise NotImplementedError(f"{kind!r} cannot be read from JSON")
    try:
        return adapter.validate_python(value)
    except ValueError as error:
        raise ValueError(_first_problem(error)) from None


def _first_problem(error: ValueError) -> str:
    """The first problem: path and message, without the value, which pydantic would quote."""
    found = getattr(error, "errors", None)
    if found is None:
        return "does not fit"
    first = found(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _schema_of_foreign(kind: Any) -> dict[str, Any]:
    adapter = _adapter_of(kind)
    if adapter is None:
        raise NotImplementedError(f"{kind!r} cannot be described to a model")
    return adapter.json_schema(ref_template="#/$defs/{model}")


# Schemas and decoding


def _raw_schema(kind: Any) -> dict[str, Any]:
    return msgspec.json.schema(kind, schema_hook=_schema_of_foreign)


def _schema(kind: Any, *, strict: bool) -> dict[str, Any]:
    schema = _raw_schema(kind)
    definitions: dict[str, Any] = dict(schema.pop("$defs", {}))
    _hoist(schema, definitions)
    for entry in list(definitions.values()):
        _hoist(entry, definitions)
    reference = schema.pop("$ref", None)
    if reference is not None:
        name = reference.rpartition("/")[2]
        top = definitions[name]
        schema = {**{key: value for key, value in top.items() if key != "title"}, **schema}
        if not _mentions(reference, [schema, *(value for key, value in definitions.items() if key != name)]):
            del definitions[name]
    if schema.get("type") == "object":
        schema.setdefault("properties", {})
        schema.setdefault("required", [])
        if strict:
            schema["additionalProperties"] = False
    return {**schema, "$defs": definitions} if definitions else schema


def _hoist(schema: Any, definitions: dict[str, Any]) -> None:
    """Move nested definitions to the top level, where references look for them."""
    if isinstance(schema, list):
        for entry in cast("list[Any]", schema):
            _hoist(entry, definitions)
    elif isinstance(schema, dict):
        part = cast("dict[str, Any]", schema)
        for name, entry in part.pop("$defs", {}).items():
            definitions.setdefault(name, entry)
            _hoist(entry, definitions)
        for entry in list(part.values()):
            _hoist(entry, definitions)


def _mentions(reference: str, value: Any) -> bool:
    if isinstance(value, list):
        return any(_mentions(reference, entry) for entry in cast("list[Any]", value))
    if isinstance(value, dict):
        part = cast("dict[str, Any]", value)
        return part.get("$ref") == reference or any(_mentions(reference, entry) for entry in part.values())
    return False


def _decoder(kind: Any) -> Callable[[str], Any]:
    decoder = msgspec.json.Decoder(kind, dec_hook=_decode_foreign)

    def decode(text: str) -> Any:
        try:
            return decoder.decode(text or "{}")
        except msgspec.ValidationError as error:
            reason = _where(str(error))
        except msgspec.DecodeError as error:
            reason = f"not JSON: {error}"
        except ValueError as error:
            reason = str(error)
        raise InvalidArguments(reason)

    return decode


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$?\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `(?P<name>[^`]*)`$")


def _where(message: str) -> str:
    """A message of msgspec with the path first. It is for the model; no code depends on it."""
    match = _AT.match(message)
    assert match is not None
    what, path = match["what"], match["path"] or ""
    field = _FIELD.match(what)
    if field is not None:
        path = f"{path}.{field['name']}" if path else field["name"]
        what = "required" if field[1] == "missing required" else "unknown"
    return f"{path}: {what}" if path else what
