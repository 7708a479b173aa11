"""The encoding of a provider's messages: all that a new provider needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

    from .messages import PhoneMessage

__all__ = ["MediaCodec", "MediaLimits", "limits_of"]


@frozen()
class MediaLimits:
    """The limits of one piece of audio for the provider, in milliseconds.

    Shorter audio is collected, and padded with silence if no more follows; longer audio is split.

    Attributes:
        min_ms: The shortest piece.
        max_ms: The longest piece; ``None``: any length.
    """

    min_ms: int = 0
    max_ms: int | None = None


class MediaCodec(Protocol):
    """The wire format of one provider. Keeps no state and does no I/O.

    Playback positions come from marks: without them they could only be guessed. A codec may also have an attribute
    ``limits`` (`MediaLimits`).
    """

    @property
    def audio_format(self) -> AudioFormat:
        """The format that the provider plays; sessions use it unless the application asks for another."""
        ...

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        """Decode one message: an unknown kind as a plain `PhoneMessage`, a malformed one with its ``problem``.

        Raises:
            DecodeError: *data* is not a message at all.
        """
        ...

    def media(self, stream_id: str, audio: bytes, /) -> str:
        """A message that plays *audio* after the audio sent before."""
        ...

    def mark(self, stream_id: str, name: str, /) -> str:
        """A message that the provider returns, with *name*, when it has played all audio sent before it."""
        ...

    def clear(self, stream_id: str, /) -> str:
        """A message that drops audio that has not been played."""
        ...


def limits_of(codec: MediaCodec) -> MediaLimits:
    """The limits of *codec*; none if it does not have any."""
    return getattr(codec, "limits", MediaLimits())
