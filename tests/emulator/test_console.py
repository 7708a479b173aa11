"""The console's requests: who may make them, what they show, what they do."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from realtime_transport.cli.serve.export import zipped_recording
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.server.console import is_loopback
from realtime_transport.emulator.server.timeline import Timeline
from realtime_transport.recording import Frame, load_recording
from realtime_transport.testing import ManualClock
from tests.emulator.client import Client, ClosedByServer, connect

pytestmark = pytest.mark.anyio


def http_of(emulator: RealtimeEmulator, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=emulator.root_url, headers=headers)


async def opened(client: Client) -> str:
    return (await client.receive())["session"]["id"]


async def test_the_page_is_there_on_this_machine_only() -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http:
        page = await http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<title>Emulator</title>" in page.text
        assert "http://" not in page.text.replace("http://127.0.0.1", "")  # Nothing is loaded from elsewhere.
        assert "https://" not in page.text
    async with RealtimeEmulator(console=False) as emulator, http_of(emulator) as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/emulator/timeline")).status_code == 404
    async with RealtimeEmulator(host="0.0.0.0") as emulator:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{emulator.port}") as http:
            assert (await http.get("/")).status_code == 404
    async with RealtimeEmulator(host="0.0.0.0", console=True) as emulator:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{emulator.port}") as http:
            assert (await http.get("/", headers={"host": "a.name.example"})).status_code == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example", False),
        ("", False),
    ],
)
async def test_what_this_machine_is(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


async def test_pages_of_other_origins_get_nothing() -> None:
    async with RealtimeEmulator() as emulator:
        async with http_of(emulator) as http:
            own = await http.get("/emulator/timeline")
            assert own.status_code == 200
            assert not [name for name in own.headers if name.startswith("access-control")]
        async with http_of(emulator, host="rebound.example") as http:  # A name that resolves to this machine.
            for path in ("/", "/emulator/timeline"):
                assert (await http.get(path)).status_code == 403
        async with http_of(emulator, origin="http://other.example") as http:
            answer = await http.post("/emulator/console/secret", content="{}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        async with http_of(emulator, origin=emulator.root_url) as http:
            assert (await http.post("/emulator/console/secret", content="{}")).json()["value"].startswith("ek_")


async def test_the_secret_opens_a_session_where_one_key_is_asked_for() -> None:
    async with RealtimeEmulator(api_key="sk-only") as emulator, http_of(emulator) as http:
        secret = (await http.post("/emulator/console/secret")).json()["value"]
        async with connect(emulator, key=secret) as client:
            assert (await client.receive())["type"] == "session.created"


async def test_nobody_passes_by_the_key_from_another_machine() -> None:
    async with RealtimeEmulator(host="0.0.0.0", console=True, api_key="sk-only") as emulator:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{emulator.port}") as http:
            assert await post(http, "/emulator/console/secret", {}) == (403, "forbidden")


async def test_the_timeline_goes_on_where_it_stood() -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http, connect(emulator) as client:
        session_id = await opened(client)
        await client.ask("Hello")
        await client.until("rate_limits.updated")
        first = (await http.get("/emulator/timeline")).json()
        assert {event["session"] for event in first["events"]} == {session_id}
        kinds = [(event["who"], event["type"]) for event in first["events"]]
        assert kinds[:2] == [("server", "session.created"), ("client", "conversation.item.create")]
        assert first["events"][1]["text"] == "Hello"
        assert ("server", "response.output_audio.delta") in kinds
        assert all(len(event["message"]) <= 4096 for event in first["events"])
        await client.send_text("no JSON")
        await client.until("error")
        more = (await http.get(f"/emulator/timeline?after={first['next']}")).json()
        assert [event["type"] for event in more["events"]] == ["(no event)", "error"]
        assert more["sessions"][0]["id"] == session_id


async def post(http: httpx.AsyncClient, path: str, body: Any) -> tuple[int, str | None]:
    answer = await http.post(path, json=body)
    value = answer.json()
    return answer.status_code, value["error"]["code"] if "error" in value else None


async def test_a_directive_is_obeyed_as_if_the_user_had_written_it() -> None:
    async with RealtimeEmulator(audio_speed=1.0) as emulator, http_of(emulator) as http, connect(emulator) as client:
        path = f"/emulator/sessions/{await opened(client)}/directive"
        assert await post(http, path, {"text": "/say 20"}) == (200, None)
        await client.until("response.output_audio.delta")
        assert await post(http, path, {"text": "/say 1"}) == (409, "conversation_already_has_active_response")
        await client.send({"type": "response.cancel"})
        await client.until("response.done")
        assert await post(http, path, {"text": "/close 1011 by the console"}) == (200, None)
        assert (await client.until_closed()).code == 1011
        while emulator.sessions[0].is_open:
            await anyio.lowlevel.checkpoint()
        assert await post(http, path, {"text": "/say 1"}) == (404, "session_not_found")


async def test_faults_hurt_from_now_on() -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http, connect(emulator) as client:
        path = f"/emulator/sessions/{await opened(client)}/faults"
        assert await post(http, path, {"stall": 600}) == (200, None)
        await client.send({"type": "input_audio_buffer.clear"})
        while emulator.sessions[0].sent["input_audio_buffer.cleared"] == 0:
            await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(0.05) as waited:
            await client.receive()
        assert waited.cancelled_caught


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/emulator/sessions/none/directive", {"text": "/say 1"}, 404),
        ("/emulator/sessions/none/directive", {}, 400),
        ("/emulator/sessions/none/directive", {"text": 1}, 400),
        ("/emulator/sessions/none/faults", {"stall": -1}, 400),
        ("/emulator/sessions/none/faults", {"fire": 1}, 400),
        ("/emulator/sessions/none/else", {}, 404),
    ],
)
async def test_requests_that_make_no_sense(path: str, body: Any, status: int) -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http:
        assert (await post(http, path, body))[0] == status


async def test_an_abort_from_the_console() -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http, connect(emulator) as client:
        assert await post(http, f"/emulator/sessions/{await opened(client)}/directive", {"text": "/drop"}) == (
            200,
            None,
        )
        with pytest.raises(ClosedByServer) as ended:
            await client.receive()
        assert ended.value.code == 1006


async def test_a_session_is_downloaded_as_a_recording(tmp_path: Path) -> None:
    async with RealtimeEmulator(export=zipped_recording) as emulator, http_of(emulator) as http:
        async with connect(emulator) as client:
            session_id = await opened(client)
            await client.ask("Hello")
            await client.until("rate_limits.updated")
        while emulator.sessions[0].is_open:
            await anyio.lowlevel.checkpoint()
        answer = await http.get(f"/emulator/sessions/{session_id}/recording")
        assert answer.headers["content-type"] == "application/zip"
        assert (await http.get("/emulator/sessions/none/recording")).status_code == 404
        async with http_of(emulator, host="rebound.example") as other:
            assert (await other.get(f"/emulator/sessions/{session_id}/recording")).status_code == 403
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    recording = load_recording(tmp_path / f"{session_id}.rtrec")
    frames = [entry for entry in recording.entries if isinstance(entry, Frame)]
    kinds = [(frame.direction, (frame.message or {})["type"]) for frame in frames]
    assert kinds[:2] == [("received", "session.created"), ("sent", "conversation.item.create")]
    assert {("sent", "response.create"), ("received", "response.output_audio.delta")} < set(kinds)
    assert recording.problem is None


async def test_a_full_disk_is_said() -> None:
    def fail(*_: Any) -> bytes:
        raise OSError(28, "No space left on device")

    async with RealtimeEmulator(export=fail) as emulator, http_of(emulator) as http, connect(emulator) as client:
        answer = await http.get(f"/emulator/sessions/{await opened(client)}/recording")
        assert (answer.status_code, "No space left" in answer.text) == (507, True)


async def test_no_recording_is_offered_where_nothing_makes_one() -> None:
    async with RealtimeEmulator() as emulator, http_of(emulator) as http, connect(emulator) as client:
        session_id = await opened(client)
        assert (await http.get(f"/emulator/sessions/{session_id}/recording")).status_code == 404
        assert not (await http.get("/emulator/timeline")).json()["offers_recordings"]


def test_the_timeline_is_bounded() -> None:
    timeline = Timeline(ManualClock())
    for _ in range(20):
        timeline.add("sess_1", "client", "x" * (1024 * 1024))
    assert len(timeline.of_session("sess_1")) == 16
    for _ in range(6000):
        timeline.add("sess_2", "server", "{}")
    assert timeline.after(0)[0] == 6020
    assert len(timeline.after(0)[1]) == 5000
