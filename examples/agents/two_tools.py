"""Two tools in one response, at the same time: ``python two_tools.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession
from realtime_transport.session_events import AgentEndEvent, AgentToolEndEvent


async def get_time(city: str) -> str:
    """The time in a city."""
    return f"Noon in {city}."


async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Snow in {city}."


async def main() -> None:
    agent = RealtimeAgent(name="Guide", tools=[get_time, get_weather])
    session = RealtimeSession(agent, transport=wire.chosen(), model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message('/call get_time {"city": "Oslo"}\n/call get_weather {"city": "Oslo"}')
        async for event in session:
            match event:
                case AgentToolEndEvent():
                    print(event.event_name, event.tool.name)
                case AgentEndEvent(output=text) if "Noon" in text or "Snow" in text:
                    print(text)
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
