"""Agents of ``openai-agents`` over our transports, against the emulator.

On asyncio alone: the framework knows no other event loop.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

pytest.importorskip("agents")

from agents import GuardrailFunctionOutput, OutputGuardrail, function_tool
from agents.exceptions import UserError
from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner, realtime_handoff

from realtime_transport import AuthenticationError, ConnectionLost, OpenAIRealtimeWebSocket
from realtime_transport.adapters.openai_agents import TransportRealtimeModel
from realtime_transport.emulator import RealtimeEmulator
from tests.adapters.openai_agents.conftest import MakeTransport
from tests.adapters.openai_agents.talk import Talk, talking
from tests.emulator.conversation_driver import silence, speech

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


def sent(emulator: RealtimeEmulator, kind: str) -> list[dict[str, Any]]:
    """The messages of that type that the client has sent."""
    [record] = emulator.sessions
    return [event for who, event in record.transcript if who == "client" and event["type"] == kind]


def outputs(emulator: RealtimeEmulator) -> list[str]:
    """What functions returned to the model."""
    items = [event["item"] for event in sent(emulator, "conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"12 degrees in {city}"


def assistant(**more: Any) -> RealtimeAgent[Any]:
    return RealtimeAgent(name="Assistant", instructions="Be brief.", **more)


def named_audio(talk: Talk) -> list[Any]:
    """Audio of a reply; over WebRTC the first and the last frames may come without its ids."""
    return [event for event in talk.of("audio") if event.item_id]


# Turns


async def test_a_text_turn(make_transport: MakeTransport) -> None:
    async with talking(make_transport()) as talk:
        await talk.session.send_message("Hello")
        await talk.turns(1)
        await talk.until(lambda: named_audio(talk))  # Over WebRTC a turn ends before it is heard.
    assert talk.said() == ["You said: Hello"]
    assert talk.types().count("agent_start") == 1
    assert "error" not in talk.types()
    [said] = {event.item_id for event in talk.of("audio_end")}
    named = {event.item_id for event in talk.of("audio")}
    assert said in named <= {said, ""}  # Over WebRTC the last frames may come after the reply is said to have ended.


async def test_a_spoken_turn(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    async with talking(make_transport(), model_settings={"turn_detection": {"type": "server_vad"}}) as talk:
        await talk.session.send_audio(speech(1.5) + silence(1.0))
        await talk.turns(1)
    assert [item.role for item in talk.session._history] == ["user", "assistant"]
    assert sent(emulator, "input_audio_buffer.append")
    assert "history_added" in talk.types()
    raw = [event.data.type for event in talk.of("raw_model_event")]
    assert "input_audio_transcription_completed" in raw
    assert "error" not in talk.types()


async def test_audio_that_is_committed_by_hand(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    async with talking(make_transport(), model_settings={"turn_detection": None}) as talk:
        await talk.session.send_audio(speech(0.5), commit=True)
        await talk.session.model.send_event(raw("response.create"))
        await talk.turns(1)
    assert len(sent(emulator, "input_audio_buffer.commit")) == 1
    assert "error" not in talk.types()


def raw(kind: str, **other_data: Any) -> Any:
    from agents.realtime import RealtimeModelSendRawMessage

    return RealtimeModelSendRawMessage(message={"type": kind, "other_data": other_data})


async def test_a_message_with_an_image(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    png = f"data:image/png;base64,{base64.b64encode(bytes(100)).decode()}"
    parts: Any = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": png}]
    async with talking(make_transport()) as talk:
        await talk.session.send_message({"type": "message", "role": "user", "content": parts})
        await talk.turns(1)
    assert "error" not in talk.types()
    [item] = [event["item"] for event in sent(emulator, "conversation.item.create")]
    assert item["content"] == parts


# Tools


async def test_a_tool(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    async with talking(make_transport(), assistant(tools=[get_weather])) as talk:
        await talk.session.send_message('/call get_weather {"city": "Oslo"}')
        await talk.turns(2)
    assert outputs(emulator) == ["12 degrees in Oslo"]
    kinds = talk.types()
    assert kinds.index("tool_start") < kinds.index("tool_end")
    [call] = [item for item in talk.session._history if item.type == "function_call"]
    assert (call.name, call.status, call.output) == ("get_weather", "completed", "12 degrees in Oslo")
    assert talk.said()[-1] == "get_weather returned: 12 degrees in Oslo"
    assert "error" not in kinds


@pytest.mark.parametrize(("at_once", "turns"), [(False, 3), (True, 2)])
async def test_two_tools_in_one_response(
    make_transport: MakeTransport, emulator: RealtimeEmulator, at_once: bool, turns: int
) -> None:
    transport = make_transport(respond_after_all_calls=at_once)
    async with talking(transport, assistant(tools=[get_weather])) as talk:
        await talk.session.send_message('/call get_weather {"city": "Oslo"}\nget_weather {"city": "Rome"}')
        await talk.turns(turns)
    assert sorted(outputs(emulator)) == ["12 degrees in Oslo", "12 degrees in Rome"]
    assert len(sent(emulator, "response.create")) == turns
    assert "error" not in talk.types()


async def test_a_tool_that_runs_within_the_listener(make_transport: MakeTransport) -> None:
    async with talking(make_transport(), assistant(tools=[get_weather]), async_tool_calls=False) as talk:
        await talk.session.send_message('/call get_weather {"city": "Oslo"}')
        await talk.turns(2)
    assert talk.said()[-1] == "get_weather returned: 12 degrees in Oslo"


async def test_a_handoff(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    billing = RealtimeAgent(name="Billing", instructions="You do the bills.")
    agent = assistant(handoffs=[realtime_handoff(billing)])
    async with talking(make_transport(), agent) as talk:
        await talk.session.send_message("/call transfer_to_billing {}")
        await talk.turns(2)
    [handoff] = talk.of("handoff")
    assert (handoff.from_agent.name, handoff.to_agent.name) == ("Assistant", "Billing")
    first, *_, last = sent(emulator, "session.update")
    assert [tool["name"] for tool in first["session"]["tools"]] == ["transfer_to_billing"]
    assert (last["session"]["instructions"], last["session"]["tools"]) == ("You do the bills.", [])
    kinds = [event["type"] for who, event in emulator.sessions[0].transcript if who == "client"]
    assert len(kinds) - 1 - kinds[::-1].index("session.update") < len(kinds) - 1 - kinds[::-1].index("response.create")
    assert "error" not in talk.types()


async def test_a_guardrail(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    def no_secrets(_context: Any, _agent: Any, output: str) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in output)

    agent = assistant(output_guardrails=[OutputGuardrail(no_secrets, name="no secrets")])
    settings = {"debounce_text_length": 10}
    async with talking(make_transport(), agent, guardrails_settings=settings) as talk:
        await talk.session.send_message("/say 30 The secret word is secret, and I shall say it for half a minute.")
        await talk.turns(2)
    assert talk.of("guardrail_tripped")
    assert talk.said()[-1] == "You said: guardrail triggered: no secrets"
    assert sent(emulator, "response.cancel")
    assert talk.of("audio_interrupted") or "output_audio_buffer.clear" not in emulator.sessions[0].received
    assert "error" not in talk.types()


# Barge-in


async def test_speech_interrupts(make_transport: MakeTransport, emulator: RealtimeEmulator) -> None:
    async with talking(make_transport(), model_settings={"turn_detection": {"type": "server_vad"}}) as talk:
        await talk.session.send_message("/say 20")
        await talk.until(lambda: named_audio(talk))
        await talk.session.send_audio(speech(1.5))
        await talk.until(lambda: talk.of("audio_interrupted"))
        [cut] = talk.of("audio_interrupted")
        await talk.session.send_audio(silence(1.0))
        await talk.turns(2)
    assert cut.item_id == talk.of("audio_end")[0].item_id
    record = emulator.sessions[0]
    if record.received["conversation.item.truncate"]:  # Otherwise the server plays, and clears what it has not played.
        [truncate] = sent(emulator, "conversation.item.truncate")
        assert truncate["item_id"] == cut.item_id
        assert truncate["audio_end_ms"] < 20_000
    else:
        assert record.sent["output_audio_buffer.cleared"] == 1
    assert "error" not in talk.types()


async def test_the_user_interrupts(make_transport: MakeTransport) -> None:
    async with talking(make_transport(), model_settings={"turn_detection": None}) as talk:
        await talk.session.send_message("/say 20")
        await talk.until(lambda: named_audio(talk))
        await talk.session.interrupt()
        await talk.turns(1)
    [cut] = talk.of("audio_interrupted")
    assert cut.item_id
    done = [event.data for event in talk.of("raw_model_event") if event.data.type == "raw_server_event"]
    [response] = [event.data["response"] for event in done if event.data["type"] == "response.done"]
    assert response["status"] == "cancelled"
    assert "error" not in talk.types()


async def test_what_was_heard_is_what_the_tracker_says(emulator: RealtimeEmulator) -> None:
    transport = OpenAIRealtimeWebSocket(url=emulator.base_url)
    tracker = RealtimePlaybackTracker()
    config: Any = {"api_key": "sk", "playback_tracker": tracker}
    async with talking(transport, model_config=config, model_settings={"turn_detection": None}) as talk:
        await talk.session.send_message("/say 5")
        await talk.until(lambda: len(talk.of("audio")) > 8)
        for event in talk.of("audio")[:4]:
            tracker.on_play_bytes(event.item_id, event.content_index, event.audio.data)
        await talk.session.interrupt()
        await talk.until(lambda: talk.of("audio_interrupted"))
        assert tracker.get_state()["current_item_id"] is None
        await talk.turns(1)
    assert [cut["audio_end_ms"] for cut in sent(emulator, "conversation.item.truncate")] == [400]


# What goes wrong


async def test_a_bad_key(make_transport: MakeTransport) -> None:
    with pytest.raises(AuthenticationError):
        async with talking(make_transport(api_key=None), model_config={"api_key": "sk-invalid"}):
            pytest.fail("the session was entered")


async def test_no_key(make_transport: MakeTransport) -> None:
    with pytest.raises(UserError, match="no API key"):
        async with talking(make_transport(api_key=None)):
            pytest.fail("the session was entered")


async def test_a_setting_that_the_server_refuses(make_transport: MakeTransport) -> None:
    from realtime_transport import ConnectError

    with pytest.raises(ConnectError, match="voice"):
        async with talking(make_transport(), model_settings={"voice": "no such voice"}):
            pytest.fail("the session was entered")


async def test_a_setting_that_is_none(make_transport: MakeTransport) -> None:
    with pytest.raises(UserError, match="'voise'"):
        async with talking(make_transport(), model_settings={"voise": "ash"}):
            pytest.fail("the session was entered")


async def test_a_lost_connection(make_transport: MakeTransport) -> None:
    async with talking(make_transport()) as talk:
        await talk.session.send_message("/drop")
        await talk.until(lambda: talk.error)
    assert isinstance(talk.error, ConnectionLost)


async def test_the_server_ends_the_session(emulator: RealtimeEmulator) -> None:
    async with talking(OpenAIRealtimeWebSocket(url=emulator.base_url, api_key="sk")) as talk:
        await talk.session.send_message("/close 1000")
        await talk.until(lambda: talk.ended)
    assert talk.error is None
    raw = [event.data.type for event in talk.of("raw_model_event")]
    assert raw[-1] == "end_of_stream"


async def test_an_error_of_the_server_is_an_event(make_transport: MakeTransport) -> None:
    async with talking(make_transport()) as talk:
        await talk.session.send_message("/error some_code")
        await talk.until(lambda: talk.of("error"))
        await talk.session.send_message("Hello")
        await talk.turns(1)
    [error] = talk.of("error")
    assert error.error.code == "some_code"
    assert error.error.message


@pytest.mark.parametrize("when", ["at once", "while it speaks", "while a tool runs", "by an exception"])
async def test_leaving_in_the_middle(make_transport: MakeTransport, emulator: RealtimeEmulator, when: str) -> None:
    import anyio

    running = anyio.Event()

    @function_tool
    async def wait_for_ever() -> str:
        """Never returns."""
        running.set()
        await anyio.sleep_forever()
        return ""

    with pytest.raises(ZeroDivisionError) if when == "by an exception" else anyio.CancelScope():
        async with talking(make_transport(), assistant(tools=[wait_for_ever])) as talk:
            if when == "while it speaks":
                await talk.session.send_message("/say 60")
                await talk.until(lambda: talk.of("audio"))
            elif when == "while a tool runs":
                await talk.session.send_message("/call wait_for_ever {}")
                await running.wait()
            elif when == "by an exception":
                await talk.session.send_message("/say 60")
                raise ZeroDivisionError
    with anyio.fail_after(20):
        while emulator.sessions[0].is_open:
            await anyio.lowlevel.checkpoint()


async def test_one_model_has_one_session_after_the_other(make_transport: MakeTransport) -> None:
    model = TransportRealtimeModel(make_transport())
    runner = RealtimeRunner(assistant(), model=model, config={"tracing_disabled": True})
    for _ in range(2):
        async with await runner.run() as session:
            with pytest.raises(UserError, match="connected already"):
                await model.connect({})
            await session.send_message("Hello")
            async for event in session:
                if event.type == "agent_end":
                    break
