"""The HTTP endpoints."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from realtime_transport.emulator import RealtimeEmulator
from tests.emulator.client import connect

pytestmark = pytest.mark.anyio

AUTH = {"Authorization": "Bearer sk-test"}


async def post(emulator: RealtimeEmulator, path: str, body: Any, headers: dict[str, str] = AUTH) -> httpx.Response:
    async with httpx.AsyncClient(base_url=emulator.base_url, headers=headers) as http:
        return await http.post(path, json=body)


async def test_a_secret_opens_sessions_with_its_settings() -> None:
    async with RealtimeEmulator(api_key="sk-test") as emulator:
        settings = {"type": "realtime", "model": "gpt-realtime-mini", "instructions": "Be brief."}
        answer = await post(emulator, "/realtime/client_secrets", {"session": settings})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        body = answer.json()
        assert set(body) == {"value", "expires_at", "session"}
        assert body["session"]["instructions"] == "Be brief."
        assert body["session"]["model"] == "gpt-realtime-mini"
        assert body["session"]["id"].startswith("sess_")
        async with connect(emulator, "", key=body["value"]) as client:
            session = (await client.receive())["session"]
            assert (session["model"], session["instructions"]) == ("gpt-realtime-mini", "Be brief.")
        async with connect(emulator, key="ek_made_up") as client:
            assert (await client.receive())["error"]["code"] == "invalid_api_key"


async def test_secrets_for_the_other_kinds() -> None:
    async with RealtimeEmulator() as emulator:
        answer = await post(emulator, "/realtime/client_secrets", {"session": {"type": "transcription"}})
        assert answer.json()["session"]["object"] == "realtime.transcription_session"
        async with connect(emulator, "", key=answer.json()["value"]) as client:
            assert (await client.receive())["session"]["type"] == "transcription"
        answer = await post(emulator, "/realtime/translations/client_secrets", {"session": {"model": "m"}})
        assert answer.json()["session"]["type"] == "translation"
        answer = await post(emulator, "/realtime/client_secrets", {})
        assert answer.json()["session"]["model"] == "gpt-realtime-2.1"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "param"),
    [
        ({}, {}, 401, "invalid_api_key", None),
        ({}, {"Authorization": "Bearer sk-invalid"}, 401, "invalid_api_key", None),
        ({"x": 1}, AUTH, 400, "unknown_parameter", "x"),
        ({"expires_after": {"seconds": 5}}, AUTH, 400, "integer_below_min_value", "expires_after.seconds"),
        ({"session": {}}, AUTH, 400, "missing_required_parameter", "session.type"),
        ({"session": {"type": "realtime", "speed": 1}}, AUTH, 400, "unknown_parameter", "session.speed"),
        ([], AUTH, 400, "invalid_json", None),
    ],
)
async def test_refusals_have_the_envelope(
    body: Any, headers: dict[str, str], status: int, code: str, param: str | None
) -> None:
    async with RealtimeEmulator() as emulator:
        answer = await post(emulator, "/realtime/client_secrets", body, headers)
        assert answer.status_code == status
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == (code, param)
        assert error["type"] == "invalid_request_error"


async def test_other_requests() -> None:
    async with RealtimeEmulator() as emulator, httpx.AsyncClient(base_url=emulator.base_url) as http:
        assert (await http.get("/models")).status_code == 404
        assert (await http.get("/realtime/client_secrets")).status_code == 405
        assert (await http.request("OPTIONS", "/realtime/calls")).status_code == 204
        too_big = await http.post("/realtime/client_secrets", content=bytes(2_000_000))
        assert too_big.status_code == 413


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"", b"GET /"])
async def test_what_is_no_http_is_survived(data: bytes) -> None:
    async with RealtimeEmulator() as emulator:
        async with await anyio.connect_tcp("127.0.0.1", emulator.port) as stream:
            await stream.send(data)
            await stream.send_eof()
            with anyio.fail_after(5), pytest.raises(anyio.EndOfStream):
                while True:
                    await stream.receive()
        async with connect(emulator) as client:
            assert (await client.receive())["type"] == "session.created"
