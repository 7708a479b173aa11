"""A first voice agent over WebRTC, with a client secret: ``python quickstart.py BASE_URL [RECORDING REPLY]``.

Without the files it takes the default microphone and loudspeaker.
"""

import os
import sys
from typing import Any

import anyio

from realtime_transport import (
    FileSource,
    OpenAIRealtimeWebRTC,
    RealtimeAgent,
    RealtimeRestClient,
    RealtimeSession,
    WavSink,
)
from realtime_transport.session_events import AgentEndEvent


async def main() -> None:
    base_url, files = sys.argv[1], sys.argv[2:4]
    ends: dict[str, Any] = {"audio_source": FileSource(files[0]), "audio_sink": WavSink(files[1])} if files else {}
    agent = RealtimeAgent(name="Assistant", instructions="You are a helpful assistant.")
    async with RealtimeRestClient(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), base_url=base_url) as rest:
        secret = await rest.create_client_secret(session={"type": "realtime", "model": "gpt-realtime-2.1"})
    transport = OpenAIRealtimeWebRTC(base_url=base_url, **ends)
    session = RealtimeSession(agent, transport=transport, model="gpt-realtime-2.1")
    async with session.connect(api_key=secret.value):
        print("You are connected!")
        async for event in session:
            if isinstance(event, AgentEndEvent) and event.output:
                print(event.output)
                break


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
