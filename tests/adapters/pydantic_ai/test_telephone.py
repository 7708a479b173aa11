"""An agent of pydantic-ai on the telephone: a provider's media stream, and a SIP call."""

from __future__ import annotations

import contextlib
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic_ai import BinaryContent, UserError

from realtime_transport import OpenAIRealtimeSIP, TwilioRealtimeTransportLayer
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.emulator import RealtimeEmulator
from tests.transports.phones import START, Phone, StarletteLike, mark, media

from .conftest import MODEL, replies, sent_by_client, speaks, turn, until, weather_agent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def phone() -> Any:
    phone = Phone.make()
    yield phone
    phone.close()


def over(phone: Phone, emulator: RealtimeEmulator) -> TransportRealtimeModel:
    socket: Any = StarletteLike(phone)
    return TransportRealtimeModel(TwilioRealtimeTransportLayer(socket, model=MODEL, api_key="k", url=emulator.base_url))


async def test_the_caller_hears_the_agent(phone: Phone, emulator: RealtimeEmulator) -> None:
    phone.say(START)
    async with weather_agent().realtime(over(phone, emulator)).session() as session:
        await turn(session, '/call get_weather {"city": "Oslo"}')
        assert replies(session.all_messages())[-1] == "get_weather returned: rain in Oslo"
        heard = phone.heard()
        with pytest.raises(UserError, match="truncation"):
            await session.interrupt(played_ms=100)
    assert {message["event"] for message in heard} == {"media", "mark"}
    formats = [
        each["session"]["audio"]["output"].get("format") for each in sent_by_client(emulator, "session.update")[:1]
    ]
    assert formats == [{"type": "audio/pcmu"}]  # That of the line.


async def test_the_caller_interrupts(phone: Phone, emulator: RealtimeEmulator) -> None:
    """The provider buffers; the transport has it cleared, and the marks say what was heard."""
    phone.say(START)
    async with weather_agent().realtime(over(phone, emulator)).session() as session:
        await session.send("/say 20")
        await until(session, speaks)
        marks: list[str] = []
        with anyio.fail_after(20):
            while not marks:
                await anyio.lowlevel.checkpoint()
                marks = [message["mark"]["name"] for message in phone.heard() if message["event"] == "mark"]
        phone.say(mark(marks[0]))
        await session.interrupt()
        await turn(session)
        cut = session.all_messages()[-1]
    assert "clear" in {message["event"] for message in phone.heard()}
    (truncation, *_) = sent_by_client(emulator, "conversation.item.truncate")
    assert cut.state == "interrupted"
    assert cut.parts[0].interrupted_at_ms == truncation["audio_end_ms"]


async def test_hanging_up_ends_the_session(phone: Phone, emulator: RealtimeEmulator) -> None:
    phone.say(START, media(0))
    async with weather_agent().realtime(over(phone, emulator)).session() as session:
        phone.say({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}})
        with contextlib.suppress(AssertionError):
            await turn(session)
        assert session.all_messages() == []


async def test_a_sip_call(emulator: RealtimeEmulator) -> None:
    transport = OpenAIRealtimeSIP(model=MODEL, api_key="k", url=emulator.base_url)
    made = TransportRealtimeModel(transport, call_id="rtc_call_1")
    async with weather_agent().realtime(made).session() as session:
        await turn(session, '/call get_weather {"city": "Oslo"}')
        assert replies(session.all_messages())[-1] == "get_weather returned: rain in Oslo"
        with pytest.raises(UserError, match="telephone"):
            await session.send(BinaryContent(bytes(4800), media_type="audio/pcm"))
    assert "format" not in sent_by_client(emulator, "session.update")[0]["session"]["audio"].get("input", {})


async def test_a_sip_call_without_its_id(emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(OpenAIRealtimeSIP(model=MODEL, api_key="k", url=emulator.base_url))
    with pytest.raises(UserError, match="call_id"):
        async with weather_agent().realtime(made).session():
            pass
