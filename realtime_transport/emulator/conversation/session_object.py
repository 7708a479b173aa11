"""The session object: its defaults and how an update is merged into it.

Sessions are kept as JSON, as the service sends them, since an update merges by keys that are present.
"""

from __future__ import annotations

import copy
from typing import Any, cast

from realtime_transport.emulator.checks.schema import missing
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal

__all__ = ["DEFAULT_MODEL", "MAX_SESSION_SECONDS", "default_session", "merged_session"]

DEFAULT_MODEL = "gpt-realtime-2.1"

MAX_SESSION_SECONDS = 3600
"""``expires_at`` of live sessions is an hour after the start."""

_INSTRUCTIONS = (
    "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. You are an emulator: you say back "
    "what you are told."
)

_PCM = {"type": "audio/pcm", "rate": 24000}

_SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    # 200 in session.created of live sessions, although the reference says 500.
    "silence_duration_ms": 200,
}
_TURNS: dict[str, Any] = {"create_response": True, "interrupt_response": True}

_TURN_DETECTION: dict[SessionKind, dict[str, dict[str, Any]]] = {
    SessionKind.REALTIME: {
        "server_vad": {**_SERVER_VAD, "idle_timeout_ms": None, **_TURNS},
        "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **_TURNS},
    },
    SessionKind.TRANSCRIPTION: {
        "server_vad": _SERVER_VAD,
        "semantic_vad": {"type": "semantic_vad", "eagerness": "auto"},
    },
}


def default_session(kind: SessionKind, *, session_id: str, model: str, expires_at: int) -> dict[str, Any]:
    """The session that ``session.created`` shows when nothing was configured."""
    match kind:
        case SessionKind.REALTIME:
            return {
                "type": "realtime",
                "object": "realtime.session",
                "id": session_id,
                "model": model,
                "output_modalities": ["audio"],
                "instructions": _INSTRUCTIONS,
                "tools": [],
                "tool_choice": "auto",
                "max_output_tokens": "inf",
                "tracing": None,
                "truncation": "auto",
                "prompt": None,
                "expires_at": expires_at,
                "audio": {
                    "input": _audio_input(kind),
                    "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
                },
                "include": None,
            }
        case SessionKind.TRANSCRIPTION:
            return {
                "type": "transcription",
                "object": "realtime.transcription_session",
                "id": session_id,
                "expires_at": expires_at,
                "audio": {"input": _audio_input(kind)},
                "include": None,
            }
        case SessionKind.TRANSLATION:
            return {
                "type": "translation",
                "id": session_id,
                "model": model,
                "expires_at": expires_at,
                "audio": {"input": {"transcription": None, "noise_reduction": None}, "output": {"language": "en"}},
            }


def _audio_input(kind: SessionKind) -> dict[str, Any]:
    return {
        "format": dict(_PCM),
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": dict(_TURN_DETECTION[kind]["server_vad"]),
    }


def merged_session(
    session: dict[str, Any], update: dict[str, Any], *, audio_was_sent: bool = False, model_is_fixed: bool = True
) -> dict[str, Any]:
    """*session* with the keys of *update* put in; *session* itself is left alone.

    Args:
        session: The session as it is.
        update: A checked update.
        audio_was_sent: Whether the assistant has spoken: then the voice is fixed.
        model_is_fixed: Whether the connection named a model.

    Raises:
        Refusal: The update changes what cannot be changed; none of it is to be applied.
    """
    kind = SessionKind(session["type"])
    _check_immutable(session, update, audio_was_sent=audio_was_sent, model_is_fixed=model_is_fixed)
    merged = copy.deepcopy(session)
    for key, value in update.items():
        if key == "audio":
            _merge_audio(merged["audio"], value, kind)
        else:
            merged[key] = copy.deepcopy(value)
    _check_turn_detection(merged)
    return merged


def _check_immutable(
    session: dict[str, Any], update: dict[str, Any], *, audio_was_sent: bool, model_is_fixed: bool
) -> None:
    model = update.get("model")
    if model is not None and model_is_fixed and model != session["model"]:
        raise Refusal("The model of a session cannot be changed.", code="invalid_value", param="session.model")
    if update.get("tracing", session.get("tracing")) != session.get("tracing") and session.get("tracing") is not None:
        raise Refusal(
            "Tracing cannot be changed once it is enabled.", code="cannot_update_tracing", param="session.tracing"
        )
    voice = update.get("audio", {}).get("output", {}).get("voice")
    if voice is not None and audio_was_sent and _voice_name(voice) != session["audio"]["output"]["voice"]:
        raise Refusal("Cannot update a conversation's voice if assistant audio is present.", code="cannot_update_voice")


def _voice_name(voice: str | dict[str, Any]) -> str:
    return voice if isinstance(voice, str) else cast("str", voice["id"])


def _merge_audio(audio: dict[str, Any], update: dict[str, Any], kind: SessionKind) -> None:
    for key, value in update.get("input", {}).items():
        match key:
            case "turn_detection" if value is not None:
                audio["input"][key] = _merged_turn_detection(audio["input"][key], value, kind)
            case "transcription" if value is not None and kind is not SessionKind.TRANSLATION:
                audio["input"][key] = _merged_transcription(audio["input"][key], value)
            case "noise_reduction" if value is not None:
                audio["input"][key] = _merged_noise_reduction(audio["input"][key], value)
            case _:
                audio["input"][key] = copy.deepcopy(value)
    for key, value in update.get("output", {}).items():
        audio["output"][key] = _voice_name(value) if key == "voice" else copy.deepcopy(value)


def _merged_turn_detection(old: dict[str, Any] | None, update: dict[str, Any], kind: SessionKind) -> dict[str, Any]:
    keep = old if old is not None and old["type"] == update["type"] else {}
    return {**_TURN_DETECTION[kind][update["type"]], **keep, **update}


def _merged_noise_reduction(old: dict[str, Any] | None, update: dict[str, Any]) -> dict[str, Any]:
    merged = {"strength": 1, **(old or {}), **update}
    if "type" not in merged:
        raise missing("session.audio.input.noise_reduction.type")
    return merged


def _merged_transcription(old: dict[str, Any] | None, update: dict[str, Any]) -> dict[str, Any]:
    merged = {"model": "whisper-1", "language": None, "prompt": None, **(old or {}), **update}
    # These two are taken but not shown, as the service does.
    return {key: value for key, value in merged.items() if key not in ("keywords", "delay")}


_NO_TURN_DETECTION = ("gpt-realtime-whisper", "gpt-live-transcribe")


def _check_turn_detection(session: dict[str, Any]) -> None:
    """Streaming transcription models take no turn detection in a transcription session."""
    if session["type"] != "transcription":
        return  # A realtime session was seen with gpt-realtime-whisper and server_vad together.
    settings = session["audio"]["input"]
    transcription: dict[str, Any] = settings["transcription"] or {}
    if transcription.get("model") in _NO_TURN_DETECTION and settings["turn_detection"] is not None:
        raise Refusal(
            "Turn detection is not supported for this transcription model.",
            code="invalid_value",
            param="session.audio.input.turn_detection",
        )
