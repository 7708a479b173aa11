"""The examples of agents run against the emulator, over both wires and on both backends."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import environment, serving

EXAMPLES = Path(__file__).parents[2] / "examples" / "agents"

EXPECTED = {
    "tool": ["get_weather returned 'Snow in Oslo, -4 degrees.'", "Forecaster: "],
    "two_tools": ["agent_tool_end get_time", "agent_tool_end get_weather", "Oslo."],
    "approval": ['may pay({"euros": 20}) run? yes', "20 euros were paid."],
    "handoff": ["Front hands over to Billing", "Billing: "],
    "guardrail": ["stopped by no_secrets: {'word': 'secret'}"],
    "barge_in": ["search was cancelled: interrupted", "Never mind."],
    "session_transport": ["session.updated\n", "response.done\n"],
    "thin_client": ["You said: Hello"],
}

ONE_WIRE = {
    "own_media": ["You said: "],
    "websocket_server": ["seconds of reply"],
    "quickstart": ["You are connected!\n", "You said: "],
    "custom_transport": ["connecting\n", "You said: Hello", "gone\n"],
}
"""They bring a wire of their own."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving() as url:
        yield url


def run(name: str, backend: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50, env=environment(BACKEND=backend), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wire", ["websocket", "webrtc"])
@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, wire: str, backend: str, base_url: str) -> None:
    socket = [base_url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"]
    arguments = socket if wire == "websocket" else [f"{base_url}/realtime/calls", "webrtc"]
    said = run(name, backend, *arguments)
    for text in EXPECTED[name]:
        assert text in said


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", ONE_WIRE)
def test_example_with_a_wire_of_its_own(name: str, backend: str, base_url: str, tmp_path: Path) -> None:
    sentence, reply = tmp_path / "sentence.wav", tmp_path / "reply.wav"
    with wave.open(str(EXAMPLES.parent / "audio/vm-options.wav")) as file, wave.open(str(sentence), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(16000 * 3))
    socket = base_url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"
    arguments = {
        "own_media": [f"{base_url}/realtime/calls", str(sentence), str(reply)],
        "websocket_server": [socket, str(sentence)],
        "quickstart": [base_url, str(sentence), str(reply)],
    }.get(name, [socket])
    said = run(name, backend, *arguments)
    for text in ONE_WIRE[name]:
        assert text in said
    if name in ("own_media", "quickstart"):
        with wave.open(str(reply)) as heard:
            assert any(heard.readframes(heard.getnframes()))


def test_they_are_short() -> None:
    scripts = {path.stem: path for path in EXAMPLES.glob("*.py")}
    assert {*EXPECTED, *ONE_WIRE, "cloudflare_agent"} < set(scripts)
    for name in (*EXPECTED, *ONE_WIRE, "cloudflare_agent"):
        assert len(scripts[name].read_text().splitlines()) <= 40
