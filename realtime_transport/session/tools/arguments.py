"""Checks the arguments of a call before the tool runs.

For tools made from a signature, the decoder checks the arguments. For tools with a JSON Schema, this module does, with
the keywords that tools use: ``type``, ``enum``, ``const``, ``properties``, ``required``,
``additionalProperties``, ``items``, ``anyOf``, ``oneOf``, ``allOf`` and references within the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import orjson

__all__ = ["InvalidArguments", "check_schema", "parse_arguments"]

MAX_DEPTH = 64
"""The depth to which arguments are checked: a schema may refer to itself."""


class InvalidArguments(ValueError):
    """The arguments of a call cannot be read or do not fit. The message says where, and quotes no value."""


def parse_arguments(text: str) -> Any:
    """Read arguments as the model wrote them; empty text is an empty object.

    Raises:
        InvalidArguments: They are not JSON.
    """
    try:
        return orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        reason = error.msg  # The error itself holds the whole text, which must not get into a log: it is not chained.
    raise InvalidArguments(f"not JSON: {reason}")


def check_schema(value: object, schema: Mapping[str, Any]) -> None:
    """Check *value* against a JSON Schema.

    Raises:
        InvalidArguments: It does not fit.
    """
    for problem in _problems(value, schema, "", schema, 0):
        raise InvalidArguments(problem)


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def _problems(value: object, schema: object, path: str, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    if schema is False:
        yield f"{path or 'arguments'}: nothing is allowed here"
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return
    rules = _resolve(cast("Mapping[str, Any]", schema), root)
    where = path or "arguments"
    kinds = rules.get("type")
    names = [kinds] if isinstance(kinds, str) else cast("list[str]", kinds or [])
    if names and not any(name in _TYPES and _TYPES[name](value) for name in names):
        yield f"{where}: {' or '.join(names)} expected"
        return
    if "enum" in rules and value not in rules["enum"]:
        yield f"{where}: one of {orjson.dumps(rules['enum'], default=repr).decode()} expected"
    if "const" in rules and value != rules["const"]:
        yield f"{where}: {orjson.dumps(rules['const'], default=repr).decode()} expected"
    yield from _choices(value, rules, path, root, depth)
    if isinstance(value, dict):
        yield from _members(cast("dict[str, Any]", value), rules, path, root, depth)
    elif isinstance(value, list) and "items" in rules:
        for index, entry in enumerate(cast("list[object]", value)):
            yield from _problems(entry, rules["items"], f"{path}[{index}]", root, depth + 1)


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        found: Any = root
        for name in reference[2:].split("/"):
            found = cast("Mapping[str, Any]", found).get(name) if isinstance(found, Mapping) else None
        schema = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
    return {}


def _choices(value: object, rules: Mapping[str, Any], path: str, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name in ("anyOf", "oneOf"):
        options = rules.get(name)
        if options and not any(not list(_problems(value, option, path, root, depth + 1)) for option in options):
            yield f"{path or 'arguments'}: fits none of the alternatives"
    for part in rules.get("allOf") or ():
        yield from _problems(value, part, path, root, depth + 1)


def _members(
    value: dict[str, Any], rules: Mapping[str, Any], path: str, root: Mapping[str, Any], depth: int
) -> Iterator[str]:
    known = cast("Mapping[str, Any]", rules.get("properties") or {})
    for name in rules.get("required") or ():
        if name not in value:
            yield f"{_join(path, name)}: required"
    more = rules.get("additionalProperties", True)
    for name, entry in value.items():
        if name in known:
            yield from _problems(entry, known[name], _join(path, name), root, depth + 1)
        elif more is False:
            yield f"{_join(path, name)}: unknown"
        else:
            yield from _problems(entry, more, _join(path, name), root, depth + 1)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
