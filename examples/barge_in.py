"""Talk over the model: ``python barge_in.py URL``.

Playing at the pace of real time (`PacedSink`), the example interrupts after a second and a half. What had not been
heard by then is taken back, and the server is told how much was.
"""

import os
import sys

import anyio

from realtime_transport import BufferSink, OpenAIRealtimeWebSocket, PacedSink
from realtime_transport.events import AudioInterruptedEvent
from realtime_transport.server_events import ConversationItemTruncated


async def main() -> None:
    heard = BufferSink()
    loudspeaker = PacedSink(heard)
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=sys.argv[1], audio_sink=loudspeaker)
    async with transport.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")):
        async with transport.subscribe(AudioInterruptedEvent, ConversationItemTruncated) as events:
            await transport.send_message("/say 8")  # To the emulator: eight seconds of speech. Ask a model for a tale.
            await anyio.sleep(1.5)
            transport.interrupt()
            async for event in events:
                match event:
                    case AudioInterruptedEvent():
                        print("interrupted")
                    case ConversationItemTruncated(audio_end_ms=ms):
                        print(f"the server knows that {ms} ms were heard")
                        break
                    case _:
                        pass
    await loudspeaker.aclose()
    print(f"heard {heard.samples_played / heard.format.rate:.1f} of 8 seconds")


if len(sys.argv) != 2:
    sys.exit("usage: python barge_in.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main)
