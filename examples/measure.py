"""Measure a server with a recording, at eight times its pace, under trio: ``python measure.py URL RECORDING``."""

import os
import sys

import trio

from realtime_transport import FileSource, OpenAIRealtimeWebSocket
from realtime_transport.replay import Recording, Replay


async def main() -> None:
    url, path = sys.argv[1:]
    source = FileSource(path)
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=url)
    config = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    async with transport.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), initial_session_config=config):
        report = await Replay(transport=transport, recordings=[Recording(name=path, source=source)], speed=8).run()
    await source.aclose()
    for reply in report.replies:
        print(f"{reply.status}: {reply.latency:.3f} s after the end of speech, {reply.audio_seconds:.1f} s of audio")
    print(f"pacing: 99 of 100 frames at most {report.recordings[0].late_p99_ms:.1f} ms late")


if len(sys.argv) != 3:
    sys.exit("usage: python measure.py URL RECORDING (`realtime-transport serve` prints a URL)")
trio.run(main)
