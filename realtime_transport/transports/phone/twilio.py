"""The messages of Twilio Media Streams.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
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

__all__ = ["TwilioCodec"]


@attrs.frozen
class TwilioCodec:
    """Twilio: 8 kHz µ-law both ways, in JSON. See `MediaCodec`."""

    audio_format: AudioFormat = AudioFormat.PCMU

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        message = to_message(data)
        try:
            return _read(message)
        except DecodeError as exc:
            return PhoneMessage(message=message, problem=exc)

    def media(self, stream_id: str, audio: bytes, /) -> str:
        payload = pybase64.b64encode(audio).decode()
        return to_text({"event": "media", "streamSid": stream_id, "media": {"payload": payload}})

    def mark(self, stream_id: str, name: str, /) -> str:
        return to_text({"event": "mark", "streamSid": stream_id, "mark": {"name": name}})

    def clear(self, stream_id: str, /) -> str:
        return to_text({"event": "clear", "streamSid": stream_id})


def _read(message: dict[str, Any]) -> PhoneMessage:
    match message.get("event"):
        case "media" if text_field(message, "media", "track") != "outbound":
            return PhoneMedia(
                message=message,
                audio=base64_field(message, "media", "payload"),
                timestamp_ms=timestamp_field(message, "media", "timestamp"),
            )
        case "mark":
            return PhoneMark(message=message, name=text_field(message, "mark", "name") or "")
        case "start":
            return _started(message)
        case "dtmf":
            return PhoneDtmf(message=message, digit=text_field(message, "dtmf", "digit") or "")
        case "stop":
            return PhoneStopped(message=message)
        case _:
            return PhoneMessage(message=message)


def _started(message: dict[str, Any]) -> PhoneStarted:
    stream_id = text_field(message, "start", "streamSid")
    if stream_id is None:
        raise DecodeError("start.streamSid: the id of the stream expected", path="start.streamSid")
    start = cast("Mapping[str, Any]", message["start"])
    is_mu_law = start.get("mediaFormat") == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    return PhoneStarted(
        message=message,
        stream_id=stream_id,
        call_id=text_field(start, "callSid") or "",
        parameters=texts(start.get("customParameters")),
        audio_format=AudioFormat.PCMU if is_mu_law else None,
    )


def texts(value: object) -> dict[str, str]:
    """The entries of *value* that are text."""
    if not isinstance(value, Mapping):
        return {}
    entries = cast("Mapping[object, object]", value).items()
    return {name: entry for name, entry in entries if isinstance(name, str) and isinstance(entry, str)}
