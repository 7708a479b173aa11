"""What is decided before a connection is opened: the key, the URL, the headers."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .options import ApiKey

__all__ = ["build_url", "resolve_api_key"]

DEFAULT_BASE_URL = "wss://api.openai.com/v1/realtime"


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


def build_url(
    *, connect_url: str | None, own_url: str | None, model: str, call_id: str | None, query: Mapping[str, str]
) -> str:
    """The URL of a connection.

    One given to ``connect()`` is used as written; one given to the transport too, except that a call id takes the
    place of a model in its query. ``{model}`` and ``{call_id}`` are filled in, escaped. Without either, the default
    host is used.

    Raises:
        ConfigError: A ``{call_id}`` has no call id to fill in.
    """
    url = connect_url or own_url
    extra = dict(query)
    if url is None:
        url = DEFAULT_BASE_URL
        extra = {"call_id": call_id, **extra} if call_id else {"model": model, **extra}
    elif connect_url is None and call_id and "{call_id}" not in url:
        extra = {"call_id": call_id, **extra}
    if "{call_id}" in url:
        if not call_id:
            raise ConfigError("url: it holds {call_id}, but no call_id was given to connect()", key="url")
        url = url.replace("{call_id}", quote(call_id, safe=""))
    url = url.replace("{model}", quote(model, safe=""))
    return _with_query(url, extra)


def _with_query(url: str, extra: Mapping[str, str]) -> str:
    if not extra:
        return url
    parts = urlsplit(url)
    replaced = {*extra, "model"} if "call_id" in extra else set(extra)
    kept = [piece for piece in parts.query.split("&") if piece and piece.partition("=")[0] not in replaced]
    query = "&".join([*kept, urlencode(extra, quote_via=quote)])
    return urlunsplit(parts._replace(query=query))
