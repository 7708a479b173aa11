"""An agent of pydantic-ai in a WebRTC call: ``python webrtc_call.py URL RECORDING.wav REPLY.wav``.

The recording is the microphone and a file the loudspeaker; leave both arguments of the transport out for the devices of
the machine. Sound does not go through the session, so there are no loops: the transport sends and plays it, and stops
playing when the user speaks.
"""

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.messages import SpeechPart

from realtime_transport import FileSource, OpenAIRealtimeWebRTC, WavSink
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel

agent = Agent(instructions="You tell sailors about the tides. Be brief.")


@agent.tool_plain
async def next_high_tide(harbour: str) -> str:
    """When the water is highest next."""
    return f"High water at {harbour}: 17:40."


async def main(url: str, recording: str, reply: str) -> None:
    source, sink = FileSource(recording), WavSink(reply)
    transport = OpenAIRealtimeWebRTC(
        model="gpt-realtime-2.1",
        api_key=os.environ.get("OPENAI_API_KEY", "sk-local"),
        base_url=url,
        audio_source=source,
        audio_sink=sink,
    )
    async with agent.realtime(TransportRealtimeModel(transport)).session() as session:
        async for event in session:
            if event.event_kind == "realtime_output_speech_end":
                break  # The server has played the reply to its end.
        for message in session.all_messages():
            for part in message.parts:
                if isinstance(part, SpeechPart):
                    print(f"{part.speaker}: {part.transcript}")
    await source.aclose()
    await sink.aclose()
    print(f"{sink.samples_played / sink.format.rate:.1f} seconds of reply in {reply}")


if len(sys.argv) != 4:
    sys.exit("usage: python webrtc_call.py URL IN.wav OUT.wav (`realtime-transport serve` prints a URL)")
asyncio.run(main(*sys.argv[1:]))
