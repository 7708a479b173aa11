"""A bare server in a process of its own: it configures any session, floods the client with a reply, and is spoken to.

``?deltas=N`` answers each ``response.create`` by N pieces of audio of 100 ms at once. ``?speech=1`` then says that the
user speaks, and reports how long it took until the client told it where to cut.
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
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

DELTA_BYTES = 4800


def text(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "e", **fields})


def reply(number: int, deltas: int) -> list[str]:
    ids = {"response_id": f"r{number}", "item_id": f"i{number}", "output_index": 0, "content_index": 0}
    audio = base64.b64encode(os.urandom(DELTA_BYTES)).decode()
    return [text("response.output_audio.delta", **ids, delta=audio) for _ in range(deltas)]


def response(number: int, metadata: Any, status: str, **more: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "object": "realtime.response", "status": status, "metadata": metadata, **more}


async def handle(connection: ServerConnection) -> None:
    query = parse_qs(urlsplit(connection.request.path).query)  # type: ignore[union-attr]
    deltas, speech = int(query["deltas"][0]), "speech" in query
    session = {"type": "realtime", "id": "s", "model": "gpt-realtime-2.1"}
    await connection.send(text("session.created", session=session))
    number = 0
    said = 0.0
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            event = orjson.loads(message)
            match event["type"]:
                case "session.update":
                    await connection.send(text("session.updated", session=session))
                case "response.create":
                    number += 1
                    said = await answer(connection, number, event, deltas, speech=speech)
                case "conversation.item.truncate":
                    late = time.monotonic() - said
                    error = {"type": "report", "code": "report", "message": str(late), "param": None, "event_id": None}
                    await connection.send(text("error", error=error))
                case _:
                    pass


async def answer(connection: ServerConnection, number: int, event: Any, deltas: int, *, speech: bool) -> float:
    metadata = event.get("response", {}).get("metadata")
    await connection.send(text("response.created", response=response(number, metadata, "in_progress")))
    for piece in reply(number, deltas):
        await connection.send(piece)
    if speech:
        await asyncio.sleep(0.05)  # The client has read it all: what is measured is the interruption.
        said = time.monotonic()
        await connection.send(text("input_audio_buffer.speech_started", audio_start_ms=0, item_id=f"u{number}"))
        return said
    done = response(number, metadata, "completed", status_details=None, output=[], usage=None)
    await connection.send(text("response.done", response=done))
    return 0.0


async def serve_until_closed() -> None:
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def server_process() -> Iterator[str]:
    """A server in a process of its own; its base URL."""
    command = [sys.executable, "-m", "benchmarks.adapter_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
        process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve_until_closed())
