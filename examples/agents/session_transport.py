"""Beneath a session, its transport: ``python session_transport.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession, RealtimeSessionEmitter


async def main() -> None:
    session = RealtimeSession(RealtimeAgent(name="Greeter"), transport=wire.chosen(), model="gpt-realtime-2.1")
    done = anyio.Event()
    async with RealtimeSessionEmitter(session) as emitter:
        emitter.transport.on("*", lambda message: print(message["type"]))
        emitter.transport.once("response.done", lambda event: done.set())
        await emitter.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1])
        emitter.send_message("Hello", trigger_response=False)
        emitter.transport.send_event({"type": "response.create", "response": {"instructions": "Be brief."}})
        await done.wait()


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
