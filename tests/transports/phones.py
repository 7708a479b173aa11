"""The provider's end of a media stream, and the model's: what the tests of telephone calls share."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
from anyio import wait_all_tasks_blocked

from realtime_transport import TwilioRealtimeTransportLayer
from realtime_transport.testing.links import MemoryServer

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}
MEDIA_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
START = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": MEDIA_FORMAT, "customParameters": {"who": "me"}},
}
RESPONDING = {"type": "response.created", "event_id": "e2", "response": {"id": "r1"}}
SPEECH = {"type": "input_audio_buffer.speech_started", "event_id": "e3", "item_id": "u1", "audio_start_ms": 1}


def media(timestamp: int = 0, audio: bytes = b"\x01" * 160) -> dict[str, Any]:
    payload = base64.b64encode(audio).decode()
    return {"event": "media", "streamSid": "MZ1", "media": {"timestamp": str(timestamp), "payload": payload}}


def mark(name: str) -> dict[str, Any]:
    return {"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}


def delta(size: int, item: str = "it1", **more: Any) -> dict[str, Any]:
    audio = base64.b64encode(b"\x02" * size).decode()
    ids = {"response_id": "r1", "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.delta", "event_id": "d", **ids, "delta": audio, **more}


def audio_done(item: str = "it1") -> dict[str, Any]:
    ids = {"response_id": "r1", "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.done", "event_id": "d", **ids}


class WebSocketDisconnect(Exception):
    """What Starlette raises."""


class ConnectionClosedError(Exception):
    """What websockets raises."""


@attrs.define(eq=False)
class Phone:
    """The provider's end of a socket."""

    to_us: Any = None
    from_us: Any = None
    _mine: Any = None
    _theirs: Any = None

    @classmethod
    def make(cls) -> Phone:
        mine, to_us = anyio.create_memory_object_stream[Any](1000)
        from_us, theirs = anyio.create_memory_object_stream[Any](1000)
        return cls(to_us, theirs, mine, from_us)

    def say(self, *messages: Any) -> None:
        for message in messages:
            text = message if isinstance(message, str | Exception) else json.dumps(message)
            self._mine.send_nowait(text)

    def heard(self) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        while self.from_us.statistics().current_buffer_used:
            got.append(json.loads(self.from_us.receive_nowait()))
        return got

    async def _next(self) -> str:
        message = await self.to_us.receive()
        if isinstance(message, Exception):
            raise message
        return message

    def close(self) -> None:
        for stream in (self.to_us, self.from_us, self._mine, self._theirs):
            stream.close()


class StarletteLike:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def receive_text(self) -> str:
        return await self._phone._next()

    async def send_text(self, data: str) -> None:
        await self._phone._theirs.send(data)


class WebsocketsLike:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def recv(self) -> str:
        return await self._phone._next()

    async def send(self, message: str) -> None:
        await self._phone._theirs.send(message)


def stapled(phone: Phone) -> Any:
    return anyio.streams.stapled.StapledObjectStream(phone._theirs, phone.to_us)


@asynccontextmanager
async def calling(
    server: MemoryServer, socket: Any = None, config: Any = None, **options: Any
) -> AsyncGenerator[tuple[TwilioRealtimeTransportLayer, Phone]]:
    phone = Phone.make()
    given = (socket or StarletteLike)(phone)
    server.send(CREATED)
    transport = TwilioRealtimeTransportLayer(
        given, connector=server.connector, api_key="sk-test", ping_interval=None, update_timeout=0, **options
    )
    try:
        async with transport.connect(initial_session_config=config):
            await wait_all_tasks_blocked()
            server.received.clear()
            yield transport, phone
    finally:
        phone.close()


async def settled(phone: Phone) -> list[dict[str, Any]]:
    await wait_all_tasks_blocked()
    return phone.heard()
