"""What a benchmark found: one JSON object a line, written as it is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import attrs
import orjson

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERSION", "BenchResults", "Level", "ResultsFile", "Row", "Session", "Turn", "load_results"]

VERSION = 1
"""Of the lines. Fields may be added; a field keeps its meaning."""


@attrs.frozen(kw_only=True)
class Turn:
    """One turn of a user, and what the model made of it.

    Attributes:
        sessions: How many sessions ran at once.
        session: Which of them, from 0.
        repeat: Which repeat, from 0.
        recording: The name of the recording.
        start_ms: Where the server says that speech began, in the audio of the session.
        end_ms: Where it ended.
        latency: Seconds from the end of speech to the first audio of the answer received.
        reply_seconds: How long the answer plays.
        status: How the response ended; ``None``: no answer within the time.
        words: What the server understood, if the session transcribes.
        expected: What was said, if the manifest says so.
    """

    sessions: int
    session: int
    repeat: int
    recording: str
    start_ms: int | None = None
    end_ms: int | None = None
    latency: float | None = None
    reply_seconds: float = 0.0
    status: str | None = None
    words: str = ""
    expected: str | None = None


@attrs.frozen(kw_only=True)
class Session:
    """One session.

    Attributes:
        sessions: How many sessions ran at once.
        session: Which of them, from 0.
        repeat: Which repeat, from 0.
        connect: Seconds from the beginning to the session that is ready.
        seconds: How long it lasted, connecting included.
        late_p50_ms: Half of the frames were sent no later than this after their moment.
        late_p99_ms: The same for 99 of 100.
        late_max_ms: The latest frame.
        frames: Frames sent.
        input_sha256: Of all audio sent.
        errors: Codes of the errors that were reported, and the type of the exception that ended it.
        finished: Everything was played and answered.
    """

    sessions: int
    session: int
    repeat: int
    connect: float | None = None
    seconds: float = 0.0
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_max_ms: float = 0.0
    frames: int = 0
    input_sha256: str = ""
    errors: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    finished: bool = False


@attrs.frozen(kw_only=True)
class Level:
    """All sessions that ran at once.

    Attributes:
        sessions: How many.
        seconds: How long they took together.
        cpu_seconds: CPU time of this process in that time.
        cpu_per_session: The same, for one session and one second of its audio.
        memory_kb: How much the process grew by, for one session; 0 where the system does not say.
        finished: Whether all of them finished.
    """

    sessions: int
    seconds: float
    cpu_seconds: float
    cpu_per_session: float
    memory_kb: float = 0.0
    finished: bool = True


Row: TypeAlias = Turn | Session | Level
_KINDS: dict[str, type[Row]] = {"turn": Turn, "session": Session, "level": Level}


@attrs.frozen(kw_only=True)
class BenchResults:
    """The results of one run.

    Attributes:
        about: The header: plan, target, versions, when.
        turns: In the order in which they ended.
        sessions: Likewise.
        levels: Likewise.
        problem: Why the file is not whole; ``None`` if it is.
    """

    about: Mapping[str, Any]
    turns: tuple[Turn, ...] = ()
    sessions: tuple[Session, ...] = ()
    levels: tuple[Level, ...] = ()
    problem: str | None = None


class ResultsFile:
    """Writes ``results.jsonl`` line by line: what was found is kept, whatever happens next.

    Raises:
        ConfigError: The file exists: nothing is overwritten.
        OSError: It cannot be made.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file: IO[bytes] = path.open("xb")
        except FileExistsError:
            raise ConfigError(f"{path} exists: nothing is overwritten; choose another --out", key="out") from None
        self._write({"format": "realtime-bench", "version": VERSION, **about})

    def add(self, row: Row) -> None:
        """Write *row*, and hand it to the operating system."""
        kind = next(name for name, cls in _KINDS.items() if isinstance(row, cls))
        self._write({"kind": kind, **attrs.asdict(row)})

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(value) + b"\n")
        self._file.flush()


def load_results(path: str | Path) -> BenchResults:
    """Read the results at *path*: ``results.jsonl``, or the folder that holds it.

    A file that was cut off is read as far as it goes; kinds of a newer version are passed over. `problem` says so.

    Raises:
        ConfigError: There are no results there.
    """
    place = Path(path)
    file = place / "results.jsonl" if place.is_dir() else place
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}", key="results") from exc
    about = _object(lines[0])
    if about is None or about.get("format") != "realtime-bench":
        raise ConfigError(f"{file} holds no results of a benchmark", key="results")
    rows: list[Row] = []
    problem: str | None = None
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        found = _object(line)
        if found is None:
            problem = f"line {number} was cut off; what came before is here"
            break
        row = _row(found)
        if row is None:
            problem = f"line {number} and its like are of a newer version"
        else:
            rows.append(row)
    return BenchResults(
        about=about,
        turns=tuple(row for row in rows if isinstance(row, Turn)),
        sessions=tuple(row for row in rows if isinstance(row, Session)),
        levels=tuple(row for row in rows if isinstance(row, Level)),
        problem=problem,
    )


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _row(found: dict[str, Any]) -> Row | None:
    cls = _KINDS.get(str(found.get("kind")))
    if cls is None:
        return None
    known = {field.name for field in attrs.fields(cls)}
    return cls(**{name: value for name, value in found.items() if name in known})
