"""The corpus to play: audio from files, folders, manifests, and recorded sessions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import soundfile

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError
from realtime_transport.replay import BargeInAt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Corpus", "Unreadable", "Utterance", "load_corpus", "parse_barge_in"]

SOUND = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"})
"""The kinds of sound file that a folder is searched for."""

RECORDING = ".rtrec"
"""The suffix of a recorded session, which is a folder."""

COLUMNS = ("file", "words", "barge_in")
"""The columns of a manifest; only ``file`` is required."""

_KNOWN = ", ".join(COLUMNS)


@named_fields
@attrs.frozen(kw_only=True)
class Utterance:
    """One recording.

    Attributes:
        path: The file.
        words: What is said in it, if the manifest says so.
        seconds: How long it plays.
        barge_in: When it interrupts the previous reply, if the manifest says so.
        name: Its name in the results; the name of the file if not given.
    """

    path: Path
    words: str | None = None
    seconds: float = 0.0
    barge_in: BargeInAt | None = None
    name: str = attrs.field(default=attrs.Factory(lambda self: self.path.name, takes_self=True))


@attrs.frozen(kw_only=True)
class Unreadable:
    """A file that cannot be played, and why."""

    path: Path
    why: str


@attrs.frozen(kw_only=True)
class Corpus:
    """Recordings in order, and the files that could not be read."""

    utterances: tuple[Utterance, ...]
    unreadable: tuple[Unreadable, ...] = ()

    def absolute(self) -> Corpus:
        """The same corpus with absolute paths, for a process in another folder."""
        here = (attrs.evolve(one, path=one.path.absolute()) for one in self.utterances)
        return attrs.evolve(self, utterances=tuple(here))


def load_corpus(paths: Sequence[str | Path], *, strict: bool = False) -> Corpus:
    """Open everything that *paths* name, before anything is connected.

    Args:
        paths: Files, folders (searched for sound and recorded sessions, in order of name), recorded sessions
            (``NAME.rtrec``: what the user said is played), and manifests: CSV with a header, or JSONL; with the columns
            ``file`` (relative to the manifest), ``words``, and ``barge_in`` (when this one interrupts the reply to the
                previous one: after ``0.8`` seconds of that reply, or ``50%`` of it).
        strict: A file that cannot be read is an error; otherwise it is listed in `Corpus.unreadable`.

    Raises:
        ConfigError: A path does not exist, a manifest is wrong (line and column are named), nothing can be played,
            or *strict* and a file cannot be read.
    """
    found: list[Utterance] = []
    unreadable: list[Unreadable] = []
    for one in (one for given in paths for one in _expand(Path(given))):
        try:
            path = _sound_of(one.path)
            found.append(attrs.evolve(one, path=path, seconds=_seconds(path)))
        except (OSError, RuntimeError) as exc:  # soundfile's errors are RuntimeErrors.
            unreadable.append(Unreadable(path=one.path, why=str(exc)))
    if strict and unreadable:
        raise ConfigError(f"{unreadable[0].path}: {unreadable[0].why}", key="corpus")
    if not found:
        raise ConfigError(f"the corpus holds nothing to play ({len(unreadable)} unreadable files)", key="corpus")
    return Corpus(utterances=tuple(found), unreadable=tuple(unreadable))


def _seconds(path: Path) -> float:
    info = soundfile.info(str(path))
    if info.frames == 0:
        raise RuntimeError("it is empty")
    return info.frames / info.samplerate


def parse_barge_in(text: str) -> BargeInAt:
    """``0.8``: seconds of the reply; ``50%``: a share of it.

    Raises:
        ValueError: It is neither.
    """
    number = float(text.removesuffix("%"))
    try:
        return BargeInAt(share=number / 100) if text.endswith("%") else BargeInAt(seconds=number)
    except ConfigError as exc:
        raise ValueError(str(exc)) from exc


def _sound_of(path: Path) -> Path:
    """The audio file of *path*; for a recorded session, that of the user's voice."""
    if path.suffix.lower() == RECORDING:
        path = path / "in.wav"
        if not path.exists():
            raise RuntimeError("this recorded session holds no sound of the user")
    return path


def _expand(path: Path) -> Iterator[Utterance]:
    if path.suffix.lower() == RECORDING and path.is_dir():
        yield _utterance(path)
    elif path.is_dir():
        yield from map(_utterance, _inside(path))
    elif not path.exists():
        raise ConfigError(f"there is no {path}", key="corpus")
    elif path.suffix.lower() in (".csv", ".jsonl"):
        for row in _rows(path):
            yield _utterance(path.parent / row["file"], row.get("words"), row.get("barge_in"))
    else:
        yield _utterance(path)


def _utterance(path: Path, words: str | None = None, barge_in: str | None = None) -> Utterance:
    return Utterance(path=path, words=words, barge_in=parse_barge_in(barge_in) if barge_in else None, name=path.name)


def _inside(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if any(parent.suffix.lower() == RECORDING for parent in path.relative_to(folder).parents):
            continue  # The files of a recorded session.
        if path.suffix.lower() in SOUND or (path.suffix.lower() == RECORDING and path.is_dir()):
            yield path


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read as UTF-8", key="corpus") from exc
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield _checked(_json(path, number, line), path, number)
        return
    reader = csv.DictReader(io.StringIO(text))
    for column in reader.fieldnames or ():
        if column not in COLUMNS:
            raise ConfigError(f"{path}, line 1: no column is called {column!r}; known are {_KNOWN}", key=column)
    for row in reader:
        if None in row:
            raise ConfigError(f"{path}, line {reader.line_num}: more columns than line 1 names", key="corpus")
        yield _checked(row, path, reader.line_num)


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as exc:
        raise ConfigError(f"{path}, line {number}, column {exc.colno}: not JSON", key="corpus") from exc
    if not isinstance(found, dict):
        raise ConfigError(f"{path}, line {number}: an object expected", key="corpus")
    fields = cast("dict[str, Any]", found)
    for column in fields:
        if column not in COLUMNS:
            raise ConfigError(f"{path}, line {number}: no field is called {column!r}; known are {_KNOWN}", key=column)
    return fields


def _checked(row: dict[str, Any], path: Path, number: int) -> dict[str, str]:
    if not isinstance(row.get("file"), str) or not row["file"]:
        raise ConfigError(f"{path}, line {number}, column file: the name of a recording expected", key="file")
    words = row.get("words")
    if words is not None and not isinstance(words, str):
        raise ConfigError(f"{path}, line {number}, column words: text expected, not {words!r}", key="words")
    try:
        if row.get("barge_in") not in (None, ""):
            row["barge_in"] = str(row["barge_in"])
            parse_barge_in(row["barge_in"])
    except ValueError:
        raise ConfigError(
            f"{path}, line {number}, column barge_in: seconds (0.8) or a share (50%) of the reply before expected, "
            f"not {row['barge_in']!r}",
            key="barge_in",
        ) from None
    return row
