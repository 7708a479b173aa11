"""A bare Realtime-like server in a process of its own, which floods the client and then interrupts.

It speaks just enough for a client to believe in a session, so that what is measured is the client:
``?barge_in=N&calls=M`` calls M functions, sends N audio deltas of 100 ms, and says that speech has started.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

DELTA_BYTES = 4800  # 100 ms of 24 kHz PCM


def created() -> str:
    return json.dumps({"type": "session.created", "event_id": "e0", "session": {"type": "realtime", "id": "s"}})


def audio_delta(number: int, response: str = "resp_1") -> str:
    return json.dumps(
        {
            "type": "response.output_audio.delta",
            "event_id": f"event_{number}",
            "response_id": response,
            "item_id": "item_1",
            "output_index": 0,
            "content_index": 0,
            "delta": base64.b64encode(os.urandom(DELTA_BYTES)).decode(),
        }
    )


async def handle(connection: ServerConnection) -> None:
    query = parse_qs(urlsplit(connection.request.path).query)  # type: ignore[union-attr]
    with contextlib.suppress(ConnectionClosed):  # Whoever has seen enough leaves.
        await connection.send(created())
        if "barge_in" in query:
            await barge_in(connection, int(query["barge_in"][0]), int(query.get("calls", "0")[0]))
        await connection.wait_closed()


async def barge_in(connection: ServerConnection, deltas: int, calls: int) -> None:
    """Flood *deltas* audio deltas, let them be read, say that speech has started, report when the truncation came."""
    detection = {"type": "server_vad", "interrupt_response": True}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    await connection.send(json.dumps({"type": "session.updated", "event_id": "e1", "session": session}))
    while orjson.loads(await connection.recv())["type"] != "input_audio_buffer.clear":
        pass
    await connection.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
    for number in range(calls):
        item = {"type": "function_call", "id": f"f{number}", "call_id": f"c{number}", "name": "wait", "arguments": "{}"}
        done = {"type": "response.output_item.done", "response_id": "resp_1", "item": {**item, "status": "completed"}}
        await connection.send(json.dumps(done))
    words = {"response_id": "resp_1", "item_id": "item_1", "delta": "word " * 30}
    await connection.send(json.dumps({"type": "response.output_audio_transcript.delta", **words}))
    for number in range(deltas):
        await connection.send(audio_delta(number))
    await asyncio.sleep(0.5)
    said = time.monotonic()
    started = {"type": "input_audio_buffer.speech_started", "event_id": "s", "audio_start_ms": 0, "item_id": "u"}
    await connection.send(json.dumps(started))
    while orjson.loads(await connection.recv())["type"] != "conversation.item.truncate":
        pass
    report = {"type": "benchmark.report", "said": said, "on_wire": time.monotonic()}
    await connection.send(json.dumps(report))


async def main() -> None:
    async with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # Until our parent is gone.


@contextmanager
def server_process() -> Iterator[str]:
    """Run the server in a process; gives ``ws://127.0.0.1:PORT``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.session_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.communicate()


if __name__ == "__main__":
    asyncio.run(main())
