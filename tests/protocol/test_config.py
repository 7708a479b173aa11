from __future__ import annotations

import enum
from typing import Any

import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.defaults import NO_DEFAULTS, SERVER_DEFAULTS
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, RealtimeSessionConfig, SessionSettings
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.session import (
    AudioFormatConfig,
    AudioInput,
    AudioOutput,
    FunctionTool,
    McpApprovalFilter,
    McpTool,
    McpToolFilter,
    PromptReference,
    SemanticVad,
    SessionAudio,
    TracingConfig,
)

PCM = {"type": "audio/pcm", "rate": 24_000}


def payload(config: Any) -> dict[str, Any]:
    return SessionSettings("m").preview(config)


def at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return UNSET
        value = value[name]
    return value


def test_defaults() -> None:
    assert payload({}) == {
        "type": "realtime",
        "model": "m",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM,
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"format": PCM, "speed": 1},
        },
    }
    assert payload({}) == payload(RealtimeSessionConfig())
    assert SessionSettings().preview({})["model"] == DEFAULT_MODEL


def audio_in(**entries: Any) -> dict[str, Any]:
    return {"audio": {"input": entries}}


def audio_out(**entries: Any) -> dict[str, Any]:
    return {"audio": {"output": entries}}


@pytest.mark.parametrize(
    ("config", "path", "value"),
    [
        # Both spellings.
        ({"tool_choice": "none"}, "tool_choice", "none"),
        ({"toolChoice": "none"}, "tool_choice", "none"),
        ({"output_modalities": ["text"]}, "output_modalities", ["text"]),
        ({"outputModalities": ["text"]}, "output_modalities", ["text"]),
        (audio_in(noiseReduction={"type": "near_field"}), "audio.input.noise_reduction", {"type": "near_field"}),
        (audio_in(noise_reduction={"type": "near_field"}), "audio.input.noise_reduction", {"type": "near_field"}),
        # Null, absent and empty.
        ({"instructions": None}, "instructions", None),
        ({"instructions": UNSET}, "instructions", UNSET),
        ({"instructions": ""}, "instructions", ""),
        ({"model": None}, "model", "m"),
        ({"model": ""}, "model", ""),
        ({"outputModalities": []}, "output_modalities", []),
        ({"outputModalities": None}, "output_modalities", ["audio"]),
        ({"tools": []}, "tools", []),  # clears them
        ({"tools": None}, "tools", UNSET),
        ({"prompt": None}, "prompt", UNSET),
        ({"prompt": {"promptId": UNSET, "version": "2"}}, "prompt", {"version": "2"}),
        ({"reasoning": None}, "reasoning", UNSET),
        ({"reasoning": {}}, "reasoning", {}),
        ({"toolChoice": None}, "tool_choice", UNSET),
        ({"toolChoice": ""}, "tool_choice", ""),
        ({"parallelToolCalls": None}, "parallel_tool_calls", None),
        ({"parallelToolCalls": False}, "parallel_tool_calls", False),
        ({"voice": None}, "audio.output.voice", UNSET),
        ({"voice": ""}, "audio.output.voice", ""),
        (audio_in(), "audio.input.transcription", {"model": "gpt-4o-mini-transcribe"}),
        (audio_in(transcription=None), "audio.input.transcription", None),
        (audio_in(turnDetection=None), "audio.input.turn_detection", None),
        ({"audio": None}, "audio.input.format", PCM),
        ({"audio": {"input": None, "output": None}}, "audio.input.format", PCM),
        (audio_out(speed=0), "audio.output.speed", 0),
        (audio_out(speed=None), "audio.output.speed", 1),
        # Voice: the nested one wins.
        ({"voice": "ash", "audio": {"output": {"voice": "cedar"}}}, "audio.output.voice", "cedar"),
        ({"voice": "ash", "audio": {"output": {"voice": None}}}, "audio.output.voice", "ash"),
        ({"voice": "ash", "modalities": ["text"]}, "audio.output.voice", "ash"),
        ({"voice": {"id": "voice_1"}}, "audio.output.voice", {"id": "voice_1"}),
        # Formats.
        (audio_in(format="pcm16"), "audio.input.format", PCM),
        (audio_out(format="g711_ulaw"), "audio.output.format", {"type": "audio/pcmu"}),
        (audio_out(format=AudioFormat.PCMA), "audio.output.format", {"type": "audio/pcma"}),
        (audio_in(format={**PCM, "rate": 8000, "x": 1}), "audio.input.format", {**PCM, "rate": 8000, "x": 1}),
        (audio_in(format=""), "audio.input.format", PCM),
        (audio_in(format=None), "audio.input.format", PCM),
        # Turn detection: camelCase wins unless it is null; what is empty counts as absent.
        (audio_in(turnDetection={}), "audio.input.turn_detection", {"type": "semantic_vad"}),
        (audio_in(turnDetection={"createResponse": None}), "audio.input.turn_detection", {"type": "semantic_vad"}),
        (audio_in(turn_detection={"create_response": None}), "audio.input.turn_detection", {"create_response": None}),
        (
            audio_in(turnDetection={"silenceDurationMs": 0, "silence_duration_ms": 7, "interruptResponse": None,
                                    "interrupt_response": True, "customKnob": 3}),
            "audio.input.turn_detection",
            {"silence_duration_ms": 0, "interrupt_response": True, "customKnob": 3},
        ),
        # Prompts.
        ({"prompt": {"promptId": "p", "version": "2"}}, "prompt", {"id": "p", "version": "2"}),
        ({"prompt": {"prompt_id": "p", "variables": {"a": 1}}}, "prompt", {"id": "p", "variables": {"a": 1}}),
        ({"prompt": PromptReference(id="p")}, "prompt", {"id": "p"}),
        # What the SDK does not know.
        ({"providerData": {"truncation": "auto", "model": "q"}}, "truncation", "auto"),
        ({"providerData": {"truncation": "auto", "model": "q"}}, "model", "q"),
        ({"provider_data": {"tools": [1]}, "tools": [{"type": "function", "name": "f"}]}, "tools",
         [{"type": "function", "name": "f"}]),
        # Tracing goes out when the session exists.
        ({"tracing": {"workflow_name": "w"}}, "tracing", UNSET),
        ({"tracing": "auto"}, "tracing", UNSET),
    ],
)  # fmt: skip
def test_payload(config: dict[str, Any], path: str, value: Any) -> None:
    assert at(payload(config), path) == value


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        ({"modalities": ["text"]}, {"outputModalities": ["text"]}),
        ({"inputAudioFormat": "g711_ulaw"}, audio_in(format="g711_ulaw")),
        ({"output_audio_format": "g711_alaw"}, audio_out(format="g711_alaw")),
        ({"inputAudioTranscription": {"model": "w"}}, audio_in(transcription={"model": "w"})),
        ({"turnDetection": {"type": "server_vad"}}, audio_in(turnDetection={"type": "server_vad"})),
        ({"turn_detection": None}, audio_in(turn_detection=None)),
        ({"inputAudioNoiseReduction": {"type": "far_field"}}, audio_in(noiseReduction={"type": "far_field"})),
        ({"speed": 1.5, "voice": "ash"}, audio_out(speed=1.5, voice="ash")),
        ({"speed": None}, {}),
    ],
)
def test_names_of_the_beta(legacy: dict[str, Any], new: dict[str, Any]) -> None:
    assert payload(legacy) == payload(new)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"turnDetection": None, "audio": {}}, "turnDetection"),
        ({"speed": 1, "output_modalities": ["text"]}, "speed"),
        ({"toolChoice": "auto", "tool_choice": "none"}, "tool_choice"),
        ({"instructions": 5}, "instructions"),
        ({"model": b"m"}, "model"),
        ({"outputModalities": "text"}, "outputModalities"),
        ({"output_modalities": ["text", 1]}, "output_modalities[1]"),
        ({"voice": 1}, "voice"),
        ({"tools": {"type": "function"}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"toolChoice": True}, "toolChoice"),
        ({"parallelToolCalls": "yes"}, "parallelToolCalls"),
        ({"reasoning": "low"}, "reasoning"),
        ({"prompt": "p"}, "prompt"),
        ({"tracing": "on"}, "tracing"),
        ({"providerData": [1]}, "providerData"),
        ({"providerData": {"a": {1, 2}}}, "providerData.a"),
        ({"providerData": {"a": [1, float("nan")]}}, "providerData.a[1]"),
        ({"audio": []}, "audio"),
        ({"audio": {"input": 5}}, "audio.input"),
        (audio_in(format="opus"), "audio.input.format"),
        (audio_in(format={"type": "audio/opus"}), "audio.input.format"),
        (audio_in(format={"rate": 8000}), "audio.input.format"),
        (audio_in(format=7), "audio.input.format"),
        (audio_in(format={"type": "audio/pcm", "rate": float("nan")}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": float("inf")}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": 0}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": 24000.5}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": True}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": None}), "audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcmu", "rate": 16000}), "audio.input.format.rate"),
        ({"inputAudioFormat": "mp3"}, "inputAudioFormat"),
        (audio_in(turnDetection="server_vad"), "audio.input.turnDetection"),
        (audio_in(transcription="whisper-1"), "audio.input.transcription"),
        (audio_in(noiseReduction=False), "audio.input.noiseReduction"),
        (audio_out(speed="fast"), "audio.output.speed"),
        (audio_out(speed=True), "audio.output.speed"),
        ({5: "x"}, ""),
        (None, ""),
        ("instructions", ""),
    ],
)
def test_wrong_settings_are_named(config: Any, key: str) -> None:
    settings = SessionSettings("m")
    before = settings.start({"instructions": "as before"})
    del before["audio"]["input"]["noise_reduction"]  # Named in the first update, and where somebody named it.
    with pytest.raises(ConfigError) as caught:
        settings.update(config, reset=False)
    assert caught.value.key == key
    assert settings.update({}, reset=False) == before


