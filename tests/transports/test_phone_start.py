"""How the bridge learns of the stream: from its start, from the application, from audio; and a second start."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import ConfigError, ErrorEvent, PhoneStarted, TelnyxCodec, TwilioRealtimeTransportLayer
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from tests.transports.phones import (
    RESPONDING,
    SPEECH,
    START,
    StarletteLike,
    audio_done,
    calling,
    delta,
    mark,
    media,
    settled,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "start", [START, json.dumps(START), json.dumps(START).encode(), "MZ1"], ids=lambda s: type(s).__name__
)
async def test_an_application_that_has_read_the_start_passes_it_on(start: Any) -> None:
    server = MemoryServer()
    async with calling(server, start=start) as (transport, phone):
        server.send(RESPONDING, delta(160))
        heard = await settled(phone)
        assert [message["event"] for message in heard] == ["media", "mark"]
        assert heard[0]["streamSid"] == "MZ1"
        phone.say(media(0), media(60))
        await wait_all_tasks_blocked()
        assert server.types() == ["input_audio_buffer.append"] * 3
        assert transport.phone_call is not None
        assert transport.phone_call.call_id == ("" if start == "MZ1" else "CA1")


@pytest.mark.parametrize(
    "start",
    [{"event": "stop"}, {"event": "start"}, "{oops", b"null", {"event": "start", "start": {"x": object()}}],
    ids=["stop", "empty", "no-json", "null", "object"],
)
def test_a_start_that_is_none_is_told(start: Any) -> None:
    with pytest.raises(ConfigError, match="start") as caught:
        TwilioRealtimeTransportLayer(StarletteLike(None), start=start)  # type: ignore[arg-type]
    assert caught.value.key == "start"


@pytest.mark.parametrize("codec", [None, TelnyxCodec()], ids=["twilio", "telnyx"])
async def test_the_stream_is_learned_from_the_first_audio(codec: Any) -> None:
    server = MemoryServer()
    async with calling(server, codec=codec) as (_, phone):
        server.send(RESPONDING, delta(160))
        assert await settled(phone) == []
        phone.say({**media(0), "stream_id": "S1"})
        assert [message["event"] for message in await settled(phone)] == ["media", "mark"]
        assert server.types() == ["input_audio_buffer.append"]


async def test_a_start_after_the_stream_was_learned_changes_nothing_but_what_is_known() -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone):
        phone.say(media(0))
        server.send(RESPONDING, delta(160), audio_done())
        names = [message["mark"]["name"] for message in await settled(phone) if message["event"] == "mark"]
        phone.say(START, mark(names[0]), mark(names[1]))
        await wait_all_tasks_blocked()
        await transport.wait_until_heard()
        assert transport.phone_call is not None
        assert transport.phone_call.call_id == "CA1"


async def test_audio_never_waits_for_a_stream_in_silence() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        server.send(RESPONDING, delta(160))
        await clock.advance(4.9)
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()
        await clock.advance(0.2)
        assert "pass it as start=" in str(errors.receive_nowait().error)
        phone.say(START)
        await clock.advance(10)
        assert [message["event"] for message in phone.heard()] == ["media", "mark"]
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()


async def test_a_second_start_of_the_same_stream_leaves_playback_alone() -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone):
        phone.say(START)
        server.send(RESPONDING, delta(1600), delta(1600))
        names = [message["mark"]["name"] for message in await settled(phone) if message["event"] == "mark"]
        phone.say(START, mark(names[0]))
        await wait_all_tasks_blocked()
        server.send(SPEECH)
        await wait_all_tasks_blocked()
        cut = server.received[-1]
        assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncate", 250)
        transport.close_nowait()
        assert len([event async for event in transport if isinstance(event, PhoneStarted)]) == 2


async def test_a_start_of_another_stream_takes_over() -> None:
    server = MemoryServer()
    other = {**START, "streamSid": "MZ2", "start": {**START["start"], "streamSid": "MZ2"}}  # type: ignore[dict-item]
    async with calling(server) as (transport, phone):
        phone.say(START)
        server.send(RESPONDING, delta(1600))
        await settled(phone)
        phone.say(other)
        await wait_all_tasks_blocked()
        server.send(delta(160))
        assert {message["streamSid"] for message in await settled(phone)} == {"MZ2"}
        assert transport.phone_call is not None
        assert transport.phone_call.stream_id == "MZ2"
