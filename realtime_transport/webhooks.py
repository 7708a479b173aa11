"""Webhooks of the vendor: whether to believe one, and the call that it announces.

They are signed by the scheme of Standard Webhooks: HMAC-SHA256 over ``id.timestamp.payload``. Without I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs
import orjson

from .errors import ConfigError, WebhookError

__all__ = ["IncomingCall", "WebhookEvent", "sign_webhook", "verify_webhook"]

DEFAULT_TOLERANCE = 300.0
"""Seconds, as the vendor's own libraries have it: the service retries for longer, but signs each attempt anew."""

_SECRET_PREFIX = "whsec_"


@attrs.frozen(kw_only=True)
class WebhookEvent:
    """A webhook whose signature is right.

    Attributes:
        id: Of the event; the same for each attempt to deliver it.
        type: What happened, such as ``"realtime.call.incoming"``.
        created_at: Unix time in seconds; 0 if the service did not say.
        raw: The whole payload.
    """

    id: str
    type: str
    created_at: int = 0
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)


@attrs.frozen(kw_only=True)
class IncomingCall(WebhookEvent):
    """``realtime.call.incoming``: somebody calls, and waits to be accepted, rejected or referred.

    Attributes:
        call_id: For the calls interface and for `OpenAIRealtimeSIP`.
        sip_headers: Names and values of the SIP INVITE, in order; a name may come twice.
    """

    call_id: str
    sip_headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The first SIP header of that name, in any case (``From``, ``To``, ``X-…``)."""
        wanted = name.lower()
        return next((value for given, value in self.sip_headers if given.lower() == wanted), None)


def verify_webhook(
    payload: bytes | str,
    headers: Mapping[str, str],
    *,
    secret: str,
    now: float,
    tolerance: float = DEFAULT_TOLERANCE,
) -> WebhookEvent:
    """Check the signature and the age of a webhook, and read it.

    Args:
        payload: The body exactly as it came; parsing and writing it again breaks the signature.
        headers: The headers of the request; names in any case.
        secret: The signing secret of the endpoint, ``whsec_…``.
        now: Unix time in seconds, ``time.time()``.
        tolerance: How many seconds the webhook may be old, or ahead of *now*.

    Returns:
        An `IncomingCall` for ``realtime.call.incoming``, else a plain `WebhookEvent`.

    Raises:
        WebhookError: A header is missing, the timestamp is out of tolerance, the signature does not fit, or the
            payload cannot be read. Answer 400 and do nothing.
        ConfigError: The secret is not one.
    """
    body = payload.encode() if isinstance(payload, str) else payload
    named = {name.lower(): value for name, value in headers.items()}
    identity, stamp, given = (_header(named, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    expected = _signature(body, identity, stamp, secret)
    # The signature first: what an unsigned request says of its age is worth nothing.
    if not any(hmac.compare_digest(expected, candidate) for candidate in _signatures(given)):
        raise WebhookError("webhook-signature: it does not fit the payload and the secret", problem="signature")
    _check_age(stamp, now, tolerance)
    return _read(body)


def sign_webhook(payload: bytes | str, *, webhook_id: str, timestamp: int, secret: str) -> dict[str, str]:
    """The headers that the service would send with *payload*: for tests of programs that receive webhooks.

    Raises:
        ConfigError: The secret is not one.
    """
    body = payload.encode() if isinstance(payload, str) else payload
    signature = base64.b64encode(_signature(body, webhook_id, str(timestamp), secret)).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise WebhookError(f"{name}: the header is missing", problem="header")
    return value


def _signature(body: bytes, identity: str, stamp: str, secret: str) -> bytes:
    return hmac.digest(_key(secret), f"{identity}.{stamp}.".encode() + body, hashlib.sha256)


def _key(secret: str) -> bytes:
    if not secret.startswith(_SECRET_PREFIX):
        if not secret:
            raise ConfigError("secret: it is empty", key="secret")
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error as exc:
        raise ConfigError("secret: what follows whsec_ is not base64", key="secret") from exc


def _signatures(header: str) -> list[bytes]:
    """The signatures of a version that we know: several while a secret is being replaced."""
    found: list[bytes] = []
    for entry in header.split():
        version, _, encoded = entry.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except (binascii.Error, ValueError):
                continue  # It fits nothing.
    return found


def _check_age(stamp: str, now: float, tolerance: float) -> None:
    try:
        age = now - int(stamp)
    except ValueError:
        age = math.nan
    if math.isnan(age):
        raise WebhookError("webhook-timestamp: a number of seconds expected", problem="header")
    if age > tolerance:
        raise WebhookError(f"webhook-timestamp: {age:.0f} s old; it may have been recorded", problem="timestamp")
    if age < -tolerance:
        raise WebhookError(
            f"webhook-timestamp: {-age:.0f} s in the future; check the clock of this machine", problem="timestamp"
        )


def _read(body: bytes) -> WebhookEvent:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise WebhookError(f"the payload is not JSON: {exc}", problem="payload") from exc
    raw = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise WebhookError("the payload has no type", problem="payload")
    created = raw.get("created_at")
    identity = raw.get("id")
    common: dict[str, Any] = {
        "id": identity if isinstance(identity, str) else "",
        "type": kind,
        "created_at": created if isinstance(created, int) else 0,
        "raw": raw,
    }
    if kind != "realtime.call.incoming":
        return WebhookEvent(**common)
    data = raw.get("data")
    call: Mapping[str, Any] = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else {}
    call_id = call.get("call_id")
    if not isinstance(call_id, str) or not call_id:
        raise WebhookError("data.call_id: it is missing", problem="payload")
    return IncomingCall(**common, call_id=call_id, sip_headers=_sip_headers(call.get("sip_headers")))


def _sip_headers(value: object) -> tuple[tuple[str, str], ...]:
    """The headers that can be read; one odd entry does not lose the call."""
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
