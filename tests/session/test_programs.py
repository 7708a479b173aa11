"""Programs of use: a voice agent on trio, an agent on the telephone."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import TaskStatus

from realtime_transport import (
    ConnectRequest,
    Link,
    LinkClosed,
    OpenAIRealtimeWebRTC,
    RealtimeRestClient,
    connect_websocket,
)
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.events import TurnDoneEvent
from tests.processes import environment, serving
from tests.telephony.caller import Caller

EXAMPLES = Path(__file__).parents[2] / "examples"

VOICE_SCRIPT = {
    "rules": [
        {
            "when": {"spoken": True},
            "times": 1,
            "reply": {"calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "find_customer"}]},
        },
        {
            "when": {"function_output": "get_weather"},
            "times": 1,
            "reply": {"calls": [{"name": "transfer_to_Billing"}]},
        },
        {"when": {"function_output": "transfer_to_Billing"}, "reply": {"text": "How much is it?", "seconds": 0.5}},
    ]
}


def test_a_voice_agent_with_two_tools_and_a_handoff(tmp_path: Path) -> None:
    script, sentence, reply = tmp_path / "script.json", tmp_path / "sentence.wav", tmp_path / "reply.wav"
    script.write_text(json.dumps(VOICE_SCRIPT))
    with wave.open(str(EXAMPLES / "audio/vm-options.wav")) as file, wave.open(str(sentence), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(16000 * 3))
    with serving("--script", str(script)) as url:
        where = url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"
        command = [sys.executable, str(EXAMPLES / "agents/voice_agent.py"), where, str(sentence), str(reply)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(lines[:2]) == ['find_customer: {"name":"Ada"}', "get_weather: Snow in Oslo, -4 degrees."]
    assert lines[2:] == ["(Ada is handed over)", "Billing takes over", "Billing: How much is it?"]


PHONE_SCRIPT = {
    "rules": [
        {"when": {"turn": 1}, "reply": {"calls": [{"name": "order_status", "arguments": {"number": "1001"}}]}},
        {"when": {"function_output": "order_status"}, "reply": {"text": "It is on its way.", "seconds": 2}},
    ]
}


@pytest.mark.anyio
async def test_an_agent_on_a_twilio_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "agents")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    import phone_agent  # type: ignore[import-not-found]

    telephone = Caller()
    with anyio.fail_after(20):
        async with RealtimeEmulator(script=PHONE_SCRIPT, keep_transcripts=True) as emulator:
            await phone_agent.answer(telephone, f"{emulator.websocket_url}?model=gpt-realtime-2.1")
            (record,) = emulator.sessions
            received = json.dumps(list(record.transcript), default=str)
    assert telephone.heard >= 4000
    assert "shop: order 1001 is on its way." in received


class WorkerSocket:
    """The WebSocket of a Worker, carried by one of ours."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.listeners: dict[str, Callable[[Any], None]] = {}
        self.outgoing, self.waiting = anyio.create_memory_object_stream[str](100)
        self.accepted = anyio.Event()

    def addEventListener(self, name: str, listener: Callable[[Any], None]) -> None:
        self.listeners[name] = listener

    def removeEventListener(self, name: str, listener: Callable[[Any], None]) -> None:
        if self.listeners[name] == listener:
            del self.listeners[name]

    def accept(self) -> None:
        self.accepted.set()

    def send(self, message: str) -> None:
        self.outgoing.send_nowait(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.outgoing.close()

    async def run(self) -> None:
        await self.accepted.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read)
            async with self.waiting:
                async for message in self.waiting:
                    await self.link.send([message])
            tasks.cancel_scope.cancel()
        await self.link.aclose()
        self._closed(1000, "")

    def _closed(self, code: int, reason: str) -> None:
        if "close" in self.listeners:
            self.listeners["close"](SimpleNamespace(code=code, reason=reason))

    async def _read(self) -> None:
        try:
            while True:
                for message in await self.link.receive():
                    self.listeners["message"](SimpleNamespace(data=message))
        except LinkClosed as closed:
            self._closed(closed.code, closed.reason)


@pytest.mark.anyio
async def test_an_agent_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "agents")
    import cloudflare_agent  # type: ignore[import-not-found]

    asked: list[dict[str, str]] = []

    async def carry(url: str, init: dict[str, Any], *, task_status: TaskStatus[WorkerSocket]) -> None:
        asked.append(init["headers"])
        key = {"Authorization": init["headers"]["Authorization"]}
        async with connect_websocket(ConnectRequest(url=url.replace("http", "ws", 1), headers=key)) as link:
            socket = WorkerSocket(link)
            task_status.started(socket)
            await socket.run()

    with anyio.fail_after(20):
        async with RealtimeEmulator() as emulator, anyio.create_task_group() as tasks:

            async def fetch(url: str, init: dict[str, Any]) -> SimpleNamespace:
                return SimpleNamespace(status=101, webSocket=await tasks.start(carry, url, init))

            url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
            question = '/call opening_hours {"day": "Monday"}'
            answer = await cloudflare_agent.answer(question, "sk-local", url, fetch)
    assert answer == "opening_hours returned: On Monday from nine to five."
    assert asked[0]["Upgrade"] == "websocket"


@pytest.mark.anyio
async def test_an_agent_on_a_sip_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "agents")
    import sip_agent  # type: ignore[import-not-found]

    accepted: list[Any] = []

    def take(request: httpx.Request) -> httpx.Response:
        accepted.append((request.url.path, json.loads(request.content)))
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(take)) as client:
        await sip_agent.accept("rtc_1", RealtimeRestClient(api_key="sk-local", client=client))
    [(path, config)] = accepted
    assert path == "/v1/realtime/calls/rtc_1/accept"
    assert config["instructions"].startswith("Welcome the caller")
    assert config["audio"] == {"input": {"turn_detection": {"type": "semantic_vad", "interrupt_response": True}}}

    # A call over WebRTC stands for the one from a telephone: a sideband sees no difference.
    ends: Any = {"audio_source": None, "audio_sink": None}
    async with RealtimeEmulator() as emulator, anyio.create_task_group() as tasks:
        telephone = OpenAIRealtimeWebRTC(base_url=emulator.base_url, api_key="sk-local", **ends)
        with anyio.fail_after(20):
            async with telephone.connect() as call:
                tasks.start_soon(sip_agent.attend, call.call_id, "sk-local", emulator.websocket_url)
                async with call.subscribe(TurnDoneEvent) as turns:
                    turn = await turns.receive()
                    assert turn.status == "completed"
    assert "Realtime update: message" in capsys.readouterr().out
