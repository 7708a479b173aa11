"""The fixtures of the package beside pytest-asyncio: ``nox -s plugins``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest
from realtime_transport import OpenAIRealtimeWebSocket

pytest_plugins = ["realtime_transport.testing.pytest_plugin"]

async def talk(emulator):
    url = f"{emulator.websocket_url}?model=gpt-realtime"
    async with OpenAIRealtimeWebSocket(url=url, api_key="any").connect():
        pass

async def test_plain(realtime_emulator):
    await talk(realtime_emulator)

@pytest.mark.asyncio
async def test_asyncio(realtime_emulator):
    await talk(realtime_emulator)

@pytest.mark.anyio
async def test_anyio(realtime_emulator):
    await talk(realtime_emulator)

def test_function(realtime_emulator):
    pass

@pytest.mark.asyncio
async def test_thread(realtime_emulator_thread):
    await talk(realtime_emulator_thread)
"""


@pytest.mark.parametrize(
    ("mode", "refused", "passed"),
    [
        ("auto", {"test_plain", "test_asyncio", "test_anyio", "test_function"}, {"test_thread"}),
        ("strict", {"test_asyncio", "test_function"}, {"test_anyio", "test_thread"}),
    ],
)
def test_the_emulator_of_the_loop_names_the_one_of_a_thread(
    mode: str, refused: set[str], passed: set[str], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nasyncio_mode = {mode}\n")
    command = [sys.executable, "-m", "pytest", "-rA", "--tb=line", "-p", "no:cacheprovider", "test_it.py"]
    env = environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env=env)
    report = done.stdout.splitlines()
    for name in refused:
        assert any(line.startswith(f"ERROR test_it.py::{name}[") for line in report), done.stdout
    for name in passed:
        assert any(line.startswith(f"PASSED test_it.py::{name}") for line in report), done.stdout
    assert "use realtime_emulator_thread" in done.stdout
    assert "Timeout" not in done.stdout
