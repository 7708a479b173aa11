"""A secret to look for, and a place to look: all that errors, their chains and what they hold can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import httpx

__all__ = ["CANARY", "everything_in"]

CANARY = "sk-canary-5e1f"

_OPENED = (BaseException, httpx.Request, httpx.Response)


def everything_in(value: object) -> str:
    """What *value* shows, and what it holds, at any depth."""
    told: list[str] = []
    seen: set[int] = set()
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told.append(f"{one!r} {one!s}")
        waiting += _inside(one)
    return "\n".join(told)


def _inside(value: Any) -> Iterable[object]:
    if isinstance(value, BaseException):
        yield from (value.__cause__, value.__context__, *value.args, *getattr(value, "exceptions", ()))
        yield from getattr(value, "__notes__", ())
    if isinstance(value, _OPENED):
        yield from vars(value).values()
    elif isinstance(value, httpx.Headers):
        yield value.raw
    elif isinstance(value, (list, tuple, set)):
        yield from value
    elif isinstance(value, Mapping):
        yield from value.values()
    elif attrs.has(type(value)):
        # Events and states; what only a program can read in them is not shown by printing them.
        yield from (getattr(value, field.name) for field in attrs.fields(type(value)) if field.repr is True)
