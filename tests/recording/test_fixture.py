"""The fixture ``realtime_recording``, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import pytest

pytest_plugins = ["realtime_transport.testing.recordings"]


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

OPTIONS = """

@pytest.fixture
def realtime_recording_options():
    return {"words": "keep"}
"""

TEST = """
import anyio
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.server_events import UnknownServerEvent
from realtime_transport.testing.links import MemoryServer


def live():
    server = MemoryServer()
    server.send({"type": "session.created", "event_id": "1", "session": {}}, {"type": "greeting", "event_id": "2"})
    return OpenAIRealtimeWebSocket(connector=server.connector, api_key="any", ping_interval=None, update_timeout=0)


@pytest.mark.anyio
@pytest.mark.realtime_recording("hello")
async def test_hello(realtime_recording):
    for text in TEXTS:
        transport = realtime_recording.transport(live)
        async with transport.connect(), transport.subscribe(UnknownServerEvent) as events:
            await transport.send_message(text)
            await anyio.wait_all_tasks_blocked()
"""


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST + OPTIONS)
    write(tmp_path, '["Hello"]')
    return tmp_path


def write(folder: Path, texts: str) -> None:
    (folder / "test_it.py").write_text(TEST.replace("TEXTS", texts))


def made(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (folder / "recordings").glob("*/recording.jsonl")}


def test_without_a_recording_nothing_is_recorded(folder: Path) -> None:
    said = run(folder)
    assert "1 failed" in said
    assert "--realtime-record=once" in said
    assert not (folder / "recordings").exists()


def test_recording_once(folder: Path) -> None:
    assert "1 passed" in run(folder, "--realtime-record=once")
    first = made(folder)
    assert list(first) == ["hello.rtrec"]
    assert "1 passed" in run(folder)
    assert "1 passed" in run(folder, "--realtime-record=once")
    assert made(folder) == first


def test_recording_what_is_new(folder: Path) -> None:
    run(folder, "--realtime-record=once")
    first = made(folder)
    write(folder, '["Hello", "And again"]')
    assert "1 failed" in run(folder, "--realtime-record=once")
    assert "1 passed" in run(folder, "--realtime-record=new_episodes")
    assert sorted(made(folder)) == ["hello-2.rtrec", "hello.rtrec"]
    assert made(folder)["hello.rtrec"] == first["hello.rtrec"]
    assert "1 passed" in run(folder)


def test_recording_all_again(folder: Path) -> None:
    run(folder, "--realtime-record=once")
    write(folder, '["Goodbye"]')
    assert '+        "text": "Goodbye"' in run(folder)
    assert "1 passed" in run(folder, "--realtime-record=all")
    assert b"Goodbye" in made(folder)["hello.rtrec"]
    assert "1 passed" in run(folder)


def test_a_test_that_fails_leaves_the_old_recording(folder: Path) -> None:
    run(folder, "--realtime-record=once")
    before = made(folder)
    write(folder, '["Hello", 1 / 0]')
    assert "1 failed" in run(folder, "--realtime-record=all")
    assert made(folder) == before
    assert [path.name for path in (folder / "recordings").iterdir()] == ["hello.rtrec"]


def test_nothing_is_recorded_before_somebody_has_thought_of_scrubbing(folder: Path) -> None:
    (folder / "conftest.py").write_text(CONFTEST)
    said = run(folder, "--realtime-record=once")
    assert "1 failed" in said
    assert "realtime_recording_options" in said
    assert not (folder / "recordings").exists()
