"""Where ours is better than the JavaScript SDK on purpose; numbers as in docs/coming-from-javascript.md."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.errors import (
    ConfigError,
    ConnectionLost,
    DecodeError,
    NotConnectedError,
    RemoteProtocolError,
    SetupTimeout,
    UpgradeRejected,
)
from realtime_transport.events import (
    AudioEvent,
    AudioInterruptedEvent,
    DisconnectedEvent,
    ErrorEvent,
    Event,
    FunctionCallEvent,
    ItemUpdateEvent,
    TurnDoneEvent,
)
from realtime_transport.server_events import UnknownServerEvent
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryLink, MemoryServer
from realtime_transport.transports.endpoint.options import ConnectRequest
from realtime_transport.transports.sip import OpenAIRealtimeSIP

from .servers import AcceptedConnection, serving

pytestmark = pytest.mark.anyio

CREATED = {"type": "response.created", "event_id": "c", "response": {"id": "r1", "status": "in_progress"}}
DONE = {"type": "response.done", "event_id": "d", "response": {"id": "r1", "status": "completed", "output": []}}


def delta(item: str, milliseconds: int, response: str = "r1") -> dict[str, Any]:
    audio = base64.b64encode(bytes(48 * milliseconds)).decode()
    place = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.delta", "event_id": "a", **place, "delta": audio}


@asynccontextmanager
async def connected(server: MemoryServer, **options: Any) -> AsyncGenerator[OpenAIRealtimeWebSocket]:
    defaults = {"connector": server.connector, "api_key": "sk-test", "ping_interval": None}
    config = options.pop("config", None)
    transport = OpenAIRealtimeWebSocket(**{**defaults, **options})
    async with transport.connect(wait_for_session=False, initial_session_config=config):
        await settle()
        for _ in range(3):
            await anext(aiter(transport))
        server.received.clear()
        yield transport


async def settle() -> None:
    await ManualClock().advance(0)


async def told(transport: OpenAIRealtimeWebSocket, *types: type[Event]) -> list[Any]:
    """The events so far, of *types* if there are any."""
    await settle()
    events: list[Any] = []
    with anyio.move_on_after(0):
        async for event in transport:
            events.append(event)
    return [event for event in events if not types or isinstance(event, types)]


# 1. One bad item never hurts the connection


@pytest.mark.parametrize("bad", ["not json {", "[]", "null", '{"event_id":"x"}', '{"type":7}'])
async def test_1_a_frame_that_is_no_event_is_reported(bad: str) -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send(CREATED, bad, DONE)
        errors = await told(transport, ErrorEvent, TurnDoneEvent)
        assert [type(event) for event in errors] == [ErrorEvent, TurnDoneEvent]
        assert isinstance(errors[0].error, DecodeError)
        assert errors[0].raw == bad


async def test_1_an_event_that_means_nothing_is_reported_and_kept() -> None:
    server = MemoryServer()
    bad = {**delta("i", 20), "delta": "not base64!"}
    async with connected(server) as transport:
        server.send(bad, delta("i", 20))
        events = await told(transport, ErrorEvent, AudioEvent)
        assert [type(event) for event in events] == [ErrorEvent, AudioEvent]
        assert events[0].raw == bad
        assert events[0].path == "delta"


async def test_1_what_is_new_or_absent_is_no_error() -> None:
    server = MemoryServer()
    parts = [{"type": "hologram", "x": 1}, "odd", {"type": "input_text", "text": "hi"}]
    item = {"id": "m", "type": "message", "role": "user", "content": parts}
    async with connected(server) as transport:
        server.send(
            {"type": "brand.new", "x": 1},
            {"type": "conversation.item.added", "event_id": "e", "item": {"id": "n", "type": "brand_new"}},
            {"type": "response.done", "event_id": "e", "response": None},
            {"type": "conversation.item.added", "event_id": "e", "item": {**item, "content": [parts[0], parts[2]]}},
        )
        events = await told(transport)
        assert not [event for event in events if isinstance(event, ErrorEvent)]
        assert [event.raw for event in events if isinstance(event, UnknownServerEvent)] == [
            {"type": "brand.new", "x": 1}
        ]
        assert len([event for event in events if isinstance(event, ItemUpdateEvent)]) == 1
        server.send({"type": "conversation.item.added", "event_id": "e", "item": item})
        events = await told(transport, ErrorEvent, ItemUpdateEvent)
        assert [type(event) for event in events] == [ErrorEvent, ItemUpdateEvent]
        assert len(events[1].item.content) == 3


# 2. Monotonic time, and real playback positions


async def test_2_setting_the_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, clock = MemoryServer(), ManualClock(start=100)
    async with connected(server, clock=clock) as transport:
        server.send(CREATED, delta("i", 300))
        await settle()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        await clock.advance(0.12)
        transport.interrupt()
        await settle()
        assert [message["type"] for message in server.received] == ["response.cancel", "conversation.item.truncate"]
        assert server.received[1]["audio_end_ms"] == 120


async def test_2_reported_positions_count_and_earlier_items_too() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with connected(server, clock=clock) as transport:
        server.send(CREATED, delta("a", 300))
        await settle()
        transport.audio_played("a", 0, 2400)
        server.send(delta("b", 300))
        await settle()
        await clock.advance(5)
        transport.interrupt()
        await settle()
        cuts = [(m["item_id"], m["audio_end_ms"]) for m in server.received if m["type"] == "conversation.item.truncate"]
        assert cuts == [("a", 100), ("b", 0)]


# 3. After an interruption


async def test_3_audio_of_an_interrupted_response_is_not_heard_any_more() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send(CREATED, delta("i", 20), delta("i", 20))
        await settle()
        transport.interrupt()
        server.send(delta("i", 20), DONE, delta("j", 20, "r2"))
        events = await told(transport, AudioEvent, AudioInterruptedEvent)
        assert [type(event) for event in events] == [AudioInterruptedEvent, AudioEvent]
        assert events[1].item_id == "j"


async def test_3_a_response_without_audio_can_be_interrupted() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send(CREATED)
        await settle()
        transport.interrupt()
        await settle()
        assert server.types() == ["response.cancel"]


@pytest.mark.parametrize("by", ["interrupt", "detector"])
async def test_3_a_reply_that_the_server_plays_is_told_to_be_cut_off(by: str) -> None:
    server, clock = MemoryServer(), ManualClock()
    part = {"response_id": "r1", "item_id": "i1", "content_index": 0, "part": {"type": "audio"}}
    transport = OpenAIRealtimeSIP(
        connector=server.connector, api_key="sk-test", ping_interval=None, update_timeout=0, clock=clock
    )
    async with transport.connect(call_id="rtc_1", wait_for_session=False):
        server.send(
            CREATED,
            {"type": "response.content_part.added", "event_id": "p", **part},
            {"type": "output_audio_buffer.started", "event_id": "s", "response_id": "r1"},
        )
        await settle()
        await clock.advance(0.3)
        if by == "interrupt":
            transport.interrupt()
        else:
            server.send({"type": "input_audio_buffer.speech_started", "event_id": "v", "item_id": "u"})
        server.send({"type": "output_audio_buffer.cleared", "event_id": "x", "response_id": "r1"})
        [event] = await told(transport, AudioInterruptedEvent)
        assert (event.response_id, event.item_id, event.audio_end_ms) == ("r1", "i1", 300)
        assert "conversation.item.truncate" not in server.types()


# 4. Connections say why they ended


async def test_4_the_close_is_told_with_code_and_reason() -> None:
    server = MemoryServer()
    with pytest.raises(ConnectionLost) as caught:
        async with connected(server) as transport:
            server.close(1008, "policy")
            events = [event async for event in _until_lost(transport)]
            assert isinstance(events[-1], DisconnectedEvent)
            assert (events[-1].code, events[-1].reason) == (1008, "policy")
            await transport.send_message("too late")
    assert (caught.value.code, caught.value.reason) == (1008, "policy")


async def _until_lost(transport: OpenAIRealtimeWebSocket) -> AsyncGenerator[Event]:
    try:
        async for event in transport:
            yield event
    except ConnectionLost:
        pass


async def test_4_a_refused_upgrade_carries_status_and_body() -> None:
    async def refuse(peer: AcceptedConnection) -> None:
        request = await peer.request()
        assert request.headers["Authorization"] == "Bearer sk-test"
        body = b'{"error":"bad key"}'
        head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
        await peer.stream.send(head + body)

    async with serving(refuse) as url:
        with pytest.raises(UpgradeRejected) as caught:
            async with OpenAIRealtimeWebSocket(url=url).connect(api_key="sk-test"):
                pass
    assert (caught.value.status, json.loads(caught.value.body)) == (401, {"error": "bad key"})


async def test_4_connecting_has_a_deadline() -> None:
    @asynccontextmanager
    async def never(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        await anyio.sleep_forever()
        yield MemoryLink(MemoryServer())

    clock = ManualClock()
    transport = OpenAIRealtimeWebSocket(connector=never, clock=clock, api_key="sk-test")

    async def wait() -> None:
        with pytest.raises(SetupTimeout):
            async with transport.connect():
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await clock.advance(10)


# 5. update_session_config() updates


async def test_5_an_update_keeps_what_was_sent_before() -> None:
    server = MemoryServer()
    async with connected(server, config={"instructions": "Be brief.", "voice": "sage"}) as transport:
        await transport.update_session_config({"instructions": "Be kind."})
        await transport.update_session_config({"instructions": "Be kind."}, reset=True)
        await settle()
        first, second = (message["session"] for message in server.received)
        assert first["instructions"] == second["instructions"] == "Be kind."
        assert first["audio"]["output"]["voice"] == "sage"
        assert "voice" not in second["audio"]["output"]


# 6. Wrong configuration is an error at once


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"audio": {"input": {"format": "opus"}}}, "audio.input.format"),
        ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": float("nan")}}}}, "audio.output.format"),
        ({"modalities": ["text"], "audio": {"input": {}}}, ""),
    ],
)
async def test_6_wrong_configuration_names_the_setting(config: dict[str, Any], key: str) -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        with pytest.raises(ConfigError) as caught:
            await transport.update_session_config(config)
        assert caught.value.key.startswith(key)
        await settle()
        assert server.received == []


async def test_6_tools_can_be_cleared() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        await transport.update_session_config({"tools": []})
        await transport.update_session_config({"tools": None})
        await settle()
        assert [message["session"].get("tools", "absent") for message in server.received] == [[], "absent"]


# 7. A configured URL always wins the host


@pytest.mark.parametrize(
    ("own", "given", "asked"),
    [
        ("wss://proxy/r?tenant=a%20b", {"model": "m2"}, "wss://proxy/r?tenant=a%20b"),
        ("wss://proxy/r", {"call_id": "rtc&1"}, "wss://proxy/r?call_id=rtc%261"),
        ("wss://proxy/r", {"url": "wss://other/{model}", "call_id": "rtc_1"}, "wss://other/m%2F1"),
        (None, {"call_id": "rtc_1"}, "wss://api.openai.com/v1/realtime?call_id=rtc_1"),
    ],
)
async def test_7_the_key_goes_where_it_was_sent(own: str | None, given: dict[str, Any], asked: str) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, url=own, model="m/1")
    async with transport.connect(api_key="sk-test", wait_for_session=False, **given):
        pass
    assert [request.url for request in server.requests] == [asked]
    async with transport.connect(api_key="sk-test", wait_for_session=False):
        pass
    assert server.requests[1].url.startswith(own or "wss://api.openai.com/v1/realtime?model=")


# 8. The response sequencer cannot block


async def test_8_a_create_that_came_too_early_is_sent_again() -> None:
    server = MemoryServer()
    busy = {"code": "conversation_already_has_active_response", "message": "whatever the prose is"}
    async with connected(server) as transport:
        await transport.request_response()
        await settle()
        server.send({"type": "error", "event_id": "e", "error": busy})
        await settle()
        assert server.types() == ["response.create"]
        server.send(DONE)
        await settle()
        assert server.types() == ["response.create", "response.create"]


async def test_8_a_create_that_is_never_answered_gives_way() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with connected(server, clock=clock) as transport:
        await transport.request_response({"instructions": "first"})
        await transport.request_response({"instructions": "second"})
        await clock.advance(30)
        assert [message["response"]["instructions"] for message in server.received] == ["first", "second"]
        (error,) = await told(transport, ErrorEvent)
        assert isinstance(error.error, RemoteProtocolError)
        assert error.event_id == server.received[0]["event_id"]


async def test_8_several_messages_of_one_read_are_one_step() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send(CREATED)
        await settle()
        await transport.request_response({"metadata": {"mark": "A"}})
        other = {"response": {"id": "r2", "status": "in_progress"}}
        server.send(DONE, {**CREATED, **other}, {**DONE, **other}, {**CREATED, "response": {"id": "r3"}})
        await settle()
        assert server.types() == []  # A create in the middle would have been refused.
        server.send({**DONE, "response": {"id": "r3", "status": "completed"}})
        await settle()
        assert server.types() == ["response.create"]


async def test_8_responses_outside_of_the_conversation_run_beside_it() -> None:
    server = MemoryServer()
    beside = {"id": "b", "status": "in_progress", "conversation_id": None}
    async with connected(server) as transport:
        server.send(CREATED)
        await settle()
        await transport.request_response({"conversation": "none"})
        await settle()
        assert server.types() == ["response.create"]
        server.received.clear()
        server.send({**CREATED, "response": beside}, delta("i", 20, "b"))
        await settle()
        transport.interrupt()
        server.send(delta("i", 20, "b"), delta("j", 20))
        [heard] = await told(transport, AudioInterruptedEvent, AudioEvent)
        assert heard.withdraws == {"r1", "b"}
        cancels = [m for m in server.received if m["type"] == "response.cancel"]
        assert [m["response_id"] for m in cancels] == ["r1", "b"]


# 9. Each function call fires once


async def test_9_a_call_is_told_once() -> None:
    server = MemoryServer()
    call = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}", "status": "completed"}
    done = {"type": "response.output_item.done", "event_id": "e", "response_id": "r1", "item": call}
    async with connected(server) as transport:
        server.send(done, done)
        assert [event.call_id for event in await told(transport, FunctionCallEvent)] == ["c"]


async def test_9_a_finished_mcp_call_that_is_fetched_reads_completed() -> None:
    server = MemoryServer()
    call = {"id": "m", "type": "mcp_call", "name": "n", "arguments": "{}", "output": "found"}
    async with connected(server) as transport:
        server.send({"type": "conversation.item.retrieved", "event_id": "e", "item": call})
        assert [event.item.status for event in await told(transport, ItemUpdateEvent)] == ["completed"]


async def test_9_the_end_of_a_turn_has_status_and_total() -> None:
    server = MemoryServer()
    usage = {"total_tokens": 31, "input_tokens": 10, "output_tokens": 20}
    async with connected(server) as transport:
        server.send({**DONE, "response": {"id": "r1", "status": "failed", "output": [], "usage": usage}})
        (turn,) = await told(transport, TurnDoneEvent)
        assert (turn.status, turn.usage.total_tokens) == ("failed", 31)


# 10. Tracing can be switched off


@pytest.mark.parametrize("reported", ["auto", {"workflow_name": "server"}, None])
async def test_10_tracing_can_be_switched_off(reported: Any) -> None:
    server = MemoryServer()
    async with connected(server, config={"tracing": None}):
        server.send({"type": "session.created", "event_id": "s", "session": {"id": "s", "tracing": reported}})
        await settle()
        assert [message["session"]["tracing"] for message in server.received] == [None]


# 11. History diffs compare values


def message(item_id: str, text: str) -> dict[str, Any]:
    return {"type": "message", "item_id": item_id, "role": "user", "content": [{"type": "input_text", "text": text}]}


async def test_11_values_are_compared_and_the_order_counts() -> None:
    server = MemoryServer()
    same = {"role": "user", "content": [{"text": "1", "type": "input_text"}], "itemId": "a", "type": "message"}
    async with connected(server) as transport:
        await transport.reset_history([message("a", "1"), message("b", "2")], [same, message("b", "2")])
        await settle()
        assert server.received == []
        await transport.reset_history([message("a", "1"), message("b", "2")], [message("b", "2"), message("a", "1")])
        await settle()
        assert server.types() == ["conversation.item.delete", "conversation.item.create"]


# 14. Sending without a connection raises


async def test_14_nothing_is_dropped_silently() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk-test")
    for _ in range(2):
        with pytest.raises(NotConnectedError):
            await transport.send_audio(bytes(4))
        async with transport.connect(wait_for_session=False):
            pass
    transport.interrupt()