@pytest.mark.parametrize(
    ("config", "key", "near"),
    [
        ({"instuctions": "x"}, "instuctions", "did you mean 'instructions'"),
        ({"outputModality": ["text"]}, "outputModality", "did you mean 'output_modalities'"),
        ({"audio": {"inputs": {}}}, "audio.inputs", "did you mean 'input'"),
        (audio_in(turn_detect=None), "audio.input.turn_detect", "did you mean 'turn_detection'"),
        ({"audio": {"output": {"volume": 3}}}, "audio.output.volume", "provider_data"),
        ({"zzz": 1}, "zzz", "provider_data"),
        ({"type": "transcription"}, "type", "provider_data"),
    ],
)
def test_a_name_that_nobody_knows_is_an_error(config: dict[str, Any], key: str, near: str) -> None:
    settings = SessionSettings("m")
    with pytest.raises(ConfigError, match=near) as caught:
        settings.start(config)
    assert caught.value.key == key


def test_other_fields_of_a_session_are_sent_as_they_are() -> None:
    given = {"type": "realtime", "max_output_tokens": 100, "truncation": "disabled", "provider_data": {"x": 1}}
    session = payload(given)
    assert {key: session[key] for key in ("type", "max_output_tokens", "truncation", "x")} == {
        "type": "realtime",
        "max_output_tokens": 100,
        "truncation": "disabled",
        "x": 1,
    }


