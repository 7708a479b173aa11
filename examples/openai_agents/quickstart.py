"""An agent of openai-agents over WebRTC: ``python quickstart.py [URL [websocket]]``.

The agent, the runner and the loop are those of the framework; one line says what carries the conversation. ``URL`` is
the base URL of an API, ``http://127.0.0.1:8642/v1`` of ``realtime-transport serve``; the service's if not given.
"""

import asyncio
import os
import sys

from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSessionEvent

from realtime_transport import OpenAIRealtimeBase, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.adapters.openai_agents import TransportRealtimeModel

KEY = os.environ.get("OPENAI_API_KEY", "sk-local")


def transport(url: str | None = None, wire: str = "webrtc") -> OpenAIRealtimeBase:
    if wire == "websocket":
        return OpenAIRealtimeWebSocket(url=url)
    return OpenAIRealtimeWebRTC(base_url=url, audio_source=None, audio_sink=None)


def is_over(event: RealtimeSessionEvent, wire: str = "webrtc") -> bool:
    """Whether the turn is over. Over WebRTC it ends before it is heard: the server plays it, and says when it has."""
    if wire == "websocket":
        return event.type == "agent_end"
    if event.type == "raw_model_event" and event.data.type == "raw_server_event":
        return bool(event.data.data["type"] == "output_audio_buffer.stopped")
    return False


async def main() -> None:
    agent = RealtimeAgent[None](name="Assistant", instructions="Answer in one short sentence.")
    runner = RealtimeRunner(
        agent,
        model=TransportRealtimeModel(transport(*sys.argv[1:])),
        config={"model_settings": {"model_name": "gpt-realtime-2.1", "voice": "marin"}},
    )
    async with await runner.run(model_config={"api_key": KEY}) as session:
        await session.send_message("Hello")
        heard = 0
        async for event in session:
            if event.type == "audio":
                heard += len(event.audio.data)  # 24 kHz, 16 bit: what a loudspeaker would play.
            elif event.type == "error":
                print(f"error: {event.error}")
            elif event.type == "history_updated" and event.history:
                print(event.history[-1])
            elif is_over(event, *sys.argv[2:]):
                break
    print(f"{heard / 48_000:.1f} s of speech")


if __name__ == "__main__":
    asyncio.run(main())
