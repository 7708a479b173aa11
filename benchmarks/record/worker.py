"""Runs the rows for one client, in a process of its own: names and arguments come as lines of JSON, figures go back."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskStatus

from benchmarks.record.frame_server import BYTES_PER_MS, INTERVAL

FRAME = os.urandom(20 * BYTES_PER_MS)
DONE, DELTA, CLEARED = "response.output_audio.done", "response.output_audio.delta", "input_audio_buffer.cleared"


def make_client(name: str) -> Any:
    from benchmarks.record import floors, ours, peers

    match name:
        case "A":
            return floors.FloorA()
        case "B":
            return floors.FloorB()
        case "asyncio" | "trio":
            return ours.Ours(name)
        case _:
            return peers.PEERS[name]()


async def received(client: Any, address: str, path: str, expected_ms: int) -> dict[str, float]:
    async with client.open(f"ws://{address}/{path}/realtime") as session:
        gc.collect()
        spent = time.process_time()
        await client.send(session, FRAME)
        total = await client.receive(session, DONE)
        spent = time.process_time() - spent
    assert total == expected_ms * BYTES_PER_MS, (total, expected_ms * BYTES_PER_MS)
    return {"value": spent}


async def flood(client: Any, address: str, count: int, ms: int) -> dict[str, float]:
    return await received(client, address, f"deltas/{count}/{ms}", count * ms)


async def groups(client: Any, address: str, count: int) -> dict[str, float]:
    return await received(client, address, f"groups/{count}", count * 100)


async def flood_many(client: Any, address: str, calls: int, count: int) -> dict[str, float]:
    """*calls* at once, each as fast as it goes: the most memory the process has had, and what is left afterwards."""

    async def one() -> None:
        await flood(client, address, count, 100)

    async with anyio.create_task_group() as tasks:
        for _ in range(calls):
            tasks.start_soon(one)
    gc.collect()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": peak, "objects": len(gc.get_objects()), "tasks": len(anyio.get_running_tasks())}


async def send(client: Any, address: str, count: int) -> dict[str, float]:
    async with client.open(f"ws://{address}/count/{count * 20}/realtime") as session:
        gc.collect()
        spent = time.process_time()
        for _ in range(count):
            await client.send(session, FRAME)
        await client.receive(session, CLEARED)
        return {"value": time.process_time() - spent}


async def echo(client: Any, address: str, count: int) -> dict[str, float]:
    trips: list[float] = []
    async with client.open(f"ws://{address}/echo/realtime") as session:
        spent = time.process_time()
        for _ in range(count):
            began = time.perf_counter()
            await client.send(session, FRAME)
            await client.receive(session, DELTA)
            trips.append(time.perf_counter() - began)
        spent = time.process_time() - spent
    trips.sort()
    return {"value": trips[len(trips) // 2] * 1000, "cpu_us": spent / count * 1e6}


async def paced(client: Any, address: str, sessions: int, frames: int) -> dict[str, float]:
    """Both ways in real time. The value is CPU per session and frame, from the first frame to the last.

    Opening and closing are `connect`'s; memory is measured in a run of its own.
    """
    gate, ready, over = anyio.Event(), anyio.Event(), anyio.Event()
    left, talking, spent = sessions, sessions, 0.0

    async def one(number: int) -> None:
        nonlocal left, talking, spent
        async with client.open(f"ws://{address}/paced/{frames}/realtime") as session:
            left -= 1
            if not left:
                ready.set()
            await gate.wait()

            async def talk() -> None:
                due = anyio.current_time() + INTERVAL * number / sessions
                for _ in range(frames):
                    await anyio.sleep_until(due)
                    await client.send(session, FRAME)
                    due += INTERVAL

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk)
                assert await client.receive(session, DONE) == frames * 20 * BYTES_PER_MS
            talking -= 1
            if not talking:
                spent = time.process_time() - spent
                over.set()
            await over.wait()

    async with anyio.create_task_group() as tasks:
        for number in range(sessions):
            tasks.start_soon(one, number)
            if number % 20 == 19:
                await anyio.sleep(0.05)
        await ready.wait()
        gc.collect()
        spent = time.process_time()
        gate.set()
    return {"value": spent / sessions / frames}


async def barge(client: Any, address: str, times: int, deltas: int, pause_ms: int, slow: float) -> dict[str, Any]:
    heard: list[float] = []

    async def each() -> None:
        if slow:
            await anyio.sleep(slow)

    async with client.open(f"ws://{address}/barge/{times}/{deltas}/{pause_ms}/realtime") as session:
        await client.send(session, FRAME)
        await client.listen(session, DONE, lambda: heard.append(time.monotonic()), each)
    return {"heard": heard}


async def connect(client: Any, address: str, count: int) -> dict[str, float]:
    spent = time.process_time()
    for _ in range(count):
        async with client.open(f"ws://{address}/idle/realtime"):
            pass
    return {"value": (time.process_time() - spent) / count}


async def idle(client: Any, address: str, count: int) -> dict[str, float]:
    """Memory per connection that a task waits on, and how long a full collection takes with all of them open."""
    async with client.open(f"ws://{address}/idle/realtime"):
        pass
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    async def wait(*, task_status: TaskStatus[None]) -> None:
        async with client.open(f"ws://{address}/idle/realtime") as session:
            task_status.started()
            await client.receive(session, DONE)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            await tasks.start(wait)
        await anyio.sleep(0.1)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        collections: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            gc.collect()
            collections.append(time.perf_counter() - began)
        tasks.cancel_scope.cancel()
    return {"value": taken / count / 1000, "gc_ms": min(collections) * 1000}


ROWS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "flood": flood,
    "flood_many": flood_many,
    "groups": groups,
    "send": send,
    "echo": echo,
    "paced": paced,
    "barge": barge,
    "connect": connect,
    "idle": idle,
}


def run(client: Any, row: str, arguments: list[Any]) -> dict[str, Any]:
    job = functools.partial(ROWS[row], client, *arguments)
    # A bare loop is run by what it is written for.
    return asyncio.run(job()) if client.backend == "asyncio" else anyio.run(job, backend=client.backend)


def main(name: str, *once: str) -> None:
    if once:  # For what a first connect costs: everything in one process.
        run(make_client(name), "connect", [once[0], 1])
        return
    client = make_client(name)
    print("{}", flush=True)
    for line in sys.stdin:
        row, *arguments = json.loads(line)
        try:
            answer = run(client, row, arguments)
        except Exception as error:  # noqa: BLE001 - reported to the parent
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