def test_noise_reduction_is_named_again_only_where_somebody_named_it() -> None:
    settings = SessionSettings("m")
    assert settings.start({})["audio"]["input"]["noise_reduction"] is None
    assert "noise_reduction" not in settings.update({"voice": "ash"}, reset=False)["audio"]["input"]
    near: dict[str, Any] = {"type": "near_field", "strength": 0.5}
    assert settings.update(audio_in(noise_reduction=near), reset=False)["audio"]["input"]["noise_reduction"] == near
    assert settings.update({"voice": "sage"}, reset=False)["audio"]["input"]["noise_reduction"] == near
    assert settings.update({}, reset=True)["audio"]["input"]["noise_reduction"] is None


def test_another_vendors_server_decides_what_nobody_names() -> None:
    settings = SessionSettings("m", session_defaults=SERVER_DEFAULTS)
    session = settings.start({"voice": "ash"})
    assert session["audio"] == {"input": {"noise_reduction": None}, "output": {"speed": 1, "voice": "ash"}}
    named = settings.update(audio_in(transcription=None, turn_detection={"type": "server_vad"}), reset=False)
    assert named["audio"]["input"] == {"transcription": None, "turn_detection": {"type": "server_vad"}}
    # A telephone speaks G.711, and the server has to know.
    phone = SessionSettings("m", AudioFormat.PCMU, session_defaults=SERVER_DEFAULTS).start({})
    assert phone["audio"]["input"]["format"] == phone["audio"]["output"]["format"] == {"type": "audio/pcmu"}


def test_where_a_session_exists_only_what_is_named_is_sent() -> None:
    settings = SessionSettings("m", AudioFormat.PCMU, session_defaults=NO_DEFAULTS)
    assert settings.start({}) == {"type": "realtime"}
    assert settings.update({"instructions": "a"}, reset=False) == {"type": "realtime", "instructions": "a"}
    assert settings.update({"voice": "ash", "model": "x"}, reset=False) == {
        "type": "realtime",
        "model": "x",
        "instructions": "a",
        "audio": {"output": {"voice": "ash"}},
    }


def test_the_class_and_wire_classes() -> None:
    config = RealtimeSessionConfig(
        instructions="Be brief.",
        audio=SessionAudio(
            input=AudioInput(format=AudioFormatConfig(type="audio/pcmu"), turn_detection=SemanticVad(eagerness="low")),
            output=AudioOutput(voice="sage", speed=0.9),
        ),
        tools=[FunctionTool(name="f", description="d"), McpTool(server_label="l", require_approval="never")],
        tracing=TracingConfig(workflow_name="w"),
    )
    session = payload(config)
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "low"}
    assert session["audio"]["output"] == {"format": PCM, "voice": "sage", "speed": 0.9}
    assert session["tools"] == [
        {"type": "function", "name": "f", "description": "d"},
        {"type": "mcp", "server_label": "l", "require_approval": "never"},
    ]


