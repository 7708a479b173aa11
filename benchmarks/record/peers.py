"""Other Python SDKs, each used as its documentation says."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class OpenAIPython:
    """``openai``: `client.realtime.connect`."""

    backend = "asyncio"

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from openai import AsyncOpenAI

        base = url.removesuffix("/realtime")
        client = AsyncOpenAI(api_key="sk-benchmark", websocket_base_url=base)
        async with client.realtime.connect(model="gpt-realtime") as connection:
            assert (await connection.recv()).type == "session.created"
            yield connection

    async def send(self, connection: Any, audio: bytes) -> None:
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio).decode())

    async def receive(self, connection: Any, stop: str) -> int:
        total = 0
        async for event in connection:
            if event.type == "response.output_audio.delta":
                total += len(base64.b64decode(event.delta))
            if event.type == stop:
                break
        return total

    async def listen(self, connection: Any, stop: str, heard: Any, each: Any) -> None:
        async for event in connection:
            if event.type == "response.output_audio.delta":
                base64.b64decode(event.delta)
                await each()
            elif event.type == "input_audio_buffer.speech_started":
                await connection.conversation.item.truncate(item_id="i", content_index=0, audio_end_ms=0)
                heard()
            elif event.type == stop:
                break


class AgentsModel:
    """``openai-agents``: `OpenAIRealtimeWebSocketModel` with a listener."""

    backend = "asyncio"

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from agents.realtime import OpenAIRealtimeWebSocketModel

        class Listener:
            async def on_event(self, event: Any) -> None:
                await queue.put(event)

        queue: asyncio.Queue[Any] = asyncio.Queue()
        model = OpenAIRealtimeWebSocketModel()
        model.add_listener(Listener())
        await model.connect({"api_key": "sk-benchmark", "url": url, "initial_model_settings": {}})
        model.queue = queue  # type: ignore[attr-defined]
        try:
            yield model
        finally:
            await model.close()

    async def send(self, model: Any, audio: bytes) -> None:
        from agents.realtime import RealtimeModelSendAudio

        await model.send_event(RealtimeModelSendAudio(audio=audio))

    async def receive(self, model: Any, stop: str) -> int:
        total = 0
        while True:
            event = await model.queue.get()
            if event.type == "audio":
                total += len(event.data)
                if stop == "response.output_audio.delta":
                    return total
            elif _wire_type(event) == stop:
                return total

    async def listen(self, model: Any, stop: str, heard: Any, each: Any) -> None:
        while True:
            event = await model.queue.get()
            if event.type == "audio":
                await each()
            elif event.type == "audio_interrupted":
                heard()
            elif _wire_type(event) == stop:
                return


def _wire_type(event: Any) -> str:
    return event.data.get("type", "") if event.type == "raw_server_event" else ""


PEERS: dict[str, Any] = {"openai": OpenAIPython, "agents": AgentsModel}
