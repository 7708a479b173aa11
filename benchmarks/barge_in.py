"""How soon a barge-in is told, with ten seconds of audio undelivered and a consumer that takes 50 ms per event.

The server floods ten seconds of audio and then says that speech has started. Three moments are measured from the
moment at which the server sent that: the truncation arrives at the server; a task that waits in
``subscribe(AudioInterruptedEvent)`` runs; the slow consumer is given the interruption (and how many events later).
Beside it stands the same consumer on a bare websockets connection, which has to read through the audio first.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import anyio
import attrs
from websockets.asyncio.client import connect

from benchmarks.report import Table, quartiles
from benchmarks.server import server_process
from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioEvent, AudioInterruptedEvent

ROUNDS = 5
SLOW = 0.05
WATCHER_LIMIT_MS = 5.0


@attrs.define
class Moments:
    """Seconds of the clock that all processes of a machine share."""

    said: float = 0.0
    on_wire: float = 0.0
    watcher: float = 0.0
    consumer: float = 0.0
    events_before: int = 0
    done: anyio.Event = attrs.field(factory=anyio.Event)


async def ours(url: str) -> Moments:
    moments = Moments()
    transport = OpenAIRealtimeWebSocket(url=f"{url}/v1/realtime?barge_in=100", session_timeout=None)
    async with transport.connect(api_key="sk-benchmark"), anyio.create_task_group() as tasks:

        async def watch() -> None:
            async with transport.subscribe(AudioInterruptedEvent) as interruptions:
                await interruptions.receive()
                moments.watcher = time.monotonic()

        tasks.start_soon(watch)
        await transport.send_event({"type": "input_audio_buffer.clear"})
        reported = False
        async for event in transport:
            if isinstance(event, AudioInterruptedEvent):
                moments.consumer = moments.consumer or time.monotonic()
            elif getattr(event, "type", "") == "benchmark.report":
                moments.said, moments.on_wire = event.extra["said"], event.extra["on_wire"]  # type: ignore[attr-defined]
                reported = True
            elif isinstance(event, AudioEvent):
                await anyio.sleep(SLOW)
                if moments.watcher and not moments.consumer:
                    moments.events_before += 1
            if reported and moments.consumer:
                break
    return moments


async def bare(url: str) -> Moments:
    moments = Moments()
    async with connect(f"{url}/v1/realtime?barge_in=100", compression=None, max_size=None) as socket:
        await socket.send('{"type": "input_audio_buffer.clear"}')
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "input_audio_buffer.speech_started":
                moments.consumer = time.monotonic()
                await socket.send('{"type": "conversation.item.truncate"}')
            elif event["type"] == "benchmark.report":
                moments.said, moments.on_wire = event["said"], event["on_wire"]
                break
            elif event["type"] == "response.output_audio.delta":
                await asyncio.sleep(SLOW)
    return moments


def main() -> bool:
    """Print the table; whether the limits hold."""
    head = ("", "truncation, ms", "watcher, ms", "slow consumer, ms", "audio events before it")
    table = Table("From the server's word to ours (medians; 10 s of audio undelivered, 50 ms per event)", head)
    good = True
    runs: list[tuple[str, str, Callable[[str], Awaitable[Moments]]]] = [
        ("asyncio", "asyncio", ours),
        ("trio", "trio", ours),
        ("bare loop", "asyncio", bare),
    ]
    with server_process() as url:
        for name, backend, client in runs:
            seen = [anyio.run(client, url, backend=backend) for _ in range(ROUNDS if client is ours else 1)]
            wire = _median_ms(m.on_wire - m.said for m in seen)
            consumer = _median_ms(m.consumer - m.said for m in seen)
            if client is bare:
                table.row(name, f"{wire:.2f}", "", f"{consumer:.0f}", "100")
                continue
            watcher = _median_ms(m.watcher - m.said for m in seen)
            before = max(m.events_before for m in seen)
            table.row(name, f"{wire:.2f}", f"{watcher:.2f}", f"{consumer:.1f}", str(before))
            good = good and watcher <= WATCHER_LIMIT_MS and before <= 1
    table.show()
    return good


def _median_ms(seconds: object) -> float:
    values = list(seconds)  # type: ignore[call-overload]
    return quartiles([*values, *values])[1] * 1000


if __name__ == "__main__":
    raise SystemExit(not main())
