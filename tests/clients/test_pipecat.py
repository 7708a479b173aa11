"""What pipecat's service puts on the wire, by its own classes."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from realtime_transport.emulator import RealtimeEmulator

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

events = pytest.importorskip("pipecat.services.openai.realtime.events")


async def test_its_events(emulator: RealtimeEmulator) -> None:
    from websockets.asyncio.client import connect

    url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
    async with connect(url, additional_headers={"Authorization": "Bearer sk-test"}) as socket:

        async def send(event: Any, **how: Any) -> None:
            await socket.send(json.dumps(event.model_dump(**{"exclude_none": True, **how})))

        async def until(kind: str) -> Any:
            while True:
                data = await asyncio.wait_for(socket.recv(), 20)
                event = events.parse_server_event(data)
                assert event.type != "error", data
                if event.type == kind:
                    return event

        await until("session.created")
        audio = events.AudioConfiguration(
            input=events.AudioInput(
                transcription=events.InputAudioTranscription(), turn_detection=events.SemanticTurnDetection()
            ),
            output=events.AudioOutput(voice="marin", speed=1.0),
        )
        properties = events.SessionProperties(instructions="Be brief.", audio=audio, tools=[], tool_choice="auto")
        await send(events.SessionUpdateEvent(session=properties))
        await until("session.updated")
        off = events.AudioConfiguration(input=events.AudioInput(turn_detection=False))
        await send(events.SessionUpdateEvent(session=events.SessionProperties(audio=off)))
        assert (await until("session.updated")).session.audio.input.turn_detection is None
        await send(events.InputAudioBufferAppendEvent(audio=base64.b64encode(bytes(9600)).decode()))
        await send(events.InputAudioBufferCommitEvent())
        await until("conversation.item.added")
        content = [events.ItemContent(type="input_text", text="Hello from pipecat")]
        item = events.ConversationItem(type="message", role="user", content=content)
        await send(events.ConversationItemCreateEvent(item=item))
        await send(events.ResponseCreateEvent(response=events.ResponseProperties(output_modalities=["audio"])))
        done = await until("response.done")
        assert "Hello from pipecat" in done.response.output[-1].content[0].transcript  # The first is about the sound.
        truncated = events.ConversationItemTruncateEvent(
            item_id=done.response.output[-1].id, content_index=0, audio_end_ms=100
        )
        await send(truncated)
        await until("conversation.item.truncated")
        # The same with every null written out, as its classes dump by default.
        item = events.ConversationItem(type="message", role="system", content=content)
        await send(events.ConversationItemCreateEvent(item=item), exclude_none=False)
        await until("conversation.item.done")
