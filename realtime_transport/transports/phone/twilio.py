"""The messages of Twilio Media Streams.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pybase64

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import frozen

from .reading import FieldNames, read_message, to_text

if TYPE_CHECKING:
    from .messages import PhoneMessage

__all__ = ["TwilioCodec"]

_NAMES = FieldNames(
    type="twilio_message",
    stream_id="streamSid",
    call_id="callSid",
    parameters="customParameters",
    media_format="mediaFormat",
    sample_rate="sampleRate",
)


@named_fields
@frozen(kw_only=False)
class TwilioCodec:
    """Twilio: 8 kHz µ-law both ways, in JSON. See `MediaCodec`."""

    audio_format: AudioFormat = AudioFormat.PCMU

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        return read_message(data, _NAMES, self.audio_format)

    def media(self, stream_id: str, audio: bytes, /) -> str:
        payload = pybase64.b64encode(audio).decode()
        return to_text({"event": "media", "streamSid": stream_id, "media": {"payload": payload}})

    def mark(self, stream_id: str, name: str, /) -> str:
        return to_text({"event": "mark", "streamSid": stream_id, "mark": {"name": name}})

    def clear(self, stream_id: str, /) -> str:
        return to_text({"event": "clear", "streamSid": stream_id})
