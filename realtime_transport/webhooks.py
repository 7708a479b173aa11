"""Webhooks of the vendor: checks their signature, and reads the call that they announce.

They are signed by the scheme of Standard Webhooks: HMAC-SHA256 over ``id.timestamp.payload``. Without I/O.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import attrs
import orjson

from realtime_transport.argument_names import named

from .errors import ConfigError, WebhookError

__all__ = [
    "IncomingCall",
    "IncomingLiveSession",
    "LiveSessionConnected",
    "SipInvite",
    "WebhookEvent",
    "sign_webhook",
    "verify_webhook",
]

DEFAULT_TOLERANCE = 300.0
"""Seconds, as in the vendor's own libraries. The service retries for longer, with a new signature each time."""

_SECRET_PREFIX = "whsec_"


@attrs.frozen(kw_only=True)
class WebhookEvent:
    """A webhook with a valid signature.

    Attributes:
        id: The id of the event; the same for each attempt to deliver it.
        type: What happened, such as ``"realtime.call.incoming"``.
        created_at: Unix time in seconds; 0 if the service did not say.
        raw: The whole payload.
    """

    id: str
    type: str
    created_at: int = 0
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)


@attrs.frozen(kw_only=True)
class SipInvite(WebhookEvent):
    """An incoming SIP call. One call may be announced twice, to the Realtime API and to the Live API.

    The API that accepts it first answers the call.

    Attributes:
        sip_headers: Names and values of the SIP INVITE, in order; a name may occur twice. The caller writes
            them: do not trust them.
        sip_media_security: ``"srtp"`` or ``"rtp"`` (unencrypted); ``None`` if the service did not say.
    """

    sip_headers: tuple[tuple[str, str], ...] = ()
    sip_media_security: str | None = None

    def header(self, name: str) -> str | None:
        """The first SIP header of that name, in any case (``From``, ``To``, ``X-…``)."""
        wanted = name.lower()
        return next((value for given, value in self.sip_headers if given.lower() == wanted), None)


@attrs.frozen(kw_only=True)
class IncomingCall(SipInvite):
    """``realtime.call.incoming``: a call that waits to be accepted, rejected or referred.

    Attributes:
        call_id: The id for the calls interface and for `OpenAIRealtimeSIP`.
    """

    call_id: str


@attrs.frozen(kw_only=True)
class IncomingLiveSession(SipInvite):
    """``live.transport.incoming``, or ``live.call.incoming`` before it: the same call, for the Live API.

    Attributes:
        session_id: The id for the Live API; for the Realtime API, use the id of its own webhook.
    """

    session_id: str


@attrs.frozen(kw_only=True)
class LiveSessionConnected(WebhookEvent):
    """``live.transport.connected``: a WebRTC session of the Live API has begun.

    Attributes:
        session_id: The id to attach to it.
    """

    session_id: str


