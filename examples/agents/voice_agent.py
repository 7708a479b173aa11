"""A voice agent with two tools and a handoff, on trio: ``python voice_agent.py URL RECORDING REPLY``.

The recording is the microphone and the file of the reply the loudspeaker; ``Microphone()`` and ``Speaker()`` of
`realtime_transport` are the real ones.
"""

import os
import sys
from contextlib import aclosing
from typing import Annotated, Literal

import anyio

from realtime_transport import (
    FileSource,
    OpenAIRealtimeWebSocket,
    RealtimeAgent,
    RealtimeSession,
    RunContext,
    ToolContext,
    ToolSettings,
    WavSink,
    function_tool,
    handoff,
)
from realtime_transport.session_events import AgentEndEvent, AgentHandoffEvent, AgentToolEndEvent


@function_tool
async def get_weather(city: Annotated[str, "A town"], unit: Literal["C", "F"] = "C") -> str:
    """Weather for a city."""
    return f"Snow in {city}, {-4 if unit == 'C' else 25} degrees."


@function_tool(timeout=5)
async def find_customer(ctx: ToolContext[str]) -> dict[str, str]:
    """Who is calling."""
    return {"name": ctx.context}


def note(ctx: RunContext[str]) -> None:
    """What happens when the call goes to the billing desk."""
    print(f"({ctx.context} is handed over)")


billing = RealtimeAgent[str](name="Billing", instructions="Handle bills.", handoff_description="Knows invoices.")
front = RealtimeAgent[str](
    name="Front",
    instructions=lambda ctx, agent: f"You are the front desk. {ctx.context} is calling.",
    tools=[get_weather, find_customer],
    handoffs=[handoff(billing, on_handoff=note)],
)


async def main() -> None:
    url, recording, reply = sys.argv[1:4]
    async with aclosing(WavSink(reply)) as speaker:
        wire = OpenAIRealtimeWebSocket(url=url, audio_source=FileSource(recording), audio_sink=speaker)
        once = ToolSettings(respond="all_done")  # One reply for all tools that the model calls at once.
        session = RealtimeSession(front, transport=wire, model="gpt-realtime-2.1", context="Ada", tools=once)
        async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")):
            async for event in session:
                match event:
                    case AgentToolEndEvent(tool=tool, result=result):
                        print(f"{tool.name}: {result}")
                    case AgentHandoffEvent(to_agent=agent):
                        print(f"{agent.name} takes over")
                    case AgentEndEvent(agent=agent, output=text) if text:
                        print(f"{agent.name}: {text}")
                        if agent is billing:
                            break
                    case _:
                        pass


anyio.run(main, backend="trio")
