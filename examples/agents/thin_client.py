"""The transport alone, without agent or session: ``python thin_client.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import RealtimeEmitter


async def main() -> None:
    done = anyio.Event()
    async with RealtimeEmitter(wire.chosen()) as client:
        client.on("audio", lambda event: None)  # Over a WebSocket: play it. WebRTC has an audio sink instead.
        client.on("audio_transcript_delta", lambda event: print(event.delta, end=""))
        client.once("turn_done", lambda event: done.set())
        await client.connect(
            api_key=os.environ.get("OPENAI_API_KEY", "sk-local"),
            url=sys.argv[1],
            model="gpt-realtime-2.1",
            initial_session_config={
                "instructions": "Speak like a pirate.",
                "output_modalities": ["audio"],
                "audio": {"input": {"format": "pcm16"}, "output": {"format": "pcm16", "voice": "ash"}},
            },
            wait_for_session=True,
        )
        client.send_message("Hello")
        await done.wait()


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
