"""How the messages of a provider are written: the one thing that a new provider needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

    from .messages import PhoneMessage

__all__ = ["MediaCodec", "MediaLimits", "limits_of"]


@frozen()
class MediaLimits:
    """How long one piece of audio for the provider may be, in milliseconds.

    Shorter audio is collected, and padded with silence where no more follows; longer audio is cut.

    Attributes:
        min_ms: The shortest piece.
        max_ms: The longest piece; ``None``: any length.
    """

    min_ms: int = 0
    max_ms: int | None = None


class MediaCodec(Protocol):
    """The wire format of one provider. Keeps no state and does no I/O.

    Playback positions come from marks: a provider that has none cannot be bridged without guessing. A codec may also
    have an attribute ``limits`` (`MediaLimits`).
    """

    @property
    def audio_format(self) -> AudioFormat:
        """The format that the provider plays, which sessions have unless the application asks for another."""
        ...

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        """Read one message: one of an unknown kind as a plain `PhoneMessage`, a malformed one with its ``problem``.

        Raises:
            DecodeError: *data* is not a message at all.
        """
        ...

    def media(self, stream_id: str, audio: bytes, /) -> str:
        """A message that plays *audio* after what was sent before."""
        ...

    def mark(self, stream_id: str, name: str, /) -> str:
        """A message that comes back, with *name*, when all that was sent before it has been played."""
        ...

    def clear(self, stream_id: str, /) -> str:
        """A message that drops what has not been played."""
        ...


def limits_of(codec: MediaCodec) -> MediaLimits:
    """The limits of *codec*; none if it does not have any."""
    return getattr(codec, "limits", MediaLimits())