@named
def verify_webhook(
    payload: bytes | str,
    headers: Mapping[str, str],
    *,
    secret: str | Sequence[str],
    now: float,
    tolerance: float = DEFAULT_TOLERANCE,
) -> WebhookEvent:
    """Check the signature and the age of a webhook, and read it.

    Args:
        payload: The body exactly as received; parsing and encoding it again breaks the signature.
        headers: The headers of the request; names in any case.
        secret: The signing secret of the endpoint, ``whsec_…``; several while one replaces another, of
            which any may fit.
        now: Unix time in seconds, ``time.time()``.
        tolerance: How many seconds the webhook may be old, or ahead of *now*.

    Returns:
        An `IncomingCall` for ``realtime.call.incoming``, `IncomingLiveSession` and `LiveSessionConnected` for those of
        the Live API, else a plain `WebhookEvent`.

    Raises:
        WebhookError: A header is missing, the timestamp is out of tolerance, the signature does not fit, or the
            payload cannot be read. Answer 400 and do nothing. Nothing else is raised, whatever was sent.
        ConfigError: A secret is malformed, or *now* or *tolerance* is out of range.
    """
    keys = _keys(secret)
    if not math.isfinite(now) or not tolerance >= 0:
        raise ConfigError("now, tolerance: a Unix time and a number of seconds expected", key="now")
    body = _bytes(payload, "the payload", "payload")
    named = {name.lower(): value for name, value in headers.items()}
    identity, stamp, given = (_header(named, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    signed = _signed(identity, stamp, body)
    candidates = _signatures(given)
    # The signature first: the timestamp of an unsigned request proves nothing.
    if not any(hmac.compare_digest(_digest(key, signed), each) for key in keys for each in candidates):
        raise WebhookError("webhook-signature: it does not fit the payload and the secret", problem="signature")
    _check_age(stamp, now, tolerance)
    return _read(body)


@named
def sign_webhook(
    payload: bytes | str, *, webhook_id: str, timestamp: int, secret: str | Sequence[str]
) -> dict[str, str]:
    """The headers that the service would send with *payload*: for tests of programs that receive webhooks.

    Args:
        payload: The body.
        webhook_id: The id of the delivery.
        timestamp: Unix time in seconds.
        secret: As for `verify_webhook`; with several there is a signature by each.

    Raises:
        ConfigError: A secret is malformed, or the payload or the id is not text.
    """
    try:
        body = _bytes(payload, "the payload", "payload")
        signed = _signed(webhook_id, str(timestamp), body)
    except WebhookError as error:
        raise ConfigError(str(error), key="webhook_id" if error.problem == "header" else "payload") from None
    signatures = [f"v1,{base64.b64encode(_digest(key, signed)).decode()}" for key in _keys(secret)]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _header(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name, "")
    if not isinstance(value, str) or not value.strip():
        raise WebhookError(f"{name}: the header is missing", problem="header")
    return value.strip()


def _bytes(text: bytes | str, what: str, problem: str) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError:
        raise WebhookError(f"{what} is not Unicode text: it holds half a surrogate pair", problem=problem) from None


def _signed(identity: str, stamp: str, body: bytes) -> bytes:
    return _bytes(f"{identity}.{stamp}.", "webhook-id", "header") + body


def _digest(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _keys(secret: object) -> list[bytes]:
    one = isinstance(secret, str) or not isinstance(secret, Iterable)
    secrets: list[object] = [secret] if one else list(cast("Iterable[object]", secret))
    if not secrets:
        raise ConfigError("secret: there is none", key="secret")
    return [_key(each) for each in secrets]


def _key(secret: object) -> bytes:
    """Decode *secret* into the key. No error message shows it."""
    if not isinstance(secret, str) or not secret.strip():
        raise ConfigError("secret: it is empty or no text", key="secret")
    secret = secret.strip()
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        if encoded == secret:
            return secret.encode()
        key = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except ValueError:
        raise ConfigError("secret: what follows whsec_ is not base64, or it is no text", key="secret") from None
    if not key:
        raise ConfigError("secret: nothing follows whsec_, and anybody could sign with that", key="secret")
    return key


def _signatures(header: str) -> list[bytes]:
    """The signatures of the known version; several while a secret is being replaced."""
    found: list[bytes] = []
    for entry in header.split():
        version, _, encoded = entry.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except ValueError:
                continue  # Malformed, so it cannot fit.
    return found


def _check_age(stamp: str, now: float, tolerance: float) -> None:
    if not _SECONDS.fullmatch(stamp):
        raise WebhookError("webhook-timestamp: a number of seconds expected", problem="header")
    age = now - int(stamp)
    if age > tolerance:
        raise WebhookError(f"webhook-timestamp: {age:.0f} s old; it may have been recorded", problem="timestamp")
    if age < -tolerance:
        raise WebhookError(
            f"webhook-timestamp: {-age:.0f} s in the future; check the clock of this machine", problem="timestamp"
        )


_SECONDS = re.compile(r"[0-9]{1,15}")


def _read(body: bytes) -> WebhookEvent:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        # The text of the exception names only a position; the exception itself holds the payload.
        raise WebhookError(f"the payload is not JSON: {exc}", problem="payload") from None
    raw = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise WebhookError("the payload has no type", problem="payload")
    created = raw.get("created_at")
    identity = raw.get("id")
    common: dict[str, Any] = {
        "id": identity if isinstance(identity, str) else "",
        "type": kind,
        "created_at": created if isinstance(created, int) and not isinstance(created, bool) else 0,
        "raw": raw,
    }
    data = raw.get("data")
    told: Mapping[str, Any] = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else {}
    match kind:
        case "realtime.call.incoming":
            return IncomingCall(**common, **_invite(told), call_id=_named(told, "call_id"))
        case "live.transport.incoming" | "live.call.incoming":
            return IncomingLiveSession(**common, **_invite(told), session_id=_named(told, "session_id"))
        case "live.transport.connected":
            return LiveSessionConnected(**common, session_id=_named(told, "session_id"))
        case _:
            return WebhookEvent(**common)


def _named(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise WebhookError(f"data.{name}: it is missing", problem="payload")
    return value


def _invite(data: Mapping[str, Any]) -> dict[str, Any]:
    security = data.get("sip_media_security")
    return {
        "sip_headers": _sip_headers(data.get("sip_headers")),
        "sip_media_security": security if isinstance(security, str) else None,
    }


def _sip_headers(value: object) -> tuple[tuple[str, str], ...]:
    """The headers that can be read; a malformed entry is skipped."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    found: list[tuple[str, str]] = []
    for entry in cast("Sequence[object]", value):
        if isinstance(entry, Mapping):
            pair = cast("Mapping[str, object]", entry)
            name, content = pair.get("name"), pair.get("value")
            if isinstance(name, str) and isinstance(content, str):
                found.append((name, content))
    return tuple(found)
