"""What each field of a wire class may hold, read from its annotations.

The codec and the search for wrong types both work from this, so that the classes are the only place that says what
the protocol looks like.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from realtime_transport.late_classes import defaults_of, frozen

from .json_types import UNSET, Unset
from .model import FieldProblem, WireModel

__all__ = ["Shape", "choose_class", "find_problems", "json_name", "shape_of", "shapes_of", "tag_of"]

NOT_ON_THE_WIRE = frozenset({"extra", "raw", "sequence"})
JSON_NAMES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    types.NoneType: "null",
}


@frozen()
class Shape:
    """The values that one place of a message may hold.

    Attributes:
        kinds: The Python types of its JSON values. Null is always among them: servers send it where the
            documentation does not allow it, and accepting it loses nothing.
        classes: The classes of an object; empty for one that is kept as it is.
        entry: The shape of an array's entries.
    """

    kinds: frozenset[type]
    classes: tuple[type[WireModel], ...] = ()
    entry: Shape | None = None

    @property
    def expected(self) -> str:
        """The documented JSON types in words; null is left out, and integer where any number will do."""
        silent = {types.NoneType, int} if float in self.kinds else {types.NoneType}
        return " or ".join(name for kind, name in JSON_NAMES.items() if kind in self.kinds - silent)


@functools.cache
def shapes_of(cls: type[WireModel]) -> dict[str, Shape]:
    """Return the shape of every field that *cls* has on the wire, by name."""
    hints = typing.get_type_hints(cls)
    return {name: shape_of(hints[name]) for name in defaults_of(cls) if name not in NOT_ON_THE_WIRE}


def shape_of(annotation: Any) -> Shape:
    """Return the shape that *annotation* describes."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    kinds: set[type] = {types.NoneType}
    classes: list[type[WireModel]] = []
    entry: Shape | None = None
    for member in members:
        origin = get_origin(member) or member
        if origin is Sequence:
            kinds.add(list)
            entry = shape_of(get_args(member)[0])
        elif origin is Mapping:
            kinds.add(dict)
        elif origin is float:
            kinds |= {float, int}
        elif issubclass(origin, WireModel):
            kinds.add(dict)
            classes.append(origin)
        elif origin is not Unset:
            kinds.add(origin)
    return Shape(kinds=frozenset(kinds), classes=tuple(classes), entry=entry)


def tag_of(raw: Mapping[str, Any]) -> str | Unset | None:
    """Return the tag that chooses the class of an object: its ``type``; for a message, ``"message/"`` and the role.

    `UNSET` where there is no type, ``None`` where it is not a string.
    """
    tag: Any = raw.get("type", UNSET)
    if tag == "message":
        role: Any = raw.get("role")
        return f"message/{role}" if role.__class__ is str else "message"
    return tag if tag.__class__ is str or tag is UNSET else None


def choose_class(classes: tuple[type[WireModel], ...], tag: str | Unset | None) -> type[WireModel]:
    """Return which of *classes* has the tag.

    If none has it: the class without tags, which stands for unknown objects, or else the first.
    """
    known = _by_tag(classes)
    if tag not in known and isinstance(tag, str) and tag.startswith("message/"):
        tag = "message"
    return known.get(tag) or next((cls for cls in classes if not cls.tags), classes[0])


@functools.cache
def _by_tag(classes: tuple[type[WireModel], ...]) -> dict[str | Unset | None, type[WireModel]]:
    return {tag: cls for cls in classes for tag in cls.tags}


def json_name(value: object) -> str:
    """Return the name that the type of *value* has in JSON."""
    return JSON_NAMES.get(type(value), type(value).__name__)


def find_problems(shape: Shape, value: Any, path: str = "") -> Iterator[FieldProblem]:
    """Yield every place in *value* that holds another type than *shape* says."""
    if value.__class__ not in shape.kinds:
        yield FieldProblem(path=path, expected=shape.expected, got=json_name(value))
    elif value.__class__ is dict and shape.classes:
        fields = shapes_of(choose_class(shape.classes, tag_of(value)))
        for name in value:
            if name in fields:
                yield from find_problems(fields[name], value[name], f"{path}.{name}" if path else name)
    elif value.__class__ is list and shape.entry is not None:
        for index, entry in enumerate(value):
            yield from find_problems(shape.entry, entry, f"{path}[{index}]")
