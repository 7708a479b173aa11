"""The REST side of the Realtime API: calls and client secrets.

The requests are those that the vendor's ``openai`` package makes. Nothing is retried: whether a call may be accepted
or transferred twice is for the caller to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import anyio
import attrs
import httpx
import orjson

from .errors import LocalProtocolError, RequestError
from .keys import resolve_api_key
from .protocol.config.settings import DEFAULT_MODEL, RealtimeSessionConfig, SessionSettings
from .protocol.vendors.profiles import PROFILES, profile_named
from .protocol.wire.codec import decode_session
from .protocol.wire.json_types import UNSET, Unset
from .urls import address_hint, is_base_url, rest_base_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .keys import ApiKey
    from .protocol.vendors.profiles import EndpointProfile
    from .protocol.wire.session import Session

__all__ = ["CallAnswer", "ClientSecret", "RealtimeRestClient"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"

MAX_ERROR_BYTES = 64 * 1024
"""How much of the body of a refusal is kept."""


@attrs.frozen(kw_only=True)
class CallAnswer:
    """The answer to a WebRTC offer.

    Attributes:
        sdp: The SDP answer.
        call_id: The call, for a sideband connection and for the other requests; empty if the service did not say.
    """

    sdp: str = attrs.field(repr=False)
    call_id: str


@attrs.frozen(kw_only=True)
class ClientSecret:
    """A short-lived key for a browser or another client that is not to have yours.

    Attributes:
        value: ``ek_…``.
        expires_at: Unix time in seconds.
        session: The session that it opens; `UNSET` if the service did not say.
        raw: The whole answer.
    """

    value: str = attrs.field(repr=False)
    expires_at: int
    session: Session | Unset = UNSET
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)


class RealtimeRestClient:
    """Calls and client secrets over HTTP.

    ::

        async with RealtimeRestClient(api_key=key) as rest:
            await rest.accept_call(call.call_id, {"type": "realtime", "instructions": "Answer briefly."})

    Every method raises `RequestError` if there is no answer or the service refuses. If a call is cancelled, the
    request may or may not have taken effect.

    Args:
        api_key: A key, or a sync or async function that is asked at each request; ``OPENAI_API_KEY`` if not given.
        base_url: Of the API (``https://host/v1``); that of the service, or of the *profile*, if not given.
        client: An ``httpx.AsyncClient`` to use. It stays open, and then the ``async with`` block is not needed.
        headers: Further headers of every request (``OpenAI-Organization``, ``OpenAI-Safety-Identifier``).
        timeout: Seconds that one request may take; ``None``: no limit.
        profile: In what the server differs from the service: ``"azure"``, say, or an `EndpointProfile`. Then *base_url*
            may be an address without a path.

    Raises:
        ConfigError: *base_url* is no such URL, or how the *profile* opens calls is not known.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        profile: str | EndpointProfile | None = None,
    ) -> None:
        self._api_key = api_key
        self._profile = PROFILES["openai"] if profile is None else profile_named(profile)
        self._base_url = rest_base_url(
            self._profile.calls_url(base_url) if profile is not None else base_url or DEFAULT_BASE_URL
        )
        self._client = client
        self._owned: httpx.AsyncClient | None = None
        self._headers = dict(headers or {})
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        if self._client is None:
            self._client = self._owned = httpx.AsyncClient(timeout=None)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owned is not None:
            owned, self._owned, self._client = self._owned, None, None
            await owned.aclose()

    # Calls

    async def create_call(
        self, sdp: str, session: Mapping[str, Any] | RealtimeSessionConfig | None = None
    ) -> CallAnswer:
        """Offer a WebRTC call.

        Where a server takes client secrets only, one is minted first.

        Args:
            sdp: The SDP offer.
            session: The session, as on the wire or as the class; ``None``: that of the client secret, or one with the
                default model where the key is none.
        """
        key, rules = await self._key(), self._profile.calls
        if rules is not None and not rules.is_secret(key):
            session = {"model": DEFAULT_MODEL} if session is None and rules.session_with_offer else session
            if rules.needs_secret:
                key, session = (await self.create_client_secret(session)).value, None
        headers = {"Content-Type": "application/sdp"} if session is None else {}
        content: dict[str, Any] = {"content": sdp.encode()}
        if session is not None:
            payload = orjson.dumps(_session(session))
            parts = [("sdp", (None, sdp.encode(), "application/sdp")), ("session", (None, payload, "application/json"))]
            content = {"files": parts}
        response = await self._post("/realtime/calls", key=key, accept="application/sdp", headers=headers, **content)
        location = response.headers.get("location", "")
        return CallAnswer(sdp=response.text, call_id=location.rstrip("/").rpartition("/")[2])

    async def accept_call(self, call_id: str, session: Mapping[str, Any] | RealtimeSessionConfig) -> None:
        """Answer an incoming SIP call; then attach with `OpenAIRealtimeSIP`.

        Args:
            call_id: Of the ``realtime.call.incoming`` webhook.
            session: The session, as on the wire (`OpenAIRealtimeSIP.build_initial_config` makes one) or as the class.
        """
        await self._post_json(_call(call_id, "accept"), _session(session))

    async def reject_call(self, call_id: str, *, status_code: int | None = None) -> None:
        """Refuse an incoming SIP call.

        Args:
            call_id: The call.
            status_code: The SIP status that the caller gets; the service says 603 (Decline) if there is none.
        """
        await self._post_json(_call(call_id, "reject"), {} if status_code is None else {"status_code": status_code})

    async def refer_call(self, call_id: str, *, target_uri: str) -> None:
        """Transfer a SIP call.

        Args:
            call_id: The call.
            target_uri: Whom to: ``tel:+15550100`` or ``sip:agent@example.com``.
        """
        await self._post_json(_call(call_id, "refer"), {"target_uri": target_uri})

    async def hang_up_call(self, call_id: str) -> None:
        """End a SIP or WebRTC call."""
        await self._post(_call(call_id, "hangup"))

    # Secrets

    async def create_client_secret(
        self,
        session: Mapping[str, Any] | RealtimeSessionConfig | None = None,
        *,
        expires_after: int | None = None,
    ) -> ClientSecret:
        """Mint a secret.

        Args:
            session: Settings of the sessions that it opens, which its holder may change.
            expires_after: Seconds that it may be used for, 10 to 7200; the service says 600 if there is none.
        """
        body: dict[str, Any] = {}
        if expires_after is not None:
            body["expires_after"] = {"anchor": "created_at", "seconds": expires_after}
        if session is not None:
            body["session"] = _session(session)
        response = await self._post_json("/realtime/client_secrets", body, accept="application/json")
        return _secret(response)

    # Requests

    async def _post_json(self, path: str, body: Mapping[str, Any], *, accept: str = "*/*") -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return await self._post(path, accept=accept, content=orjson.dumps(body), headers=headers)

    async def _key(self) -> str:
        if self._client is None:
            raise LocalProtocolError("make requests inside of `async with RealtimeRestClient(...)`, or pass client=")
        return await resolve_api_key(self._api_key, variable=self._profile.key_variable)

    async def _post(
        self,
        path: str,
        *,
        key: str | None = None,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        key = await self._key() if key is None else key
        client = self._client
        assert client is not None
        sent = {**self._headers, "Accept": accept, **self._credentials(key), **(headers or {})}
        with anyio.move_on_after(self._timeout):
            try:
                response = await client.post(self._base_url + path, headers=sent, **content)
            except httpx.HTTPError as exc:
                raise RequestError(f"POST {path}: no answer: {exc or type(exc).__name__}") from exc
            if response.is_success:
                return response
            raise _refusal(path, response, self._base_url)
        raise RequestError(f"POST {path}: no answer within {self._timeout:g} s")

    def _credentials(self, key: str) -> dict[str, str]:
        rules = self._profile.calls
        if rules is not None and rules.is_secret(key):
            return {"Authorization": f"Bearer {key}"}
        return self._profile.credentials(key)[0]


def _call(call_id: str, action: str) -> str:
    return f"/realtime/calls/{quote(call_id, safe='')}/{action}"


def _session(session: Mapping[str, Any] | RealtimeSessionConfig) -> dict[str, Any]:
    if isinstance(session, RealtimeSessionConfig):
        return SessionSettings(DEFAULT_MODEL).preview(session)
    return {"type": "realtime", **session}


def _refusal(path: str, response: httpx.Response, base_url: str) -> RequestError:
    body = response.text[:MAX_ERROR_BYTES]
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    envelope = cast("dict[str, Any]", value).get("error") if isinstance(value, dict) else None
    told = cast("dict[str, Any]", envelope) if isinstance(envelope, dict) else {}

    def text(name: str) -> str | None:
        return told[name] if isinstance(told.get(name), str) else None

    said = text("message") or body[:500].strip()
    where = (
        f" ({address_hint(base_url, '')})" if response.status_code in (404, 405) and not is_base_url(base_url) else ""
    )
    return RequestError(
        f"POST {path}: the service answered {response.status_code}" + (f": {said}" if said else "") + where,
        status=response.status_code,
        code=text("code"),
        param=text("param"),
        request_id=response.headers.get("x-request-id"),
        body=body,
    )


def _secret(response: httpx.Response) -> ClientSecret:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        value = None
    raw = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    secret, expires_at, session = raw.get("value"), raw.get("expires_at"), raw.get("session")
    if not isinstance(secret, str) or not isinstance(expires_at, int):
        raise RequestError("the answer holds no client secret", status=response.status_code, body=response.text[:500])
    decoded: Session | Unset = UNSET
    if isinstance(session, dict):
        decoded = decode_session(cast("dict[str, Any]", session))[0]
    return ClientSecret(value=secret, expires_at=expires_at, session=decoded, raw=raw)
