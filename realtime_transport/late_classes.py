"""Data classes whose methods are generated later than their definition.

`attrs` writes and compiles the methods of a class when the class is defined, which takes a millisecond. There are two
hundred classes of events, settings and workers, of which a connection meets eighty. So a class is defined here at a
tenth of that. Its first objects are filled in by a function that looks at a table of the fields; `attrs` has its turn
when a class turns out to be used a lot, one class at a time so that no call waits for it, or when somebody asks for the
fields. ``__eq__``, ``__hash__`` and ``__repr__`` are the same functions for all. Nothing else differs.
"""

from __future__ import annotations

from functools import partial
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, dataclass_transform

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["defaults_of", "define", "frozen"]

FIRST_OBJECTS = 8
"""Objects of a class that are filled in field by field, which takes 3 µs longer; after that it may be finished."""

PAUSE_SECONDS = 2e-3
"""Between two classes that are finished because they are used a lot: each takes a millisecond, on the event loop."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def frozen(*, kw_only: bool = True, eq: bool = True, repr: bool = True) -> Callable[[type[T]], type[T]]:  # noqa: A002 - as attrs names it
    """As ``attrs.frozen(kw_only=…, eq=…, repr=…)``, with methods generated on first use.

    The methods of such a class must not use ``super()`` or ``__class__``: they would refer to another class.
    """
    finish = attrs.frozen(kw_only=kw_only, eq=False, repr=False, match_args=False)
    common: dict[str, Any] = {"__setattr__": _refuse_change, "__delattr__": _refuse_change}
    if eq:
        common.update(__eq__=_equal, __hash__=_hash)
    if repr:
        common.update(__repr__=_show)
    return lambda cls: _define(cls, common, finish, kw_only=kw_only)


@dataclass_transform(eq_default=False, field_specifiers=(attrs.field,))
def define(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """As ``attrs.define(kw_only=…, eq=False, repr=False)``, later; see `frozen`."""
    finish = attrs.define(kw_only=kw_only, eq=False, repr=False, match_args=False)
    return lambda cls: _define(cls, {}, finish, kw_only=kw_only)


def _define(
    cls: type[T], common: dict[str, Any], finish: Callable[[type[Any]], type[Any]], *, kw_only: bool
) -> type[T]:
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
    plan = _plan(cls, [name for name in kinds if name in fields], body)
    made = _again(cls, {**_PENDING, **common, **defined, "__slots__": slots, _BODY: (body, finish), _PLAN: plan})
    if plan is not None and "__init__" not in body:
        setattr(made, "__init__", _FirstInit(made, tuple(plan.values()), kw_only=kw_only))  # noqa: B010 - no method
    return cast("type[T]", made)


def defaults_of(cls: type[Any]) -> dict[str, Any]:
    """The fields of an `attrs` class with their defaults, by name. A class of `frozen` need not be finished for it."""
    plan = vars(cls).get(_PLAN)
    if plan is None:
        return {field.name: field.default for field in attrs.fields(cls)}
    return {name: default for name, _, default, _ in plan.values()}


_Field = tuple[str, str | None, Any, "Callable[[], Any] | None"]
"""Its name, that of its argument, its default, and what makes one. The argument is ``None`` where there is none."""


_FACTORY: type[Any] = cast("Any", attrs.Factory)


def _plan(cls: type[Any], names: list[str], body: dict[str, Any]) -> dict[str, _Field] | None:
    """The fields of *cls* by name, for `_first_init`; ``None`` if it takes more than that to fill them in."""
    plan: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:-1]):
        known = vars(base).get(_PLAN)
        if known is None and "__attrs_attrs__" in vars(base):
            return None
        plan.update(known or {})
    for name in names:
        given = body.get(name, attrs.NOTHING)
        argument: str | None = name.lstrip("_")
        default, make = given, None
        if type(given).__name__ == "_CountingAttr":
            default = given._default
            if given.converter is not None or given._validator is not None:
                return None
            argument = None if not given.init else given.alias or argument
        if isinstance(default, _FACTORY):
            if default.takes_self:
                return None
            make = default.factory
        plan[name] = name, argument, default, make
    return plan


class _FirstInit:
    """The ``__init__`` of a class that is not finished."""

    def __init__(self, cls: type[Any], fields: tuple[_Field, ...], *, kw_only: bool) -> None:
        # What is neither an argument nor has a default is set by somebody else.
        self._fields = tuple(field for field in fields if field[1] is not None or field[2] is not attrs.NOTHING)
        self._accepted = tuple(field[1] for field in fields if field[1] is not None)
        self._positional = 0 if kw_only else len(self._accepted)
        self._checks = hasattr(cls, "__attrs_post_init__")
        self._cls, self._count = cls, 0

    def __get__(self, instance: Any, _owner: type[Any]) -> Callable[..., None]:
        self._count += 1
        if instance is None or (self._count > FIRST_OBJECTS and _may_finish()):
            init = _finished_init(self._cls)
            return init if instance is None else init.__get__(instance)
        return partial(self._fill, instance)

    def _fill(self, instance: Any, *args: Any, **given: Any) -> None:
        named = dict(zip(self._accepted[: self._positional], args, strict=False), **given)
        values = [
            named[argument] if argument in named else default if make is None else make()
            for _, argument, default, make in self._fields
        ]
        wrong = len(named) < len(args) + len(given) or not named.keys() <= set(self._accepted)
        if wrong or any(value is attrs.NOTHING for value in values):
            return _finished_init(self._cls)(instance, *args, **given)  # It says what is wrong.
        for (name, _, _, _), value in zip(self._fields, values, strict=True):
            object.__setattr__(instance, name, value)
        if self._checks:
            instance.__attrs_post_init__()
        return None


def _finished_init(cls: type[Any]) -> Any:
    with _lock:
        if _BODY in vars(cls):
            _finish(cls)
    return cls.__init__


def _may_finish() -> bool:
    global _next_at
    now = monotonic()
    if now < _next_at:
        return False
    _next_at = now + PAUSE_SECONDS
    return True


_next_at = 0.0


def _again(cls: type[Any], members: dict[str, Any]) -> type[Any]:
    """A class of the name and bases of *cls* with other members."""
    make = cast("Callable[[str, tuple[type[Any], ...], dict[str, Any]], type[Any]]", type(cls))
    return make(cls.__name__, cls.__bases__, members)


def _finish(cls: type[Any]) -> None:
    """Let `attrs` build the class again, and copy the members that it adds."""
    body, finish = cast("tuple[dict[str, Any], Callable[[type[Any]], type[Any]]]", vars(cls)[_BODY])
    made = dict(vars(finish(_again(cls, body))))
    kept = {*made["__slots__"], *vars(cls)["__slots__"], "__slots__", "__hash__", *_OWN}
    pending = [name for name in _PENDING if isinstance(vars(cls).get(name), _Pending)]
    added = {name: value for name, value in made.items() if name not in body and name not in kept}
    # `__init__` last: a thread that finds it finds the complete class.
    for name in sorted(added, key=lambda name: name == "__init__"):
        setattr(cls, name, added[name])
    for name in (_BODY, *(name for name in pending if name not in added)):
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


def _refuse_change(_self: object, _name: str, _value: object = None) -> NoReturn:
    raise attrs.exceptions.FrozenInstanceError


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

_PLAN = "__late_plan__"

_OWN = frozenset({"__dict__", "__weakref__", _BODY, _PLAN})
"""Members that belong to one class object and are not copied."""

_PENDING = {
    name: _Pending(name)
    for name in ("__attrs_attrs__", "__attrs_props__", "__getstate__", "__setstate__", "__replace__", "__init__")
}
"""Members that may be accessed before the class has an object. Nothing else that `attrs` adds is needed until then."""
