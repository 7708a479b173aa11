"""Endpoint profiles: each against the emulator that plays it, and against one that plays another."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import ConfigError, ConnectError, UpgradeRejected
from realtime_transport.events import AudioEvent, AudioTranscriptDeltaEvent, ErrorEvent, ItemUpdateEvent, TurnDoneEvent
from realtime_transport.protocol.vendors.dialect import BETA, VLLM
from realtime_transport.protocol.vendors.profiles import PROFILES, EndpointProfile, profile_named
from realtime_transport.server_events import ConversationItemInputAudioTranscriptionCompleted
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio

REALTIME = sorted(name for name, profile in PROFILES.items() if profile.kind == "realtime")
MODEL = "gpt-realtime"
ANSWER = {"role": "assistant", "content": [{"type": "audio"}]}


def client_of(profile: str, emulator: RealtimeEmulator, **options: Any) -> OpenAIRealtimeWebSocket:
    return OpenAIRealtimeWebSocket(profile=profile, url=emulator.root_url, model=MODEL, api_key="sk-1", **options)


@pytest.mark.parametrize("name", REALTIME)
async def test_a_turn_with_each_profile(name: str) -> None:
    async with RealtimeEmulator(profile=name, audio_speed=None) as emulator:
        transport = client_of(name, emulator)
        said, audio, items = "", 0, 0
        async with transport.connect(initial_session_config={"instructions": "Be brief.", "voice": "marin"}):
            await transport.send_message("Hello there")
            with anyio.fail_after(20):
                async for event in transport:
                    match event:
                        case AudioTranscriptDeltaEvent(delta=delta):
                            said += delta
                        case AudioEvent(data=data):
                            audio += len(data)
                        case ItemUpdateEvent():
                            items += 1
                        case ErrorEvent(error=error):
                            raise AssertionError(error)
                        case TurnDoneEvent():
                            break
                        case _:
                            pass
        assert "Hello there" in said
        assert audio > 10_000
        assert items >= 2
        (session,) = emulator.sessions
        assert session.errors == []


async def test_a_transcription_with_vllm() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(profile="vllm-transcription", model="whisper", connector=server.connector)
    server.send({"type": "session.created", "id": "s1"}, {"type": "transcription.delta", "delta": "Hel"})
    async with transport.connect(), transport.subscribe(ConversationItemInputAudioTranscriptionCompleted) as completed:
        server.send({"type": "transcription.done", "text": "Hello", "usage": {"total_tokens": 3}})
        assert (await completed.receive()).transcript == "Hello"
    assert server.received[0] == {"type": "session.update", "model": "whisper"}
    assert server.requests[0].url == "ws://127.0.0.1:8000/v1/realtime"
    assert "Authorization" not in server.requests[0].headers


async def test_a_commit_begins_and_ends_a_transcription_of_vllm() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(profile="vllm-transcription", model="whisper", connector=server.connector)
    server.send({"type": "session.created", "id": "s1"})
    commit = {"type": "input_audio_buffer.commit"}
    async with transport.connect():
        await transport.send_audio(bytes(320), commit=True)
        await transport.send_event({**commit, "final": False})  # Older servers have no such field.
        await transport.send_event({**commit, "final": True})
    assert server.types()[1] == "input_audio_buffer.append"
    assert server.received[2:] == [
        commit,
        {**commit, "final": True},
        {**commit, "final": False},
        {**commit, "final": True},
    ]


@pytest.mark.parametrize("name", sorted({*REALTIME} - {"openai", "xai"}))
async def test_another_vendors_server_keeps_its_own_models_and_detector(name: str) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        profile=name, url="wss://host.example/v1/realtime", api_key="k", connector=server.connector
    )
    async with transport.connect(wait_for_session=False):
        await transport.update_session_config({"instructions": "x"})
    for frame in server.received:
        text = str(frame)
        for setting in ("transcription", "turn_detection", "format"):
            assert setting not in text


async def test_xai_takes_voice_and_detection_at_the_top_and_has_a_model_of_its_own() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(profile="xai", api_key="k", connector=server.connector)
    config = {"voice": "ara", "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
    server.send({"type": "session.created", "event_id": "e", "session": {"turn_detection": {"type": None}}})
    async with transport.connect(initial_session_config=config):
        await transport.update_session_config({"audio": {"input": {"turn_detection": None}}})
    first, *_, last = (frame["session"] for frame in server.received if frame["type"] == "session.update")
    assert (first["voice"], first["turn_detection"]) == ("ara", {"type": "server_vad"})
    assert first["audio"]["input"] == {"transcription": {"model": "grok-transcribe"}}
    assert "voice" not in first["audio"]["output"]
    assert last["turn_detection"] is None


async def test_the_emulator_plays_vllm() -> None:
    async with RealtimeEmulator(profile="vllm-transcription") as emulator:
        async with client_of("vllm-transcription", emulator).connect():
            pass
        with pytest.raises(ConnectError) as caught:
            async with client_of("generic", emulator).connect(url=emulator.websocket_url):
                pass
        assert caught.value.code == "vllm_protocol_only"


async def refusal(client: str, server: str) -> str:
    async with RealtimeEmulator(profile=server) as emulator:
        with pytest.raises(UpgradeRejected) as caught:
            async with client_of(client, emulator).connect():
                pass
    return f"{caught.value.status} {caught.value.body.strip()}"


async def test_a_wrong_profile_fails_with_the_difference() -> None:
    assert (
        await refusal("openai", "azure") == "404 the endpoint of azure is at /openai/v1/realtime, not at /v1/realtime"
    )
    assert "at /openai/realtime, not at /openai/v1/realtime" in await refusal("azure", "azure-preview")
    assert "at /v1/realtime, not at /openai/v1/realtime" in await refusal("azure", "openai")
    async with RealtimeEmulator(profile="azure") as emulator:
        url = f"{emulator.root_url}/openai/v1/realtime?model={MODEL}"
        with pytest.raises(UpgradeRejected, match="401.*azure takes the key in the header api-key"):
            async with client_of("openai", emulator).connect(url=url):
                pass
    async with RealtimeEmulator(profile="azure-preview") as emulator:
        with pytest.raises(UpgradeRejected, match="wants api-version=2025-04-01-preview"):
            async with client_of("azure", emulator).connect(url=f"{emulator.root_url}/openai/realtime?deployment=d"):
                pass


async def test_the_new_names_at_a_beta_server_are_named() -> None:
    async with RealtimeEmulator(profile="speaches") as emulator:
        with pytest.raises(ConnectError, match="which has no audio, output_modalities") as caught:
            async with client_of("generic", emulator).connect(url=emulator.websocket_url + f"?model={MODEL}"):
                pass
        assert caught.value.code == "beta_protocol_only"


async def test_where_the_key_goes_and_what_is_not_sent() -> None:
    server = MemoryServer()
    by_query = EndpointProfile(
        name="mine",
        path="/rt?m={model}",
        auth="query",
        auth_name="token",
        speaks_first=False,
        unsupported=frozenset({"audio.input.noise_reduction", "audio.output", "instructions"}),
    )
    transport = OpenAIRealtimeWebSocket(
        profile=by_query, url="https://host.example", model="a b", api_key="k&1", connector=server.connector
    )
    server.send({"type": "session.updated", "event_id": "e1", "session": {}})
    async with transport.connect(initial_session_config={"instructions": "x"}):
        pass
    assert server.requests[0].url == "https://host.example/rt?m=a%20b&token=k%261"
    session = server.received[0]["session"]
    assert "instructions" not in session
    assert "output" not in session["audio"]
    assert "noise_reduction" not in session["audio"]["input"]
    assert "turn_detection" not in session["audio"]["input"]  # The server has one of its own.


async def test_the_key_of_one_vendor_does_not_go_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    server = MemoryServer()
    server.send({"type": "session.created", "event_id": "e1", "session": {}})
    with pytest.raises(ConfigError, match="XAI_API_KEY"):
        async with OpenAIRealtimeWebSocket(profile="xai", connector=server.connector).connect():
            pass
    async with OpenAIRealtimeWebSocket(profile="localai", connector=server.connector).connect():
        pass
    assert server.requests[0].headers == {}
    assert server.requests[0].url == "ws://127.0.0.1:8080/v1/realtime?model=gpt-realtime-2.1"


def test_a_profile_needs_an_address_and_a_name_that_is_known() -> None:
    with pytest.raises(ConfigError, match="has no address"):
        OpenAIRealtimeWebSocket(profile="azure")
    with pytest.raises(ConfigError, match="azure-preview"):
        profile_named("azur")
    assert profile_named("azure").url("wss://me.example/own?x=1") == "wss://me.example/own?x=1"


class TestBeta:
    def test_a_session_both_ways(self) -> None:
        session = {
            "type": "realtime",
            "model": "m",
            "instructions": "x",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "noise_reduction": None,
                    "transcription": {"model": "t"},
                    "turn_detection": {"type": "server_vad"},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash", "speed": 1},
            },
            "max_output_tokens": 5,
        }
        sent = BETA.to_server({"type": "session.update", "session": session})
        assert sent["session"] == {
            "instructions": "x",
            "voice": "ash",
            "speed": 1,
            "output_audio_format": "pcm16",
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "t"},
            "input_audio_noise_reduction": None,
            "turn_detection": {"type": "server_vad"},
            "max_response_output_tokens": 5,
            "modalities": ["audio", "text"],
        }
        back = BETA.from_server({"type": "session.updated", "session": sent["session"]})
        assert back["session"] == {key: value for key, value in session.items() if key != "model"}

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"type": "response.audio.delta", "delta": "x"}, {"type": "response.output_audio.delta", "delta": "x"}),
            ({"type": "response.text.done", "text": "x"}, {"type": "response.output_text.done", "text": "x"}),
            (
                {"type": "conversation.item.created", "item": {"role": "assistant", "content": [{"type": "audio"}]}},
                {
                    "type": "conversation.item.added",
                    "item": {"role": "assistant", "content": [{"type": "output_audio"}]},
                },
            ),
            (
                {"type": "response.content_part.added", "part": {"type": "text"}},
                {"type": "response.content_part.added", "part": {"type": "output_text"}},
            ),
            ({"type": "rate_limits.updated"}, {"type": "rate_limits.updated"}),
        ],
    )
    def test_events(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        assert BETA.from_server(old) == new
        assert BETA.to_client(new) == old

    @pytest.mark.parametrize("value", [None, 1, "x", [], {}, [1], {"output": [1]}, {"content": 1, "role": "assistant"}])
    def test_odd_values_pass(self, value: Any) -> None:
        for name in ("session", "response", "item", "part"):
            for translate in (BETA.from_server, BETA.to_server, BETA.from_client, BETA.to_client, VLLM.from_server):
                given = {"type": "odd", name: value}
                before = json.dumps(given)
                translate(given)
                assert json.dumps(given) == before
        for settings in ({"input_audio_format": {"type": "x"}}, {"audio": 3, "voice": "x"}, {"output_modalities": 3}):
            BETA.from_server({"type": "session.updated", "session": settings})
            BETA.to_server({"type": "session.update", "session": settings})
