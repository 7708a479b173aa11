"""The gateway example: its webhook, its limits, its draining; whole calls are in ``nox -s telephony``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples" / "phone_gateway" / "gateway.py"
FORM = {"CallSid": "CA1", "From": '+1555"0100', "To": "+15550199"}


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("gateway", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def post(gateway: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app=gateway.app())
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
        return await client.post("/incoming", content=urlencode(FORM), headers={**form, **(headers or {})})


async def test_the_webhook_answers_with_a_stream(example: Any) -> None:
    answer = await post(example.Gateway())
    assert answer.headers["content-type"].startswith("text/xml")
    assert '<Stream url="wss://gateway.example/media">' in answer.text
    assert "value='+1555\"0100'" in answer.text
    assert "wss://other.example/media" in (await post(example.Gateway(public_host="other.example"))).text


async def test_a_webhook_that_twilio_has_not_signed_is_refused(example: Any) -> None:
    gateway = example.Gateway(auth_token="token", public_host="gateway.example")
    assert (await post(gateway)).status_code == 403
    assert (await post(gateway, {"x-twilio-signature": "bm8="})).status_code == 403
    signed = "https://gateway.example/incoming" + "".join(name + FORM[name] for name in sorted(FORM))
    signature = base64.b64encode(hmac.digest(b"token", signed.encode(), hashlib.sha1)).decode()
    assert (await post(gateway, {"x-twilio-signature": signature})).status_code == 200


async def test_a_full_or_draining_gateway_is_busy(example: Any) -> None:
    for gateway in (example.Gateway(max_calls=0), example.Gateway(draining=True)):
        assert "<Reject" in (await post(gateway)).text
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gateway.app()), base_url="http://g") as client:
            assert (await client.get("/ready")).status_code == 503
