"""One agent hands over to another: ``python handoff.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeAgent, RealtimeSession
from realtime_transport.session_events import AgentEndEvent, AgentHandoffEvent


async def main() -> None:
    billing = RealtimeAgent(name="Billing", instructions="Handle bills.", handoff_description="Knows invoices.")
    front = RealtimeAgent(name="Front", instructions="Greet and route callers.", handoffs=[billing])
    session = RealtimeSession(front, transport=wire.chosen(), model="gpt-realtime-2.1")
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message("/call transfer_to_Billing {}")
        async for event in session:
            match event:
                case AgentHandoffEvent(from_agent=before, to_agent=after):
                    print(f"{before.name} hands over to {after.name}")
                case AgentEndEvent(agent=agent, output=text) if text:
                    print(f"{agent.name}: {text}")
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
