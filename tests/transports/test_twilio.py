"""The bridge of a telephone call: sockets of every kind, bad input, endings, pacing, a second provider."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import (
    ConfigError,
    ConnectError,
    ErrorEvent,
    NotConnectedError,
    PhoneDtmf,
    PhoneMedia,
    PhoneMessage,
    PhoneStarted,
    PhoneStopped,
    TwilioRealtimeTransportLayer,
)
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sinks import BufferSink
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.phone.playout import MAX_MARKS, Playout
from realtime_transport.transports.phone.twilio import TwilioCodec
from tests.transports.phones import (
    CREATED,
    RESPONDING,
    SPEECH,
    START,
    ConnectionClosedError,
    Phone,
    StarletteLike,
    WebSocketDisconnect,
    WebsocketsLike,
    audio_done,
    calling,
    delta,
    mark,
    media,
    settled,
    stapled,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("socket", [StarletteLike, WebsocketsLike, stapled])
async def test_every_kind_of_socket_serves(socket: Any) -> None:
    server = MemoryServer()
    async with calling(server, socket) as (_, phone):
        phone.say({"event": "connected"}, START, media(0), media(20))
        server.send(RESPONDING, delta(160))
        heard = await settled(phone)
        assert server.types() == ["input_audio_buffer.append"] * 2
        assert [message["event"] for message in heard] == ["media", "mark"]
        assert heard[0] == {"event": "media", "streamSid": "MZ1", "media": {"payload": delta(160)["delta"]}}


async def test_a_socket_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="receive_text"):
        TwilioRealtimeTransportLayer(object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="audio_sink"):
        TwilioRealtimeTransportLayer(StarletteLike(None), audio_sink=BufferSink())  # type: ignore[arg-type]
    for options in ({"frame_ms": 0}, {"frame_ms": -1}, {"input_audio_inactivity_timeout_ms": float("inf")}):
        with pytest.raises(ConfigError, match="a number above 0"):
            TwilioRealtimeTransportLayer(StarletteLike(None), **options)  # type: ignore[arg-type]


async def test_what_the_provider_says_is_in_the_stream() -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone):
        async with transport.subscribe(PhoneMedia) as audio:
            phone.say(START, media(0), {"event": "dtmf", "dtmf": {"digit": "5"}}, {"event": "brand-new", "x": 1})
            phone.say({"event": "media", "media": {"track": "outbound", "payload": "AA=="}}, {"event": "stop"})
            events = [event async for event in transport if isinstance(event, PhoneMessage)]
            kinds = [type(event) for event in events]
            assert kinds == [PhoneStarted, PhoneDtmf, PhoneMessage, PhoneMessage, PhoneStopped]
            assert (await audio.receive()).timestamp_ms == 0
        started = transport.phone_call
        assert started is not None
        assert (started.stream_id, started.call_id, dict(started.parameters)) == ("MZ1", "CA1", {"who": "me"})
        assert started.audio_format == AudioFormat.PCMU
        assert [event.digit for event in events if isinstance(event, PhoneDtmf)] == ["5"]
        assert events[2].raw == {"type": "twilio_message", "message": {"event": "brand-new", "x": 1}}
    assert server.closed_with == 1000


BAD = [
    "{oops",
    "[]",
    "null",
    {"event": "start"},
    {"event": "start", "start": {"streamSid": 5}},
    {"event": "start", "start": []},
    {"event": "media"},
    {"event": "media", "media": {"payload": None}},
    {"event": "media", "media": {"payload": "***"}},
    {"event": "media", "media": "x"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
async def test_a_message_that_cannot_be_read_is_told_and_the_call_goes_on(bad: Any) -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(bad, START, media(0))
        await wait_all_tasks_blocked()
        assert server.types() == ["input_audio_buffer.append"]
        errors.receive_nowait()
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()


STRANGE = [
    {"event": 7},
    {},
    mark("custom"),
    {"event": "mark"},
    {"event": "mark", "mark": {"name": 3}},
    {"event": "dtmf"},
    {"event": "start", "start": {"streamSid": "MZ1", "mediaFormat": 3, "customParameters": [1]}},
    {"event": "media", "media": {"payload": "AA==", "timestamp": "-1"}},
    {"event": "media", "media": {"payload": "AA==", "timestamp": "9" * 40}},
    {"event": "media", "media": {"payload": "AA==", "timestamp": "٣"}},
]


@pytest.mark.parametrize("strange", STRANGE, ids=str)
async def test_what_is_only_strange_is_no_error(strange: Any) -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(strange, START, media(0))
        await wait_all_tasks_blocked()
        assert server.types()[-1] == "input_audio_buffer.append"
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()


async def test_audio_before_the_start_waits_for_it() -> None:
    server = MemoryServer()
    async with calling(server) as (_, phone):
        server.send(RESPONDING, delta(80), delta(80), audio_done())
        assert await settled(phone) == []
        phone.say(START)
        heard = await settled(phone)
        names = [message["mark"]["name"] for message in heard if message["event"] == "mark"]
        assert names == ["it1:10:g1:m1", "it1:20:g1:m2", "done:it1:g1:m3"]
        assert all(message["streamSid"] == "MZ1" for message in heard)


async def test_waiting_audio_is_withdrawn_by_an_interruption() -> None:
    server = MemoryServer()
    async with calling(server) as (_, phone):
        server.send(RESPONDING, delta(1600), SPEECH)
        await wait_all_tasks_blocked()
        assert server.types() == ["response.cancel", "conversation.item.truncate"]
        phone.say(START)
        server.send(delta(1600))
        assert await settled(phone) == []


async def test_speech_before_the_first_audio_cancels_and_clears_once() -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone):
        phone.say(START)
        server.send(RESPONDING, SPEECH, SPEECH)
        heard = await settled(phone)
        assert heard == [{"event": "clear", "streamSid": "MZ1"}]
        assert server.types() == ["response.cancel"]
        server.send(delta(160))
        assert await settled(phone) == []
        transport.interrupt()
        assert await settled(phone) == []


async def test_marks_from_before_a_clear_count_for_nothing() -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone):
        phone.say(START)
        server.send(RESPONDING, delta(800), delta(800))
        names = [m["mark"]["name"] for m in await settled(phone) if m["event"] == "mark"]
        transport.interrupt()
        phone.say(mark(names[0]), mark(names[1]))
        server.send({"type": "response.done", "event_id": "e", "response": {"id": "r1"}})
        server.send({"type": "response.created", "event_id": "e", "response": {"id": "r2"}})
        server.send(delta(800, "it2", response_id="r2"))
        heard = await settled(phone)
        assert heard[-1]["mark"]["name"] == "it2:100:g2:m3"
        server.received.clear()
        server.send(SPEECH)
        await wait_all_tasks_blocked()
        cut = server.received[-1]
        assert (cut["type"], cut["item_id"], cut["audio_end_ms"]) == ("conversation.item.truncate", "it2", 50)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (WebSocketDisconnect(1000), 0),
        (WebSocketDisconnect(1006), 0),
        (ConnectionClosedError("no close frame"), 0),
        (anyio.EndOfStream(), 0),
        (RuntimeError("the socket broke"), 1),
    ],
    ids=repr,
)
async def test_a_provider_that_vanishes_ends_the_call(end: Exception, told: int) -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(START, end)
        assert [event async for event in transport if isinstance(event, PhoneStarted)]
        assert transport.status == "disconnected"
        assert len([event async for event in errors]) == told
    assert server.closed_with == 1000


async def test_a_caller_who_hangs_up_before_the_model_answers() -> None:
    phone = Phone.make()

    @asynccontextmanager
    async def never(_request: Any) -> AsyncGenerator[Any]:
        await anyio.sleep_forever()
        yield

    transport = TwilioRealtimeTransportLayer(StarletteLike(phone), connector=never, api_key="sk-test")
    phone.say(START, {"event": "stop"})
    with pytest.raises(ConnectError, match="closed before"):
        async with transport.connect():
            pass
    phone.close()


async def test_what_was_said_without_a_connection_is_old_news() -> None:
    server, phone = MemoryServer(), Phone.make()

    @asynccontextmanager
    async def slowly(request: Any) -> AsyncGenerator[Any]:
        await wait_all_tasks_blocked()
        async with server.connector(request) as link:
            yield link

    transport = TwilioRealtimeTransportLayer(
        StarletteLike(phone), connector=slowly, api_key="sk-test", ping_interval=None, update_timeout=0
    )
    phone.say(START, media(0), media(20))
    for turn in range(2):
        server.send(CREATED)
        async with transport.connect():
            await wait_all_tasks_blocked()
            assert "input_audio_buffer.append" not in server.types()
            phone.say(media(2000 + turn))
            await wait_all_tasks_blocked()
            assert server.types()[-1] == "input_audio_buffer.append"
        server.received.clear()
        phone.say(media(3000))
    phone.close()


async def test_a_provider_that_falls_silent_ends_the_call() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock, silence_timeout=5) as (transport, phone):
        phone.say(START)
        await clock.advance(4)
        phone.say(media(0))
        await clock.advance(4.9)
        assert transport.status == "connected"
        await clock.advance(0.2)
        errors = [event async for event in transport if isinstance(event, ErrorEvent)]
        assert "nothing for 5 s" in str(errors[0].error)
    assert transport.status == "disconnected"


async def test_the_model_may_be_connected_again_in_the_same_call() -> None:
    server, phone = MemoryServer(), Phone.make()
    transport = TwilioRealtimeTransportLayer(
        StarletteLike(phone), connector=server.connector, api_key="sk-test", ping_interval=None, update_timeout=0
    )
    server.send(CREATED)
    async with transport.connect():
        phone.say(START)
        server.send(RESPONDING, delta(800))
        assert [m["event"] for m in await settled(phone)] == ["media", "mark"]
    server.send(CREATED)
    async with transport.connect():
        phone.say(media(500))
        server.send(RESPONDING, delta(80, "it9"))
        heard = await settled(phone)
        assert heard[-1]["mark"]["name"] == "it9:10:g2:m2"
        assert server.types()[-1] == "input_audio_buffer.append"
        server.send(SPEECH)
        await wait_all_tasks_blocked()
        assert [m["item_id"] for m in server.received if m["type"].endswith("truncate")] == ["it9"]
    phone.close()


async def test_frames_are_paced_with_a_mark_each() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock, frame_ms=20, silence_timeout=None) as (_, phone):
        phone.say(START)
        await clock.advance(0)
        server.send(RESPONDING, delta(8000), audio_done())
        await clock.advance(0)
        first = phone.heard()
        assert [m["event"] for m in first] == ["media", "mark"] * 11  # 200 ms ahead, and the one that plays
        assert first[1]["mark"]["name"] == "it1:20:g1:m1"
        await clock.advance(0.1)
        assert len(phone.heard()) == 10
        phone.say(mark("it1:100:g1:m5"))
        await clock.advance(0)
        server.received.clear()
        server.send(SPEECH)
        await clock.advance(0)
        assert server.received[-1]["audio_end_ms"] == 150
        assert phone.heard() == [{"event": "clear", "streamSid": "MZ1"}]
        await clock.advance(2)
        assert phone.heard() == []


async def test_a_late_frame_starts_the_pace_anew() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock, frame_ms=20, silence_timeout=None) as (_, phone):
        phone.say(START)
        server.send(RESPONDING, delta(250))
        await clock.advance(0)
        assert [m["event"] for m in phone.heard()] == ["media", "mark"]
        await clock.advance(5)
        server.send(delta(70), audio_done())
        await clock.advance(0)
        heard = phone.heard()
        names = [m["mark"]["name"] for m in heard if m["event"] == "mark"]
        assert names == ["it1:40:g1:m2", "done:it1:g1:m3"]


async def test_the_end_of_a_part_sends_what_is_less_than_a_frame() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock, frame_ms=20, silence_timeout=None) as (_, phone):
        phone.say(START)
        server.send(RESPONDING, delta(200), delta(40, "it2"), audio_done("it2"))
        await clock.advance(0)
        names = [m["mark"]["name"] for m in phone.heard() if m["event"] == "mark"]
        assert names == ["it1:20:g1:m1", "it1:25:g1:m2", "it2:5:g1:m3", "done:it2:g1:m4"]


async def test_waiting_until_the_caller_has_heard() -> None:
    server = MemoryServer()
    heard = anyio.Event()
    async with calling(server) as (transport, phone), anyio.create_task_group() as tasks:
        phone.say(START)
        server.send(RESPONDING, delta(160), audio_done())
        names = [m["mark"]["name"] for m in await settled(phone) if m["event"] == "mark"]

        async def wait() -> None:
            await transport.wait_until_heard()
            heard.set()

        tasks.start_soon(wait)
        phone.say(mark(names[0]))
        await wait_all_tasks_blocked()
        assert not heard.is_set()
        phone.say(mark(names[1]))
        await wait_all_tasks_blocked()
        assert heard.is_set()
    with pytest.raises(NotConnectedError):
        await transport.wait_until_heard()


async def test_audio_that_nobody_takes_ends_the_call_at_its_bound() -> None:
    server = MemoryServer()
    with pytest.raises(Exception, match="wait for the telephone"):
        async with calling(server, max_playback_bytes=1000) as (transport, _):
            server.send(RESPONDING, delta(800), delta(800))
            async for _ in transport:
                pass


def test_marks_that_never_come_back_do_not_stay_for_ever() -> None:
    playout = Playout(TwilioCodec(), 20)
    playout.start("MZ1")
    names: list[str] = []
    for number in range(MAX_MARKS + 10):
        playout.play("r", f"it{number // 50}", 0, b"\0" * 160)
        while (text := playout.take(number * 0.02)) is not None:
            names += [json.loads(text)["mark"]["name"]] if "mark" in text else []
    assert len(names) == MAX_MARKS + 10
    assert playout.reach(names[9]) is None
    heard = playout.reach(names[10])
    assert heard is not None
    assert heard.samples == 11 * 160
