"""200 connections in a row: threads, file descriptors and memory stay level."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_transport import BufferSink, BytesSource, OpenAIRealtimeWebRTC
from realtime_transport.audio.formats import AudioFormat
from tests.measure import sine

pytestmark = pytest.mark.anyio

ROUNDS = 200
WARM = 50


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of plain aiortc, in a process of its own."""
    script = Path(__file__).parents[2] / "benchmarks/webrtc.py"
    with subprocess.Popen([sys.executable, script, "server"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/calls"
        server.kill()


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def state() -> tuple[int, int, int]:
    gc.collect()
    workers = ("AnyIO worker", "Trio thread", "asyncio_")
    threads = sum(not thread.name.startswith(workers) for thread in threading.enumerate())
    return threads, len(list(Path("/proc/self/fd").iterdir())), resident_kb()


async def test_many_calls_in_a_row(url: str) -> None:
    states: list[tuple[int, int, int]] = []
    for _ in range(ROUNDS):
        source = BytesSource(sine(1, 440, 0.25), AudioFormat.PCM24K)
        transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=source, audio_sink=BufferSink())
        async with transport.connect():
            pass
        states.append(state())
    threads, files, _ = zip(*states, strict=True)
    growth = (states[-1][2] - states[WARM][2]) / (ROUNDS - WARM)
    print(
        f"\nthreads {threads[WARM]} to {threads[-1]}, files {files[WARM]} to {files[-1]}, "
        f"memory {growth:+.1f} kB a call"
    )
    assert threads[-1] <= threads[WARM]
    assert files[-1] <= files[WARM]
    assert growth < 20
