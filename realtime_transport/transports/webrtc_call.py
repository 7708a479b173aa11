"""The HTTP half of a WebRTC call: an SDP offer goes up, the answer and the call's id come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import orjson

from realtime_transport.errors import ConfigError, ConnectError, NegotiationError, UpgradeRejected

if TYPE_CHECKING:
    import httpx

    from .options import ConnectRequest

__all__ = ["CallAnswer", "is_loopback", "post_offer"]

MAX_BODY = 64 * 1024
"""How much of the body of an error is kept."""


@attrs.frozen(kw_only=True)
class CallAnswer:
    """What the server answered.

    Attributes:
        sdp: The SDP answer.
        call_id: The last segment of ``Location``, if there was one.
    """

    sdp: str
    call_id: str | None


async def post_offer(request: ConnectRequest, offer: str, client: httpx.AsyncClient | None) -> CallAnswer:
    """Post *offer* as *request* says, over *client* or one of our own.

    Raises:
        ConfigError: The URL cannot be used.
        UpgradeRejected: The server refused; ``status`` and ``body`` hold what it said.
        NegotiationError: There is no answer in its answer.
        ConnectError: No connection.
    """
    import httpx

    if client is not None:
        return await _post(request, offer, client)
    async with httpx.AsyncClient(timeout=None, trust_env=not is_loopback(request.url)) as own:
        return await _post(request, offer, own)


async def _post(request: ConnectRequest, offer: str, client: httpx.AsyncClient) -> CallAnswer:
    from .websocket_link import client_errors, reason_of

    url = _http_url(request.url)
    headers = {"Accept": "application/sdp", **request.headers, "Content-Type": "application/sdp"}
    try:
        response = await client.post(url, content=offer.encode(), headers=headers, timeout=None)
    except client_errors(client) as exc:
        raise ConnectError(f"could not post the SDP offer to {url}: {reason_of(exc)}") from exc
    body = response.text
    if not 200 <= response.status_code < 300:
        raise UpgradeRejected(
            f"Realtime call request failed with status {response.status_code}{_said(body)}",
            status=response.status_code,
            body=body[:MAX_BODY],
            code=_error(body).get("code"),
        )
    if not body.strip():
        raise NegotiationError(f"the server answered the SDP offer with status {response.status_code} and no answer")
    location = response.headers.get("location", "").partition("?")[0].rstrip("/")
    return CallAnswer(sdp=body, call_id=location.rpartition("/")[2] or None)


def _error(body: str) -> dict[str, str]:
    """The error envelope in *body*, as far as it holds text."""
    try:
        found = orjson.loads(body)["error"]
        return {key: value for key, value in found.items() if isinstance(value, str)}
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        return {}


def _said(body: str) -> str:
    said = _error(body).get("message") or body[:500].strip()
    return f": {said}" if said else ""


def _http_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    web = {"ws": "http", "wss": "https", "http": "http", "https": "https"}.get(scheme.lower())
    if web is None or not separator or not rest:
        raise ConfigError(f"url: {url!r} has to look like https://host/v1/realtime/calls", key="url")
    return f"{web}://{rest}"


def is_loopback(url: str) -> bool:
    """Whether *url* names this machine."""
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
