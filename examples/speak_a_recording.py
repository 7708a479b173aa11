"""Play a recording to the model, and write what it answers to a WAV file: ``python speak_a_recording.py URL IN OUT``.

A microphone takes the place of `FileSource` in an application. With ``audio_sink=Speaker()`` the transport plays the
reply itself, and knows what was heard of it; a file needs all of it, so here the program writes it.
"""

import os
import sys

import anyio

from realtime_transport import FileSource, OpenAIRealtimeWebSocket, WavSink
from realtime_transport.events import AudioEvent, TurnDoneEvent


async def main() -> None:
    url, recording, reply = sys.argv[1:]
    source, sink = FileSource(recording), WavSink(reply)
    seconds = (await source.open()).seconds
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=url, audio_source=source)
    # Without turn detection the recording is one turn, which we end ourselves.
    config = {"audio": {"input": {"turn_detection": None}}}
    async with transport.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), initial_session_config=config):
        await anyio.sleep(seconds + 0.5)
        await transport.send_event({"type": "input_audio_buffer.commit"})
        await transport.request_response()
        async for event in transport:
            if isinstance(event, AudioEvent):
                await sink.send(event.data)
            elif isinstance(event, TurnDoneEvent):
                break
    await sink.drain()
    await source.aclose()
    await sink.aclose()
    print(f"{sink.samples_played / sink.format.rate:.1f} seconds of reply in {reply}")


if len(sys.argv) != 4:
    sys.exit("usage: python speak_a_recording.py URL IN.wav OUT.wav (`realtime-transport serve` prints a URL)")
anyio.run(main)
