"""A transport with an audio source and a sink: pace, muting, playback positions, ownership."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import AudioFormat, BufferSink, BytesSource, OpenAIRealtimeWebSocket, PacedSink
from realtime_transport.errors import ConfigError, LocalProtocolError
from realtime_transport.events import AudioEvent, AudioInterruptedEvent
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from tests.transports.test_websocket import CREATED, SERVER_CANCELS, delta

pytestmark = pytest.mark.anyio

SPEECH = {"type": "input_audio_buffer.speech_started", "event_id": "s", "audio_start_ms": 0, "item_id": "u"}


def pcm(ms: int) -> bytes:
    return bytes(range(256)) * (ms * 48 // 256) + b"\x00" * (ms * 48 % 256)


def build(server: MemoryServer, clock: ManualClock, **options: Any) -> OpenAIRealtimeWebSocket:
    server.send(CREATED, SERVER_CANCELS)
    return OpenAIRealtimeWebSocket(
        connector=server.connector,
        api_key="sk",
        clock=clock,
        ping_interval=None,
        update_timeout=0,
        create_timeout=None,
        **options,
    )


def appended(server: MemoryServer) -> list[bytes]:
    return [base64.b64decode(m["audio"]) for m in server.received if m["type"] == "input_audio_buffer.append"]


async def test_a_source_speaks_at_its_pace_and_stays_open() -> None:
    server, clock, audio = MemoryServer(), ManualClock(), pcm(100)
    source = BytesSource(audio, AudioFormat.PCM24K)
    async with build(server, clock, audio_source=source).connect() as transport:
        await wait_all_tasks_blocked()
        assert appended(server) == [audio[:960]]
        await clock.advance(0.040)
        assert appended(server) == [audio[:960], audio[960:1920], audio[1920:2880]]
        with pytest.raises(LocalProtocolError):
            await transport.send_audio(b"\x00\x00")
        await clock.advance(1)
        assert b"".join(appended(server)) == audio
        await transport.send_message("the connection outlives the recording", trigger_response=False)
    assert "conversation.item.create" in server.types()


async def test_the_source_is_converted_to_the_format_of_the_session() -> None:
    server, clock = MemoryServer(), ManualClock()
    source = BytesSource(pcm(100), AudioFormat.PCM24K)
    transport = build(server, clock, audio_source=source)
    async with transport.connect(initial_session_config={"audio": {"input": {"format": "g711_ulaw"}}}):
        await clock.advance(1)
    assert sum(map(len, appended(server))) == 800
    assert server.received[0]["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}


async def test_muting_holds_also_before_connecting() -> None:
    server, clock = MemoryServer(), ManualClock()
    transport = build(server, clock, audio_source=BytesSource(pcm(100), AudioFormat.PCM24K))
    assert transport.muted is False
    transport.mute(True)
    async with transport.connect():
        await clock.advance(0.05)
        assert appended(server) == []
        transport.mute(False)
        assert transport.muted is False
        await clock.advance(1)
    assert len(b"".join(appended(server))) == 2 * 960


async def test_a_sink_plays_and_nothing_comes_twice() -> None:
    server, clock, sink = MemoryServer(), ManualClock(), BufferSink()
    transport = build(server, clock, audio_sink=sink)
    async with transport.connect(), transport.subscribe(AudioEvent) as asked:
        server.send(delta(samples=2400))
        await wait_all_tasks_blocked()
        assert sink.data == b"\x01\x02" * 2400
        assert len((await asked.receive()).data) == 4800  # type: ignore[attr-defined]
    assert not [event async for event in transport if isinstance(event, AudioEvent)]
    await sink.send(b"\x00\x00")  # It stays open.


async def test_audio_events_beside_a_sink_by_choice() -> None:
    server, clock = MemoryServer(), ManualClock()
    transport = build(server, clock, audio_sink=BufferSink(), audio_events=True)
    async with transport.connect():
        server.send(delta())
        await wait_all_tasks_blocked()
    assert [event async for event in transport if isinstance(event, AudioEvent)]


async def test_a_barge_in_truncates_where_the_listener_is() -> None:
    server, clock, heard = MemoryServer(), ManualClock(), BufferSink()
    transport = build(server, clock, audio_sink=PacedSink(heard, clock=clock))
    async with transport.connect(), transport.subscribe(AudioInterruptedEvent) as interruptions:
        server.send({"type": "response.created", "response": {"id": "r1"}})
        server.send(*[delta(samples=2400) for _ in range(20)])
        await wait_all_tasks_blocked()
        await clock.advance(0.310)
        server.send(SPEECH)
        await interruptions.receive()
        await wait_all_tasks_blocked()
        (cut,) = [m for m in server.received if m["type"] == "conversation.item.truncate"]
        assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == ("item_r1", 0, 310)
        await clock.advance(5)
        server.send(delta("r2", samples=240))
        await wait_all_tasks_blocked()
        await clock.advance(1)
        assert len(heard.data) in (2 * (7440 + 240), 2 * 7440)


async def test_what_was_not_played_of_earlier_items_is_truncated_too() -> None:
    server, clock = MemoryServer(), ManualClock()
    transport = build(server, clock, audio_sink=PacedSink(BufferSink(), clock=clock))
    async with transport.connect():
        server.send({"type": "response.created", "response": {"id": "r1"}}, *[delta(samples=2400) for _ in range(3)])
        server.send({"type": "response.done", "response": {"id": "r1"}})
        server.send({"type": "response.created", "response": {"id": "r2"}}, delta("r2", samples=2400))
        await wait_all_tasks_blocked()
        await clock.advance(0.1)
        transport.interrupt()
        await wait_all_tasks_blocked()
        cuts = {m["item_id"]: m["audio_end_ms"] for m in server.received if m["type"] == "conversation.item.truncate"}
        assert cuts == {"item_r1": 100, "item_r2": 0}


async def test_positions_that_the_user_reports_count() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with build(server, clock).connect() as transport:
        server.send({"type": "response.created", "response": {"id": "r1"}}, *[delta(samples=2400) for _ in range(10)])
        await wait_all_tasks_blocked()
        await clock.advance(0.5)
        transport.audio_played("item_r1", 0, 4800)
        server.send(SPEECH)
        await wait_all_tasks_blocked()
        (cut,) = [m for m in server.received if m["type"] == "conversation.item.truncate"]
        assert cut["audio_end_ms"] == 200


async def test_the_format_cannot_change_under_a_pump() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with build(server, clock, audio_sink=BufferSink()).connect() as transport:
        await wait_all_tasks_blocked()  # The updates of the opening are out.
        server.received.clear()
        await transport.update_session_config({"audio": {"input": {"format": "g711_ulaw"}}})
        with pytest.raises(ConfigError, match="audio sink") as caught:
            await transport.update_session_config({"audio": {"output": {"format": "g711_ulaw"}}})
        assert caught.value.key == "audio.output.format"
        await transport.update_session_config({"instructions": "x"})
    formats = [m["session"]["audio"]["output"]["format"]["type"] for m in server.received]
    assert formats == ["audio/pcm", "audio/pcm"]


@pytest.mark.parametrize("end", ["audio_source", "audio_sink"])
def test_a_name_is_no_audio_end(end: str) -> None:
    with pytest.raises(ConfigError, match=f"{end}: an object that (gives|takes) audio") as caught:
        OpenAIRealtimeWebSocket(**{end: "x.wav"})
    assert caught.value.key == end
