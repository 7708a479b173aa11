"""The examples of agents run against the emulator, over both wires and on both backends."""

from __future__ import annotations

import subprocess
import sys
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
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wire", ["websocket", "webrtc"])
@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, wire: str, backend: str, base_url: str) -> None:
    socket = [base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"]
    arguments = socket if wire == "websocket" else [f"{base_url}/realtime/calls", "webrtc"]
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50, env=environment(BACKEND=backend), check=False
    )
    assert done.returncode == 0, done.stderr
    for text in EXPECTED[name]:
        assert text in done.stdout
    assert done.stderr == ""


def test_they_are_short() -> None:
    scripts = {path.stem: path for path in EXAMPLES.glob("*.py")}
    assert set(EXPECTED) < set(scripts)
    for name in EXPECTED:
        assert len(scripts[name].read_text().splitlines()) <= 40
