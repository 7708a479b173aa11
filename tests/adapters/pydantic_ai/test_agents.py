"""Agents of pydantic-ai over WebSocket and WebRTC, against the emulator."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRequest, RunContext, UserError
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    BinaryImage,
    FunctionToolResultEvent,
    ModelResponse,
    RealtimeInputSpeechStartEvent,
    SpeechPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.realtime import RealtimeError
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults

from realtime_transport import BufferSink, BytesSource
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator import Faults, RealtimeEmulator

from .conftest import Make, replies, say, sent_by_client, speaks, speech, transport_to, turn, until, weather_agent

pytestmark = pytest.mark.anyio

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8ffff3f0005fe02fea7357d"
    "4c0000000049454e44ae426082"
)


async def test_a_text_turn(model: Make) -> None:
    agent = weather_agent()
    async with agent.realtime(model()).session() as session:
        await turn(session, "Hello")
        messages = session.all_messages()
    assert replies(messages) == ["You said: Hello"]
    assert [type(message) for message in messages] == [ModelRequest, ModelResponse]
    assert messages[1].finish_reason == "stop"
    assert messages[1].model_name == "gpt-realtime-2.1"
    assert messages[1].usage.output_tokens > 0


async def test_text_instead_of_speech(model: Make) -> None:
    async with weather_agent().realtime(model(settings={"output_modality": "text"})).session() as session:
        await turn(session, "Hello")
        response = session.all_messages()[-1]
    assert [type(part) for part in response.parts] == [TextPart]
    assert replies([response]) == ["You said: Hello"]


async def test_waiting_for_the_reply_to_what_was_sent(model: Make) -> None:
    async with weather_agent().realtime(model()).session() as session:
        await session.send("One")
        await session.send("Two")
        await asyncio.wait_for(session.wait_for_reply(), 20)
        await turn(session)
        assert replies(session.all_messages())[0] == "You said: One"
        assert "Two" in replies(session.all_messages())[-1]


async def test_a_spoken_turn(wire: str, model: Make) -> None:
    audio = await speech()
    source = BytesSource(audio, AudioFormat.PCM24K) if wire == "webrtc" else None
    made = model(transport={"audio_source": source} if source else {})
    async with weather_agent().realtime(made).session() as session:
        if source is None:
            await say(session, audio)
        events = await turn(session)
        spoken, reply = session.all_messages()
    kinds = [event.event_kind for event in events]
    assert kinds.index("realtime_input_speech_start") < kinds.index("realtime_input_speech_end")
    assert isinstance(spoken.parts[0], SpeechPart)
    assert "seconds" in (spoken.parts[0].transcript or "") or spoken.parts[0].transcript
    assert isinstance(reply.parts[0], SpeechPart)


async def test_push_to_talk(emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(transport_to("websocket", emulator), settings={"turn_detection": False})
    async with weather_agent().realtime(made).session() as session:
        await say(session, await speech(silence=0))
        await session.clear_audio()
        await say(session, await speech(1.0, silence=0))
        await session.commit_audio()
        await session.create_response()
        await turn(session)
        spoken, _reply = session.all_messages()
    assert isinstance(spoken.parts[0], SpeechPart)
    assert spoken.parts[0].transcript


async def test_the_audio_of_a_reply_is_heard_to_its_end(wire: str, emulator: RealtimeEmulator, model: Make) -> None:
    heard = bytearray()

    async def listen(stream: Any) -> None:
        async for chunk in stream:
            heard.extend(chunk)

    async with weather_agent().realtime(model()).session(audio_retention="all") as session:
        listening = asyncio.create_task(listen(session.stream_audio()))
        await turn(session, "Hello")
        retained = session.all_messages()[-1].parts[0]
        await session.wait_for_playback()
        await session.close()
        await listening
    assert isinstance(retained, SpeechPart)
    assert retained.audio is not None
    assert len(heard) > 24_000
    assert len(retained.audio.data) == len(heard) + 44  # The header of a WAV file.
    if wire == "websocket":
        assert len(heard) == sum(len(e["delta"]) * 3 // 4 for e in _deltas(emulator))


def _deltas(emulator: RealtimeEmulator) -> list[dict[str, Any]]:
    return [e for who, e in emulator.sessions[0].transcript if e["type"] == "response.output_audio.delta"]


async def test_a_tool(model: Make, emulator: RealtimeEmulator) -> None:
    async with weather_agent().realtime(model()).session() as session:
        await turn(session, '/call get_weather {"city": "Oslo"}')
        messages = session.all_messages()
    assert [type(message.parts[0]) for message in messages[1:]] == [ToolCallPart, ToolReturnPart, SpeechPart]
    assert messages[1].finish_reason == "tool_call"
    assert replies(messages)[-1] == "get_weather returned: rain in Oslo"
    assert len(sent_by_client(emulator, "response.create")) == 2


async def test_two_tools_in_one_response_get_one_answer(model: Make, emulator: RealtimeEmulator) -> None:
    agent = weather_agent()
    gate = asyncio.Event()

    @agent.tool_plain
    async def get_time(city: str) -> str:
        """The time in a city."""
        await gate.wait()
        return f"noon in {city}"

    async with agent.realtime(model()).session() as session:
        await session.send('/call get_weather {"city": "Oslo"}\n/call get_time {"city": "Rome"}')
        await until(session, lambda event: isinstance(event, FunctionToolResultEvent))
        assert len(sent_by_client(emulator, "response.create")) == 1  # One call is not answered yet.
        gate.set()
        await turn(session)
        messages = session.all_messages()
    calls = next(each for each in messages if each.kind == "response")
    assert [part.tool_name for part in calls.parts] == ["get_weather", "get_time"]
    creates = sent_by_client(emulator, "response.create")
    assert [sorted(create["response"]["metadata"].values()) for create in creates] == [["0"], ["1-2"]]
    assert "noon in Rome" in replies(messages)[-1]


async def test_another_agent_takes_over_with_its_tools_and_the_history(model: Make, emulator: RealtimeEmulator) -> None:
    first, made = weather_agent(), model()
    async with first.realtime(made).session() as session:
        await turn(session, '/call get_weather {"city": "Oslo"}')
        history = session.all_messages()
    second = Agent(instructions="You book.")

    @second.tool_plain
    def book(city: str) -> str:
        """Book a journey."""
        return f"booked {city}"

    async with second.realtime(made, message_history=history).session() as session:
        await turn(session, '/call book {"city": "Rome"}')
        assert replies(session.new_messages())[-1] == "book returned: booked Rome"
    updates = [each["session"] for each in sent_by_client(emulator, "session.update") if each["session"].get("tools")]
    assert [[tool["name"] for tool in update["tools"]] for update in updates] == [["get_weather"], ["book"]]
    assert updates[-1]["instructions"] == "You book."
    told = [each["item"] for each in sent_by_client(emulator, "conversation.item.create")]
    kinds = [item.get("role", item["type"]) for item in told]
    assert kinds[2:7] == ["user", "function_call", "function_call_output", "assistant", "user"]


async def test_a_tool_that_needs_leave_is_refused_by_a_capability(model: Make) -> None:
    """What guards a session of pydantic-ai: a capability; they have no guardrails by that name."""

    async def decide(_ctx: RunContext[None], requests: DeferredToolRequests) -> DeferredToolResults:
        return DeferredToolResults(approvals={call.tool_call_id: False for call in requests.approvals})

    agent = Agent(instructions="Be brief.", capabilities=[HandleDeferredToolCalls(handler=decide)])
    ran: list[str] = []

    @agent.tool_plain(requires_approval=True)
    def pay(to: str) -> str:
        """Pay somebody."""
        ran.append(to)
        return "paid"

    async with agent.realtime(model()).session() as session:
        await turn(session, '/call pay {"to": "Eve"}')
        messages = session.all_messages()
    assert ran == []
    assert "denied" in replies(messages)[-1]


async def test_an_answer_that_is_not_to_be_heard_is_cut_off(model: Make, emulator: RealtimeEmulator) -> None:
    """A guardrail on what the model says: whoever reads the transcript interrupts."""
    async with weather_agent().realtime(model()).session() as session:
        await session.send("/say 30 my secret is out")
        await until(session, lambda event: speaks(event) and "secret" in event.delta.transcript)
        await session.interrupt()
        await turn(session)
        cut = session.all_messages()[-1]
        await turn(session, "Hello")
        assert replies(session.all_messages())[-1] == "You said: Hello"
    assert cut.state == "interrupted"
    assert len(sent_by_client(emulator, "response.cancel")) == 1


async def test_an_image(model: Make) -> None:
    async with weather_agent().realtime(model()).session() as session:
        await session.send(BinaryImage(PIXEL, media_type="image/png"), respond=True)
        await turn(session)
        assert "png" in replies(session.all_messages())[-1]


# Barge-in


async def test_talking_over_the_model_cuts_at_what_was_heard(emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(transport_to("websocket", emulator))
    audio = await speech(1.0)
    async with weather_agent().realtime(made).session(handle_barge_in=True) as session:
        heard = session.stream_audio()
        await session.send("/say 20")
        for _ in range(6):  # Pieces of 100 ms; five have been played when the sixth is asked for.
            await anext(heard)
        await say(session, audio)
        await turn(session)
        await turn(session)
        cut = session.all_messages()[1]
    (truncation,) = sent_by_client(emulator, "conversation.item.truncate")
    assert truncation["audio_end_ms"] == 500
    assert cut.state == "interrupted"
    assert cut.parts[0].interrupted_at_ms == 500
    assert sent_by_client(emulator, "response.cancel") == []  # The server cancels by itself.


async def test_talking_over_the_model_where_a_sink_plays(emulator: RealtimeEmulator) -> None:
    """The transport plays: it cuts off by itself, at what its sink has played, and history says so."""
    sink = BufferSink()
    made = TransportRealtimeModel(transport_to("websocket", emulator, audio_sink=sink, audio_source=None))
    async with weather_agent().realtime(made).session() as session:
        await session.send("/say 20")
        await until(session, speaks)
        await say(session, await speech(1.0))
        await turn(session)
        await turn(session)
        cut = session.all_messages()[1]
    (truncation,) = sent_by_client(emulator, "conversation.item.truncate")
    assert cut.state == "interrupted"
    assert cut.parts[0].interrupted_at_ms == truncation["audio_end_ms"] > 0


async def test_talking_over_the_model_where_the_server_plays(emulator: RealtimeEmulator) -> None:
    """A file is the microphone: it begins to speak while the model does."""
    source = BytesSource(bytes(48_000) + await speech(1.0), AudioFormat.PCM24K)
    made = TransportRealtimeModel(transport_to("webrtc", emulator, audio_source=source))
    async with weather_agent().realtime(made).session() as session:
        await session.send("/say 20")
        events = await turn(session)
        cut = session.all_messages()[1]
    kinds = [event.event_kind for event in events]
    assert "realtime_output_speech_start" in kinds
    assert kinds.index("realtime_input_speech_start") < kinds.index("realtime_output_speech_end")
    assert "realtime_response_interrupted" in kinds
    assert any(isinstance(event, RealtimeInputSpeechStartEvent) for event in events)
    assert cut.state == "interrupted"
    assert 0 < cut.parts[0].interrupted_at_ms < 3000
    assert sent_by_client(emulator, "conversation.item.truncate") == []


async def test_interrupting_by_hand(model: Make, wire: str, emulator: RealtimeEmulator) -> None:
    async with weather_agent().realtime(model()).session() as session:
        stream = session.stream_audio()
        await session.send("/say 20")
        await anext(stream)
        if wire == "websocket":
            await session.interrupt(played_ms=300)
        else:
            with pytest.raises(UserError, match="truncation"):
                await session.interrupt(played_ms=300)
            await session.interrupt()
        await turn(session)
        cut = session.all_messages()[1]
    assert cut.state == "interrupted"
    second = "conversation.item.truncate" if wire == "websocket" else "output_audio_buffer.clear"
    assert len(sent_by_client(emulator, "response.cancel")) == len(sent_by_client(emulator, second)) == 1


# What goes wrong


async def test_a_bad_key(model: Make, wire: str) -> None:
    # Over a WebSocket the service accepts the upgrade and says so then, without a status.
    expected: type[Exception] = ModelHTTPError if wire == "webrtc" else RealtimeError
    with pytest.raises(expected, match="(?i)key") as raised:
        async with weather_agent().realtime(model("sk-invalid")).session():
            pass
    assert "sk-invalid" not in str(raised.value)
    assert getattr(raised.value, "status_code", 401) == 401


async def test_no_key(model: Make) -> None:
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        async with weather_agent().realtime(model(None)).session():  # type: ignore[arg-type]
            pass


async def test_a_setting_that_makes_no_sense(model: Make) -> None:
    settings: Any = {"session_config": {"instrutions": "x"}}
    with pytest.raises(UserError, match="instructions"):
        async with weather_agent().realtime(model(settings=settings)).session():
            pass


async def test_a_tool_call_cannot_be_forced(model: Make) -> None:
    with pytest.raises(UserError, match="force"):
        async with weather_agent().realtime(model(settings={"tool_choice": "required"})).session():
            pass


async def test_nobody_listens(wire: str, emulator: RealtimeEmulator) -> None:
    where = {"url": "ws://127.0.0.1:9/v1"} if wire == "websocket" else {"base_url": "http://127.0.0.1:9/v1"}
    from realtime_transport import OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket

    if wire == "websocket":
        transport: Any = OpenAIRealtimeWebSocket(api_key="k", **where)
    else:
        transport = OpenAIRealtimeWebRTC(api_key="k", audio_source=None, audio_sink=None, **where)
    with pytest.raises(RealtimeError):
        async with weather_agent().realtime(TransportRealtimeModel(transport)).session():
            pass


@pytest.mark.parametrize("directive", ["/drop", "/close 1011 oops", "/close 1000"])
async def test_a_lost_connection(directive: str, emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(transport_to("websocket", emulator))
    session: Any = None
    with pytest.raises(RealtimeError, match="lost"):
        async with weather_agent().realtime(made).session() as session:
            await turn(session, "Hello")
            await turn(session, directive)
    assert replies(session.all_messages()) == ["You said: Hello"]


async def test_a_lost_connection_in_the_middle_of_a_reply(emulator: RealtimeEmulator) -> None:
    faults = Faults(drop_at_frame=25)
    async with RealtimeEmulator(faults=faults) as broken:
        made = TransportRealtimeModel(transport_to("websocket", broken))
        session: Any = None
        with pytest.raises(RealtimeError, match="lost"):
            async with weather_agent().realtime(made).session() as session:
                await turn(session, "/say 20 a long tale")
        cut = session.all_messages()[-1]
    assert cut.state == "interrupted"


async def test_a_call_that_the_server_ends(emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(transport_to("webrtc", emulator))
    with pytest.raises(RealtimeError, match="lost"):
        async with weather_agent().realtime(made).session() as session:
            await turn(session, "Hello")
            await turn(session, "/close 1000")


def told_to(emulator: RealtimeEmulator, number: int) -> list[str]:
    """The texts of the items that a client has created on a connection."""
    sent = (event for who, event in emulator.sessions[number].transcript if who == "client")
    return [event["item"]["content"][0]["text"] for event in sent if event["type"] == "conversation.item.create"]


RECONNECT: Any = {"reconnect": {"base_delay": 0.0, "max_attempts": 2}}


async def test_a_connection_that_takes_the_place_of_a_lost_one() -> None:
    faults = Faults(drop_at_frame=40, connections=[1])
    async with RealtimeEmulator(faults=faults, keep_transcripts=True) as broken:
        made = TransportRealtimeModel(transport_to("websocket", broken), settings=RECONNECT)
        async with weather_agent().realtime(made).session() as session:
            await session.send("/say 20 a long tale")
            (*_, reconnected) = await until(session, lambda event: event.event_kind == "realtime_session_reconnect")
            assert not reconnected.state_restored  # A reply was lost.
            cut = session.all_messages()[-1]
            await turn(session, "Again")
            assert replies(session.all_messages())[-1].endswith("You said: Again")
        assert cut.state == "interrupted"
        assert told_to(broken, 1) == ["/say 20 a long tale", "Again"]  # What was said to the end.


async def test_a_reply_that_had_not_begun_is_asked_for_again() -> None:
    faults = Faults(drop_at_frame=6, connections=[1])  # In place of response.created.
    async with RealtimeEmulator(faults=faults, keep_transcripts=True) as broken:
        made = TransportRealtimeModel(transport_to("websocket", broken), settings=RECONNECT)
        async with weather_agent().realtime(made).session() as session:
            await session.send("Hello")
            await asyncio.wait_for(session.wait_for_reply(), 20)
            assert replies(session.all_messages()) == ["You said: Hello"]
        assert told_to(broken, 1) == ["Hello"]


async def test_connecting_again_is_given_up() -> None:
    faults = Faults(drop_at_frame=1, connections=[2, 3])
    async with RealtimeEmulator(faults=faults) as broken:
        made = TransportRealtimeModel(transport_to("websocket", broken), settings=RECONNECT)
        with pytest.raises(RealtimeError, match="connecting again failed"):
            async with weather_agent().realtime(made).session() as session:
                await turn(session, "Hello")
                await turn(session, "/drop")
        assert len(broken.sessions) == 3


async def test_leaving_in_the_middle_of_a_reply(model: Make, emulator: RealtimeEmulator) -> None:
    async with weather_agent().realtime(model()).session() as session:
        await session.send("/say 30")
        await until(session, speaks)
    assert session.all_messages()[-1].state == "interrupted"


async def test_leaving_while_a_tool_runs(model: Make) -> None:
    agent = Agent()
    running = asyncio.Event()

    @agent.tool_plain
    async def wait() -> str:
        """Wait."""
        running.set()
        await asyncio.Event().wait()
        return ""

    async with agent.realtime(model()).session() as session:
        await session.send("/call wait {}")
        await running.wait()
    assert isinstance(session.all_messages()[-1].parts[0], ToolReturnPart)


async def test_leaving_by_an_exception(model: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        async with weather_agent().realtime(model()).session() as session:
            await session.send("/say 30")
            _ = 1 / 0


async def test_being_cancelled(model: Make) -> None:
    entered = asyncio.Event()

    async def talk() -> None:
        async with weather_agent().realtime(model()).session() as session:
            await session.send("/say 30")
            entered.set()
            async for _ in session:
                pass

    task = asyncio.create_task(talk())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_two_sessions_at_once_need_two_transports(emulator: RealtimeEmulator) -> None:
    one = TransportRealtimeModel(transport_to("websocket", emulator))
    async with weather_agent().realtime(one).session():
        with pytest.raises(UserError, match="another transport"):
            async with weather_agent().realtime(one).session():
                pass
    many = TransportRealtimeModel(lambda: transport_to("websocket", emulator))
    async with weather_agent().realtime(many).session() as a, weather_agent().realtime(many).session() as b:
        await turn(a, "A")
        await turn(b, "B")
        assert (replies(a.all_messages()), replies(b.all_messages())) == (["You said: A"], ["You said: B"])


async def test_a_microphone_of_the_transport_is_the_only_one(emulator: RealtimeEmulator) -> None:
    transport = transport_to("websocket", emulator, audio_source=BytesSource(bytes(4800), AudioFormat.PCM24K))
    async with weather_agent().realtime(TransportRealtimeModel(transport)).session() as session:
        with pytest.raises(UserError, match="audio source"):
            await say(session, bytes(4800))


def test_a_recording_as_long_as_it_says(tmp_path: Path) -> None:
    with wave.open(str(Path(__file__).parents[3] / "examples/audio/vm-options.wav")) as file:
        assert file.getnframes() / file.getframerate() > 3
