"""Schemas of what a client may send. They check JSON values, and refuse them as the service does.

A schema is data: nodes that read one JSON value at a path. The first problem found is raised as a `Refusal` with the
code and ``param`` of the service. A null in an optional field means the same as leaving the field out, since the
service's own clients send it so; a node returns the value without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from realtime_transport.emulator.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Anything",
    "Array",
    "Boolean",
    "ByType",
    "Field",
    "FirstOf",
    "Integer",
    "Node",
    "Number",
    "Object",
    "StringMap",
    "Text",
    "json_type_name",
]

_TYPE_NAMES: dict[Any, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
}


def json_type_name(value: object) -> str:
    """The JSON type of *value*, for an error message."""
    return "null" if value is None else _TYPE_NAMES.get(type(value), "an unknown type")


class Node(Protocol):
    """Reads one JSON value."""

    def read(self, value: Any, path: str) -> Any:
        """Return *value*, whose path is *path*, without meaningless nulls.

        Raises:
            Refusal: It is not allowed there.
        """
        ...


def _wrong_type(value: object, path: str, expected: str) -> Refusal:
    return Refusal(
        f"Invalid type for '{path}': expected {expected}, but got {json_type_name(value)} instead.",
        code="invalid_type",
        param=path,
    )


def _wrong_value(value: object, path: str, allowed: tuple[str, ...]) -> Refusal:
    names = [f"'{name}'" for name in allowed]
    if len(names) == 1:
        text = f"Supported values are: {names[0]}."
    else:
        text = f"Supported values are: {', '.join(names[:-1])}, and {names[-1]}."
    shown = value if isinstance(value, str) else json_type_name(value)
    return Refusal(f"Invalid value: '{shown}'. {text}", code="invalid_value", param=path)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


@attrs.frozen
class Anything:
    """Any JSON value."""

    def read(self, value: Any, path: str) -> Any:
        """Return it as it is."""
        return value


@attrs.frozen(kw_only=True)
class Text:
    """A string, optionally of fixed values or limited length."""

    enum: tuple[str, ...] | None = None
    max_length: int | None = None

    def read(self, value: Any, path: str) -> Any:
        """Check that it is a string, then its value, then its length."""
        if not isinstance(value, str):
            raise _wrong_type(value, path, f"one of {', '.join(map(repr, self.enum))}" if self.enum else "a string")
        if self.enum is not None and value not in self.enum:
            raise _wrong_value(value, path, self.enum)
        if self.max_length is not None and len(value) > self.max_length:
            raise Refusal(
                f"Invalid '{path}': string too long. Expected a string with maximum length {self.max_length}, "
                f"but got a string with length {len(value)} instead.",
                code="string_above_max_length",
                param=path,
            )
        return value


@attrs.frozen
class Boolean:
    """``true`` or ``false``."""

    def read(self, value: Any, path: str) -> Any:
        """Check that it is a boolean and nothing else."""
        if not isinstance(value, bool):
            raise _wrong_type(value, path, "a boolean")
        return value


def _check_range(value: float, path: str, minimum: float | None, maximum: float | None, kind: str) -> None:
    noun = "integer" if kind == "integer" else "decimal"
    if minimum is not None and value < minimum:
        raise Refusal(
            f"Invalid '{path}': {noun} below minimum value. Expected a value >= {minimum}, but got {value} instead.",
            code=f"{noun}_below_min_value",
            param=path,
        )
    if maximum is not None and value > maximum:
        raise Refusal(
            f"Invalid '{path}': {noun} above maximum value. Expected a value <= {maximum}, but got {value} instead.",
            code=f"{noun}_above_max_value",
            param=path,
        )


@attrs.frozen(kw_only=True)
class Integer:
    """A whole number, optionally within bounds."""

    minimum: int | None = None
    maximum: int | None = None

    def read(self, value: Any, path: str) -> Any:
        """Check that it is an integer (not a boolean, not 3.0), then its bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(value, path, "an integer")
        _check_range(value, path, self.minimum, self.maximum, "integer")
        return value


