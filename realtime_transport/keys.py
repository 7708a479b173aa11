"""API keys: given, asked for, or from the environment."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from .errors import ConfigError

__all__ = ["ApiKey", "resolve_api_key"]

ApiKey: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A key, or a function that is asked for one at each connect."""


async def resolve_api_key(*candidates: ApiKey | None, variable: str = "OPENAI_API_KEY") -> str:
    """The first key given, else that of the environment *variable*; functions are called, coroutines awaited.

    Without a *variable* no key is needed: ``""`` if none is given.

    Raises:
        ConfigError: There is none, or the function gave none. What the function raises passes.
    """
    given = next((candidate for candidate in candidates if candidate is not None), None)
    if given is None:
        if not variable:
            return ""
        given = os.environ.get(variable)
    if callable(given):
        answer = given()
        given = await answer if inspect.isawaitable(answer) else answer
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(
            f"api_key: there is no API key; pass api_key= to connect() or to the transport, or set {variable}",
            key="api_key",
        )
    return given
