"""The REST side of the Realtime API: calls and client secrets.

The requests are those of the vendor's ``openai`` package. Nothing is retried: only the caller knows whether a call may
be accepted or transferred twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import anyio
import attrs
import orjson

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_client, expect_number, expect_texts

from .call_id import CallId
from .errors import ConfigError, LocalProtocolError, RequestError
from .http_client import client_errors, harmless_cause, new_client, open_request, read_body, reason_of
from .keys import resolve_api_key, usable_headers, without_headers
from .protocol.config.settings import DEFAULT_MODEL, RealtimeSessionConfig, SessionSettings
from .protocol.vendors.profiles import PROFILES, profile_named
from .protocol.wire.codec import decode_session
from .protocol.wire.json_types import UNSET, Unset
from .urls import (
    address_hint,
    is_base_url,
    redact_url,
    require_encryption,
    rest_base_url,
    scrub,
    secrets_in,
    with_query,
    without_user_info,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    import httpx

    from .keys import ApiKey
    from .protocol.vendors.profiles import EndpointProfile
    from .protocol.wire.session import Session

__all__ = ["CallAnswer", "ClientSecret", "RealtimeRestClient"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"

MAX_ERROR_BYTES = 64 * 1024
"""The number of bytes of a refusal's body that are kept."""

MAX_ANSWER_BYTES = 1024 * 1024
"""The limit of an answer. An SDP answer, or a session with its instructions, has some ten kilobytes."""


@attrs.frozen(kw_only=True)
class CallAnswer:
    """The answer to a WebRTC offer.

    Attributes:
        sdp: The SDP answer.
        call_id: The call, for a sideband connection and for the other requests; empty if the service did not
            name it. For a call made with a client secret, ``connect(call_id=answer.call_id)`` uses that secret if no
            key is given.
    """

    sdp: str = attrs.field(repr=False)
    call_id: str


