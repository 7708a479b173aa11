"""A session over a WebSocket on a server that carries the audio: ``python websocket_server.py URL RECORDING``."""

import os
import sys
from contextlib import aclosing, suppress

import anyio

from realtime_transport import FileSource, RealtimeAgent, RealtimeSession
from realtime_transport.session_events import AgentEndEvent, AudioEvent


async def speak(session: RealtimeSession[None], recording: str) -> None:
    async with aclosing(FileSource(recording)) as microphone:
        with suppress(anyio.EndOfStream):
            while True:
                await session.send_audio(await microphone.receive())


async def main() -> None:
    agent = RealtimeAgent(name="Greeter", instructions="Greet the user with cheer and answer questions.")
    session: RealtimeSession[None] = RealtimeSession(agent, transport="websocket", model="gpt-realtime-2.1")
    heard = 0
    async with (
        session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(speak, session, sys.argv[2])
        async for event in session:
            if isinstance(event, AudioEvent):
                heard += len(event.data)  # Play it.
            elif isinstance(event, AgentEndEvent) and event.output:
                break
        tasks.cancel_scope.cancel()
    print(f"{heard / 48_000:.1f} seconds of reply")


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
