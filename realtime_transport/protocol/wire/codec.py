"""The one place where messages become objects and objects become messages.

Decoding never fails on a well-formed message: what is not known is kept in ``extra``, a value of the wrong type is
kept in its field and reported. Encoding works from the fields and ``extra`` alone.

Most messages are as documented. So each is first structured by hooks that give up at the first wrong type; only a
message that makes them give up is structured again by hooks that keep everything, and then searched for what is wrong.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

import attrs
import orjson

from realtime_transport.errors import DecodeError, LocalProtocolError
from realtime_transport.late_classes import defaults_of

from .client_events import CLIENT_EVENTS, UnknownClientEvent
from .field_types import NOT_ON_THE_WIRE, Shape, choose_class, find_problems, json_name, shape_of, shapes_of, tag_of
from .items import Item
from .json_types import UNSET, Unset
from .model import ClientEvent, FieldProblem, ServerEvent, WireModel
from .old_events import OLD_EVENTS
from .server_events import SERVER_EVENTS, VENDOR_EVENTS, UnknownServerEvent
from .session import Session

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = [
    "decode_client_event",
    "decode_item",
    "decode_server_event",
    "decode_session",
    "dumps",
    "encode",
    "loads",
    "parse_json",
]

Hook = Callable[[Any], Any]
"""Makes of a JSON value what stands for it."""

_SERVER_EVENTS: dict[str, type[ServerEvent]] = {cls.type: cls for cls in (*SERVER_EVENTS, *VENDOR_EVENTS, *OLD_EVENTS)}
_CLIENT_EVENTS: dict[str, type[ClientEvent]] = {cls.type: cls for cls in CLIENT_EVENTS}


class Tolerance(enum.Enum):
    """What to do with a value of the wrong type."""

    NONE = "give up"
    FULL = "keep it"


class _WrongTypeError(Exception):
    """A value is of another type than documented; the message is structured again, tolerantly."""


# Text


def loads(data: str | bytes) -> dict[str, Any]:
    """Parse one message.

    Raises:
        DecodeError: It is not JSON, not an object, or has no ``type`` that is a string.
    """
    message: Any
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError:
        message = UNSET  # Not raised here: this error holds the text, and must not become the context of another.
    if message is UNSET:
        message = parse_json(data)
    if message.__class__ is not dict:
        raise DecodeError(f"a message must be a JSON object, not {json_name(message)}", size=len(data))
    kind: Any = message.get("type", UNSET)
    if type(kind) is not str:
        got = "none" if kind is UNSET else json_name(kind)
        raise DecodeError(f'a message must have a string as "type", got {got}', path="type", size=len(data))
    return message


def dumps(message: Mapping[str, Any]) -> str:
    """Write *message* as JSON, without spaces. It may hold wire classes.

    Raises:
        LocalProtocolError: It holds a value that JSON cannot represent.
    """
    try:
        return orjson.dumps(message, default=_plain).decode()
    except TypeError:
        pass
    try:
        # orjson refuses halves of surrogate pairs, which streamed text may end in, and more than 254 levels.
        return json.dumps(message, default=_plain, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"the message cannot be written as JSON: {error}") from error


def parse_json(data: str | bytes) -> Any:
    """Parse any JSON value. Halves of surrogate pairs are accepted.

    Raises:
        DecodeError: It is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    # The errors themselves hold the whole text. It must not get into a log, so they are not chained.
    try:
        # A half of a surrogate pair, which a server may cut streamed text into, is an error only to orjson.
        return json.loads(data if isinstance(data, str) else str(data, "utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    raise DecodeError(f"not valid JSON: {reason}", size=len(data))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _plain(value: Any) -> Any:
    if isinstance(value, WireModel):
        return encode(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# Decoding


def decode_server_event(raw: Mapping[str, Any], sequence: int = 0) -> tuple[ServerEvent, tuple[FieldProblem, ...]]:
    """Decode a server message into its event, and report its fields of the wrong type.

    Args:
        raw: The message as `loads` returns it. The event keeps it and shares its values: do not change it.
        sequence: The event's place in the order of the connection.

    Raises:
        DecodeError: There is no ``type`` that is a string.
    """
    kind: Any = raw.get("type")
    cls: type[ServerEvent] = _SERVER_EVENTS.get(kind if kind.__class__ is str else _type_of(raw), UnknownServerEvent)
    place = {"raw": raw, "sequence": sequence}
    try:
        return _strict_structure(cls)(raw, place), ()
    except _WrongTypeError:
        return _structure(cls, Tolerance.FULL)(raw, place), _problems((cls,), dict(raw))


def decode_client_event(raw: Mapping[str, Any]) -> tuple[ClientEvent, tuple[FieldProblem, ...]]:
    """Decode a client message into its event, and report its fields of the wrong type.

    Raises:
        DecodeError: There is no ``type`` that is a string.
    """
    return _decode((_CLIENT_EVENTS.get(_type_of(raw), UnknownClientEvent),), raw)


def decode_item(raw: Mapping[str, Any]) -> tuple[Item, tuple[FieldProblem, ...]]:
    """Decode an object into its item, and report its fields of the wrong type."""
    return _decode(shape_of(Item).classes, raw)


def decode_session(raw: Mapping[str, Any]) -> tuple[Session, tuple[FieldProblem, ...]]:
    """Decode an object into its session, and report its fields of the wrong type."""
    return _decode(shape_of(Session).classes, raw)


def encode(model: WireModel) -> dict[str, Any]:
    """Return *model* as a JSON object: ``type``, the fields that are set, then ``extra``.

    Values that have no class are shared with *model*, not copied.
    """
    return _converter().unstructure(model)


def _type_of(raw: Mapping[str, Any]) -> str:
    kind = raw.get("type", UNSET)
    if not isinstance(kind, str):
        raise DecodeError('an event must have a string as "type"', path="type")
    return kind


def _decode(classes: tuple[type[WireModel], ...], raw: Mapping[str, Any]) -> Any:
    message = dict(raw)
    try:
        return _object_hook(classes, Tolerance.NONE)(message), ()
    except _WrongTypeError:
        return _object_hook(classes, Tolerance.FULL)(message), _problems(classes, message)


def _problems(classes: tuple[type[WireModel], ...], raw: dict[str, Any]) -> tuple[FieldProblem, ...]:
    return tuple(find_problems(Shape(kinds=frozenset({dict}), classes=classes), raw))


@functools.cache
def _structure(cls: type[WireModel], tolerance: Tolerance) -> Callable[..., Any]:
    """Make the function that makes a *cls* of an object; what a second argument holds are fields, too.

    Made when the first object of the class comes: most programs meet a fifth of the classes.
    """
    known = {name: _handlers(shape, tolerance) for name, shape in shapes_of(cls).items()}
    # The default tag is for objects made in Python; one that was received without a tag must not get one.
    absent = {name: UNSET for name, default in defaults_of(cls).items() if isinstance(default, str)}
    wrong = _give_up if tolerance is Tolerance.NONE else None
    type_is_class = issubclass(cls, ServerEvent | ClientEvent) and "type" not in known

    def structure(raw: Mapping[str, Any], more: Mapping[str, Any] = absent) -> Any:
        arguments: dict[str, Any] = {**absent, **more}
        extra: dict[str, Any] = {}
        for name, value in raw.items():
            handlers = known.get(name)
            if handlers is None:
                extra[name] = value
            else:
                handler = handlers.get(value.__class__, wrong)
                arguments[name] = value if handler is None else handler(value)
        if type_is_class:
            del extra["type"]
        arguments["extra"] = extra
        return cls(**arguments)

    return structure


@functools.cache
def _strict_structure(cls: type[WireModel]) -> Callable[..., Any]:
    """`_structure` without a second argument to hash, which an enumeration does in Python."""
    return _structure(cls, Tolerance.NONE)


def _handlers(shape: Shape, tolerance: Tolerance) -> dict[type, Hook | None]:
    """Return what to do with a value, by its type; ``None`` is to keep it."""
    handlers: dict[type, Hook | None] = dict.fromkeys(shape.kinds)

    def first(raw: dict[str, Any]) -> Any:
        structure = handlers[dict] = _structure(shape.classes[0], tolerance)
        return structure(raw)

    if shape.classes:
        handlers[dict] = first if len(shape.classes) == 1 else _object_hook(shape.classes, tolerance)
    if shape.entry is not None:
        handlers[list] = _array_hook(shape.entry, tolerance)
    return handlers


def _give_up(value: Any) -> NoReturn:
    raise _WrongTypeError


@functools.cache
def _object_hook(classes: tuple[type[WireModel], ...], tolerance: Tolerance) -> Hook:
    # Filled as the classes turn up, and only with their own tags: a server cannot make it grow.
    by_tag: dict[str | Unset | None, Hook] = {}

    def hook(raw: dict[str, Any]) -> Any:
        tag = tag_of(raw)
        structure = by_tag.get(tag)
        if structure is None:
            cls = choose_class(classes, tag)
            structure = _structure(cls, tolerance)
            if tag in cls.tags:
                by_tag[tag] = structure
        return structure(raw)

    return hook


def _array_hook(entry: Shape, tolerance: Tolerance) -> Hook:
    handlers = _handlers(entry, tolerance)
    wrong = _give_up if tolerance is Tolerance.NONE else None

    def hook(values: list[Any]) -> tuple[Any, ...]:
        return tuple(
            [
                value if (structure := handlers.get(value.__class__, wrong)) is None else structure(value)
                for value in values
            ]
        )

    return hook


# Encoding


@functools.cache
def _converter() -> Converter:
    """Build the converter; its hooks are made one class at a time, when the first object of a class is encoded."""
    import cattrs  # Here: who sends mappings only need not wait for it.

    converter = cattrs.Converter(detailed_validation=False)
    converter.register_unstructure_hook_factory(_is_wire_model, _class_encoder)
    converter.register_unstructure_hook_func(lambda cls: cls in (list, tuple), _encode_entries)
    # Whatever else a field holds is JSON already, however deep.
    converter.register_unstructure_hook_func(lambda cls: cls is dict, lambda value: value)
    return converter


def _is_wire_model(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, WireModel)


def _class_encoder(cls: type[WireModel]) -> Callable[[Any], dict[str, Any]]:
    on_class = issubclass(cls, ServerEvent | ClientEvent)
    names = [field.name for field in attrs.fields(cls) if field.name not in NOT_ON_THE_WIRE and field.name != "type"]
    has_type = on_class or hasattr(cls, "type")

    def encode_fields(model: Any) -> dict[str, Any]:
        message: dict[str, Any] = {}
        if has_type and model.type is not UNSET:
            message["type"] = model.type
        for name in names:
            value = getattr(model, name)
            if value is not UNSET:
                message[name] = _encode_value(value)
        for name, value in model.extra.items():
            message.setdefault(name, value)
        return message

    return encode_fields


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _encode_value(value: Any) -> Any:
    return value if value.__class__ in _SCALARS else _converter().unstructure(value)


def _encode_entries(entries: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [_encode_value(entry) for entry in entries]
