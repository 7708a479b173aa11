"""The HTTP part of a WebRTC call: posts the SDP offer, returns the answer and the call's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import orjson

from realtime_transport.call_id import CallId
from realtime_transport.errors import ConfigError, ConnectError, NegotiationError, upgrade_rejected
from realtime_transport.keys import usable_headers
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.vendors.profiles import PROFILES
from realtime_transport.urls import (
    CALLS,
    address_hint,
    endpoint_url,
    http_url,
    redact_url,
    require_encryption,
    scrub,
    secrets_in,
    with_query,
)

from .endpoint.opening import build_url, one_credential, own_headers
from .endpoint.options import ConnectRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from realtime_transport.protocol.vendors.profiles import CallRules

    from .endpoint.options import RequestParts

__all__ = ["CallAnswer", "CallRequest", "check_call", "post_offer"]

MAX_BODY = 64 * 1024
"""The number of characters of an error's body that are kept."""

MAX_ANSWER = 1024 * 1024
"""The limit of an answer in bytes. An SDP answer, or a client secret with its session, has a few kilobytes."""

_EXAMPLE = "https://host/v1"

_ELSEWHERE = (404, 405)
"""The statuses of a server for an unknown URL."""


@frozen()
class CallRequest(ConnectRequest):
    """The request that opens a call.

    Attributes:
        session: The session, with type and model; ``None`` if the client secret holds it.
        secrets_url: The URL to create a client secret for the session first, which then replaces the key; ``None``: the
            key is sent with the offer.
        is_secret: Whether the key is a client secret.
        other_headers: Those of ``headers`` that do not carry the key.
    """

    session: Mapping[str, Any] | None = None
    secrets_url: str | None = None
    is_secret: bool = False
    other_headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)


@frozen()
class CallAnswer:
    """The server's answer to an offer.

    Attributes:
        sdp: The SDP answer.
        call_id: The last segment of ``Location``, if there was one; it keeps the client secret of the call.
    """

    sdp: str
    call_id: str | None


def check_call(request: ConnectRequest, client: httpx.AsyncClient | None) -> None:
    """Check what can be checked before anything is opened.

    Raises:
        ConfigError: The URL cannot be used, or would send the key unencrypted; or a header cannot be sent.
    """
    usable_headers(request.headers)
    require_encryption(http_url(request.url, example=_EXAMPLE), allow_insecure=request.allow_insecure, client=client)


def call_request(parts: RequestParts) -> CallRequest:
    """The request for a new call: an `Endpoint.build_request`.

    Raises:
        ConfigError: The URL cannot be used.
    """
    given = parts.connect_url and endpoint_url(parts.connect_url, CALLS)
    url = build_url(connect_url=given, own_url=parts.own_url, model=parts.model, call_id=None, query=parts.query)
    url = one_credential(parts, url)
    profile, key = parts.profile or PROFILES["openai"], parts.api_key
    rules = profile.calls
    assert rules is not None
    _refuse_query(url, rules)
    session = profile.supported({"type": "session.update", "session": parts.session})["session"]
    headers, query, _ = profile.credentials(key)
    if rules.is_secret(key):
        headers, query = {"Authorization": f"Bearer {key}"}, {}
    mints = rules.needs_secret and not rules.is_secret(key)
    others = {**profile.headers, **own_headers(parts)}
    return CallRequest(
        url=with_query(url, query),
        headers={**others, **headers},
        other_headers=others,
        api_key=key,
        model=parts.model,
        session=session if mints or rules.posts_session(key) else None,
        secrets_url=profile.secrets_url(url) if mints else None,
        is_secret=rules.is_secret(key),
        allow_insecure=parts.allow_insecure,
    )


def _refuse_query(url: str, rules: CallRules) -> None:
    given = dict(parse_qsl(urlsplit(url).query))
    for name, value in rules.unusable_query.items():
        if given.get(name, "").lower() == value:
            raise ConfigError(
                f"query: with {name}={value} the server keeps session.updated from the data channel, which says that "
                "the session is configured; leave it out",
                key="query",
            )


async def post_offer(request: CallRequest, offer: str, client: httpx.AsyncClient | None) -> CallAnswer:
    """Post *offer* as *request* says, with *client* or a new one.

    If cancelled, the server may have made the call all the same.

    Raises:
        ConfigError: The URL cannot be used.
        UpgradeRejected: The server refused; ``status`` and ``body`` hold its answer.
        NegotiationError: The response holds no SDP answer.
        ConnectError: There was no response.
    """
    from realtime_transport.http_client import new_client

    check_call(request, client)
    if client is not None:
        return await _offer(request, offer, client)
    async with new_client(http_url(request.url)) as own:
        return await _offer(request, offer, own)