@attrs.frozen(kw_only=True)
class ClientSecret:
    """A short-lived key for a browser or another client that must not have yours.

    Attributes:
        value: The secret, ``ek_…``.
        expires_at: Unix time in seconds.
        session: The session that it opens; `UNSET` if the service did not name it.
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

    Every method raises `RequestError` if there is no answer or the service refuses. If cancelled, the request may
    or may not have taken effect.

    Args:
        api_key: A key, or a function or coroutine function that is called for each request; ``OPENAI_API_KEY`` if not
            given.
        base_url: The base URL of the API (``https://host/v1``); that of the service, or of the *profile*, if not given.
        client: An ``httpx.AsyncClient`` to use. It stays open, and then the ``async with`` block is not needed.
        headers: Further headers of every request (``OpenAI-Organization``, ``OpenAI-Safety-Identifier``).
        timeout: Seconds for one request; ``None``: no limit.
        profile: How the server differs from the service: a name such as ``"azure"``, or an `EndpointProfile`. With it,
            *base_url* may be an address without a path.
        allow_insecure: Whether the key may go unencrypted to a host that is not this machine.

    Raises:
        ConfigError: *base_url* is not such a URL, or would send the key unencrypted; how the *profile* opens calls is
            not known; or a header cannot be sent.
    """

    @named
    def __init__(
        self,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        profile: str | EndpointProfile | None = None,
        allow_insecure: bool = False,
    ) -> None:
        expect(base_url, str, "base_url", "text")
        expect_client(client)
        expect_texts(headers, "headers")
        expect_number(timeout, "timeout")
        self._profile = PROFILES["openai"] if profile is None else profile_named(profile)
        self._api_key = api_key
        given = self._profile.calls_url(base_url) if profile is not None else base_url or DEFAULT_BASE_URL
        self._base_url = rest_base_url(without_user_info(given))
        self._client = client
        self._owned: httpx.AsyncClient | None = None
        self._headers = usable_headers(headers or {})
        self._timeout = timeout
        self._allow_insecure = allow_insecure
        require_encryption(self._base_url, allow_insecure=allow_insecure, client=client)

    async def __aenter__(self) -> Self:
        """Open an HTTP client, unless one was given. There is no checkpoint at which it could be cancelled."""
        if self._client is None:
            self._client = self._owned = new_client(self._base_url)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client that `__aenter__` opened. If cancelled, it is closed all the same."""
        if self._owned is not None:
            owned, self._owned, self._client = self._owned, None, None
            await owned.aclose()

    # Calls

    async def create_call(
        self, sdp: str, session: Mapping[str, Any] | RealtimeSessionConfig | None = None
    ) -> CallAnswer:
        """Offer a WebRTC call.

        For a server that accepts only client secrets, one is created first. If cancelled, the server may have created
        the call all the same.

        Args:
            sdp: The SDP offer.
            session: The session, as on the wire or as the class; ``None``: that of the client secret; with
                another key, one with the default model.
        """
        offer, key, rules = _encoded(sdp, "sdp"), await self._key(), self._profile.calls
        if rules is not None and not rules.is_secret(key):
            session = {"model": DEFAULT_MODEL} if session is None and rules.session_with_offer else session
            if rules.needs_secret:
                settings = None if session is None else self._session(session)
                minted = await self._mint("/realtime/client_secrets", settings, None, key)
                key, session = minted.value, None
        content: dict[str, Any] = {"content": offer, "headers": {"Content-Type": "application/sdp"}}
        if session is not None:
            payload = _json(self._session(session))
            parts = [("sdp", (None, offer, "application/sdp")), ("session", (None, payload, "application/json"))]
            content = {"files": parts}
        answer = await self._post("/realtime/calls", key=key, accept="application/sdp", **content)
        location = answer.headers.get("location", "").partition("?")[0]
        call_id = location.rstrip("/").rpartition("/")[2]
        if call_id and rules is not None and rules.is_secret(key):
            call_id = CallId.made_with(call_id, key, self._base_url)
        return CallAnswer(sdp=answer.text, call_id=call_id)

    @named
    async def accept_call(self, call_id: str, session: Mapping[str, Any] | RealtimeSessionConfig) -> None:
        """Answer an incoming SIP call; then attach with `OpenAIRealtimeSIP`.

        If cancelled, the server may have done it all the same.

        Args:
            call_id: The id from the ``realtime.call.incoming`` webhook.
            session: The session, as on the wire (`OpenAIRealtimeSIP.build_initial_config` makes one) or as the class.
        """
        await self._post_json(_call(call_id, "accept"), self._session(session))

    @named
    async def reject_call(self, call_id: str, *, status_code: int | None = None) -> None:
        """Refuse an incoming SIP call.

        If cancelled, the server may have done it all the same.

        Args:
            call_id: The call.
            status_code: The SIP status that the caller gets; the service sends 603 (Decline) if it is not given.
        """
        await self._post_json(_call(call_id, "reject"), {} if status_code is None else {"status_code": status_code})

    @named
    async def refer_call(self, call_id: str, *, target_uri: str) -> None:
        """Transfer a SIP call.

        If cancelled, the server may have done it all the same.

        Args:
            call_id: The call.
            target_uri: The target: ``tel:+15550100`` or ``sip:agent@example.com``.
        """
        await self._post_json(_call(call_id, "refer"), {"target_uri": target_uri})

    async def hang_up_call(self, call_id: str) -> None:
        """End a SIP or WebRTC call. If cancelled, the server may have done it all the same."""
        await self._post(_call(call_id, "hangup"), key=await self._key())

    # Secrets

    @named
    async def create_client_secret(
        self,
        session: Mapping[str, Any] | RealtimeSessionConfig | None = None,
        *,
        expires_after: int | None = None,
    ) -> ClientSecret:
        """Create a client secret.

        If cancelled, the server may have done it all the same.

        Args:
            session: Settings of the sessions that it opens, which its holder may change.
            expires_after: Seconds until it expires, 10 to 7200; the service uses 600 if it is not given.
        """
        settings = None if session is None else self._session(session)
        return await self._mint("/realtime/client_secrets", settings, expires_after, await self._key())

    @named
    async def create_translation_client_secret(
        self, session: Mapping[str, Any], *, expires_after: int | None = None
    ) -> ClientSecret:
        """Create a client secret for a translation session.

        If cancelled, the server may have done it all the same.

        Args:
            session: The session, as on the wire: at least ``model``, and ``audio.output.language``.
            expires_after: As for `create_client_secret`.
        """
        path = "/realtime/translations/client_secrets"
        return await self._mint(path, dict(session), expires_after, await self._key())

    async def _mint(
        self, path: str, session: Mapping[str, Any] | None, expires_after: int | None, key: str
    ) -> ClientSecret:
        body: dict[str, Any] = {}
        if expires_after is not None:
            body["expires_after"] = {"anchor": "created_at", "seconds": expires_after}
        if session is not None:
            body["session"] = session
        headers = {"Content-Type": "application/json"}
        answer = await self._post(path, key=key, accept="application/json", content=_json(body), headers=headers)
        return _secret(answer)

    # Requests

    async def _key(self) -> str:
        if self._client is None:
            raise LocalProtocolError("make requests inside of `async with RealtimeRestClient(...)`, or pass client=")
        return await resolve_api_key(self._api_key, variable=self._profile.key_variable)

    def _session(self, session: Mapping[str, Any] | RealtimeSessionConfig) -> dict[str, Any]:
        if isinstance(session, RealtimeSessionConfig):
            settings = SessionSettings(DEFAULT_MODEL).preview(session)
        else:
            settings = {"type": "realtime", **session}
        message = {"type": "session.update", "session": settings}
        return self._profile.supported(message).get("session", settings)

    async def _post_json(self, path: str, body: Mapping[str, Any]) -> _Answer:
        headers = {"Content-Type": "application/json"}
        return await self._post(path, key=await self._key(), content=_json(body), headers=headers)

    async def _post(
        self, path: str, *, key: str, accept: str = "*/*", headers: Mapping[str, str] | None = None, **content: Any
    ) -> _Answer:
        client = self._client
        assert client is not None
        url, credentials = self._credentials(path, key)
        own = {"Accept": accept, "Accept-Encoding": "identity", **credentials, **(headers or {})}
        # One credential per request: a server that gets two may use either.
        others = ("Authorization", self._profile.auth_name) if key else ()
        sent = {**without_headers(self._headers, *others, *own), **own}
        answer = _Answer(path=path, secrets=frozenset({*secrets_in(url), key}))
        failure: RequestError | None = None
        with anyio.move_on_after(self._timeout):
            try:
                async with open_request(
                    client, "POST", url, allow_insecure=self._allow_insecure, headers=sent, timeout=None, **content
                ) as response:
                    await answer.read(response)
            except client_errors(client) as exc:
                failure = RequestError(f"POST {path}: no answer: {reason_of(exc, answer.secrets)}")
                failure.__cause__ = harmless_cause(exc)
        # Raised here, so that the exception of httpx, which holds the request with the key, is not its context.
        if answer.refused:
            raise answer.refusal(self._base_url)
        if failure is None and answer.status is None:
            failure = RequestError(f"POST {path}: no answer within {self._timeout:g} s")
        if failure is None and not answer.whole:
            failure = answer.incomplete()
        if failure is not None:
            raise failure
        return answer

    def _credentials(self, path: str, key: str) -> tuple[str, dict[str, str]]:
        """The URL of *path*, and the one header or the query that carries *key*."""
        url, rules = self._base_url + path, self._profile.calls
        if self._profile.auth == "subprotocol" or (rules is not None and rules.is_secret(key)):
            return url, {"Authorization": f"Bearer {key}"}
        headers, query, _ = self._profile.credentials(key)
        return with_query(url, query), headers


def _encoded(text: str, key: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{key}: not Unicode text: it holds half a surrogate pair", key=key) from None


def _json(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as exc:
        raise ConfigError(f"this cannot be sent as JSON: {exc}") from None


@attrs.define(eq=False, kw_only=True)
class _Answer:
    """The answer to a request, as far as it was received."""

    path: str
    secrets: frozenset[str] = attrs.field(repr=False)
    status: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    whole: bool = False

    async def read(self, response: httpx.Response) -> None:
        self.status, self.headers = response.status_code, response.headers
        self.body, self.whole = await read_body(response, MAX_ERROR_BYTES if self.refused else MAX_ANSWER_BYTES)

    @property
    def refused(self) -> bool:
        return self.status is not None and not 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def incomplete(self) -> RequestError:
        if len(self.body) >= MAX_ANSWER_BYTES:
            reason = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        else:
            reason = "the answer broke off"
        return RequestError(f"POST {self.path}: {reason}", status=self.status)

    def refusal(self, base_url: str) -> RequestError:
        body = scrub(self.text, self.secrets)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = None
        envelope = cast("dict[str, Any]", value).get("error") if isinstance(value, dict) else None
        told = cast("dict[str, Any]", envelope) if isinstance(envelope, dict) else {}

        def text(name: str) -> str | None:
            return told[name] if isinstance(told.get(name), str) else None

        said = text("message") or body[:500].strip()
        location = self.headers.get("location")
        where = f", a redirect to {redact_url(location, *self.secrets)} that was not followed" if location else ""
        elsewhere = self.status in (404, 405) and not is_base_url(base_url)
        hint = f" ({address_hint(base_url, '', *self.secrets)})" if elsewhere else ""
        return RequestError(
            f"POST {self.path}: the service answered {self.status}{where}" + (f": {said}" if said else "") + hint,
            status=self.status,
            code=text("code"),
            param=text("param"),
            request_id=self.headers.get("x-request-id"),
            body=body,
        )


def _call(call_id: str, action: str) -> str:
    if not call_id:
        raise ConfigError("call_id: it is empty", key="call_id")
    _encoded(call_id, "call_id")
    return f"/realtime/calls/{quote(call_id, safe='')}/{action}"


def _secret(answer: _Answer) -> ClientSecret:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        value = None
    raw = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    secret, expires_at, session = raw.get("value"), raw.get("expires_at"), raw.get("session")
    if not isinstance(secret, str) or not isinstance(expires_at, int):
        raise RequestError("the answer holds no client secret", status=answer.status)
    decoded: Session | Unset = UNSET
    if isinstance(session, dict):
        decoded = decode_session(cast("dict[str, Any]", session))[0]
    return ClientSecret(value=secret, expires_at=expires_at, session=decoded, raw=raw)
