"""The messages of a telephone provider on the socket of a media stream, as events of the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.model import ServerEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.errors import RealtimeError

__all__ = [
    "PhoneDtmf",
    "PhoneMark",
    "PhoneMedia",
    "PhoneMessage",
    "PhoneStarted",
    "PhoneStopped",
]


def _raw_of(message: PhoneMessage) -> dict[str, Any]:
    return {"type": message.type, "message": message.message}


@frozen()
class PhoneMessage(ServerEvent):
    """A message of the provider; this class itself for unknown kinds.

    It is in the stream beside the events of the Realtime server. Listeners of ``"*"`` get ``raw``.

    Attributes:
        type: ``"twilio_message"``, or that of another provider.
        message: The message as it was received.
        problem: Why a message of a known kind could not be read or used, or the error that the provider reports; an
            `ErrorEvent` follows.
    """

    type: str = "twilio_message"  # pyright: ignore[reportIncompatibleVariableOverride] - it names the provider
    message: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)
    problem: RealtimeError | None = None
    raw: Mapping[str, Any] = attrs.field(
        init=False, default=attrs.Factory(_raw_of, takes_self=True), eq=False, hash=False, repr=False
    )


@frozen()
class PhoneStarted(PhoneMessage):
    """The media stream begins.

    Attributes:
        stream_id: The id of the stream on the socket.
        call_id: The id of the call in the provider's REST interface; empty if it is not given.
        parameters: Parameters that the application set when it asked for the stream (TwiML ``<Parameter>``).
        audio_format: The format of the caller's audio; ``None`` for one that the model's protocol does not know. If
            ``problem`` is also set, the audio is not passed on to the model.
    """

    stream_id: str
    call_id: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])
    audio_format: AudioFormat | None = None


@frozen()
class PhoneMedia(PhoneMessage):
    """Audio of the caller. Not in the default stream: subscribe to it to have it.

    Attributes:
        audio: Encoded samples.
        timestamp_ms: When it began, in milliseconds since the start of the stream; ``None`` if it is missing or not a
            number.
        chunk: Its number in the stream, if the provider may send pieces out of order.
        stream_id: The stream, if the message names it.
    """

    audio: bytes = attrs.field(repr=False)
    timestamp_ms: int | None = None
    chunk: int | None = None
    stream_id: str | None = None


@frozen()
class PhoneMark(PhoneMessage):
    """Playback has reached a mark.

    Attributes:
        name: The name of the mark; empty if there is none. The application may have sent it.
    """

    name: str = ""


@frozen()
class PhoneDtmf(PhoneMessage):
    """The caller pressed a key.

    Attributes:
        digit: ``"0"`` to ``"9"``, ``"*"``, ``"#"``, ``"A"`` to ``"D"``.
    """

    digit: str


@frozen()
class PhoneStopped(PhoneMessage):
    """The call, or its stream, is over. The transport closes."""
