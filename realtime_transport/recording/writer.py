"""Writes a recording while it happens: a thread of its own, so that neither disk nor JSON keep the wire waiting."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import IO, TYPE_CHECKING, Any

import attrs
import orjson

from realtime_transport.errors import ConfigError, DecodeError
from realtime_transport.protocol.wire.codec import dumps, loads

from .format import LINES, Close, Frame, Header, Lost, Media, Note, Open, Tool
from .sound import Sound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .format import Entry
    from .scrub import Policy, Scrubber

__all__ = ["RecordingWriter"]

logger: logging.Logger = logging.getLogger(__name__)

MAX_WAITING_BYTES = 32 * 1024 * 1024
"""What may wait for the disk: 8 minutes of sound both ways. Beyond it lines are left out, and `Lost` says so."""


@attrs.define(eq=False)
class RecordingWriter:
    """Appends entries to a recording; `put` never waits.

    Every batch is handed to the operating system at once, so what was written survives the process. An error of the
    disk ends the recording, never the session: it is kept in `error` and logged once.

    Args:
        path: ``NAME.rtrec`` for a folder with sound, ``NAME.jsonl`` for one file. It must not exist.
        header: The first line.
        scrubber: Takes secrets out.
        audio: What to do with sound.
        max_bytes: After so many bytes of lines the recording ends; ``None``: no limit.

    Raises:
        ConfigError: The path exists, or has another ending.
        OSError: It cannot be made.
    """

    path: Path
    header: Header
    scrubber: Scrubber
    audio: Policy
    max_bytes: int | None = None
    error: Exception | None = attrs.field(default=None, init=False)
    """Why the recording ended early; ``None`` if it did not."""
    lost_frames: int = attrs.field(default=0, init=False)
    """Frames that were left out since the disk was too slow."""
    _sound: Sound = attrs.field(init=False)
    _file: IO[bytes] = attrs.field(init=False)
    _waiting: deque[Entry] = attrs.field(factory=deque["Entry"], init=False)
    _waiting_bytes: int = attrs.field(default=0, init=False)
    _losing: Lost | None = attrs.field(default=None, init=False)
    _change: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _lines: int = attrs.field(default=0, init=False)
    _written: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        folder, lines = _place(self.path)
        self._sound = Sound(folder, self.audio)
        self._file = lines.open("xb")
        self._file.write(_line(self.header.as_json()))
        self._file.flush()
        self._thread = threading.Thread(target=self._run, name="realtime recording", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Append *entry*. Never waits; after `close` nothing happens."""
        size = _size(entry)
        with self._change:
            if self._closing or self.error is not None:
                return
            if self._waiting_bytes + size > MAX_WAITING_BYTES:
                self.lost_frames += 1
                frames = 1 if self._losing is None else self._losing.frames + 1
                self._losing = Lost(t=entry.t, conn=entry.conn, frames=frames)
                return
            if self._losing is not None:
                self._waiting.append(self._losing)
                self._losing = None
            self._waiting.append(entry)
            self._waiting_bytes += size
            self._change.notify()

    def close(self) -> None:
        """Write what waits, and close. Blocks until that is done; idempotent."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                with self._change:
                    while not self._waiting and not self._closing:
                        self._change.wait()
                    batch, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
                    if not batch and self._losing is not None:
                        batch, self._losing = deque([self._losing]), None
                if not batch:
                    break
                for entry in batch:
                    self._write(entry)
                self._sound.flush()
                self._file.flush()
        except Exception as exc:  # noqa: BLE001 - whatever scrub= raises, and the disk: the session goes on
            self.error = exc
            logger.warning("recording %s ended early: %s", self.path.name, type(exc).__name__)
        finally:
            self._close_files()

    def _close_files(self) -> None:
        try:
            self._sound.close()
            self._file.close()
        except OSError as exc:
            self.error = self.error or exc

    def _write(self, entry: Entry) -> None:
        found = self._as_json(entry)
        if found is None:
            return
        self._lines += 1
        place = {"n": self._lines, "t": round(entry.t, 6), "conn": entry.conn}
        line = _line({**place, **found})
        self._written += len(line)
        if self.max_bytes is not None and self._written > self.max_bytes:
            raise OSError(f"the recording has reached max_bytes={self.max_bytes}")
        self._file.write(line)

    def _as_json(self, entry: Entry) -> dict[str, Any] | None:
        match entry:
            case Frame():
                return self._frame(entry)
            case Open(url=url):
                return {"kind": "open", "url": self.scrubber.url(url)}
            case Close(code=code, reason=reason, by=by):
                return {"kind": "close", "code": code, "reason": self.scrubber.text(reason), "by": by}
            case Media(direction=direction, data=data, encoding=encoding, rate=rate):
                sound = self._sound.media(data, direction, encoding, rate)
                return {"kind": "media", "dir": direction, "encoding": encoding, "rate": rate, "sound": sound}
            case Note(text=text):
                return {"kind": "note", "text": self.scrubber.text(text)}
            case Tool(name=name, call_id=call_id, outcome=outcome):
                return {"kind": "tool", "name": name, "call_id": call_id, "outcome": self.scrubber.text(outcome)}
            case Lost(frames=frames):
                return {"kind": "lost", "frames": frames}

    def _frame(self, entry: Frame) -> dict[str, Any] | None:
        if entry.binary is not None:
            return {"dir": entry.direction, "binary": self._sound.media(entry.binary, "items", "audio/pcm", 24_000)}
        text = entry.text or ""
        try:
            message = loads(text)
        except DecodeError:
            return {"dir": entry.direction, "raw": self.scrubber.text(text)}
        bare = self._sound.extract(message)
        scrubbed = self.scrubber.message(bare)
        if scrubbed is None:
            return None
        found: dict[str, Any] = {"dir": entry.direction, "frame": scrubbed}
        if scrubbed == message and dumps(message) != text:
            found["raw"] = text
        return found


def _place(path: Path) -> tuple[Path | None, Path]:
    """The folder of the sound, if there is one, and the file of the lines."""
    if path.suffix not in (".rtrec", ".jsonl"):
        raise ConfigError(f"a recording is called NAME.rtrec or NAME.jsonl, not {path.name!r}", key="path")
    if path.exists():
        raise ConfigError(f"{path} exists: nothing is overwritten; choose another name or remove it", key="path")
    if path.suffix == ".jsonl":
        path.parent.mkdir(parents=True, exist_ok=True)
        return None, path
    path.mkdir(parents=True)
    return path, path / LINES


def _line(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value) + b"\n"
    except TypeError:  # Half of a surrogate pair, which streamed text may end in.
        return dumps(value).encode() + b"\n"


def _size(entry: Entry) -> int:
    match entry:
        case Frame(text=text, binary=binary):
            return 200 + len(text or "") + len(binary or b"")
        case Media(data=data):
            return 200 + len(data)
        case _:
            return 200
