"""API keys: given, asked for, or from the environment."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

from .errors import ConfigError

__all__ = ["ApiKey", "resolve_api_key", "usable_headers", "usable_key", "without_headers"]

ApiKey: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A key, or a function that is called for one at each connect."""


async def resolve_api_key(*candidates: ApiKey | None, variable: str = "OPENAI_API_KEY") -> str:
    """The first key given, else that of the environment *variable*; functions are called, coroutines awaited.

    White space around the key is removed. With an empty *variable* no key is needed: the result is ``""`` if none is
    given. If cancelled, the function is cancelled. An exception of the function is raised as it is.

    Raises:
        ConfigError: There is no key, the function returned none, or no header can carry it. The message does not show
            it.
    """
    given = next((candidate for candidate in candidates if candidate is not None), None)
    if given is None:
        if not variable:
            return ""
        given = os.environ.get(variable)
    if callable(given):
        answer = given()
        given = await answer if inspect.isawaitable(answer) else answer
    if given is not None and not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"api_key: text expected, or a function that gives it, not {type(given).__name__}", key="api_key"
        )
    if given is None or not given.strip():
        raise ConfigError(
            f"api_key: there is no API key; pass api_key= to connect() or to the transport, or set {variable}",
            key="api_key",
        )
    return usable_key(given)


def usable_key(key: str) -> str:
    """*key* without surrounding white space, which files and secret stores add.

    Raises:
        ConfigError: It holds a character that no header can carry. The message does not show it.
    """
    stripped = key.strip()
    if not _FIELD.fullmatch(stripped):
        raise ConfigError(
            f"api_key: the key has {len(stripped)} characters, one of which no header can carry: "
            "look for a line break, or a quotation mark or a dash of a text processor, in it",
            key="api_key",
        )
    return stripped


def usable_headers(headers: Mapping[str, str], *, key: str = "headers") -> dict[str, str]:
    """*headers* as they can be sent, without white space around values.

    Raises:
        ConfigError: A name or a value is not text that a header can carry. The message shows the name alone.
    """
    usable: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigError(f"{key}: the name of one is not that of a header", key=key)
        if not isinstance(value, str) or not _FIELD.fullmatch(value.strip()):
            raise ConfigError(f"{key}: the value of {name} is not text that a header can carry", key=f"{key}.{name}")
        usable[name] = value.strip()
    return usable


def without_headers(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    """*headers* without *names*, in upper or lower case."""
    lower = {name.lower() for name in names}
    return {name: value for name, value in headers.items() if name.lower() not in lower}


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FIELD = re.compile(r"[\x20-\x7e\t]*")  # RFC 9110, section 5.5, without what httpx cannot encode
