"""Published clients on the emulator. They run by ``nox -s clients``."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import anyio
import pytest

from realtime_transport.emulator import RealtimeEmulator


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 120.0  # Some of them import for seconds.


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # None of them knows another.


@pytest.fixture
def emulator() -> Iterator[RealtimeEmulator]:
    """An emulator with a loop and a thread of its own, which refuses nothing that the client sends."""
    served = RealtimeEmulator(keep_transcripts=True)
    ready, leave = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served:
            ready.set()
            await anyio.to_thread.run_sync(leave.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,), kwargs={"backend": "trio"})
    thread.start()
    assert ready.wait(30)
    yield served
    leave.set()
    thread.join(30)
    assert not thread.is_alive()
    refused = [event for record in served.sessions for who, event in record.transcript if event["type"] == "error"]
    assert refused == []
    assert served.rejected == []
