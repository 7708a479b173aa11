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


async def resolve_api_key(*candidates: ApiKey | None) -> str:
    """The first key given, else ``OPENAI_API_KEY``; functions are called, coroutines awaited.

    Raises:
        ConfigError: There is none, or the function gave none. What the function raises passes.
    """
    given = next((candidate for candidate in candidates if candidate is not None), None)
    if given is None:
        given = os.environ.get("OPENAI_API_KEY")
    if callable(given):
        answer = given()
        given = await answer if inspect.isawaitable(answer) else answer
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(
            "api_key: there is no API key; pass api_key= to connect() or to the transport, or set OPENAI_API_KEY",
            key="api_key",
        )
    return given
