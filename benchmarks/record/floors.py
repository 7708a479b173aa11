"""Bare loops: A over websockets, orjson and base64; B over picows, orjson and pybase64."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson


class FloorA:
    """``websockets`` with its defaults but for compression and the size limit."""

    backend = "asyncio"

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from websockets.asyncio.client import connect

        async with connect(url, compression=None, max_size=None) as socket:
            assert orjson.loads(await socket.recv())["type"] == "session.created"
            yield socket

    async def send(self, socket: Any, audio: bytes) -> None:
        encoded = base64.b64encode(audio).decode()
        await socket.send(orjson.dumps({"type": "input_audio_buffer.append", "audio": encoded}), text=True)

    async def receive(self, socket: Any, stop: str) -> int:
        total = 0
        async for message in socket:
            event = orjson.loads(message)
            kind = event["type"]
            if kind == "response.output_audio.delta":
                total += len(base64.b64decode(event["delta"]))
            if kind == stop:
                break
        return total

    async def listen(self, socket: Any, stop: str, heard: Any, each: Any) -> None:
        async for message in socket:
            event = orjson.loads(message)
            kind = event["type"]
            if kind == "response.output_audio.delta":
                base64.b64decode(event["delta"])
                await each()
            elif kind == "input_audio_buffer.speech_started":
                await socket.send('{"type": "conversation.item.truncate"}')
                heard()
            elif kind == stop:
                break


class _Listener:
    def __init__(self) -> None:
        from picows import WSListener, WSMsgType

        text = WSMsgType.TEXT
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        class Listener(WSListener):
            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                if frame.msg_type == text:
                    queue.put_nowait(frame.get_payload_as_bytes())

        self.make, self.queue, self.text = Listener, queue, text


class FloorB:
    """picows: the least that Python seems to need."""

    backend = "asyncio"

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from picows import ws_connect

        listener = _Listener()
        transport, _ = await ws_connect(listener.make, url)
        listener.transport = transport  # type: ignore[attr-defined]
        assert orjson.loads(await listener.queue.get())["type"] == "session.created"
        try:
            yield listener
        finally:
            transport.send_close(1000)
            await transport.wait_disconnected()

    async def send(self, listener: Any, audio: bytes) -> None:
        import pybase64

        encoded = pybase64.b64encode_as_string(audio)
        message = orjson.dumps({"type": "input_audio_buffer.append", "audio": encoded})
        listener.transport.send(listener.text, message)

    async def receive(self, listener: Any, stop: str) -> int:
        import pybase64

        total, queue = 0, listener.queue
        while True:
            event = orjson.loads(await queue.get())
            kind = event["type"]
            if kind == "response.output_audio.delta":
                total += len(pybase64.b64decode(event["delta"], validate=True))
            if kind == stop:
                return total

    async def listen(self, listener: Any, stop: str, heard: Any, each: Any) -> None:
        while True:
            event = orjson.loads(await listener.queue.get())
            kind = event["type"]
            if kind == "response.output_audio.delta":
                await each()
            elif kind == "input_audio_buffer.speech_started":
                listener.transport.send(listener.text, b'{"type": "conversation.item.truncate"}')
                heard()
            elif kind == stop:
                return
