"""Webhooks: believed only with a fitting signature and a fresh timestamp."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import time
from random import Random
from typing import Any

import pytest
import standardwebhooks

from realtime_transport.errors import ConfigError, WebhookError
from realtime_transport.webhooks import (
    IncomingCall,
    IncomingLiveSession,
    LiveSessionConnected,
    WebhookEvent,
    sign_webhook,
    verify_webhook,
)

SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
NOW = 1_790_000_000
CALL: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "realtime.call.incoming",
    "created_at": NOW - 1,
    "data": {
        "call_id": "rtc_1",
        "sip_headers": [
            {"name": "From", "value": "sip:+15550100@example.com"},
            {"name": "X-Twilio-CallSid", "value": "CA1"},
            {"name": "odd"},
            "odd",
        ],
    },
}


def signed(payload: Any = CALL, *, timestamp: int = NOW, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return body, sign_webhook(body, webhook_id="wh_1", timestamp=timestamp, secret=secret)


def test_the_vector_of_standard_webhooks() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the example of its libraries.
    payload = '{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    made = sign_webhook(
        payload,
        webhook_id=headers["webhook-id"],
        timestamp=1614265330,
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert made == headers


def test_a_call_is_read() -> None:
    body, headers = signed()
    call = verify_webhook(body, {name.title(): value for name, value in headers.items()}, secret=SECRET, now=NOW)
    assert isinstance(call, IncomingCall)
    assert (call.id, call.call_id, call.created_at) == ("evt_1", "rtc_1", NOW - 1)
    assert call.header("from") == "sip:+15550100@example.com"
    assert call.header("x-twilio-callsid") == "CA1"
    assert call.header("to") is None
    assert len(call.sip_headers) == 2


def test_text_and_other_events_and_odd_headers() -> None:
    body, headers = signed({"type": "response.completed"})
    event = verify_webhook(body.decode(), headers, secret=SECRET, now=NOW)
    assert event == WebhookEvent(id="", type="response.completed")
    body, headers = signed({**CALL, "data": {"call_id": "rtc_1", "sip_headers": "none"}})
    call = verify_webhook(body, headers, secret=SECRET, now=NOW)
    assert isinstance(call, IncomingCall)
    assert call.sip_headers == ()


def test_one_of_several_signatures_is_enough() -> None:
    body, headers = signed(secret="plain secret")
    headers["webhook-signature"] = f"v1a,zzz v1,!! v1,aGk= {headers['webhook-signature']}"
    assert verify_webhook(body, headers, secret="plain secret", now=NOW).id == "evt_1"


def problem_of(body: bytes, headers: dict[str, str], *, now: float = NOW, secret: str = SECRET) -> str:
    with pytest.raises(WebhookError) as caught:
        verify_webhook(body, headers, secret=secret, now=now)
    return caught.value.problem


def test_a_wrong_signature_is_refused() -> None:
    body, headers = signed()
    assert problem_of(body + b" ", headers) == "signature"
    assert problem_of(body, headers, secret="whsec_b3RoZXI=") == "signature"
    assert problem_of(body, {**headers, "webhook-id": "wh_2"}) == "signature"
    assert problem_of(body, {**headers, "webhook-timestamp": str(NOW + 1)}) == "signature"
    assert problem_of(body, {**headers, "webhook-signature": "v2,aGk="}) == "signature"


def test_an_old_or_future_timestamp_is_refused() -> None:
    body, headers = signed()
    assert verify_webhook(body, headers, secret=SECRET, now=NOW + 300).id == "evt_1"
    assert problem_of(body, headers, now=NOW + 301) == "timestamp"
    assert verify_webhook(body, headers, secret=SECRET, now=NOW - 300).id == "evt_1"
    assert problem_of(body, headers, now=NOW - 301) == "timestamp"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(name: str) -> None:
    body, headers = signed()
    assert problem_of(body, {key: value for key, value in headers.items() if key != name}) == "header"


@pytest.mark.parametrize("stamp", ["soon", "1_0", "+5", "-5", "1.5", "\u0661", "9" * 400, "9" * 5000, "\udc80"])
def test_a_timestamp_that_is_no_number_is_refused(stamp: str) -> None:
    body, headers = signed()
    # Signed, so that the timestamp is what is refused.
    text = f"wh_1.{stamp}.".encode("utf-8", "replace") + body
    digest = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), text, hashlib.sha256)
    headers |= {"webhook-timestamp": stamp, "webhook-signature": "v1," + base64.b64encode(digest).decode()}
    assert problem_of(body, headers) == "header"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["\udc80", "\x00", "\u00e9", "v1,\udc80", "", b"bytes", None])
def test_odd_headers_are_refused(name: str, value: Any) -> None:
    body, headers = signed()
    assert problem_of(body, {**headers, name: value}) in ("header", "signature")


def test_a_payload_that_is_no_text_is_refused() -> None:
    _, headers = signed()
    with pytest.raises(WebhookError) as caught:
        verify_webhook("\udc80", headers, secret=SECRET, now=NOW)
    assert caught.value.problem == "payload"


def test_any_of_several_secrets_will_do() -> None:
    old, new = SECRET, "whsec_b3RoZXI="
    for given in (old, new):
        body, headers = signed(secret=given)
        assert verify_webhook(body, headers, secret=[new, old], now=NOW).id == "evt_1"
        assert verify_webhook(body, headers, secret=(old, new), now=NOW).id == "evt_1"
    body, headers = signed(secret="whsec_dGhpcmQ=")
    with pytest.raises(WebhookError):
        verify_webhook(body, headers, secret=[old, new], now=NOW)
    rotating = sign_webhook(body, webhook_id="wh_1", timestamp=NOW, secret=[old, new])
    for given in (old, new):
        assert verify_webhook(body, rotating, secret=given, now=NOW).id == "evt_1"


def test_no_time_is_refused() -> None:
    body, headers = signed()
    for now, tolerance in ((math.nan, 300), (math.inf, 300), (NOW, math.nan), (NOW, -1)):
        with pytest.raises(ConfigError):
            verify_webhook(body, headers, secret=SECRET, now=now, tolerance=tolerance)


def test_the_protection_of_the_media_is_told() -> None:
    for told, expected in (("srtp", "srtp"), (None, None), (3, None)):
        body, headers = signed({**CALL, "data": {**CALL["data"], "sip_media_security": told}})
        call = verify_webhook(body, headers, secret=SECRET, now=NOW)
        assert isinstance(call, IncomingCall)
        assert call.sip_media_security == expected


@pytest.mark.parametrize("kind", ["live.transport.incoming", "live.call.incoming"])
def test_the_same_call_for_the_other_api(kind: str) -> None:
    data = {
        "session_id": "live_1",
        "sip_headers": CALL["data"]["sip_headers"],
        "type": "sip",
        "sip_media_security": "rtp",
    }
    body, headers = signed({**CALL, "type": kind, "data": data})
    session = verify_webhook(body, headers, secret=SECRET, now=NOW)
    assert isinstance(session, IncomingLiveSession)
    assert (session.session_id, session.sip_media_security) == ("live_1", "rtp")
    assert session.header("from") == "sip:+15550100@example.com"


def test_a_live_session_has_begun() -> None:
    body, headers = signed(
        {**CALL, "type": "live.transport.connected", "data": {"session_id": "live_1", "type": "webrtc"}}
    )
    assert isinstance(event := verify_webhook(body, headers, secret=SECRET, now=NOW), LiveSessionConnected)
    assert event.session_id == "live_1"
    body, headers = signed({**CALL, "type": "live.transport.connected", "data": {}})
    assert problem_of(body, headers) == "payload"


def test_the_libraries_of_standard_webhooks_judge_alike() -> None:
    random = Random(20261126)
    verdicts: dict[bool, int] = {True: 0, False: 0}
    for _ in range(2000):
        now = int(time.time())
        secret = "whsec_" + base64.b64encode(random.randbytes(random.randint(1, 48))).decode()
        if random.random() < 0.3:
            secret = secret.rstrip("=")
        body = json.dumps({"type": "x", "text": "".join(random.choices('aé\U0001f600\\"\n ', k=random.randint(0, 20)))})
        stamp = now + random.choice([0, 0, 0, -290, 290, -310, 310, -100_000, 100_000])
        headers = sign_webhook(body, webhook_id=f"wh_{random.randint(0, 9)}", timestamp=stamp, secret=secret)
        body, headers = changed(random, body, headers)
        try:
            verify_webhook(body, headers, secret=secret, now=now)
            ours = True
        except WebhookError:
            ours = False
        try:
            standardwebhooks.Webhook(secret).verify(body, headers, json_parse=False)
            theirs = True
        except standardwebhooks.WebhookVerificationError:
            theirs = False
        assert ours == theirs, (secret, body, headers)
        verdicts[ours] += 1
    assert min(verdicts.values()) > 400


def changed(random: Random, body: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """A webhook as it may arrive: untouched, touched, or with further signatures."""
    signature = headers["webhook-signature"]
    match random.randrange(8):
        case 0:
            return body + " ", headers
        case 1:
            return body, {**headers, "webhook-id": "wh_x"}
        case 2:
            return body, {
                **headers,
                "webhook-timestamp": str(int(headers["webhook-timestamp"]) + random.choice([-1, 1])),
            }
        case 3:
            place = random.randrange(3, len(signature) - 1)
            letter = random.choice("ABCDwxyz0189+/")
            return body, {**headers, "webhook-signature": signature[:place] + letter + signature[place + 1 :]}
        case 4:
            others = ["v1,aGVsbG8=", "v2,aGVsbG8=", "v1a,aGVsbG8=", signature]
            random.shuffle(others)
            return body, {**headers, "webhook-signature": " ".join(others)}
        case 5:
            return body, {name: value for name, value in headers.items() if name != random.choice(list(headers))}
        case _:
            return body, {name.title(): value for name, value in headers.items()}


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"type": 1}',
        b'{"type": "realtime.call.incoming"}',
        b'{"type": "realtime.call.incoming", "data": {"call_id": ""}}',
    ],
)
def test_a_payload_that_cannot_be_read_is_refused(payload: bytes) -> None:
    body, headers = signed(payload)
    assert problem_of(body, headers) == "payload"


@pytest.mark.parametrize(
    "secret",
    ["", " ", "whsec_", "whsec_==", "whsec_***", "whsec_\u00e9", "whsec_a", "\udc80", [], [SECRET, ""], None, b"x"],
)
def test_a_secret_that_is_none_is_told(secret: Any) -> None:
    body, headers = signed()
    with pytest.raises(ConfigError, match="secret") as caught:
        verify_webhook(body, headers, secret=secret, now=NOW)
    assert "***" not in str(caught.value)
    with pytest.raises(ConfigError, match="secret"):
        sign_webhook(body, webhook_id="wh_1", timestamp=NOW, secret=secret)


def test_an_empty_secret_lets_no_forged_signature_through() -> None:
    body, headers = signed()
    forged = hmac.digest(b"", f"wh_1.{NOW}.".encode() + body, hashlib.sha256)
    headers["webhook-signature"] = "v1," + base64.b64encode(forged).decode()
    for secret in ("whsec_", " whsec_ ", "whsec_="):
        with pytest.raises(ConfigError):
            verify_webhook(body, headers, secret=secret, now=NOW)


def test_a_secret_that_is_no_base64_is_used_as_text() -> None:
    body, headers = signed(secret="gehe\u00efm\n")
    assert verify_webhook(body, headers, secret="gehe\u00efm", now=NOW).id == "evt_1"


def test_what_cannot_be_signed_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        sign_webhook("\udc80", webhook_id="wh_1", timestamp=NOW, secret=SECRET)
    assert caught.value.key == "payload"
    with pytest.raises(ConfigError) as caught:
        sign_webhook("{}", webhook_id="\udc80", timestamp=NOW, secret=SECRET)
    assert caught.value.key == "webhook_id"


def test_the_openai_package_believes_what_we_sign() -> None:
    import time

    import openai

    stamp = int(time.time())
    body, headers = signed(timestamp=stamp)
    openai.OpenAI(api_key="x").webhooks.verify_signature(body, headers, secret=SECRET)
