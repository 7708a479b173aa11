"""Say hello in text, hear the answer in text and sound: ``python text_turn.py URL``.

URL is the endpoint with the model, such as ``ws://127.0.0.1:8642/v1/realtime?model=gpt-realtime-2.1`` of
``realtime-transport serve``.
"""

import os
import sys

import anyio

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioEvent, AudioTranscriptDeltaEvent, TurnDoneEvent


async def main() -> None:
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=sys.argv[1])
    audio = 0
    async with transport.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")):
        await transport.send_message("Hello")
        async for event in transport:
            match event:
                case AudioEvent(data=pcm):
                    audio += len(pcm)
                case AudioTranscriptDeltaEvent(delta=text):
                    print(text, end="", flush=True)
                case TurnDoneEvent():
                    break
                case _:
                    pass
    print(f"\n({audio / 48000:.1f} seconds of speech)")


if len(sys.argv) != 2:
    sys.exit("usage: python text_turn.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main)
