"""Client CPU per message, as a ratio to a bare loop over websockets, orjson and base64.

Received: ``async for event in transport`` with default settings, summing ``len(AudioEvent.data)`` over audio deltas of
100 ms. Sent: one ``await send_audio`` and one message for each 20 ms frame, counted by the server. All clients talk to
one server process and take turns, round after round, so that a ratio holds when the machine's speed drifts.
"""

from __future__ import annotations

import base64
import gc
import os
import statistics
import time
from collections.abc import Awaitable, Callable

import anyio
import orjson
from websockets.asyncio.client import connect

from benchmarks.report import Table, quartiles
from benchmarks.server import DELTA_BYTES, server_process
from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioDoneEvent, AudioEvent
from realtime_transport.server_events import InputAudioBufferCleared

MESSAGES = 3000
ROUNDS = 9
FRAME = os.urandom(960)  # 20 ms of 24 kHz PCM

LIMITS = {"received": 1.0, "sent": 1.5}
TRIO_LIMIT = 1.5
"""Trio may take this much more than asyncio is allowed."""


async def bare_receive(url: str) -> int:
    total = 0
    async with connect(f"{url}/v1/realtime?deltas={MESSAGES}", compression=None, max_size=None) as socket:
        await socket.send("{}")
        async for message in socket:
            event = orjson.loads(message)
            if event["type"] == "response.output_audio.delta":
                total += len(base64.b64decode(event["delta"]))
            elif event["type"] == "response.output_audio.done":
                break
    return total


async def our_receive(url: str) -> int:
    total = 0
    transport = OpenAIRealtimeWebSocket(url=f"{url}/v1/realtime?deltas={MESSAGES}")
    async with transport.connect(api_key="sk-benchmark"):
        async for event in transport:
            if isinstance(event, AudioEvent):
                total += len(event.data)
            elif isinstance(event, AudioDoneEvent):
                break
    return total


async def bare_send(url: str) -> int:
    async with connect(f"{url}/v1/realtime?count={MESSAGES}", compression=None, max_size=None) as socket:
        for _ in range(MESSAGES):
            audio = base64.b64encode(FRAME).decode()
            await socket.send(orjson.dumps({"type": "input_audio_buffer.append", "audio": audio}), text=True)
        async for message in socket:
            if orjson.loads(message)["type"] == "input_audio_buffer.cleared":
                break
    return MESSAGES


async def our_send(url: str) -> int:
    transport = OpenAIRealtimeWebSocket(url=f"{url}/v1/realtime?count={MESSAGES}")
    async with transport.connect(api_key="sk-benchmark"):
        for _ in range(MESSAGES):
            await transport.send_audio(FRAME)
        async for event in transport:
            if isinstance(event, InputAudioBufferCleared):
                break
    return MESSAGES


def cpu(backend: str, client: Callable[[str], Awaitable[int]], url: str, expected: int) -> float:
    """CPU seconds of this process for one run of *client*."""
    gc.collect()
    before = time.process_time()
    result = anyio.run(client, url, backend=backend)
    spent = time.process_time() - before
    assert result == expected, (result, expected)
    return spent


def main() -> bool:
    """Print the table; whether every limit holds."""
    cases = {
        "received": (bare_receive, our_receive, MESSAGES * DELTA_BYTES),
        "sent": (bare_send, our_send, MESSAGES),
    }
    table = Table("CPU per message against websockets + orjson + base64", ("", "µs, median", "ratio", "q1-q3", "limit"))
    good = True
    with server_process() as url:
        for name, (bare, ours, expected) in cases.items():
            cpu("asyncio", bare, url, expected), cpu("asyncio", ours, url, expected), cpu("trio", ours, url, expected)
            spent: dict[str, list[float]] = {"bare": [], "asyncio": [], "trio": []}
            for _ in range(ROUNDS):
                spent["bare"].append(cpu("asyncio", bare, url, expected))
                spent["asyncio"].append(cpu("asyncio", ours, url, expected))
                spent["trio"].append(cpu("trio", ours, url, expected))
            table.row(f"{name}, bare loop", f"{statistics.median(spent['bare']) / MESSAGES * 1e6:.1f}", "1", "", "")
            for backend, limit in (
                ("asyncio", LIMITS[name]),
                ("trio", LIMITS[name] * TRIO_LIMIT),
            ):
                q1, median, q3 = quartiles(a / b for a, b in zip(spent[backend], spent["bare"], strict=True))
                micros = statistics.median(spent[backend]) / MESSAGES * 1e6
                table.row(f"{name}, {backend}", f"{micros:.1f}", f"{median:.2f}", f"{q1:.2f}-{q3:.2f}", f"{limit:.2f}")
                good = good and median <= limit
    table.show()
    return good


if __name__ == "__main__":
    raise SystemExit(not main())
