"""Every script in examples/ runs, against the emulator in another process."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import environment, serving

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as base_url:
        yield base_url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """Two seconds of speech, and one of silence."""
    path = tmp_path / "sentence.wav"
    with wave.open(str(EXAMPLES / "audio/vm-options.wav")) as file, wave.open(str(path), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(16000))
    return path


def test_all_are_listed() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


EXPECTED = {
    "text_turn": "You said: Hello",
    "speak_a_recording": "3.0 seconds of reply",
    "parallel_calls": "time returned: 12:00 in Rome.",
    "function_call": "weather returned: Snow in Oslo, minus four degrees.",
    "barge_in": "ms were heard",
    "measure": "completed: ",
    "many_connections": "8 turns on 8 connections",
    "custom_wire": "ok   cancellation",
    "telemetry": "execute_tool get_weather: ",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, url: str, sentence: Path, tmp_path: Path) -> None:
    more = {"speak_a_recording": [sentence, tmp_path / "reply.wav"], "measure": [sentence]}.get(name, [])
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), url, *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert EXPECTED[name] in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"custom_wire"}))
def test_an_example_without_arguments_says_what_it_wants(name: str) -> None:
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"usage: python {name}.py URL")
    assert "Traceback" not in done.stderr
