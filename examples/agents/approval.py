"""A tool that asks first: ``python approval.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent, ToolApprovalRequestedEvent


@function_tool(needs_approval=True)
async def pay(euros: int) -> str:
    """Pay an amount."""
    return f"{euros} euros were paid."


async def main() -> None:
    agent = RealtimeAgent(name="Cashier", tools=[pay])
    session = RealtimeSession(agent, transport=wire.chosen(), model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message('/call pay {"euros": 20}')
        async for event in session:
            match event:
                case ToolApprovalRequestedEvent(approval=asked):
                    print(f"may {asked.tool_name}({asked.arguments}) run? yes")
                    await session.approve(asked)
                case AgentEndEvent(output=text) if text:
                    print(text)
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
