"""Strict checks of what a client sends, with the codes and paths of the service."""

from __future__ import annotations

from typing import Any, cast

import orjson

from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal

from . import request_schemas as shapes
from .schema import Field, Integer, Node, Object, Text, missing

__all__ = ["check_event", "check_session", "parse_message"]

MAX_AUDIO_BYTES = 15 * 1024 * 1024
"""The most that one append event may hold, from the service's reference."""

_SESSION_SHAPES: dict[SessionKind, Node] = {
    SessionKind.REALTIME: shapes.REALTIME_SESSION,
    SessionKind.TRANSCRIPTION: shapes.TRANSCRIPTION_SESSION,
    SessionKind.TRANSLATION: shapes.TRANSLATION_SESSION,
}

_ITEM_ID = {"item_id": Field(Text(), required=True)}


def _event(**fields: Field) -> Object:
    return Object({"type": Field(Text()), "event_id": Field(Text(max_length=512), nullable=True), **fields})


_SESSION_UPDATE = {kind: _event(session=Field(shape, required=True)) for kind, shape in _SESSION_SHAPES.items()}
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
            item=Field(shapes.CREATED_ITEM, required=True), previous_item_id=Field(Text(), nullable=True)
        ),
        **_ITEM_EVENTS,
        "conversation.item.truncate": _event(
            item_id=Field(Text(), required=True),
            content_index=Field(Integer(minimum=0), required=True),
            audio_end_ms=Field(Integer(minimum=0), required=True),
        ),
        "response.create": _event(response=Field(shapes.RESPONSE, nullable=True)),
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


def check_event(raw: dict[str, Any], kind: SessionKind) -> str:
    """Check a client event and return its type.

    Raises:
        Refusal: The event is not one that a session of this kind accepts.
    """
    known = _EVENTS[kind]
    name = raw.get("type")
    if name is None:
        raise missing("type")
    if not isinstance(name, str) or name not in known:
        names = ", ".join(f"'{key}'" for key in known)
        shown = name if isinstance(name, str) else orjson.dumps(name).decode()
        raise Refusal(f"Invalid value: '{shown}'. Supported values are: {names}.", code="invalid_value", param="type")
    if name == "session.update":
        _check_kind(raw, kind)
    known[name].check(raw, "")
    if name == "session.update":
        _check_modalities(raw["session"], "session.output_modalities")
    elif name == "response.create":
        _check_modalities(raw.get("response") or {}, "response.output_modalities")
    return name


def check_session(session: Any, kind: SessionKind) -> None:
    """Check a session object of a REST body, such as that of ``POST /realtime/client_secrets``.

    Raises:
        Refusal: The service would not accept it.
    """
    _check_kind({"session": session}, kind)
    _SESSION_SHAPES[kind].check(session, "session")
    _check_modalities(session, "session.output_modalities")


def _check_kind(raw: dict[str, Any], kind: SessionKind) -> None:
    session = raw.get("session")
    if not isinstance(session, dict):
        return  # The schema says what is wrong.
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


def _check_modalities(settings: dict[str, Any], path: str) -> None:
    modalities = settings.get("output_modalities")
    if modalities is not None and modalities not in (["text"], ["audio"]):
        raise Refusal(
            f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio'].",
            code="invalid_value",
            param=path,
        )
