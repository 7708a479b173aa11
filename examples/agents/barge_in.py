"""A tool that is cancelled when the user interrupts: ``python barge_in.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent, AgentToolEndEvent, AgentToolStartEvent, ToolCancelledEvent


@function_tool(when_interrupted="cancel")
async def search(topic: str) -> str:
    """Search for a very long time."""
    await anyio.sleep_forever()
    return topic


async def main() -> None:
    agent = RealtimeAgent(name="Searcher", tools=[search])
    session = RealtimeSession(agent, transport=wire.chosen(), model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message('/call search {"topic": "whales"}')
        async for event in session:
            match event:
                case AgentToolStartEvent():
                    session.interrupt()  # As speech of the user does.
                case ToolCancelledEvent(tool=tool, reason=reason):
                    print(f"{tool.name} was cancelled: {reason}")
                case AgentToolEndEvent():  # The model has its answer.
                    await session.send_message("Never mind.")
                case AgentEndEvent(output=text) if text:
                    print(text)
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
