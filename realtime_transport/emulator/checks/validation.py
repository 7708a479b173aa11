"""Strict checks of client events and sessions, with the codes and paths of the service."""

from __future__ import annotations

from typing import Any, cast

import attrs
import orjson

from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal

from . import request_schemas as schemas
from .schema import Field, Integer, Node, Object, Text, missing

__all__ = ["ANY_NAMES", "SERVICE_NAMES", "VOICES", "KnownNames", "parse_message", "read_event", "read_session"]

MAX_AUDIO_BYTES = 15 * 1024 * 1024
"""The most that one append event may hold, from the service's reference."""

_SESSION_SCHEMAS: dict[SessionKind, Node] = {
    SessionKind.REALTIME: schemas.REALTIME_SESSION,
    SessionKind.TRANSCRIPTION: schemas.TRANSCRIPTION_SESSION,
    SessionKind.TRANSLATION: schemas.TRANSLATION_SESSION,
}

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
_TRANSCRIPTION_FAMILIES = ("whisper", "transcribe")


@attrs.frozen(kw_only=True)
class KnownNames:
    """The names that a server knows, beside those of the protocol.

    Attributes:
        voices: The voices; ``None``: any.
        transcription_families: The name of a transcription model must contain one of these; ``None``: any name.
    """

    voices: tuple[str, ...] | None = None
    transcription_families: tuple[str, ...] | None = None


SERVICE_NAMES = KnownNames(voices=VOICES, transcription_families=_TRANSCRIPTION_FAMILIES)
"""The service's own names. Transcription models are matched by part of their name, to accept new ones."""

ANY_NAMES = KnownNames()
"""Any names, for a server whose voices and models are not known here."""

_ITEM_ID = {"item_id": Field(Text(), required=True)}


def _event(**fields: Field) -> Object:
    return Object({"type": Field(Text()), "event_id": Field(Text(max_length=512), nullable=True), **fields})


_SESSION_UPDATE = {kind: _event(session=Field(schema, required=True)) for kind, schema in _SESSION_SCHEMAS.items()}
_APPEND = _event(audio=Field(Text(), required=True))
_BUFFER_EVENTS: dict[str, Node] = {
    "input_audio_buffer.append": _APPEND,
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
}
_ITEM_EVENTS: dict[str, Node] = {
    "conversation.item.retrieve": _event(**_ITEM_ID),
    "conversation.item.delete": _event(**_ITEM_ID),
}

_EVENTS: dict[SessionKind, dict[str, Node]] = {
    SessionKind.REALTIME: {
        "session.update": _SESSION_UPDATE[SessionKind.REALTIME],
        **_BUFFER_EVENTS,
        "conversation.item.create": _event(
            item=Field(schemas.CREATED_ITEM, required=True), previous_item_id=Field(Text(), nullable=True)
        ),
        **_ITEM_EVENTS,
        "conversation.item.truncate": _event(
            item_id=Field(Text(), required=True),
            content_index=Field(Integer(minimum=0), required=True),
            audio_end_ms=Field(Integer(minimum=0), required=True),
        ),
        "response.create": _event(response=Field(schemas.RESPONSE, nullable=True)),
        "response.cancel": _event(response_id=Field(Text(), nullable=True)),
    },
    SessionKind.TRANSCRIPTION: {
        "session.update": _SESSION_UPDATE[SessionKind.TRANSCRIPTION],
        **_BUFFER_EVENTS,
        **_ITEM_EVENTS,
    },
    SessionKind.TRANSLATION: {
        "session.update": _SESSION_UPDATE[SessionKind.TRANSLATION],
        "session.input_audio_buffer.append": _APPEND,
        "session.close": _event(),
    },
}


