"""Talk to an agent of openai-agents: ``python voice.py``, or ``python voice.py URL QUESTION.wav REPLY.wav``.

Without arguments: the default microphone and loudspeaker, and the service. Otherwise the recording is the microphone,
at the pace of real time, and a file the loudspeaker. The transport captures and plays; the agent calls a tool.
"""

import asyncio
import os
import sys

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

from realtime_transport import FileSource, OpenAIRealtimeWebRTC, PacedSink, WavSink
from realtime_transport.adapters.openai_agents import TransportRealtimeModel


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"Snow in {city}, -4 degrees."


agent = RealtimeAgent[None](name="Forecaster", instructions="Tell the weather. Be brief.", tools=[get_weather])


async def talk(transport: OpenAIRealtimeWebRTC, turns: float) -> None:
    """Talk until the agent has had so many *turns*."""
    runner = RealtimeRunner(agent, model=TransportRealtimeModel(transport))
    async with await runner.run(model_config={"api_key": os.environ.get("OPENAI_API_KEY", "sk-local")}) as session:
        async for event in session:
            if event.type == "tool_end":
                print(f"{event.tool.name} returned {event.output!r}")
            elif event.type == "audio_interrupted":
                print("interrupted")
            elif event.type == "agent_end":
                turns -= 1
                if turns <= 0:
                    return


async def main() -> None:
    if len(sys.argv) == 1:
        await talk(OpenAIRealtimeWebRTC(), turns=float("inf"))
        return
    url, question, reply = sys.argv[1:]
    loudspeaker = PacedSink(WavSink(reply))
    await talk(OpenAIRealtimeWebRTC(base_url=url, audio_source=FileSource(question), audio_sink=loudspeaker), turns=2)
    await loudspeaker.aclose()


if __name__ == "__main__":
    asyncio.run(main())
