"""An agent with a tool: ``python tool.py URL [webrtc]``.

The messages are directives to the emulator, which calls what it is told to call; ask a model for the weather instead.
"""

import os
import sys
from typing import Literal

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent, AgentToolEndEvent


@function_tool
async def get_weather(city: str, unit: Literal["C", "F"] = "C") -> str:
    """The weather in a city."""
    return f"Snow in {city}, {-4 if unit == 'C' else 25} degrees."


async def main() -> None:
    agent = RealtimeAgent(name="Forecaster", instructions="Tell the weather.", tools=[get_weather])
    session = RealtimeSession(agent, transport=wire.chosen(), model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message('/call get_weather {"city": "Oslo"}')
        async for event in session:
            match event:
                case AgentToolEndEvent(tool=tool, result=result):
                    print(f"{tool.name} returned {result!r}")
                case AgentEndEvent(output=text) if text:
                    print(f"{event.agent.name}: {text}")
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
