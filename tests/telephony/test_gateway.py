"""The gateway example: its webhook, its sockets, its limits, its draining; whole calls are in ``nox -s telephony``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import wave
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import httpx
import pytest

from realtime_transport import TwilioRealtimeTransportLayer
from realtime_transport.audio.g711 import ulaw_encode
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.pages.session_page import write_session_page
from realtime_transport.pages.session_timeline import read_timeline
from realtime_transport.recording import load_recording

from .caller import Caller

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


async def open_media(gateway: Any, headers: dict[str, str], incoming: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the gateway does with a media stream at ``wss://gateway.example/media``."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "websocket.connect"}, *incoming]
    received: list[str] = []

    async def receive() -> dict[str, Any]:
        message = messages.pop(0)
        received.append(message["type"])
        return message

    async def send(message: Any) -> None:
        if "websocket.disconnect" in received:
            raise OSError("there is nobody to send this to")  # What uvicorn does.
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "wss",
        "path": "/media",
        "raw_path": b"/media",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "gateway.example", **headers}.items()],
        "subprotocols": [],
        "state": {},
    }
    await gateway.app()(scope, receive, send)
    return sent


def signature(url: str, token: str = "token") -> dict[str, str]:
    return {"x-twilio-signature": base64.b64encode(hmac.digest(token.encode(), url.encode(), hashlib.sha1)).decode()}


FORGED = [
    {},
    {"x-twilio-signature": ""},
    {"x-twilio-signature": "bm8="},
    {"x-twilio-signature": "Ä"},
    signature("wss://gateway.example/media", "another"),
    signature("wss://elsewhere.example/media"),
    signature("https://gateway.example/media"),
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_a_media_stream_that_twilio_has_not_signed_is_refused_before_it_is_accepted(
    example: Any, headers: dict[str, str]
) -> None:
    gateway = example.Gateway(auth_token="token", public_host="gateway.example")
    sent = await open_media(gateway, headers, [])
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
    assert not gateway.calls


@pytest.mark.parametrize("url", ["wss://gateway.example/media", "wss://gateway.example/media/"])
@pytest.mark.parametrize("public_host", ["gateway.example", ""])
async def test_a_signed_media_stream_is_a_call_that_ends_with_a_close(
    example: Any, monkeypatch: pytest.MonkeyPatch, url: str, public_host: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    gateway = example.Gateway(auth_token="token", public_host=public_host)
    talked: list[Any] = []

    async def talk(transport: Any) -> None:
        talked.append(transport)

    monkeypatch.setattr(example.Gateway, "talk", staticmethod(talk))
    sent = await open_media(gateway, signature(url), [])
    assert [(message["type"], message.get("code")) for message in sent] == [
        ("websocket.accept", None),
        ("websocket.close", 1000),
    ]
    assert len(talked) == 1
    assert not gateway.calls


async def test_a_full_gateway_refuses_a_media_stream(example: Any) -> None:
    sent = await open_media(example.Gateway(max_calls=0), {}, [])
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1013)]


@pytest.mark.parametrize("code", [1000, 1006])
async def test_a_peer_that_vanishes_is_no_error_of_the_handler(
    example: Any, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    gateway = example.Gateway(realtime_url="ws://127.0.0.1:9/v1/realtime")
    sent = await open_media(gateway, {}, [{"type": "websocket.disconnect", "code": code}])
    assert [message["type"] for message in sent] == ["websocket.accept"]
    assert not gateway.calls


async def test_a_peer_that_vanishes_before_it_is_accepted_is_no_error_either(example: Any) -> None:
    class Gone:
        url = httpx.URL("ws://gateway.example/media")

        async def accept(self) -> None:
            raise example.WebSocketDisconnect(1006)

        async def close(self, code: int = 1000) -> None:
            raise example.WebSocketDisconnect(1006)

    gateway = example.Gateway()
    await gateway.media(Gone())
    assert not gateway.calls


async def test_a_recorded_call_has_both_voices(example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    with wave.open(str(EXAMPLE.parents[1] / "audio/vm-options.wav")) as file:  # 8 kHz
        caller = Caller(ulaw_encode(file.readframes(8000 * 2) + bytes(16000)))
    with anyio.fail_after(20):
        async with RealtimeEmulator() as emulator:
            gateway = example.Gateway(realtime_url=emulator.websocket_url, recordings=str(tmp_path / "calls"))
            await gateway.talk(TwilioRealtimeTransportLayer(caller, model=gateway.model))
    [path] = (tmp_path / "calls").iterdir()
    recording = load_recording(path)
    assert recording.problem is None
    timeline = read_timeline(recording)
    for voice, seconds in ((timeline.user, 2.0), (timeline.model, 0.4)):
        assert sum(piece.seconds for piece in voice) >= seconds
        assert max(float(abs(piece.samples).max()) for piece in voice) > 0.1
    assert timeline.segments
    assert timeline.replies
    assert write_session_page(recording, tmp_path / "call.html") > 10_000
