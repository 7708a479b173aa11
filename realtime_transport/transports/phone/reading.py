"""Reads the JSON messages of Twilio and of providers that use the same format with other field names."""

from __future__ import annotations

import binascii
import math
from collections.abc import Mapping
from typing import Any, cast

import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import DecodeError, TransportError
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.codec import dumps, parse_json

from .messages import PhoneDtmf, PhoneMark, PhoneMedia, PhoneMessage, PhoneStarted, PhoneStopped

__all__ = ["FieldNames", "read_message", "to_text"]

MAX_DIGITS = int(math.log10(2**53))
"""The number of digits that a double holds exactly: 30,000 years of milliseconds."""

_ENCODINGS = {
    **dict.fromkeys(("audio/x-mulaw", "audio/mulaw", "audio/pcmu", "mulaw", "ulaw", "pcmu"), AudioFormat.PCMU),
    **dict.fromkeys(("audio/x-alaw", "audio/alaw", "audio/pcma", "alaw", "pcma"), AudioFormat.PCMA),
}
"""The providers' names for G.711."""


@frozen()
class FieldNames:
    """The names of the fields in a provider's messages.

    Attributes:
        type: The ``type`` of the `PhoneMessage` of this provider.
        stream_id: The stream, in the message or in its ``start``.
        call_id: The call, in ``start``.
        parameters: The parameters of the application, in ``start``.
        media_format: The caller's audio, in ``start``.
        sample_rate: The rate, in the media format.
        chunk: The number of a piece of audio, in ``media``; ``None`` if messages always arrive in order.
    """

    type: str
    stream_id: str
    call_id: str
    parameters: str
    media_format: str
    sample_rate: str
    chunk: str | None = None


def read_message(data: str | bytes, names: FieldNames, default_format: AudioFormat) -> PhoneMessage:
    """Decode one message; a malformed one has a ``problem``.

    Args:
        data: The message.
        names: The provider's field names.
        default_format: The format of the caller's audio if the message does not name it.

    Raises:
        DecodeError: *data* is not a JSON object.
    """
    message = _to_message(data)
    try:
        return _read(message, names, default_format)
    except DecodeError as exc:
        return PhoneMessage(type=names.type, message=message, problem=exc)


def to_text(message: Mapping[str, Any]) -> str:
    """*message* as JSON.

    Raises:
        LocalProtocolError: It holds a value that JSON cannot represent.
    """
    return dumps(message)


def _to_message(data: str | bytes) -> dict[str, Any]:
    try:
        message = parse_json(data)
    except DecodeError as exc:
        raise DecodeError(f"a message of the telephone is {exc}", size=len(data)) from exc
    if not isinstance(message, dict):
        raise DecodeError("a message of the telephone that is not a JSON object", size=len(data))
    return cast("dict[str, Any]", message)


def _read(message: dict[str, Any], names: FieldNames, default_format: AudioFormat) -> PhoneMessage:
    match message.get("event"):
        case "media" if _text(message, "media", "track") != "outbound":
            return PhoneMedia(
                type=names.type,
                message=message,
                audio=_base64(message, "media", "payload"),
                timestamp_ms=_digits(message, "media", "timestamp"),
                chunk=None if names.chunk is None else _digits(message, "media", names.chunk),
                stream_id=_text(message, names.stream_id),
            )
        case "mark":
            return PhoneMark(type=names.type, message=message, name=_text(message, "mark", "name") or "")
        case "start":
            return _started(message, names, default_format)
        case "dtmf":
            return PhoneDtmf(type=names.type, message=message, digit=_text(message, "dtmf", "digit") or "")
        case "stop":
            return PhoneStopped(type=names.type, message=message)
        case "error":
            return PhoneMessage(type=names.type, message=message, problem=_reported_error(message))
        case _:
            return PhoneMessage(type=names.type, message=message)


def _started(message: dict[str, Any], names: FieldNames, default_format: AudioFormat) -> PhoneStarted:
    start = message.get("start")
    stream_id = _text(message, "start", names.stream_id) or _text(message, names.stream_id)
    if stream_id is None or not isinstance(start, Mapping):
        raise DecodeError(f"start.{names.stream_id}: the id of the stream expected", path=f"start.{names.stream_id}")
    given = cast("Mapping[str, Any]", start)
    audio_format, problem = None, None
    try:
        audio_format = _audio_format(given.get(names.media_format), names, default_format)
    except DecodeError as exc:
        problem = exc
    return PhoneStarted(
        type=names.type,
        message=message,
        stream_id=stream_id,
        call_id=_text(given, names.call_id) or "",
        parameters=_texts(given.get(names.parameters)),
        audio_format=audio_format,
        problem=problem,
    )


def _audio_format(named: object, names: FieldNames, default_format: AudioFormat) -> AudioFormat | None:
    """The format of the caller's audio; ``None`` for G.711 at an unusual rate, which only the application can explain.

    Raises:
        DecodeError: The encoding cannot be passed on to the model.
    """
    if not isinstance(named, Mapping):
        return default_format
    given = cast("Mapping[str, Any]", named)
    encoding = given.get("encoding")
    if encoding is None:
        return default_format
    known = _ENCODINGS.get(encoding.strip().lower()) if isinstance(encoding, str) else None
    if known is None:
        path = f"start.{names.media_format}.encoding"
        raise DecodeError(
            f"{path}: the caller's audio is {encoding!r}, which cannot be passed on to the model; "
            "ask the provider for G.711 (PCMU or PCMA)",
            path=path,
        )
    usual = _is(given.get(names.sample_rate), known.rate) and _is(given.get("channels"), 1)
    return known if usual else None


def _is(value: object, expected: int) -> bool:
    """Whether *value*, a number or its digits, is *expected*, or absent."""
    if value is None:
        return True
    return value.strip() == str(expected) if isinstance(value, str) else value == expected


def _reported_error(message: Mapping[str, Any]) -> TransportError:
    payload = message.get("payload", message.get("error"))
    fields = cast("Mapping[str, Any]", payload) if isinstance(payload, Mapping) else {"detail": payload}
    said = [str(fields[name]) for name in ("code", "title", "detail", "message") if fields.get(name) is not None]
    return TransportError(f"the provider reports an error: {': '.join(said) or 'it does not say which'}")


def _text(message: Mapping[str, Any], *path: str) -> str | None:
    """The text under *path*; ``None`` if there is none."""
    value: object = message
    for name in path:
        value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def _base64(message: Mapping[str, Any], *path: str) -> bytes:
    """The bytes under *path*. Line breaks in the text and missing padding at its end are accepted.

    Raises:
        DecodeError: There are none.
    """
    text, where = _text(message, *path), ".".join(path)
    if text is None:
        raise DecodeError(f"{where}: base64 expected", path=where)
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    joined = "".join(text.split()).rstrip("=")
    try:
        return pybase64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DecodeError(f"{where}: audio that is not base64: {exc}", path=where) from exc


def _digits(message: Mapping[str, Any], *path: str) -> int | None:
    """The number under *path*, given as text of ASCII digits; ``None`` for anything else."""
    text = _text(message, *path)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        return None
    return int(text)


def _texts(value: object) -> dict[str, str]:
    """The entries of *value* that are text."""
    if not isinstance(value, Mapping):
        return {}
    entries = cast("Mapping[object, object]", value).items()
    return {name: entry for name, entry in entries if isinstance(name, str) and isinstance(entry, str)}
