"""Reads recordings, those that were cut off in the middle or made by a newer version included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import orjson

from realtime_transport.errors import ConfigError

from .format import FORMAT, LINES, VERSION, Close, Entry, Frame, Header, Lost, Media, Note, Open, Tool
from .sound import read_range, restore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Recording", "load_recording"]


@attrs.frozen(kw_only=True)
class Recording:
    """A recording in memory.

    Attributes:
        path: Where it came from.
        header: Its first line.
        entries: Its lines, in order, sound in place.
        problem: Why it is not whole: where it was cut off, what a newer version may have meant, which line could not
            be read. What came before is in `entries`. ``None`` if it is whole.
    """

    path: Path
    header: Header
    entries: tuple[Entry, ...]
    problem: str | None = None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The messages, in order."""
        return tuple(entry for entry in self.entries if isinstance(entry, Frame))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return max((entry.t for entry in self.entries), default=0.0)

    def connections(self) -> tuple[tuple[Entry, ...], ...]:
        """The entries of each connection."""
        count = max((entry.conn for entry in self.entries), default=-1) + 1
        return tuple(tuple(entry for entry in self.entries if entry.conn == conn) for conn in range(count))


def load_recording(path: str | Path) -> Recording:
    """Read the recording at *path*: a ``.rtrec`` folder or a ``.jsonl`` file.

    A file that ends in the middle of a line, is of a newer version or was edited is read as far as it goes; `Recording`
    says why it is not whole.

    Raises:
        ConfigError: There is no recording there.
    """
    place = Path(path)
    lines = place / LINES if place.is_dir() else place
    try:
        data = lines.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{place} cannot be read as a recording: {exc.strerror}", key="path") from exc
    first, _, rest = data.partition(b"\n")
    header, problem = _header(first, place)
    entries: list[Entry] = []
    reader = _Lines(folder=lines.parent)
    for number, line in _numbered(rest):
        try:
            entries.append(reader.entry(line))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            whole = rest.endswith(b"\n") or number != rest.count(b"\n") + 2
            what = "is not a line of a recording" if whole else "was cut off"
            detail = "" if isinstance(exc, json.JSONDecodeError) or not str(exc) else f" ({exc})"
            problem = _both(problem, f"line {number} {what}{detail}; what came before is here")
            break
    if problem is None and not any(isinstance(entry, Close) for entry in entries[-3:]):
        problem = "it ends without a close: the process that recorded it ended first"
    return Recording(path=place, header=header, entries=tuple(entries), problem=problem)


def _both(first: str | None, second: str) -> str:
    return second if first is None else f"{first}; {second}"


def _numbered(rest: bytes) -> Iterator[tuple[int, bytes]]:
    for index, line in enumerate(rest.split(b"\n")):
        if line.strip():
            yield index + 2, line


def _header(line: bytes, path: Path) -> tuple[Header, str | None]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("format") != FORMAT:
        raise ConfigError(f"{path} is not a recording: its first line does not say {FORMAT!r}", key="path")
    fields = cast("dict[str, Any]", found)
    version = fields.get("version")
    if not isinstance(version, int):
        raise ConfigError(f"{path}: its version is {version!r}, not a number", key="version")
    header = Header(
        started=str(fields.get("started", "")),
        wire=str(fields.get("wire", "")),
        url=str(fields.get("url", "")),
        redacted=tuple(map(str, fields.get("redacted") or ())),
        words=str(fields.get("words", "keep")),
        audio=str(fields.get("audio", "keep")),
        version=version,
    )
    newer = f"it is of version {version}, newer than {VERSION}: lines may be missing or mean more" * (version > VERSION)
    return header, newer or None


@attrs.define(eq=False)
class _Lines:
    """Turns lines into entries.

    Raises:
        ValueError: The line cannot be read; so do KeyError, TypeError and AttributeError.
    """

    folder: Path
    files: dict[str, bytes] = attrs.field(factory=dict[str, bytes])

    def entry(self, line: bytes) -> Entry:
        found = _load(line)
        place: dict[str, Any] = {"n": int(found["n"]), "t": float(found["t"]), "conn": int(found.get("conn", 0))}
        kind = found.get("kind")
        match kind:
            case None:
                return self._frame(found, place)
            case "open":
                return Open(url=str(found.get("url", "")), **place)
            case "close":
                return Close(
                    code=found.get("code"), reason=found.get("reason", ""), by=found.get("by", "server"), **place
                )
            case "media":
                return self._media(found, place)
            case "note":
                return Note(text=found["text"], **place)
            case "tool":
                return Tool(name=found["name"], call_id=found["call_id"], outcome=found.get("outcome", ""), **place)
            case "lost":
                return Lost(frames=int(found["frames"]), **place)
            case _:
                return Note(text=f"a line of kind {kind!r}, which this version does not know", **place)

    def _frame(self, found: Mapping[str, Any], place: dict[str, Any]) -> Frame:
        direction = found["dir"]
        if direction not in ("sent", "received"):
            raise ValueError(f"dir: 'sent' or 'received', not {direction!r}")
        if "binary" in found:
            return Frame(direction=direction, binary=self._sound(found["binary"]), **place)
        text = found.get("raw")
        message = found.get("frame")
        if message is None and text is None:
            raise ValueError("it has neither frame nor raw")
        if message is not None:
            message = restore(message, self.folder, self.files)
            if not isinstance(message, dict) or not isinstance(cast("dict[str, Any]", message).get("type"), str):
                raise ValueError("its frame is not a message")
            message = cast("dict[str, Any]", message)
        return Frame(direction=direction, message=message, text=text, **place)

    def _media(self, found: Mapping[str, Any], place: dict[str, Any]) -> Media:
        sound = found["sound"]
        data = b"" if sound["$audio"] is None else self._sound(sound)
        return Media(
            direction=found["dir"],
            data=data,
            size=sound["bytes"],
            encoding=found["encoding"],
            rate=found["rate"],
            **place,
        )

    def _sound(self, reference: Mapping[str, Any]) -> bytes:
        name = reference["$audio"]
        size = int(reference["bytes"])
        return bytes(size) if name is None else read_range(self.folder, self.files, name, int(reference["at"]), size)


def _load(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = json.loads(line)  # Half of a surrogate pair is an error only to orjson.
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return cast("dict[str, Any]", found)
