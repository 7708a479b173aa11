"""pydantic-ai's quickstart over our WebSocket: ``python quickstart.py URL RECORDING.wav``.

One agent, one session, and three loops: the microphone (a recording takes its place), the loudspeaker, and a log of
what is said. All of it is pydantic-ai; one line names the transport.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import anyio
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.realtime import RealtimeSession

from realtime_transport import FileSource, OpenAIRealtimeWebSocket
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel

agent = Agent(instructions="You tell sailors about the tides. Be brief.")


@agent.tool_plain
async def next_high_tide(harbour: str) -> str:
    """When the water is highest next."""
    return f"High water at {harbour}: 17:40."


async def stream_microphone(session: RealtimeSession, recording: str) -> None:
    source = FileSource(recording, block_ms=100)
    with contextlib.suppress(anyio.EndOfStream):
        while True:
            await session.send(BinaryContent(await source.receive(), media_type="audio/pcm"))
            await asyncio.sleep(0.1)
    await source.aclose()


async def play(chunks: AsyncIterator[bytes], heard: bytearray) -> None:
    async for chunk in chunks:
        heard.extend(chunk)  # An application gives it to a loudspeaker here.


async def main(url: str, recording: str) -> None:
    key = os.environ.get("OPENAI_API_KEY", "sk-local")
    model = TransportRealtimeModel(OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=url, api_key=key))
    heard = bytearray()
    async with agent.realtime(model).session() as session:
        microphone = asyncio.create_task(stream_microphone(session, recording))
        loudspeaker = asyncio.create_task(play(session.stream_audio(), heard))
        async for part in session.stream_transcripts():
            print(f"{part.speaker}: {part.transcript}")
            if part.speaker == "assistant":
                break  # A conversation goes on here.
        await session.wait_for_playback()
        microphone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await microphone
    await loudspeaker  # Leaving the session ends its audio.
    print(f"heard {len(heard) / 48_000:.1f} seconds")


if len(sys.argv) != 3:
    sys.exit("usage: python quickstart.py URL RECORDING.wav (`realtime-transport serve` prints a URL)")
asyncio.run(main(*sys.argv[1:]))
