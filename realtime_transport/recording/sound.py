"""Sound beside the lines: base64 in a message becomes a range of a sidecar file, and comes back byte for byte."""

from __future__ import annotations

import hashlib
import struct
from typing import IO, TYPE_CHECKING, Any, cast

import attrs
import pybase64

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .scrub import Policy

__all__ = ["Sidecar", "Sound", "restore", "wave_format"]

SMALLEST = 64
"""Base64 shorter than this stays in its message."""

_APPENDS = frozenset({"input_audio_buffer.append", "session.input_audio_buffer.append"})
_DELTAS = frozenset({"response.output_audio.delta", "response.audio.delta", "session.output_audio.delta"})

_WAVE_CODES = {"audio/pcm": (1, 2), "audio/pcma": (6, 1), "audio/pcmu": (7, 1)}
"""Format tag and bytes per sample in a WAV header (RFC 2361: PCM, A-law, µ-law)."""

_HEADER_BYTES = 44


def wave_format(side: Mapping[str, Any] | None) -> tuple[str, int]:
    """Encoding and rate of the ``format`` object of a session, or those of the service's default."""
    encoding = side.get("type") if side else None
    if encoding not in _WAVE_CODES:
        return "audio/pcm", 24_000
    rate = side.get("rate") if side else None
    default = 24_000 if encoding == "audio/pcm" else 8_000
    return encoding, rate if isinstance(rate, int) and 0 < rate < 1_000_000 else default


def _wave_header(encoding: str, rate: int, size: int) -> bytes:
    code, width = _WAVE_CODES[encoding]
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        code,
        1,
        rate,
        rate * width,
        width,
        8 * width,
        b"data",
        size,
    )


