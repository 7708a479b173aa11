"""Webhooks: believed only with a fitting signature and a fresh timestamp."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_transport.errors import ConfigError, WebhookError
from realtime_transport.webhooks import IncomingCall, WebhookEvent, sign_webhook, verify_webhook

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


def test_a_timestamp_that_is_no_number_is_refused() -> None:
    from realtime_transport import webhooks

    body, headers = signed()
    signature = webhooks._signature(body, "wh_1", "soon", SECRET)  # Signed, so that the age is what is refused.
    import base64

    headers |= {"webhook-timestamp": "soon", "webhook-signature": "v1," + base64.b64encode(signature).decode()}
    assert problem_of(body, headers) == "header"


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


@pytest.mark.parametrize("secret", ["", "whsec_***"])
def test_a_secret_that_is_none_is_told(secret: str) -> None:
    body, headers = signed()
    with pytest.raises(ConfigError, match="secret"):
        verify_webhook(body, headers, secret=secret, now=NOW)


def test_the_openai_package_believes_what_we_sign() -> None:
    import time

    import openai

    stamp = int(time.time())
    body, headers = signed(timestamp=stamp)
    openai.OpenAI(api_key="x").webhooks.verify_signature(body, headers, secret=SECRET)
