"""A session on a transport of one's own: ``python custom_transport.py URL``.

The transport is `OpenAIRealtimeBase` on a *connector*, which opens a link of any kind; this one wraps a WebSocket.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

import realtime_transport as rt
from realtime_transport import OpenAIRealtimeBase, RealtimeAgent, RealtimeSession
from realtime_transport.session_events import AgentEndEvent


@asynccontextmanager
async def through_my_network(request: rt.ConnectRequest) -> AsyncGenerator[rt.Link]:
    print("connecting")
    async with rt.connect_websocket(request) as link:
        yield link
    print("gone")


async def main() -> None:
    transport = OpenAIRealtimeBase(connector=through_my_network, url=sys.argv[1])
    session = RealtimeSession(RealtimeAgent(name="Greeter"), transport=transport, model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")):
        await session.send_message("Hello")
        async for event in session:
            if isinstance(event, AgentEndEvent):
                print(event.output)
                break


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
