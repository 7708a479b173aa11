"""Media ends of one's own over WebRTC: ``python own_media.py URL RECORDING REPLY``."""

import os
import sys
from contextlib import aclosing

import anyio

from realtime_transport import FileSource, OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession, WavSink
from realtime_transport.session_events import AgentEndEvent


async def main() -> None:
    url, recording, reply = sys.argv[1:4]
    agent = RealtimeAgent(name="Greeter", instructions="Greet the user with cheer and answer questions.")
    async with aclosing(WavSink(reply)) as speaker:
        transport = OpenAIRealtimeWebRTC(audio_source=FileSource(recording), audio_sink=speaker)
        session = RealtimeSession(agent, transport=transport, model="gpt-realtime-2.1")
        async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=url):
            async for event in session:
                if isinstance(event, AgentEndEvent) and event.output:
                    print(event.output)
                    await speaker.drain()
                    break


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
