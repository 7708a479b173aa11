"""The vendor's own Python client, unmodified."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from realtime_transport.emulator import RealtimeEmulator
from tests.emulator.conversation_driver import silence, speech

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

openai = pytest.importorskip("openai")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # The client knows no other.


def client_of(emulator: RealtimeEmulator, key: str = "sk-test") -> AsyncOpenAI:
    websocket_base_url = emulator.base_url.replace("http", "ws", 1)
    return openai.AsyncOpenAI(api_key=key, base_url=emulator.base_url, websocket_base_url=websocket_base_url)


async def until(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    events: list[Any] = []
    async for event in connection:
        assert event.type != "error", event
        events.append(event)
        if event.type == kind:
            break
    return events


async def ask(connection: AsyncRealtimeConnection, text: str) -> list[Any]:
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()
    return await until(connection, "response.done")


async def test_text_speech_and_a_function_call() -> None:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    async with RealtimeEmulator() as emulator, client_of(emulator) as client:
        async with client.realtime.connect(model="gpt-realtime") as connection:
            await connection.session.update(session={"type": "realtime", "instructions": "Hi", "tools": [tool]})
            await until(connection, "session.updated")

            events = await ask(connection, "Say hello")
            assert events[-1].response.output[0].content[0].transcript == "You said: Say hello"
            deltas = [event.delta for event in events if event.type == "response.output_audio.delta"]
            assert len(b"".join(map(base64.b64decode, deltas))) > 24000

            events = await ask(connection, '/call get_weather {"city": "Oslo"}')
            (call,) = events[-1].response.output
            assert (call.name, call.arguments) == ("get_weather", '{"city": "Oslo"}')
            output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
            await connection.conversation.item.create(item=output)
            await connection.response.create()
            events = await until(connection, "response.done")
            assert "12 degrees" in events[-1].response.output[0].content[0].transcript

            audio = silence(0.3) + speech(1.5) + silence(0.8)
            for at in range(0, len(audio), 9600):
                await connection.input_audio_buffer.append(audio=base64.b64encode(audio[at : at + 9600]).decode())
            events = await until(connection, "response.done")
            kinds = [event.type for event in events]
            assert "input_audio_buffer.speech_started" in kinds
            deltas = [event.delta for event in events if event.type == "response.output_audio.delta"]
            start, end = emulator.sessions[0].segments[0]
            assert b"".join(map(base64.b64decode, deltas)) == audio[start * 48 : end * 48]
        assert emulator.sessions[0].errors == []


async def test_a_refused_key() -> None:
    from websockets.exceptions import ConnectionClosedError

    async with RealtimeEmulator() as emulator, client_of(emulator, "sk-invalid") as client:
        async with client.realtime.connect(model="gpt-realtime") as connection:
            event = await connection.recv()
            assert event.type == "error"
            assert event.error.code == "invalid_api_key"
            with pytest.raises(ConnectionClosedError) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 3000


async def test_a_client_secret() -> None:
    async with RealtimeEmulator(api_key="sk-test") as emulator, client_of(emulator) as client:
        secret = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"})
        async with (
            client_of(emulator, secret.value) as guest,
            guest.realtime.connect(model="gpt-realtime") as connection,
        ):
            assert (await connection.recv()).type == "session.created"
