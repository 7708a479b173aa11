"""Other Python SDKs, each used as its documentation says."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
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


class LiveKit:
    """``livekit-plugins-openai``: a session of `RealtimeModel`, its generations read as an agent session does."""

    backend = "asyncio"

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        import aiohttp
        from livekit import rtc
        from livekit.plugins.openai.realtime import RealtimeModel

        async with aiohttp.ClientSession() as http:
            model = RealtimeModel(model="gpt-realtime", base_url=url, api_key="sk-benchmark", http_session=http)
            session: Any = model.session()
            created, queue, tasks = asyncio.Event(), asyncio.Queue[Any](), set[asyncio.Task[None]]()

            async def read(generation: Any) -> None:
                async for message in generation.message_stream:
                    async for frame in message.audio_stream:
                        queue.put_nowait(frame)

            def begin(generation: Any) -> None:
                task = asyncio.create_task(read(generation))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            def receive(event: dict[str, Any]) -> None:
                kind = event["type"]
                if kind == "session.created":
                    created.set()
                elif kind in (*STOPS, "input_audio_buffer.speech_started"):
                    queue.put_nowait(event)

            session.on("generation_created", begin)
            session.on("openai_server_event_received", receive)
            await created.wait()
            session.queue, session.frames = queue, self.frames(rtc)
            try:
                yield session
            finally:
                await session.aclose()
                for task in tasks:
                    task.cancel()

    def frames(self, rtc: Any) -> Callable[[bytes], list[Any]]:
        """Audio as frames of theirs. Five of 20 ms are one message, so the first one brings four more along."""
        first = True

        def frames(audio: bytes) -> list[Any]:
            nonlocal first
            count, first = 5 if first else 1, False
            return [rtc.AudioFrame(audio, 24000, 1, len(audio) // 2)] * count

        return frames

    async def send(self, session: Any, audio: bytes) -> None:
        for frame in session.frames(audio):
            session.push_audio(frame)

    async def receive(self, session: Any, stop: str) -> int:
        total, stopped = 0, False
        while not stopped or not session.queue.empty():
            event = await session.queue.get()
            if isinstance(event, dict):
                stopped = event["type"] == stop
            else:
                total += len(event.data) * 2
            if stopped:
                await asyncio.sleep(0)  # The frames before it come by a task of their own.
        return total

    async def listen(self, session: Any, stop: str, heard: Any, each: Any) -> None:
        def interrupt(_event: Any) -> None:
            session.truncate(message_id="i", modalities=["audio"], audio_end_ms=1)
            heard()

        session.on("input_speech_started", interrupt)
        while True:
            event = await session.queue.get()
            if not isinstance(event, dict):
                await each()
            elif event["type"] == stop:
                return


STOPS = ("response.output_audio.done", "input_audio_buffer.cleared")

PEERS: dict[str, Any] = {"openai": OpenAIPython, "agents": AgentsModel, "livekit": LiveKit}

LEFT_OUT = {("livekit", "echo"), ("livekit", "late-200")}
"""Rows that a client cannot run: LiveKit takes no audio without a response, and joins five frames of 20 ms."""
