"""What a session is opened with: configuration, instructions, history; as pydantic-ai's own model sends it."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import anyio
import pytest
from pydantic_ai import Agent, UserError
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    FilePart,
    ImageUrl,
    InstructionPart,
    ModelRequest,
    ModelResponse,
    SpeechPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import WebRTCSession
from pydantic_ai.realtime.openai import OpenAIRealtimeModel
from pydantic_ai.settings import ToolOrOutput
from pydantic_ai.tools import ToolDefinition

from realtime_transport import BufferSink, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket, RealtimeRestClient
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing.links import MemoryServer

from .conftest import replies, sent_by_client, transport_to, turn

pytestmark = pytest.mark.anyio

TOOLS = [
    ToolDefinition(name="a", description="Does a.", parameters_json_schema={"type": "object", "properties": {}}),
    ToolDefinition(name="b", parameters_json_schema={"type": "object", "properties": {"x": {"type": "string"}}}),
]

SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "text": {"output_modality": "text", "max_tokens": 100},
    "no transcription": {"input_transcription_model": None},
    "another transcription": {"input_transcription_model": "whisper-1"},
    "no turn detection": {"turn_detection": False},
    "turn detection": {"turn_detection": {"sensitivity": "high", "prefix_padding_ms": 100, "silence_duration_ms": 200}},
    "its own turn detection": {
        "openai_turn_detection": {"type": "server_vad", "threshold": 0.2, "create_response": False}
    },
    "semantic turn detection": {"openai_turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
    "a voice": {"openai_voice": "marin", "openai_output_speed": 1.2, "openai_input_noise_reduction": "near_field"},
    "tools one by one": {"parallel_tool_calls": False, "tool_choice": "auto"},
    "no tools": {"tool_choice": "none"},
    "some tools": {"tool_choice": ToolOrOutput(function_tools=["b"])},
    "truncation": {"openai_truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
    "thinking": {"thinking": "low"},
    "no thinking": {"thinking": False},
}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return value


async def opened(messages: Any = (), settings: Any = None, **parameters: Any) -> MemoryServer:
    server = MemoryServer()
    session = {"type": "realtime", "id": "s"}
    server.send(*({"type": f"session.{how}", "event_id": "e", "session": session} for how in ("created", "updated")))
    transport = OpenAIRealtimeWebSocket(
        model="gpt-realtime-2.1", connector=server.connector, api_key="k", ping_interval=None
    )
    connecting = TransportRealtimeModel(transport).connect(
        messages=messages, model_settings=settings, model_request_parameters=ModelRequestParameters(**parameters)
    )
    async with connecting:
        await anyio.wait_all_tasks_blocked()
    return server


@pytest.mark.parametrize("name", SETTINGS)
async def test_the_session_is_what_their_model_asks_for(name: str) -> None:
    settings = SETTINGS[name]
    their_model = OpenAIRealtimeModel("gpt-realtime-2.1", provider=OpenAIProvider(api_key="k"))
    expected = their_model._session_config("Be brief.", TOOLS, model_settings=settings)  # type: ignore[arg-type]
    parts = [InstructionPart(content="Be brief.")]
    server = await opened(settings=settings, function_tools=TOOLS, instruction_parts=parts)
    sent = without_nulls(server.received[0]["session"])
    for name_of_ours in ("model",):
        sent.pop(name_of_ours)
    sent["audio"]["output"].setdefault("speed", 1)
    expected["audio"]["output"].setdefault("speed", 1)  # Ours names the default.
    if not expected.get("tools"):
        assert sent.pop("tools", []) == []
    assert sent == without_nulls(expected)


async def test_system_prompts_that_come_first_are_instructions() -> None:
    first = ModelRequest(parts=[SystemPromptPart("One"), SystemPromptPart("Two"), UserPromptPart("Hello")])
    later = ModelRequest(parts=[SystemPromptPart("Now in Latin")])
    parts = [InstructionPart(content="Three"), InstructionPart(content="Four", dynamic=True)]
    server = await opened([first, later], instruction_parts=parts)
    assert server.received[0]["session"]["instructions"] == "One\n\nTwo\n\nThree\n\nFour"
    items = [each["item"] for each in server.received if each["type"] == "conversation.item.create"]
    assert [(item["role"], item["content"][0]["text"]) for item in items] == [
        ("user", "Hello"),
        ("system", "Now in Latin"),
    ]


def wav(samples: bytes = bytes(480), rate: int = 24_000, channels: int = 1) -> BinaryContent:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples)
    return BinaryContent(buffer.getvalue(), media_type="audio/wav")


PICTURE = BinaryContent(b"x", media_type="image/png")
LONG = "call_" + "x" * 60

TOLD: dict[str, tuple[list[Any], list[Any]]] = {
    "what was written": (
        [UserPromptPart(["One", TextContent("Two"), CachePoint(), PICTURE])],
        [TextPart("Three"), ThinkingPart("Hm"), TextPart("")],
    ),
    "what was said": (
        [SpeechPart(speaker="user", transcript="One"), SpeechPart(speaker="user", audio=wav())],
        [SpeechPart(speaker="assistant", transcript="Two", interrupted_at_ms=300)],
    ),
    "nothing": ([UserPromptPart("")], [SpeechPart(speaker="assistant")]),
}


async def test_the_history_is_told_as_their_model_tells_it() -> None:
    from pydantic_ai.realtime._openai_protocol import seed_items

    history: list[Any] = []
    for request, response in TOLD.values():
        history += [ModelRequest(parts=request), ModelResponse(parts=response)]
    calls = [ToolCallPart("f", {"a": 1}, tool_call_id="c1"), ToolCallPart("f", "{}", tool_call_id=LONG)]
    returns = [ToolReturnPart("f", {"ok": True}, tool_call_id="c1"), ToolReturnPart("f", PICTURE, tool_call_id=LONG)]
    history += [ModelResponse(parts=calls), ModelRequest(parts=returns)]
    cut_off = ModelResponse(parts=[SpeechPart(speaker="assistant", transcript="Well")], state="interrupted")
    history.append(cut_off)
    made = TransportRealtimeModel(OpenAIRealtimeWebSocket(model="gpt-realtime-2.1"))
    expected = await seed_items(history, profile=made.profile, provider_name="openai")
    server = await opened(history)
    assert [each["item"] for each in server.received if each["type"] == "conversation.item.create"] == expected
    assert any(base64.b64encode(bytes(480)).decode() in str(item) for item in expected)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (UserPromptPart([ImageUrl("http://127.0.0.1/x.png")]), "ImageUrl"),
        (UserPromptPart([BinaryContent(b"x", media_type="application/pdf")]), "BinaryContent"),
        (SpeechPart(speaker="user", audio=wav(rate=16_000)), "16000 Hz"),
        (SpeechPart(speaker="user", audio=wav(channels=2)), "2 channels"),
        (SpeechPart(speaker="user", audio=BinaryContent(b"x", media_type="audio/wav")), "no WAV file"),
        (ToolReturnPart("f", "x", tool_call_id="c9"), "'c9', which was not made"),
    ],
)
async def test_a_history_that_cannot_be_told(part: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        await opened([ModelRequest(parts=[part])])


@pytest.mark.parametrize(
    ("part", "reason"),
    [(FilePart(PICTURE), "file"), (SpeechPart(speaker="assistant", audio=wav()), "without a transcript")],
)
async def test_what_a_model_made_that_cannot_be_told(part: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        await opened([ModelResponse(parts=[part])])


def test_what_the_model_can_do_depends_on_the_wire() -> None:
    websocket = TransportRealtimeModel(OpenAIRealtimeWebSocket(model="gpt-realtime-2.1"))
    webrtc = TransportRealtimeModel(OpenAIRealtimeWebRTC(model="gpt-realtime", audio_source=None, audio_sink=None))
    sink = TransportRealtimeModel(OpenAIRealtimeWebSocket(audio_sink=BufferSink()))
    assert [each.profile.get("supports_output_truncation") for each in (websocket, webrtc, sink)] == [
        True,
        False,
        False,
    ]
    assert [each.profile.get("supports_thinking") for each in (websocket, webrtc)] == [True, False]
    assert (webrtc.model_name, webrtc.system, webrtc.model_id) == ("gpt-realtime", "openai", "openai:gpt-realtime")
    assert websocket.audio_input_sample_rate == websocket.audio_output_sample_rate == 24_000
    given = TransportRealtimeModel(OpenAIRealtimeWebSocket(), profile={"supports_image_input": False})
    assert given.profile.get("supports_image_input") is False


async def test_a_browsers_call(emulator: RealtimeEmulator) -> None:
    """The offer of a browser is answered, an agent attaches to the call, and ends it."""
    browser = OpenAIRealtimeWebRTC(
        model="gpt-realtime-2.1", api_key="k", base_url=emulator.base_url, audio_source=None, audio_sink=None
    )
    agent: Agent[None, str] = Agent(instructions="Be brief.")

    @agent.tool_plain
    def where() -> str:
        """Where we are."""
        return "Oslo"

    async with RealtimeRestClient(api_key="k", base_url=emulator.base_url) as rest, browser.connect():
        made = TransportRealtimeModel(transport_to("websocket", emulator), rest=rest)
        assert made.profile.get("supports_webrtc")
        call = WebRTCSession("openai", session_id=browser.call_id or "")
        async with agent.realtime(made).session(provider_session=call) as session:
            await turn(session, "/call where {}")
            assert replies(session.all_messages())[-1] == "where returned: Oslo"
            await session.hang_up()
    assert not any(record.is_open for record in emulator.sessions)


async def test_a_client_secret(emulator: RealtimeEmulator) -> None:
    agent: Agent[None, str] = Agent(instructions="Be brief.")
    async with RealtimeRestClient(api_key="k", base_url=emulator.base_url) as rest:
        made = TransportRealtimeModel(transport_to("websocket", emulator), rest=rest)
        secret = await agent.realtime(made).create_client_secret(expires_after_seconds=60)
        assert secret.value.startswith("ek_")
        assert secret.provider_details is not None
        assert secret.provider_details["session"]["instructions"] == "Be brief."
        with_secret = TransportRealtimeModel(transport_to("websocket", emulator, secret.value))
        async with agent.realtime(with_secret).session() as session:
            await turn(session, "Hello")
    assert sent_by_client(emulator, "response.create")


async def test_calls_need_a_client_for_requests(emulator: RealtimeEmulator) -> None:
    made = TransportRealtimeModel(transport_to("websocket", emulator))
    with pytest.raises(UserError, match="rest="):
        await made.create_client_secret()
    with pytest.raises(UserError, match="rest="):
        await made.answer_webrtc_offer("v=0")
    with pytest.raises(UserError, match="rest="):
        await made.hang_up(WebRTCSession("openai", session_id="c"))
