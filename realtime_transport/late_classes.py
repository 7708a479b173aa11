"""Frozen data classes whose methods are generated when their first object is made.

`attrs` writes and compiles the methods of a class when the class is defined, which takes half a millisecond. There are
two hundred classes of events and settings, of which a connection meets four dozen. So defining a class here costs a
tenth of that, and `attrs` completes it when the first object is made or the fields are asked for; ``__eq__``,
``__hash__`` and ``__repr__`` are the same functions for all. Otherwise the classes are those of
`attrs`.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["frozen"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def frozen(*, kw_only: bool = True, eq: bool = True, repr: bool = True) -> Callable[[type[T]], type[T]]:  # noqa: A002 - as attrs names it
    """As ``attrs.frozen(kw_only=…, eq=…, repr=…)``, with methods generated on first use.

    The methods of such a class must not use ``super()`` or ``__class__``: they would refer to another class.
    """
    finish = attrs.frozen(kw_only=kw_only, eq=False, repr=False, match_args=False)
    common: dict[str, Any] = dict(_PENDING)
    if eq:
        common.update(__eq__=_equal, __hash__=_hash)
    if repr:
        common.update(__repr__=_show)
    return lambda cls: _define(cls, common, finish)


def _define(cls: type[T], common: dict[str, Any], finish: Callable[[type[Any]], type[Any]]) -> type[T]:
    body = {name: value for name, value in vars(cls).items() if name not in _OWN}
    if "__eq__" in body:
        common = {name: value for name, value in common.items() if name != "__hash__"}
    kinds: dict[str, Any] = body.get("__annotations__", {})
    fields = {name for name, kind in kinds.items() if not str(kind).startswith(("ClassVar", "typing.ClassVar"))}
    inherited = {name for base in cls.__mro__[1:] for name in vars(base).get("__slots__", ())}
    slots = [name for name in kinds if name in fields and name not in inherited]
    if not hasattr(cls.__base__, "__weakref__"):
        slots.append("__weakref__")
    defined = {name: value for name, value in body.items() if name not in fields}
    return cast("type[T]", _again(cls, {**common, **defined, "__slots__": slots, _BODY: (body, finish)}))


def _again(cls: type[Any], members: dict[str, Any]) -> type[Any]:
    """A class of the name and bases of *cls* with other members."""
    make = cast("Callable[[str, tuple[type[Any], ...], dict[str, Any]], type[Any]]", type(cls))
    return make(cls.__name__, cls.__bases__, members)


def _finish(cls: type[Any]) -> None:
    """Let `attrs` build the class again, and copy the members that it adds."""
    body, finish = cast("tuple[dict[str, Any], Callable[[type[Any]], type[Any]]]", vars(cls)[_BODY])
    made = dict(vars(finish(_again(cls, body))))
    kept = {*made["__slots__"], *vars(cls)["__slots__"], "__slots__", "__hash__", *_OWN}
    added = {name: value for name, value in made.items() if name not in body and name not in kept}
    # `__init__` last: a thread that finds it finds the complete class.
    for name in sorted(added, key=lambda name: name == "__init__"):
        setattr(cls, name, added[name])
    for name in (_BODY, *(_PENDING.keys() - added.keys())):
        delattr(cls, name)


class _Pending:
    """A placeholder for a member that `attrs` will generate on first access."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        name = self._name
        with _lock:
            homes: list[type[Any]] = [base for base in owner.__mro__ if vars(base).get(name) is self]
            if not homes:  # Another thread has generated it.
                return getattr(owner if instance is None else instance, name)
            cls = homes[0]
            _finish(cls)
        if name not in vars(cls):
            raise AttributeError(name)  # Not every version of attrs generates all of them.
        member = vars(cls)[name]
        return member.__get__(instance, owner) if hasattr(member, "__get__") else member


def _equal(self: Any, other: object) -> bool:
    cls = self.__class__
    if other.__class__ is not cls:
        return NotImplemented
    return all(getattr(self, field.name) == getattr(other, field.name) for field in attrs.fields(cls) if field.eq)


def _hash(self: Any) -> int:
    cls = self.__class__
    counted = (field for field in attrs.fields(cls) if (field.eq if field.hash is None else field.hash))
    return hash((cls, *(getattr(self, field.name) for field in counted)))


def _show(self: Any) -> str:
    cls = self.__class__
    shown = (
        f"{field.name}={(repr if field.repr is True else field.repr)(getattr(self, field.name))}"
        for field in attrs.fields(cls)
        if field.repr
    )
    return f"{cls.__qualname__.rpartition('>.')[2]}({', '.join(shown)})"


_lock = RLock()

_BODY = "__late_body__"

_OWN = frozenset({"__dict__", "__weakref__", _BODY})
"""Members that belong to one class object and are not copied."""

_PENDING = {name: _Pending(name) for name in ("__attrs_attrs__", "__attrs_props__", "__setstate__", "__init__")}
"""Members that may be accessed before the class has an object. Nothing else that `attrs` adds is needed until then."""