@attrs.frozen(kw_only=True)
class Number:
    """A number, optionally within bounds."""

    minimum: float | None = None
    maximum: float | None = None

    def read(self, value: Any, path: str) -> Any:
        """Check that it is an integer or a decimal, then its bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _wrong_type(value, path, "a decimal")
        _check_range(value, path, self.minimum, self.maximum, "number")
        return value


@attrs.frozen(kw_only=True)
class Array:
    """A list whose entries all follow one schema."""

    of: Node

    def read(self, value: Any, path: str) -> Any:
        """Check that it is a list, then read each entry in turn."""
        if not isinstance(value, list):
            raise _wrong_type(value, path, "an array")
        entries = cast("list[Any]", value)
        return [self.of.read(entry, f"{path}[{index}]") for index, entry in enumerate(entries)]


@attrs.frozen(kw_only=True)
class StringMap:
    """An object of strings, as ``metadata``."""

    max_entries: int | None = None
    max_key_length: int | None = None
    max_value_length: int | None = None

    def read(self, value: Any, path: str) -> Any:
        """Check that it is an object, then the number of its entries, then keys and values."""
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        entries = cast("dict[str, Any]", value)
        if self.max_entries is not None and len(entries) > self.max_entries:
            raise Refusal(
                f"Invalid '{path}': too many properties. Expected an object with at most {self.max_entries} "
                f"properties, but got an object with {len(entries)} properties instead.",
                code="object_above_max_properties",
                param=path,
            )
        for key, entry in entries.items():
            Text(max_length=self.max_key_length).read(key, path)
            Text(max_length=self.max_value_length).read(entry, _join(path, key))
        return entries


@attrs.frozen
class Field:
    """One key of an `Object`.

    Attributes:
        node: Reads the value.
        required: Whether the key must be there.
        nullable: Whether null is a value, and not the same as leaving the key out.
    """

    node: Node
    required: bool = False
    nullable: bool = False


@attrs.frozen
class Object:
    """An object with known keys; unknown ones are refused.

    Attributes:
        fields: The keys.
        others: Keys that are accepted if null: clients send other objects with the same class.
    """

    fields: Mapping[str, Field]
    others: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """All keys that it may have."""
        return frozenset(self.fields)

    def read(self, value: Any, path: str) -> Any:
        """Check that it is an object, then for unknown and missing keys, then read each value."""
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        entries = cast("dict[str, Any]", value)
        for key, entry in entries.items():
            if key not in self.fields and not (entry is None and key in self.others):
                where = _join(path, key)
                raise Refusal(f"Unknown parameter: '{where}'.", code="unknown_parameter", param=where)
        kept: dict[str, Any] = {}
        for key, field in self.fields.items():
            where = _join(path, key)
            if key not in entries:
                if field.required:
                    raise missing(where)
            elif entries[key] is not None or (field.required and not field.nullable):
                kept[key] = field.node.read(entries[key], where)
            elif field.nullable:
                kept[key] = None
        return kept


def missing(path: str) -> Refusal:
    """The refusal for a required field that is not there."""
    return Refusal(f"Missing required parameter: '{path}'.", code="missing_required_parameter", param=path)


@attrs.frozen
class ByType:
    """An object whose schema depends on one of its keys, which is required.

    A key of another variant is accepted if null: clients send all variants with one class.
    """

    variants: Mapping[str, Object | ByType]
    key: str = "type"

    @property
    def keys(self) -> frozenset[str]:
        """All keys that some variant may have."""
        return frozenset(key for variant in self.variants.values() for key in variant.keys)

    def read(self, value: Any, path: str) -> Any:
        """Check that it is an object, then its key, then read the variant that it names."""
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        entries = cast("dict[str, Any]", value)
        where = _join(path, self.key)
        tag = entries.get(self.key)
        if tag is None:
            raise missing(where)
        if not isinstance(tag, str) or tag not in self.variants:
            raise _wrong_value(tag, where, tuple(self.variants))
        variant = self.variants[tag]
        strange = self.keys - variant.keys
        own = {key: entry for key, entry in entries.items() if entry is not None or key not in strange}
        return variant.read(own, path)


@attrs.frozen
class FirstOf:
    """A value that may have one of several JSON types; the first schema that fits the type reads it."""

    strings: Node | None = None
    objects: Node | None = None
    integers: Node | None = None
    arrays: Node | None = None

    def read(self, value: Any, path: str) -> Any:
        """Choose by the JSON type."""
        by_type = {str: self.strings, dict: self.objects, int: self.integers, list: self.arrays}
        node = by_type.get(cast("type[Any]", type(value)))
        if node is None:
            names = [_TYPE_NAMES[kind] for kind, known in by_type.items() if known is not None]
            raise _wrong_type(value, path, f"one of {' or '.join(names)}")
        return node.read(value, path)
