"""Arguments of the wrong type or out of range: refused where they are passed in, by an error that names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, cast

from realtime_transport.errors import ConfigError, brief

__all__ = ["expect", "expect_callable", "expect_client", "expect_list", "expect_number", "expect_texts", "is_list"]


def expect(value: object, kind: type | tuple[type, ...], key: str, expected: str) -> None:
    """Check that *value* is of *kind*, or ``None``.

    Raises:
        ConfigError: It is not; ``key`` is *key*.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{key}: {expected} expected, not {brief(value)}", key=key)


def expect_callable(value: object, key: str) -> None:
    """Check that *value* is a function, or ``None``.

    Raises:
        ConfigError: It is not; ``key`` is *key*.
    """
    if value is not None and not callable(value):
        raise ConfigError(f"{key}: a function expected, not {brief(value)}", key=key)


def expect_client(client: object) -> None:
    """Check that *client* is an ``httpx.AsyncClient``, or ``None``.

    Raises:
        ConfigError: It is not: an ``httpx.Client``, say.
    """
    # By what it does, as httpx is not imported before it is used.
    if client is not None and not (hasattr(client, "aclose") and hasattr(client, "stream")):
        raise ConfigError(f"client: an httpx.AsyncClient expected, not {brief(client)}", key="client")


def expect_list(value: object, key: str, kind: type | tuple[type, ...], expected: str) -> tuple[Any, ...]:
    """The entries of *value*, a list or another iterable, all of which are of *kind*.

    Raises:
        ConfigError: It is no list, or one of its entries is something else; ``key`` names it.
    """
    if not is_list(value):
        raise ConfigError(f"{key}: a list expected, not {brief(value)}", key=key)
    entries = tuple(value)
    for index, entry in enumerate(entries):
        if not isinstance(entry, kind):
            place = f"{key}[{index}]"
            raise ConfigError(f"{place}: {expected} expected, not {brief(entry)}", key=place)
    return entries


def is_list(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether *value* is a list or another iterable that nobody would take for one value."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def expect_number(value: object, key: str, *, least: float = 0, whole: bool = False, optional: bool = True) -> None:
    """Check that *value* is a number of at least *least* (a *whole* one), or ``None`` where it is *optional*.

    Raises:
        ConfigError: It is not; ``key`` is *key*.
    """
    if value is None and optional:
        return
    if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool) or not value >= least:
        raise ConfigError(
            f"{key}: a {'whole ' if whole else ''}number from {least:g} expected, not {brief(value)}", key=key
        )


def expect_texts(value: object, key: str) -> None:
    """Check that *value* is a mapping of texts to texts, or ``None``. No error shows what is in it.

    Raises:
        ConfigError: It is not; ``key`` is *key*, or names the entry.
    """
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: a mapping expected, not one of the type {type(value).__name__}", key=key)
    for name, entry in cast("Mapping[object, object]", value).items():
        if not isinstance(name, str):
            raise ConfigError(f"{key}: a name is text, not {brief(name)}", key=key)
        if not isinstance(entry, str):
            raise ConfigError(f"{key}: the value of {name} is text, not of the type {type(entry).__name__}", key=key)
