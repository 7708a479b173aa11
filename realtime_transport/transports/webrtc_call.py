"""The HTTP half of a WebRTC call: an SDP offer goes up, the answer and the call's id come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import orjson

from realtime_transport.errors import ConnectError, NegotiationError, UpgradeRejected
from realtime_transport.keys import usable_headers
from realtime_transport.urls import http_url, redact_url, require_encryption, scrub, secrets_in

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx

    from .options import ConnectRequest

__all__ = ["CallAnswer", "check_call", "post_offer"]

MAX_BODY = 64 * 1024
"""How much of the body of an error is kept."""

MAX_ANSWER = 1024 * 1024
"""An SDP answer has a few kilobytes."""


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
        ConfigError: See `check_call`.
        UpgradeRejected: The server refused; ``status`` and ``body`` hold what it said.
        NegotiationError: There is no answer in its answer.
        ConnectError: No connection.
    """
    from realtime_transport.http_client import new_client

    check_call(request, client)
    if client is not None:
        return await _post(request, offer, client)
    async with new_client(http_url(request.url)) as own:
        return await _post(request, offer, own)


def check_call(request: ConnectRequest, client: httpx.AsyncClient | None) -> None:
    """Check what can be checked before anything is opened.

    Raises:
        ConfigError: The URL cannot be used, or would send the key in the clear; or a header cannot be sent.
    """
    usable_headers(request.headers)
    require_encryption(http_url(request.url, example=_EXAMPLE), allow_insecure=request.allow_insecure, client=client)


_EXAMPLE = "https://host/v1/realtime/calls"


async def _post(request: ConnectRequest, offer: str, client: httpx.AsyncClient) -> CallAnswer:
    from realtime_transport.http_client import client_errors, harmless_cause, open_request, read_body, reason_of

    url = http_url(request.url)
    secrets = {*secrets_in(url), request.api_key or ""}
    headers = {"Accept": "application/sdp", **usable_headers(request.headers), "Content-Type": "application/sdp"}
    headers["Accept-Encoding"] = "identity"
    try:
        async with open_request(
            client,
            "POST",
            url,
            allow_insecure=request.allow_insecure,
            content=offer.encode(),
            headers=headers,
            timeout=None,
        ) as response:
            body, whole = await read_body(response, MAX_ANSWER)
    except client_errors(client) as exc:
        failure = ConnectError(
            f"could not post the SDP offer to {redact_url(url, *secrets)}: {reason_of(exc, secrets)}"
        )
        failure.__cause__ = harmless_cause(exc)
    else:
        return _answer(response, body, whole, secrets)
    raise failure  # Here, so that what httpx raised is not its context: it holds the request, and with it the key.


def _answer(response: httpx.Response, body: bytes, whole: bool, secrets: Collection[str]) -> CallAnswer:
    text = scrub(body.decode("utf-8", "replace"), secrets)
    location = response.headers.get("location", "")
    if not 200 <= response.status_code < 300:
        where = f", a redirect to {redact_url(location, *secrets)} that was not followed" if location else ""
        raise UpgradeRejected(
            f"Realtime call request failed with status {response.status_code}{where}{_said(text)}",
            status=response.status_code,
            body=text[:MAX_BODY],
            code=_error(text).get("code"),
        )
    if not whole:
        raise NegotiationError(f"the server answered the SDP offer with more than {MAX_ANSWER} bytes")
    if not text.strip():
        raise NegotiationError(f"the server answered the SDP offer with status {response.status_code} and no answer")
    return CallAnswer(sdp=text, call_id=location.partition("?")[0].rstrip("/").rpartition("/")[2] or None)


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
