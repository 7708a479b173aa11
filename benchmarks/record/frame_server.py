"""A server of frames made beforehand, in a process of its own: what is measured is the client.

The path of the URL says what a connection does, once the client has sent its first audio:

- ``/deltas/N/MS``: N audio deltas of MS milliseconds, as fast as the client reads.
- ``/groups/N``: N groups of five deltas of 20 ms, a group every 10 ms (ten times real time).
- ``/count/MS``: answers when MS milliseconds of audio have come.
- ``/echo``: one delta of 20 ms for every append.
- ``/paced/N``: a delta of 20 ms every 20 ms, N times, while the lateness of what comes is noted.
- ``/barge/TIMES/DELTAS/MS``: TIMES a response of DELTAS deltas, and MS milliseconds later the word that speech began.
- ``/idle``: nothing.

``GET /report`` tells what was noted since the last report, as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import orjson
from websockets.frames import apply_mask

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
INTERVAL = 0.02
BYTES_PER_MS = 48  # 24 kHz, 16 bits
CHUNK = 64 * 1024
HIGH_WATER = 1024 * 1024

notes: dict[str, list[float]] = {"late_ms": [], "said": []}


def frame(event: dict[str, Any], opcode: int = 0x81) -> bytes:
    payload = orjson.dumps(event)
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def delta(number: int, ms: int, response: str = "resp_1") -> bytes:
    return frame(
        {
            "type": "response.output_audio.delta",
            "event_id": f"event_{number}",
            "response_id": response,
            "item_id": f"item_{response}",
            "output_index": 0,
            "content_index": 0,
            "delta": base64.b64encode(os.urandom(ms * BYTES_PER_MS)).decode(),
        }
    )


def response_of(identifier: str, status: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "object": "realtime.response",
        "status": status,
        "status_details": None,
        "output": [],
        "conversation_id": "conv_1",
        "metadata": None,
    }


SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Speak like a pirate. " * 20,
    "tools": [],
    "tool_choice": "auto",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "interrupt_response": True, "create_response": True},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
}
ITEM = {"id": "item_1", "object": "realtime.item", "type": "message", "status": "in_progress", "role": "assistant"}
CREATED = frame({"type": "session.created", "event_id": "e0", "session": SESSION})
UPDATED = frame({"type": "session.updated", "event_id": "e1", "session": SESSION})
BEGIN = frame({"type": "response.created", "event_id": "e2", "response": response_of("resp_1", "in_progress")}) + frame(
    {
        "type": "response.output_item.added",
        "event_id": "e3",
        "response_id": "resp_1",
        "output_index": 0,
        "item": {**ITEM, "id": "item_resp_1", "content": []},
    }
)
DONE = frame(
    {
        "type": "response.output_audio.done",
        "event_id": "last",
        "response_id": "resp_1",
        "item_id": "item_resp_1",
        "output_index": 0,
        "content_index": 0,
    }
) + frame({"type": "response.done", "event_id": "end", "response": response_of("resp_1", "completed")})
CLEARED = frame({"type": "input_audio_buffer.cleared", "event_id": "last"})
DELTAS = {ms: [delta(number, ms) for number in range(50)] for ms in (20, 100)}


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.open = False
        self.mode: list[str] = []
        self.started = False
        self.audio_ms = 0.0
        self.arrivals: list[float] = []
        self.blocked = False
        self.waiting: deque[bytes] = deque()
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self.tasks:
            task.cancel()
        self.note_arrivals()

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self.pump()

    def pump(self) -> None:
        while self.waiting and not self.blocked:
            self.transport.write(self.waiting.popleft())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open:
            self.shake_hands()
        while self.open and self.take_frame():
            pass

    def shake_hands(self) -> None:
        head, found, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not found:
            return
        self.buffer = bytearray(rest)
        path = head.split(b" ", 2)[1].decode().partition("?")[0]
        if path == "/report":
            body = json.dumps(notes).encode()
            for values in notes.values():
                values.clear()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
            )
            self.transport.close()
            return
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if b": " in line)
        exact = head[head.lower().index(b"sec-websocket-key: ") + 19 :].split(b"\r\n", 1)[0]
        accept = base64.b64encode(hashlib.sha1(exact + GUID, usedforsecurity=False).digest())
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n" % accept
        )
        if b"sec-websocket-protocol" in headers:
            answer += b"Sec-WebSocket-Protocol: realtime\r\n"
        self.mode = path.removesuffix("/realtime").strip("/").split("/")
        self.open = True
        self.transport.write(answer + b"\r\n" + CREATED)

    def take_frame(self) -> bool:
        buffer = self.buffer
        if len(buffer) < 6:
            return False
        size, at = buffer[1] & 127, 6
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 8
        elif size == 127:
            size, at = int.from_bytes(buffer[2:10], "big"), 14
        if len(buffer) < at + size:
            return False
        opcode = buffer[0] & 15
        payload = apply_mask(bytes(buffer[at : at + size]), bytes(buffer[at - 4 : at]))
        del buffer[: at + size]
        if opcode == 8:
            self.open = False
            self.transport.write(bytes((0x88, len(payload))) + payload)
            self.transport.close()
        elif opcode == 9:
            self.transport.write(bytes((0x8A, len(payload))) + payload)
        elif opcode < 3:
            self.receive(payload)
        return True

    def receive(self, payload: bytes) -> None:
        if b"session.update" in payload[:400] and b"input_audio_buffer.append" not in payload:
            self.transport.write(UPDATED)
        if b"input_audio_buffer.append" not in payload:
            return
        name = self.mode[0]
        if name == "echo":
            self.transport.write(DELTAS[20][0])
        elif name == "paced":
            self.arrivals.append(time.monotonic())
        elif name == "count":
            self.audio_ms += len(orjson.loads(payload)["audio"]) * 3 / 4 / BYTES_PER_MS
            if self.audio_ms >= int(self.mode[1]) - 0.5:
                self.transport.write(CLEARED)
        if not self.started:
            self.started = True
            begin = getattr(self, f"begin_{name}", None)
            if begin is not None:
                begin(*map(int, self.mode[1:]))

    def begin_deltas(self, count: int, ms: int) -> None:
        frames = DELTAS[ms]
        self.waiting.append(BEGIN)
        whole = b"".join(frames)
        self.waiting.extend([whole] * (count // len(frames)))
        self.waiting.append(b"".join(frames[: count % len(frames)]) + DONE)
        self.pump()

    def begin_groups(self, count: int) -> None:
        self.transport.write(BEGIN)
        self.paced(count, 0.01, b"".join(DELTAS[20][:5]), self.loop.time())

    def begin_paced(self, count: int) -> None:
        self.transport.write(BEGIN)
        self.paced(count, INTERVAL, DELTAS[20][0], self.loop.time())

    def paced(self, left: int, interval: float, data: bytes, due: float) -> None:
        if self.transport.is_closing():
            return
        if not left:
            self.transport.write(DONE)
            self.note_arrivals()
            return
        self.transport.write(data)
        due += interval
        self.loop.call_at(due, self.paced, left - 1, interval, data, due)

    def note_arrivals(self) -> None:
        arrivals, self.arrivals = self.arrivals, []
        if len(arrivals) > 10:
            starts = [moment - index * INTERVAL for index, moment in enumerate(arrivals)]
            best = min(starts)
            notes["late_ms"] += [(start - best) * 1000 for start in starts]

    def begin_barge(self, times: int, deltas: int, ms: int) -> None:
        self.tasks.add(self.loop.create_task(self.barge(times, deltas, ms / 1000)))

    async def barge(self, times: int, deltas: int, pause: float) -> None:
        write = self.transport.write
        for number in range(times):
            identifier = f"resp_b{number}"
            created = {"type": "response.created", "event_id": "c", "response": response_of(identifier, "in_progress")}
            item = {**ITEM, "id": f"item_{identifier}", "content": []}
            added = {
                "type": "response.output_item.added",
                "event_id": "a",
                "response_id": identifier,
                "output_index": 0,
                "item": item,
            }
            write(frame(created) + frame(added) + b"".join(delta(n, 20, identifier) for n in range(deltas)))
            await asyncio.sleep(pause)
            started = {
                "type": "input_audio_buffer.speech_started",
                "event_id": "s",
                "audio_start_ms": 0,
                "item_id": "u",
            }
            data = frame(started)
            notes["said"].append(time.monotonic())
            write(data)
            await asyncio.sleep(0.01)
            write(frame({"type": "response.done", "event_id": "d", "response": response_of(identifier, "cancelled")}))
        await asyncio.sleep(0.05)
        write(DONE)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # Until our parent is gone.
    server.close()


@contextmanager
def frame_server() -> Iterator[str]:
    """Run the server in a process; gives ``127.0.0.1:PORT``."""
    command = [sys.executable, "-m", "benchmarks.record.frame_server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.communicate()


def report(address: str) -> dict[str, list[float]]:
    """What the server has noted since the last time."""
    with urllib.request.urlopen(f"http://{address}/report") as response:
        return json.loads(response.read())


if __name__ == "__main__":
    asyncio.run(main())
