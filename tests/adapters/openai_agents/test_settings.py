"""What the settings of an agent's session open the session with: compared with what the framework's own model sends.

On asyncio alone: the framework knows no other event loop.
"""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from agents import function_tool
from agents.exceptions import UserError
from agents.model_settings import MCPToolChoice
from agents.realtime import OpenAIRealtimeWebSocketModel, RealtimeAgent, RealtimeModel, realtime_handoff
from openai.types.realtime.realtime_audio_formats import AudioPCMU

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.adapters.openai_agents import TransportRealtimeModel
from realtime_transport.adapters.openai_agents.settings import session_config
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return city


@function_tool(is_enabled=False)
def switched_off() -> str:
    """Never offered."""
    return ""


BILLING = realtime_handoff(RealtimeAgent(name="Billing"))
SERVER_VAD = {"type": "server_vad", "silenceDurationMs": 300, "threshold": 0.4, "interruptResponse": False}

SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a model": {"model_name": "gpt-realtime"},
    "words": {"instructions": "Be brief.", "max_output_tokens": 100},
    "no instructions": {"instructions": ""},
    "text only": {"modalities": ["text"]},
    "text only, by its new name": {"output_modalities": ["text"], "modalities": ["audio"]},
    "voice and speed": {"voice": "marin", "speed": 1.2},
    "a voice of one's own": {"voice": {"id": "voice_1"}},
    "nested output": {"audio": {"output": {"format": "g711_ulaw", "voice": "cedar", "speed": 0.9}}, "voice": "ash"},
    "flat formats": {"input_audio_format": "g711_alaw", "output_audio_format": "g711_ulaw"},
    "short formats": {"input_audio_format": "pcm", "output_audio_format": "pcmu"},
    "formats of the wire": {"audio": {"input": {"format": {"type": "audio/pcm"}}, "output": {"format": "audio/pcma"}}},
    "a typed format": {"output_audio_format": AudioPCMU(type="audio/pcmu")},
    "flat input": {
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": SERVER_VAD,
    },
    "nested input": {
        "audio": {
            "input": {
                "transcription": {"model": "gpt-4o-transcribe"},
                "noise_reduction": None,
                "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
            }
        },
        "turn_detection": SERVER_VAD,
    },
    "no detection": {"turn_detection": None},
    "an empty side": {"audio": {"input": None, "output": {}}},
    "tools": {"tools": [get_weather, switched_off], "handoffs": [BILLING], "tool_choice": "required"},
    "no tools": {"tools": [], "handoffs": []},
    "calls one by one": {"parallel_tool_calls": False, "reasoning": {"effort": "low"}},
    "a prompt": {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"name": "Ada"}}},
}


async def opened_with(model: RealtimeModel, emulator: RealtimeEmulator, settings: dict[str, Any]) -> dict[str, Any]:
    name = settings.get("model_name", "gpt-realtime-2.1")
    url = f"{emulator.websocket_url}?model={name}"
    await model.connect({"api_key": "sk", "url": url, "initial_model_settings": settings})  # type: ignore[typeddict-item]
    record = emulator.sessions[-1]
    with anyio.fail_after(30):
        while record.received["session.update"] < 2:  # The framework's own does not wait for the server to take it.
            await anyio.lowlevel.checkpoint()
    await model.close()
    updates = [event["session"] for who, event in record.transcript if who == "client" and "session" in event]
    [session] = [session for session in updates if "audio" in session]
    return session


def without_null(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    switches = ("turn_detection", "noise_reduction", "transcription", "instructions")
    return {name: without_null(entry) for name, entry in value.items() if entry is not None or name in switches}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
async def test_the_session_is_opened_as_the_frameworks_own_model_opens_it(
    emulator: RealtimeEmulator, settings: dict[str, Any]
) -> None:
    theirs = without_null(await opened_with(OpenAIRealtimeWebSocketModel(), emulator, settings))
    ours = await opened_with(TransportRealtimeModel(OpenAIRealtimeWebSocket()), emulator, settings)
    # What a transport says in addition, and the server takes by itself.
    theirs["audio"]["output"].setdefault("speed", 1)
    theirs["audio"]["input"].setdefault("noise_reduction", None)
    if not settings.keys() & {"tools", "handoffs"}:
        assert theirs.pop("tools") == []
    assert without_null(ours) == theirs


@pytest.mark.parametrize(
    ("tracing", "sent"),
    [
        ({}, "auto"),
        ({"tracing": None}, None),
        ({"tracing": {"workflow_name": "w", "group_id": "g"}}, {"workflow_name": "w", "group_id": "g"}),
    ],
)
async def test_tracing(emulator: RealtimeEmulator, tracing: dict[str, Any], sent: object) -> None:
    model = TransportRealtimeModel(OpenAIRealtimeWebSocket(url=emulator.base_url, api_key="sk"))
    await model.connect({"initial_model_settings": tracing})  # type: ignore[typeddict-item]
    await model.close()
    [record] = emulator.sessions
    said = [event["session"] for who, event in record.transcript if who == "client" and "session" in event]
    assert [session["tracing"] for session in said if "tracing" in session] == [sent]


async def test_a_call_keeps_the_formats_that_were_negotiated() -> None:
    server = MemoryServer()
    model = TransportRealtimeModel(OpenAIRealtimeWebSocket(connector=server.connector, update_timeout=0))
    server.send({"type": "session.created", "event_id": "e", "session": {"type": "realtime"}})
    await model.connect({"api_key": "sk", "call_id": "rtc_1"})
    await model.close()
    assert "call_id=rtc_1" in server.requests[0].url
    session = server.received[0]["session"]
    assert "format" not in session["audio"]["input"]
    assert session["audio"]["output"] == {"voice": "ash"}


def config(settings: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    return session_config(settings, defaults)  # type: ignore[arg-type]


def test_other_defaults_for_other_servers() -> None:
    assert config({}) == {"audio": {}}
    assert config({"voice": "x"}, voice="y", turn_detection=None) == {
        "audio": {"input": {"turn_detection": None}, "output": {"voice": "x"}}
    }


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("get_weather", {"type": "function", "name": "get_weather"}),
        (MCPToolChoice(server_label="s", name="n"), {"type": "mcp", "server_label": "s", "name": "n"}),
        (None, "absent"),
    ],
)
def test_a_choice_of_tool(choice: object, sent: object) -> None:
    assert config({"tools": [get_weather], "tool_choice": choice}).get("tool_choice", "absent") == sent


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"voise": "ash"}, "'voise'"),
        ({"input_audio_format": "mp3"}, r"audio\.input\.format"),
        ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": -1}}}}, r"audio\.output\.format\.rate"),
        ({"tools": [get_weather, get_weather]}, r"'get_weather' \(2 function tools\)"),
        ({"tool_choice": "programmatic_tool_calling"}, "programmatic_tool_calling"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        config(settings)


def test_a_tool_that_runs_elsewhere() -> None:
    from agents import WebSearchTool

    with pytest.raises(UserError, match="Must be a function tool"):
        config({"tools": [WebSearchTool()]})
