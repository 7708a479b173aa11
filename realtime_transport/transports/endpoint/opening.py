"""Decisions before a connection is opened: the key, the URL, the headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from realtime_transport.errors import ConfigError
from realtime_transport.keys import resolve_api_key, without_headers
from realtime_transport.urls import REALTIME, endpoint_url, is_base_url, with_query, without_user_info

from .options import ConnectRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .options import RequestParts, TransportOptions

__all__ = [
    "bearer_request",
    "build_url",
    "one_credential",
    "own_headers",
    "require_no_audio_ends",
    "resolve_api_key",
    "subprotocol_request",
]

DEFAULT_BASE_URL = "wss://api.openai.com/v1"


def build_url(
    *, connect_url: str | None, own_url: str | None, model: str, call_id: str | None, query: Mapping[str, str]
) -> str:
    """The URL of a connection.

    One given to ``connect()`` is used as written; one given to the transport too, except that a call id takes the
    place of a model in its query. The base URL of an API (``http://host:8000/v1``) stands for its
    WebSocket endpoint. ``{model}`` and ``{call_id}`` are filled in, escaped. If no URL is given, the default host is
    used.

    Raises:
        ConfigError: A ``{call_id}`` has no call id to fill in.
    """
    url = connect_url or own_url
    extra = dict(query)
    if url is None or is_base_url(url):
        url = endpoint_url(url or DEFAULT_BASE_URL, REALTIME)
        extra = {"call_id": call_id, **extra} if call_id else {"model": model, **extra}
    elif connect_url is None and call_id and "{call_id}" not in url:
        extra = {"call_id": call_id, **extra}
    if "{call_id}" in url:
        if not call_id:
            raise ConfigError("url: it holds {call_id}, but no call_id was given to connect()", key="url")
        url = url.replace("{call_id}", quote(call_id, safe=""))
    url = url.replace("{model}", quote(model, safe=""))
    return with_query(url, extra)


def require_no_audio_ends(options: TransportOptions, why: str) -> None:
    """Refuse ``audio_source`` and ``audio_sink`` on a wire that carries the audio itself.

    Raises:
        ConfigError: One of them was given.
    """
    for name in ("audio_source", "audio_sink"):
        if options.get(name) is not None:
            raise ConfigError(f"{name}: {why}", key=name)


def bearer_request(parts: RequestParts) -> ConnectRequest:
    """The request with the key as a bearer token, or as the profile of the server requires.

    Raises:
        ConfigError: The URL cannot be made.
    """
    url = build_url(
        connect_url=parts.connect_url,
        own_url=parts.own_url,
        model=parts.model,
        call_id=parts.call_id,
        query=parts.query,
    )
    if parts.profile is None:
        bearer = {"Authorization": f"Bearer {parts.api_key}"} if parts.api_key else {}
        return _request(parts, url, {**own_headers(parts), **bearer})
    headers, query, subprotocols = parts.profile.credentials(parts.api_key)
    rules = parts.profile.calls
    if parts.call_id and rules is not None and rules.is_secret(parts.api_key):
        headers, query, subprotocols = {"Authorization": f"Bearer {parts.api_key}"}, {}, ()
    headers = {**parts.profile.headers, **own_headers(parts), **headers}
    return _request(parts, with_query(url, query), headers, subprotocols)


def subprotocol_request(parts: RequestParts) -> ConnectRequest:
    """As `bearer_request`, with the key as a subprotocol, as browsers must send it."""
    if parts.profile is not None or not parts.api_key:
        return bearer_request(parts)
    if re.search(r"[,\s]", parts.api_key):
        raise ConfigError("api_key: no subprotocol can carry a key with a comma or a space in it", key="api_key")
    bearer = bearer_request(parts)
    subprotocols = ("realtime", f"openai-insecure-api-key.{parts.api_key}")
    return _request(parts, bearer.url, own_headers(parts), subprotocols)


def own_headers(parts: RequestParts) -> dict[str, str]:
    """The headers of the caller; with a key, without other credentials: a server that gets two may use either."""
    if not parts.api_key:
        return dict(parts.headers)
    return without_headers(parts.headers, "Authorization", "" if parts.profile is None else parts.profile.auth_name)


def one_credential(parts: RequestParts, url: str) -> str:
    """*url*, without user info if a key or a header of the caller authenticates."""
    given = parts.api_key or any(name.lower() == "authorization" for name in parts.headers)
    return without_user_info(url) if given else url


def _request(
    parts: RequestParts, url: str, headers: Mapping[str, str], subprotocols: tuple[str, ...] = ()
) -> ConnectRequest:
    return ConnectRequest(
        url=one_credential(parts, url),
        headers=dict(headers),
        subprotocols=subprotocols,
        max_message_bytes=parts.max_message_bytes,
        api_key=parts.api_key,
        model=parts.model,
        call_id=parts.call_id,
        allow_insecure=parts.allow_insecure,
    )