async def _offer(request: CallRequest, offer: str, client: httpx.AsyncClient) -> CallAnswer:
    headers, session, key = usable_headers(request.headers), request.session, request.api_key or ""
    if request.secrets_url is not None:
        key, session = await _mint(request, request.secrets_url, client), None
        headers = {**usable_headers(request.other_headers), "Authorization": f"Bearer {key}"}
    if session is None:
        content: dict[str, Any] = {"content": offer.encode()}
        headers["Content-Type"] = "application/sdp"
    else:
        parts = [("sdp", offer.encode(), "application/sdp"), ("session", orjson.dumps(session), "application/json")]
        content = {"files": [(name, (None, value, kind)) for name, value, kind in parts]}
    secrets = request.secrets | {key}
    post = _Post("Realtime call request", http_url(request.url), secrets, request.allow_insecure)
    headers = {"Accept": "application/sdp", **headers}
    status, answer, location = await post.send(client, headers=headers, **content)
    if not answer.lstrip().startswith("v="):
        where = address_hint(post.url, CALLS, *post.secrets)
        raise NegotiationError(f"the answer to the SDP offer, with status {status}, is no SDP ({where})")
    call_id = location.partition("?")[0].rstrip("/").rpartition("/")[2]
    if call_id and (request.is_secret or request.secrets_url is not None):
        call_id = CallId.made_with(call_id, key, request.url)
    return CallAnswer(sdp=answer, call_id=call_id or None)


async def _mint(request: CallRequest, url: str, client: httpx.AsyncClient) -> str:
    headers = {**usable_headers(request.headers), "Content-Type": "application/json"}
    content = orjson.dumps({"session": request.session})
    post = _Post("Client secret request", http_url(url), request.secrets, request.allow_insecure)
    _, answer, _ = await post.send(client, headers=headers, content=content)
    try:
        secret = orjson.loads(answer)["value"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        secret = None
    if not isinstance(secret, str) or not secret:
        raise NegotiationError("the answer to the request for a client secret holds none")
    return secret


@frozen(kw_only=False)
class _Post:
    """A request that carries a key: bounded, and without the key in its errors."""

    what: str
    url: str
    known: set[str] = attrs.field(repr=False)
    allow_insecure: bool

    @property
    def secrets(self) -> set[str]:
        return {*secrets_in(self.url), *self.known} - {""}

    async def send(self, client: httpx.AsyncClient, *, headers: dict[str, str], **content: Any) -> tuple[int, str, str]:
        """Status, body and ``Location`` of a successful response."""
        from realtime_transport.http_client import client_errors, harmless_cause, open_request, read_body, reason_of

        headers = {**headers, "Accept-Encoding": "identity"}
        rest: dict[str, Any] = {"headers": headers, "timeout": None, **content}
        try:
            async with open_request(client, "POST", self.url, allow_insecure=self.allow_insecure, **rest) as response:
                body, whole = await read_body(response, MAX_ANSWER)
        except client_errors(client) as exc:
            reason = reason_of(exc, self.secrets)
            failure = ConnectError(f"{self.what} to {redact_url(self.url, *self.secrets)} failed: {reason}")
            failure.__cause__ = harmless_cause(exc)
        else:
            return self._read(response, body, whole)
        raise failure  # Raised here, so that the exception of httpx, which holds the key, is not its context.

    def _read(self, response: httpx.Response, body: bytes, whole: bool) -> tuple[int, str, str]:
        status, location = response.status_code, response.headers.get("location", "")
        text = body.decode("utf-8", "replace")
        if 200 <= status < 300:
            if not whole:
                what = f"has more than {MAX_ANSWER} bytes" if len(body) >= MAX_ANSWER else "broke off"
                raise NegotiationError(f"{self.what}: the answer {what}")
            return status, text, location
        text = scrub(text, self.secrets)
        raise upgrade_rejected(
            f"{self.what} failed with status {status}{self._where(status, location)}{_said(text)}",
            status=status,
            body=text[:MAX_BODY],
            code=_error(text).get("code"),
            headers={name: scrub(value, self.secrets) for name, value in response.headers.items()},
        )

    def _where(self, status: int, location: str) -> str:
        if status in _ELSEWHERE:
            return f" ({address_hint(self.url, CALLS, *self.secrets)})"
        return f", a redirect to {redact_url(location, *self.secrets)} that was not followed" if location else ""


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
