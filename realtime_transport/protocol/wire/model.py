"""What all wire objects have in common.

A wire class is written down as the protocol documents it: attribute names are the names on the wire, every field
may be absent (`UNSET`) or null, and fields that this version does not know are kept in ``extra``. The codec reads
the annotations; a value of another type than annotated is kept as it came and reported as a `FieldProblem`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping  # noqa: TC003 - the codec resolves annotations
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform

import attrs

from realtime_transport import late_classes
from realtime_transport.connection_events import Event
from realtime_transport.late_classes import frozen

from .json_types import UNSET, Unset

__all__ = ["ClientEvent", "Event", "FieldProblem", "ServerEvent", "WireModel", "WireObject", "wire_model"]

T = TypeVar("T")

MAX_SHOWN_LENGTH = 200


_wire_class = late_classes.frozen(repr=False)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def wire_model(cls: type[T]) -> type[T]:
    """Make *cls* a frozen, slotted, keyword-only data class; ``repr`` comes from `WireModel`."""
    return _wire_class(cls)


@frozen()
class FieldProblem:
    """A known field held a value of another JSON type than documented; the value was kept.

    Attributes:
        path: Where, from the object that was decoded: ``"session.tools[0].name"``.
        expected: The JSON types that are documented: ``"integer or string"``.
        got: The JSON type that came: ``"object"``.
    """

    path: str
    expected: str
    got: str


class WireModel:
    """Base of every class that has a form on the wire. Equal if the class and all fields are."""

    __slots__ = ()

    extra: Mapping[str, Any]

    tags: ClassVar[tuple[str | Unset, ...]] = ()
    """The values of ``type`` that choose this class among several; `UNSET` stands for an object without ``type``."""

    def __repr__(self) -> str:
        shown = ((f.name, getattr(self, f.name)) for f in attrs.fields(self.__class__) if f.repr)
        parts = [f"{name}={_short(value)}" for name, value in shown if not _is_idle(name, value)]
        return f"{self.__class__.__name__}({', '.join(parts)})"


def _is_idle(name: str, value: object) -> bool:
    return value is UNSET or (not value and name in ("extra", "sequence"))


class _Shortener(reprlib.Repr):
    """Bounds what is shown in width and depth; of long strings, the length: audio has no place in a log."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxdict = 20
        self.maxother = 10_000

    def repr_str(self, x: str, level: int) -> str:
        return repr(x) if len(x) <= MAX_SHOWN_LENGTH else f"<{len(x)} characters>"


_short: Final = _Shortener().repr


@wire_model
class WireObject(WireModel):
    """An object inside an event.

    Attributes:
        extra: Received fields that are not known here; encoding writes them again.
    """

    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)


@wire_model
class ServerEvent(WireModel, Event):
    """An event that the server sent.

    Attributes:
        type: The wire type, such as ``"response.done"``.
        event_id: The server's id of the event.
        extra: Received fields that are not known here.
        raw: The message as it was received. Never used to encode.
    """

    type: ClassVar[str] = ""

    event_id: str | Unset | None = UNSET
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, hash=False, repr=False)


@wire_model
class ClientEvent(WireModel):
    """An event that the client sends.

    Attributes:
        type: The wire type, such as ``"response.create"``.
        event_id: An id of the client's choice, at most 512 characters; comes back as ``error.event_id`` if the
            event is refused, and nowhere else.
        extra: Further fields to send.
    """

    type: ClassVar[str] = ""

    event_id: str | Unset | None = UNSET
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)
