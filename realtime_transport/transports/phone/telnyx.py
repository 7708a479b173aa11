"""The messages of Telnyx media streaming, bidirectional in RTP mode.

https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attrs
import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import DecodeError

from .codec import base64_field, text_field, timestamp_field, to_message, to_text
from .messages import PhoneDtmf, PhoneMark, PhoneMedia, PhoneMessage, PhoneStarted, PhoneStopped
from .twilio import texts

__all__ = ["TelnyxCodec"]

_TYPE = "telnyx_message"

_FORMATS = {"PCMU": AudioFormat.PCMU, "PCMA": AudioFormat.PCMA}


@attrs.frozen
class TelnyxCodec:
    """Telnyx: 8 kHz µ-law or A-law both ways, in JSON; its socket carries one stream, so that none is named.

    It takes pieces of 20 ms to 30 s. See `MediaCodec`.

    Args:
        audio_format: What the stream was asked for (``stream_bidirectional_codec``).
    """

    audio_format: AudioFormat = AudioFormat.PCMU

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        message = to_message(data)
        try:
            return _read(message)
        except DecodeError as exc:
            return PhoneMessage(type=_TYPE, message=message, problem=exc)

    def media(self, stream_id: str, audio: bytes, /) -> str:
        return to_text({"event": "media", "media": {"payload": pybase64.b64encode(audio).decode()}})

    def mark(self, stream_id: str, name: str, /) -> str:
        return to_text({"event": "mark", "mark": {"name": name}})

    def clear(self, stream_id: str, /) -> str:
        return to_text({"event": "clear"})


def _read(message: dict[str, Any]) -> PhoneMessage:
    match message.get("event"):
        case "media" if text_field(message, "media", "track") != "outbound":
            return PhoneMedia(
                type=_TYPE,
                message=message,
                audio=base64_field(message, "media", "payload"),
                timestamp_ms=timestamp_field(message, "media", "timestamp"),
            )
        case "mark":
            return PhoneMark(type=_TYPE, message=message, name=text_field(message, "mark", "name") or "")
        case "start":
            return _started(message)
        case "dtmf":
            return PhoneDtmf(type=_TYPE, message=message, digit=text_field(message, "dtmf", "digit") or "")
        case "stop":
            return PhoneStopped(type=_TYPE, message=message)
        case _:
            return PhoneMessage(type=_TYPE, message=message)


def _started(message: dict[str, Any]) -> PhoneStarted:
    stream_id = text_field(message, "stream_id")
    start = message.get("start")
    if stream_id is None or not isinstance(start, Mapping):
        raise DecodeError("stream_id: the id of the stream expected", path="stream_id")
    given = cast("Mapping[str, Any]", start)
    media_format = given.get("media_format")
    told: Mapping[str, Any] = cast("Mapping[str, Any]", media_format) if isinstance(media_format, Mapping) else {}
    audio_format = _FORMATS.get(str(told.get("encoding"))) if told.get("sample_rate") == 8000 else None
    return PhoneStarted(
        type=_TYPE,
        message=message,
        stream_id=stream_id,
        call_id=text_field(given, "call_control_id") or "",
        parameters=texts(given.get("custom_parameters")),
        audio_format=audio_format if told.get("channels", 1) == 1 else None,
    )
