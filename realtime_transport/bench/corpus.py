"""What is played: recordings from files, folders and manifests."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import soundfile

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Corpus", "Unreadable", "Utterance", "load_corpus"]

SOUND = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"})
"""What a folder is searched for."""

COLUMNS = ("file", "words")
"""What a manifest may say of a recording; only ``file`` has to be there."""

_KNOWN = ", ".join(COLUMNS)


@attrs.frozen(kw_only=True)
class Utterance:
    """One recording.

    Attributes:
        path: The file.
        words: What is said in it, if the manifest says so.
        seconds: How long it plays.
    """

    path: Path
    words: str | None = None
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What the results call it."""
        return self.path.name


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


def load_corpus(paths: Sequence[str | Path], *, strict: bool = False) -> Corpus:
    """Open everything that *paths* name, before anything is connected.

    Args:
        paths: Files, folders (searched for sound, in order of name), and manifests: CSV with a header, or JSONL; with
            the columns ``file`` (relative to the manifest) and ``words``.
        strict: A file that cannot be read is an error; otherwise it is listed in `Corpus.unreadable`.

    Raises:
        ConfigError: A path does not exist, a manifest is wrong (line and column are named), nothing can be played,
            or *strict* and a file cannot be read.
    """
    found: list[Utterance] = []
    unreadable: list[Unreadable] = []
    for path, words in (pair for given in paths for pair in _expand(Path(given))):
        try:
            found.append(Utterance(path=path, words=words, seconds=_seconds(path)))
        except (OSError, RuntimeError) as exc:  # soundfile's errors are RuntimeErrors.
            unreadable.append(Unreadable(path=path, why=str(exc)))
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


def _expand(path: Path) -> Iterator[tuple[Path, str | None]]:
    if path.is_dir():
        yield from ((file, None) for file in sorted(path.rglob("*")) if file.suffix.lower() in SOUND)
    elif not path.exists():
        raise ConfigError(f"there is no {path}", key="corpus")
    elif path.suffix.lower() in (".csv", ".jsonl"):
        for row in _rows(path):
            yield path.parent / row["file"], row.get("words")
    else:
        yield path, None


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
            raise ConfigError(f"{path}, line {number}: nothing is called {column!r}; known are {_KNOWN}", key=column)
    return fields


def _checked(row: dict[str, Any], path: Path, number: int) -> dict[str, str]:
    if not isinstance(row.get("file"), str) or not row["file"]:
        raise ConfigError(f"{path}, line {number}, column file: the name of a recording expected", key="file")
    words = row.get("words")
    if words is not None and not isinstance(words, str):
        raise ConfigError(f"{path}, line {number}, column words: text expected, not {words!r}", key="words")
    return row