@attrs.define(eq=False)
class Sidecar:
    """A WAV file that grows. Its header is right after `close`; after a crash, the length of the file counts."""

    path: Path
    encoding: str
    rate: int
    size: int = attrs.field(default=0, init=False)
    _file: IO[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = self.path.open("xb")
        self._file.write(_wave_header(self.encoding, self.rate, 0))

    def append(self, data: bytes) -> int:
        """Write *data*; say where it begins, in bytes of sound."""
        at = self.size
        self._file.write(data)
        self.size += len(data)
        return at

    def flush(self) -> None:
        """Give what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Write the length into the header, and close. Idempotent."""
        if not self._file.closed:
            try:
                self._file.seek(0)
                self._file.write(_wave_header(self.encoding, self.rate, self.size))
            finally:
                self._file.close()


@attrs.define(eq=False)
class Sound:
    """Takes the sound out of messages, as they come.

    Args:
        folder: Where the sidecars go; ``None`` leaves the sound in the lines.
        policy: ``"keep"``, ``"digest"`` (length and SHA-256) or ``"drop"`` (length).
    """

    folder: Path | None
    policy: Policy
    _formats: dict[str, tuple[str, int]] = attrs.field(factory=dict[str, "tuple[str, int]"], init=False)
    _sidecars: dict[str, Sidecar] = attrs.field(factory=dict[str, Sidecar], init=False)
    _made: int = attrs.field(default=0, init=False)

    def extract(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """*message* with its sound replaced by where it is kept."""
        kind = message.get("type")
        if isinstance(kind, str) and kind.startswith("session."):
            self._learn(message.get("session"))
        if kind in _APPENDS:
            return {**message, "audio": self._take(message.get("audio"), "in")}
        if kind in _DELTAS:
            return {**message, "delta": self._take(message.get("delta"), "out")}
        return cast("dict[str, Any]", self._inside(message))

    def media(self, data: bytes, direction: str, encoding: str, rate: int) -> dict[str, Any]:
        """What stands for *data*, sound that went beside the messages."""
        side = "in" if direction == "sent" else "out"
        self._formats[side] = (encoding, rate)
        return self._reference(data, side)

    def flush(self) -> None:
        """Give what was written to the operating system."""
        for sidecar in self._sidecars.values():
            sidecar.flush()

    def close(self) -> None:
        """Close all sidecars."""
        for sidecar in self._sidecars.values():
            sidecar.close()

    def _learn(self, session: Any) -> None:
        audio = cast("Mapping[str, Any]", session).get("audio") if isinstance(session, dict) else None
        if not isinstance(audio, dict):
            return
        for side, name in (("in", "input"), ("out", "output")):
            end = cast("Mapping[str, Any]", audio).get(name)
            form = cast("Mapping[str, Any]", end).get("format") if isinstance(end, dict) else None
            if isinstance(form, dict):
                self._formats[side] = wave_format(cast("Mapping[str, Any]", form))

    def _inside(self, value: Any) -> Any:
        """Items carry sound in ``audio``, wherever they are."""
        if isinstance(value, dict):
            return {
                key: self._take(item, "items") if key == "audio" and isinstance(item, str) else self._inside(item)
                for key, item in cast("dict[str, Any]", value).items()
            }
        return [self._inside(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value

    def _take(self, value: Any, side: str) -> Any:
        if not isinstance(value, str) or (self.policy == "keep" and (self.folder is None or len(value) < SMALLEST)):
            return value
        try:
            data = pybase64.b64decode(value, validate=True)
        except ValueError:
            return value if self.policy == "keep" else {"$audio": None, "bytes": len(value)}
        if self.policy == "keep" and pybase64.b64encode(data).decode() != value:
            return value  # Not canonical: it would not come back as it was.
        return self._reference(data, side)

    def _reference(self, data: bytes, side: str) -> dict[str, Any]:
        if self.policy != "keep" or self.folder is None:
            reference: dict[str, Any] = {"$audio": None, "bytes": len(data)}
            if self.policy == "digest":
                reference["sha256"] = hashlib.sha256(data).hexdigest()
            return reference
        sidecar = self._sidecar(side)
        at = sidecar.append(data)
        return {"$audio": sidecar.path.name, "at": at, "bytes": len(data)}

    def _sidecar(self, side: str) -> Sidecar:
        assert self.folder is not None
        encoding, rate = self._formats.get("out" if side == "items" else side, ("audio/pcm", 24_000))
        sidecar = self._sidecars.get(side)
        if sidecar is None or (sidecar.encoding, sidecar.rate) != (encoding, rate):
            if sidecar is not None:
                sidecar.close()
                self._made += 1
            name = f"{side}.wav" if sidecar is None else f"{side}-{self._made}.wav"
            sidecar = self._sidecars[side] = Sidecar(self.folder / name, encoding, rate)
        return sidecar


def restore(value: Any, folder: Path, files: dict[str, bytes]) -> Any:
    """*value* with base64 in place of what `Sound` put there. What was not kept comes back as as many zeros.

    Raises:
        ValueError: A sidecar is missing, too short, or outside of the recording.
    """
    match value:
        case {"$audio": None, "bytes": int(size)}:
            return pybase64.b64encode(bytes(max(0, size))).decode()
        case {"$audio": str(name), "at": int(at), "bytes": int(size)}:
            return pybase64.b64encode(read_range(folder, files, name, at, size)).decode()
        case {"$text": int(length)}:
            return "·" * max(0, length)
        case dict():
            return {key: restore(item, folder, files) for key, item in cast("dict[str, Any]", value).items()}
        case list():
            return [restore(item, folder, files) for item in cast("list[Any]", value)]
        case _:
            return value


def read_range(folder: Path, files: dict[str, bytes], name: str, at: int, size: int) -> bytes:
    """*size* bytes of sound at *at* in the sidecar *name*; *files* remembers what was read.

    Raises:
        ValueError: It is missing, too short, or outside of the recording.
    """
    if name not in files:
        if "/" in name or "\\" in name or name.startswith("."):
            raise ValueError(f"{name!r} is not a file of the recording")
        try:
            files[name] = (folder / name).read_bytes()[_HEADER_BYTES:]
        except OSError as exc:
            raise ValueError(f"its sound {name!r} cannot be read ({exc.strerror})") from exc
    found = files[name][at : at + size]
    if at < 0 or len(found) != size:
        raise ValueError(f"its sound {name!r} ends before byte {at + size}")
    return found
