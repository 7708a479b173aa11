"""This package, used as the README says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

STOPS = {
    "response.output_audio.done": "AudioDoneEvent",
    "response.output_audio.delta": "AudioEvent",
    "input_audio_buffer.cleared": "InputAudioBufferCleared",
}


class Ours:
    """`OpenAIRealtimeWebSocket` with its defaults."""

    def __init__(self, backend: str) -> None:
        self.backend = backend

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from realtime_transport import OpenAIRealtimeWebSocket

        async with OpenAIRealtimeWebSocket(url=url).connect(api_key="sk-benchmark") as transport:
            yield transport

    async def send(self, transport: Any, audio: bytes) -> None:
        await transport.send_audio(audio)

    async def receive(self, transport: Any, stop: str) -> int:
        from realtime_transport import events, server_events

        total, audio = 0, events.AudioEvent
        last = getattr(events, STOPS[stop], None) or getattr(server_events, STOPS[stop])
        async for event in transport:
            if isinstance(event, audio):
                total += len(event.data)
            if isinstance(event, last):
                break
        return total

    async def listen(self, transport: Any, stop: str, heard: Any, each: Any) -> None:
        from realtime_transport.events import AudioDoneEvent, AudioEvent, AudioInterruptedEvent

        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                async with transport.subscribe(AudioInterruptedEvent) as interruptions:
                    async for _ in interruptions:
                        heard()

            tasks.start_soon(watch)
            async for event in transport:
                if isinstance(event, AudioEvent):
                    await each()
                elif isinstance(event, AudioDoneEvent) and not event.item_id.startswith("item_resp_b"):
                    break
            tasks.cancel_scope.cancel()
