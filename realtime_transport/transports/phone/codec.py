"""How the messages of a provider are written: the one thing that a new provider needs."""

from __future__ import annotations

import binascii
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import orjson
import pybase64

from realtime_transport.errors import DecodeError

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

    from .messages import PhoneMessage

__all__ = ["MediaCodec", "base64_field", "text_field", "timestamp_field", "to_message", "to_text"]


class MediaCodec(Protocol):
    """The wire format of one provider. Keeps no state and does no I/O.

    Positions come from marks: a provider that has none cannot be bridged without guessing.
    """

    @property
    def audio_format(self) -> AudioFormat:
        """The format that calls have unless the application asks for another."""
        ...

    def decode(self, data: str | bytes, /) -> PhoneMessage:
        """Read one message: one of an unknown kind as a plain `PhoneMessage`, a malformed one with its ``problem``.

        Raises:
            DecodeError: It is none.
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


def to_message(data: str | bytes) -> dict[str, Any]:
    """The JSON object that *data* holds.

    Raises:
        DecodeError: It holds none.
    """
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise DecodeError(f"a message of the telephone that is not JSON: {exc}", size=len(data)) from exc
    if not isinstance(message, dict):
        raise DecodeError("a message of the telephone that is not a JSON object", size=len(data))
    return cast("dict[str, Any]", message)


def to_text(message: Mapping[str, Any]) -> str:
    """*message* as JSON."""
    return orjson.dumps(message).decode()


def text_field(message: Mapping[str, Any], *path: str) -> str | None:
    """The text under *path*; ``None`` if there is none."""
    value: object = message
    for name in path:
        value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def base64_field(message: Mapping[str, Any], *path: str) -> bytes:
    """The bytes under *path*.

    Raises:
        DecodeError: There are none.
    """
    text, where = text_field(message, *path), ".".join(path)
    if text is None:
        raise DecodeError(f"{where}: base64 expected", path=where)
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DecodeError(f"{where}: audio that is not base64: {exc}", path=where) from exc


def timestamp_field(message: Mapping[str, Any], *path: str) -> int | None:
    """The milliseconds under *path*, which are text of ASCII digits; ``None`` for anything else."""
    text = text_field(message, *path)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        return None
    return int(text)


MAX_DIGITS = int(math.log10(2**53))
"""As many digits as a double holds exactly: 30,000 years of milliseconds."""