def parse_message(data: str | bytes) -> dict[str, Any]:
    """The JSON object of a client frame.

    Raises:
        Refusal: A binary frame, not JSON, or not an object.
    """
    if isinstance(data, bytes):
        raise Refusal("Invalid event: binary frames are not supported.", code="invalid_event")
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"We could not parse the JSON body of your message: {error}", code="invalid_json") from None
    if not isinstance(raw, dict):
        raise Refusal("Invalid event: expected a JSON object.", code="invalid_event")
    return cast("dict[str, Any]", raw)


def read_event(raw: dict[str, Any], kind: SessionKind, names: KnownNames = SERVICE_NAMES) -> dict[str, Any]:
    """Check a client event and return it without meaningless nulls.

    Raises:
        Refusal: The event is not one that a session of this kind accepts.
    """
    known = _EVENTS[kind]
    name = raw.get("type")
    if name is None:
        raise missing("type")
    if not isinstance(name, str) or name not in known:
        accepted = ", ".join(f"'{key}'" for key in known)
        shown = name if isinstance(name, str) else orjson.dumps(name).decode()
        raise Refusal(
            f"Invalid value: '{shown}'. Supported values are: {accepted}.", code="invalid_value", param="type"
        )
    if name == "session.update":
        _check_kind(raw, kind)
    event = known[name].read(raw, "")
    if name == "session.update":
        _check_settings(event["session"], "session", names)
    elif name == "response.create":
        _check_settings(event.get("response") or {}, "response", names)
    return event


def read_session(session: Any, kind: SessionKind, names: KnownNames = SERVICE_NAMES) -> dict[str, Any]:
    """Check a session object of a REST body, such as that of ``POST /realtime/client_secrets``.

    Returns:
        The session without meaningless nulls.

    Raises:
        Refusal: The service would not accept it.
    """
    _check_kind({"session": session}, kind)
    settings: dict[str, Any] = _SESSION_SCHEMAS[kind].read(session, "session")
    _check_settings(settings, "session", names)
    return settings


def _check_kind(raw: dict[str, Any], kind: SessionKind) -> None:
    session = raw.get("session")
    if not isinstance(session, dict):
        return  # The schema refuses it.
    name = cast("dict[str, Any]", session).get("type")
    if name is None:
        if kind is not SessionKind.TRANSLATION:
            raise missing("session.type")
    elif name != kind.value and name in [other.value for other in SessionKind]:
        raise Refusal(
            f"Passing a {name} session update event to a {kind.value} session is not allowed.",
            code="invalid_value",
            param="session.type",
        )


def _check_settings(settings: dict[str, Any], path: str, names: KnownNames) -> None:
    """Check what the schema cannot express."""
    _check_modalities(settings, f"{path}.output_modalities")
    audio: dict[str, Any] = settings.get("audio", {})
    voice = audio.get("output", {}).get("voice")
    if isinstance(voice, str) and names.voices is not None:  # An object names a custom voice by its id.
        Text(enum=names.voices).read(voice, f"{path}.audio.output.voice")
    transcription: dict[str, Any] = audio.get("input", {}).get("transcription") or {}
    model = transcription.get("model")
    families = names.transcription_families
    if model is not None and families is not None and not any(family in model for family in families):
        where = f"{path}.audio.input.transcription.model"
        raise Refusal(f"Invalid value: '{model}' is not a transcription model.", code="invalid_value", param=where)
    for index, tool in enumerate(settings.get("tools", ())):
        if tool["type"] == "mcp" and not any(key in tool for key in _MCP_SERVERS):
            where = f"{path}.tools[{index}].{_MCP_SERVERS[0]}"
            raise Refusal(
                f"Missing required parameter: '{where}'. One of {', '.join(_MCP_SERVERS)} must be given.",
                code="missing_required_parameter",
                param=where,
            )


_MCP_SERVERS = ("server_url", "connector_id", "tunnel_id")


def _check_modalities(settings: dict[str, Any], path: str) -> None:
    modalities = settings.get("output_modalities")
    if modalities is not None and modalities not in (["text"], ["audio"]):
        raise Refusal(
            f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio'].",
            code="invalid_value",
            param=path,
        )
