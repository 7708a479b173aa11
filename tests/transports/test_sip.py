"""Attaching to a SIP call: the URL, who owns the audio, interruptions, and the session to accept a call with."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport.audio.sinks import BufferSink
from realtime_transport.errors import ConfigError, UnsupportedOperation
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.sip import OpenAIRealtimeSIP
from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

pytestmark = pytest.mark.anyio

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}
RESPONDING = {"type": "response.created", "event_id": "e2", "response": {"id": "r1"}}
SPEECH = {"type": "input_audio_buffer.speech_started", "event_id": "e3", "item_id": "u1", "audio_start_ms": 1}


def transport_to(server: MemoryServer, **options: Any) -> OpenAIRealtimeSIP:
    return OpenAIRealtimeSIP(connector=server.connector, api_key="sk-test", **{"update_timeout": 0, **options})


async def test_attaching_takes_the_call_id_in_place_of_the_model() -> None:
    server = MemoryServer()
    server.send(CREATED)
    transport = transport_to(server)
    async with transport.connect(call_id="rtc a/1"):
        assert transport.call_id == "rtc a/1"
    assert server.requests[0].url == "wss://api.openai.com/v1/realtime?call_id=rtc%20a%2F1"
    assert server.types()[0] == "session.update"


async def test_without_a_call_id_nothing_is_opened() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    with pytest.raises(ConfigError, match="call_id") as caught:
        async with transport.connect():
            pass
    assert caught.value.key == "call_id"
    assert server.requests == []
    assert transport.status == "disconnected"


async def test_audio_is_refused_connected_or_not() -> None:
    server = MemoryServer()
    server.send(CREATED)
    transport = transport_to(server)
    with pytest.raises(UnsupportedOperation, match="telephone"):
        await transport.send_audio(b"\0\0")
    async with transport.connect(call_id="rtc_1"):
        with pytest.raises(UnsupportedOperation, match="telephone"):
            transport.send_audio_nowait(b"\0\0")
        with pytest.raises(UnsupportedOperation, match="audio source"):
            transport.mute(True)
    assert transport.muted is None
    with pytest.raises(ConfigError, match="telephone"):
        OpenAIRealtimeSIP(audio_sink=BufferSink())


async def test_an_interruption_is_left_to_the_server() -> None:
    server = MemoryServer()
    server.send(CREATED)
    async with transport_to(server).connect(call_id="rtc_1") as transport:
        await wait_all_tasks_blocked()
        server.received.clear()
        transport.interrupt()
        server.send(RESPONDING)
        await wait_all_tasks_blocked()
        transport.interrupt()
        transport.interrupt(cancel_ongoing_response=False)
        await wait_all_tasks_blocked()
        server.send(SPEECH)
        await wait_all_tasks_blocked()
    clear = "output_audio_buffer.clear"
    assert server.types() == [clear, "response.cancel", clear, clear, clear]


async def test_a_sideband_of_a_webrtc_call_is_a_websocket_with_a_call_id() -> None:
    server = MemoryServer()
    server.send(CREATED)
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk-test")
    async with transport.connect(call_id="rtc_9"):
        await transport.send_message("Tell them about the offer.")
    assert server.requests[0].url == "wss://api.openai.com/v1/realtime?call_id=rtc_9"
    assert server.types()[-2:] == ["conversation.item.create", "response.create"]


async def test_attaching_leaves_the_call_as_it_is() -> None:
    for named in ({}, {"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}):
        server = MemoryServer()
        server.send(CREATED)
        async with transport_to(server).connect(call_id="rtc_1", initial_session_config=named) as transport:
            await transport.update_session_config({"tools": []})
            await wait_all_tasks_blocked()
        sent = [frame["session"] for frame in server.received if frame["type"] == "session.update"]
        assert sent[0] == {"type": "realtime", **named}
        assert {"type": "realtime", **named, "tools": []} in sent


class TestInitialConfig:
    def test_it_is_what_connecting_would_send(self) -> None:
        session = OpenAIRealtimeSIP.build_initial_config(
            {"instructions": "Answer calls.", "voice": "marin", "audio": {"output": {"speed": 1.1}}}, model="m1"
        )
        assert session == {
            "type": "realtime",
            "model": "m1",
            "instructions": "Answer calls.",
            "audio": {"output": {"speed": 1.1, "voice": "marin"}},
        }

    def test_what_nobody_names_stays_as_the_call_was_negotiated(self) -> None:
        assert OpenAIRealtimeSIP.build_initial_config() == {"type": "realtime"}

    @pytest.mark.parametrize(
        "field", ["threshold", "prefix_padding_ms", "prefixPaddingMs", "silence_duration_ms", "silenceDurationMs"]
    )
    def test_what_the_service_refuses_is_told_before(self, field: str) -> None:
        turn_detection = {"type": "server_vad", field: 1}
        with pytest.raises(ConfigError, match="refuses") as caught:
            OpenAIRealtimeSIP.build_initial_config({"audio": {"input": {"turnDetection": turn_detection}}})
        assert caught.value.key.startswith("audio.input.turn_detection.")

    def test_other_turn_detection_passes(self) -> None:
        for turn_detection in (None, {"type": "server_vad", "create_response": False}):
            session = OpenAIRealtimeSIP.build_initial_config({"audio": {"input": {"turn_detection": turn_detection}}})
            assert session["audio"]["input"]["turn_detection"] == turn_detection
