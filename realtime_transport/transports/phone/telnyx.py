"""The messages of Telnyx media streaming, bidirectional in RTP mode.

https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pybase64

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import frozen

from .codec import MediaLimits
from .reading import FieldNames, read_message, to_text

if TYPE_CHECKING:
    from .messages import PhoneMessage

__all__ = ["TelnyxCodec"]

_NAMES = FieldNames(
    type="telnyx_message",
    stream_id="stream_id",
    call_id="call_control_id",
    parameters="custom_parameters",
    media_format="media_format",
    sample_rate="sample_rate",
    chunk="chunk",  # "The order of media is not guaranteed."
)


@named_fields
@frozen(kw_only=False)
class TelnyxCodec:
    """Telnyx: 8 kHz µ-law or A-law, in JSON. Its socket carries one stream, so messages to it name none.

    Ask for the stream with ``stream_bidirectional_mode=rtp``, without which sent audio is not played, and
    ``stream_bidirectional_codec``, the format of sent audio (PCMU by default). The caller's audio arrives in
    ``stream_codec``, by default that of the call, which is A-law in most of the world; the transport uses the format
    that the ``start`` message names, and converts if the session has another. Audio in G722, OPUS or L16 is not passed
    on; an `ErrorEvent` reports it. Pieces of audio are put into the order of their ``chunk``. See `MediaCodec`.

    Args:
        audio_format: The format of sent audio: the ``stream_bidirectional_codec`` of the stream.
    """

    audio_format: AudioFormat = AudioFormat.PCMU

    @property
    def limits(self) -> MediaLimits:
        """Telnyx accepts pieces of 20 ms to 30 s."""
        return MediaLimits(min_ms=20, max_ms=30_000)

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        return read_message(data, _NAMES, self.audio_format)

    def media(self, stream_id: str, audio: bytes, /) -> str:
        return to_text({"event": "media", "media": {"payload": pybase64.b64encode(audio).decode()}})

    def mark(self, stream_id: str, name: str, /) -> str:
        return to_text({"event": "mark", "mark": {"name": name}})

    def clear(self, stream_id: str, /) -> str:
        return to_text({"event": "clear"})