def test_values_of_enumerations() -> None:
    class Voice(enum.StrEnum):
        ASH = "ash"

    class Speed(float):
        pass

    session = payload({"voice": Voice.ASH, "audio": {"output": {"speed": Speed(1.25)}}})
    assert session["audio"]["output"] == {"format": PCM, "voice": "ash", "speed": 1.25}
    assert type(session["audio"]["output"]["voice"]) is str


def test_function_tools_keep_only_documented_fields() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "needsApproval": True}
    assert payload({"tools": [tool]})["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}}]


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ("always", "always"),
        ({"always": {"toolNames": ["a"]}}, {"always": {"tool_names": ["a"]}}),
        ({"never": {"read_only": True, "toolNames": None}}, {"never": {"read_only": True}}),
        (
            McpApprovalFilter(always=McpToolFilter(tool_names=["a"]), never=McpToolFilter(tool_names=["b"])),
            {"always": {"tool_names": ["a"]}, "never": {"tool_names": ["b"]}},
        ),
    ],
)
def test_approval_policies(policy: Any, sent: Any) -> None:
    tool = {"type": "mcp", "server_label": "l", "require_approval": policy, "junk": 1}
    assert payload({"tools": [tool]})["tools"] == [{"type": "mcp", "server_label": "l", "require_approval": sent}]


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        ("sometimes", ""),
        (None, ""),
        ({}, ""),
        ({"perhaps": {}}, ".perhaps"),
        ({"always": None}, ".always"),
        ({"always": {}}, ".always"),
        ({"always": {"names": ["a"]}}, ".always.names"),
        ({"always": {"tool_names": "a"}}, ".always.tool_names"),
        ({"always": {"tool_names": [""]}}, ".always.tool_names"),
        ({"never": {"readOnly": 1}}, ".never.readOnly"),
        ({"never": {"readOnly": True, "read_only": True}}, ".never.read_only"),
        ({"always": {"tool_names": ["a"]}, "never": {"tool_names": ["a"]}}, ""),
    ],
)
def test_wrong_approval_policies(policy: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        payload({"tools": [{"type": "function"}, {"type": "mcp", "require_approval": policy}]})
    assert caught.value.key == f"tools[1].require_approval{key}"


def test_updates_merge_into_what_was_sent() -> None:
    settings = SessionSettings("m")
    settings.start({"instructions": "a", "voice": "ash", "audio": {"input": {"format": "g711_ulaw"}}})
    merged = settings.update({"audio": {"output": {"speed": 1.2}}, "toolChoice": "none"}, reset=False)
    assert merged["instructions"] == "a"
    assert merged["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert merged["audio"]["output"] == {"format": PCM, "voice": "ash", "speed": 1.2}
    assert settings.update({"turn_detection": None}, reset=False)["tool_choice"] == "none"
    assert settings.update({}, reset=False)["audio"]["input"]["turn_detection"] is None
    assert settings.update({"instructions": "b"}, reset=True) == payload({"instructions": "b"})
    assert settings.update({}, reset=False)["instructions"] == "b"


def test_a_preview_changes_nothing() -> None:
    settings = SessionSettings("m")
    settings.start({"instructions": "a"})
    settings.preview({"instructions": "b"})
    assert settings.update({}, reset=False)["instructions"] == "a"


def test_later_changes_of_the_callers_objects_do_not_count() -> None:
    settings = SessionSettings("m")
    tools = [{"type": "function", "name": "f"}]
    settings.start({"tools": tools})
    tools.append({"type": "function", "name": "g"})
    assert settings.update({}, reset=False)["tools"] == [{"type": "function", "name": "f"}]


def test_models() -> None:
    settings = SessionSettings("of the connection")
    assert settings.start({"model": "of the configuration"})["model"] == "of the connection"
    assert settings.update({"model": "another"}, reset=False)["model"] == "another"
    assert settings.update({}, reset=False)["model"] == "another"
    settings.model = "set"
    assert settings.update({}, reset=False)["model"] == "set"


def test_tracing_is_that_of_the_start() -> None:
    settings = SessionSettings("m")
    assert settings.tracing is UNSET
    settings.start({"tracing": None})
    settings.update({"instructions": "x"}, reset=True)
    assert settings.tracing is None


def test_a_default_format_of_the_wire() -> None:
    settings = SessionSettings("m", AudioFormat.PCMU)
    session = settings.preview({"audio": {"input": {"format": "pcm16"}}})
    assert session["audio"]["input"]["format"] == PCM
    assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
