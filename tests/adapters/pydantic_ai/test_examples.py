"""The examples run, against the emulator in another process."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import environment, serving

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as base_url:
        yield base_url


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of speech, and two of silence."""
    path = tmp_path / "sentence.wav"
    with wave.open(str(EXAMPLES / "audio/vm-options.wav")) as file, wave.open(str(path), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(8000 * 4))
    return path


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "pydantic_ai" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(), check=False)


def test_the_quickstart(url: str, recording: Path) -> None:
    done = run("quickstart", url, recording)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:-1]] == ["user", "assistant"]
    assert float(done.stdout.split()[-2]) > 1.5
    assert done.stderr == ""


def test_a_call_with_a_file_as_the_microphone(url: str, recording: Path, tmp_path: Path) -> None:
    reply = tmp_path / "reply.wav"
    done = run("webrtc_call", url, recording, reply)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:-1]] == ["user", "assistant"]
    with wave.open(str(reply)) as file:
        assert file.getnframes() / file.getframerate() > 1.5
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["quickstart", "webrtc_call"])
def test_an_example_without_arguments_says_what_it_wants(name: str) -> None:
    done = run(name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"usage: python {name}.py URL")
