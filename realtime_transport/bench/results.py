"""The results of a benchmark: one JSON object a line, written as each is found."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import attrs
import orjson

from realtime_transport.bench.plan import Place
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.bench.plan import LevelKey

__all__ = [
    "VERSION",
    "BargeIn",
    "BenchResults",
    "Check",
    "Level",
    "ResultsFile",
    "Row",
    "Session",
    "Turn",
    "key_of",
    "levels_done",
    "load_results",
    "results_of",
    "row_as_json",
    "row_from_json",
]

VERSION = 1
"""The version of the lines. Fields may be added; a field keeps its meaning."""


@attrs.frozen(kw_only=True)
class Turn(Place):
    """One turn of the user, and the answer to it.

    Attributes:
        recording: The name of the recording.
        start_ms: Where the server says that speech began, in milliseconds of the session's audio.
        end_ms: Where the server says that it ended.
        latency: Seconds from the end of speech to the first audio of the answer received.
        heard: Seconds from the end of speech to the first audio of the answer heard.
        thinking: Seconds from the commit of the turn to the first audio of the answer received.
        transcript: Seconds from the end of speech to its transcript, if the session transcribes.
        reply_seconds: How long the answer plays.
        gaps: Seconds of each gap within the answer, where audio arrived late.
        status: How the response ended; ``None``: no answer within the time.
        words: The transcript, if the session transcribes.
        expected: What was said, if the manifest says so.
        is_echo: Whether the answer repeats the turn bit by bit; ``None`` if that is not checked, or the answer was cut
            off.
    """

    recording: str
    start_ms: int | None = None
    end_ms: int | None = None
    latency: float | None = None
    heard: float | None = None
    thinking: float | None = None
    transcript: float | None = None
    reply_seconds: float = 0.0
    gaps: tuple[float, ...] = attrs.field(default=(), converter=tuple)
    status: str | None = None
    words: str = ""
    expected: str | None = None
    is_echo: bool | None = None


@attrs.frozen(kw_only=True)
class BargeIn(Place):
    """The user interrupted an answer; all times are seconds from the onset of the speech.

    Attributes:
        recording: The name of the recording that interrupted it.
        heard_ms: Milliseconds of the answer that had been heard.
        silence: Until the listener hears nothing more.
        truncation: Until the truncation is on the wire; ``None`` where the server truncates.
        acknowledged: Until the server's confirmation.
    """

    recording: str
    heard_ms: int = 0
    silence: float | None = None
    truncation: float | None = None
    acknowledged: float | None = None


@attrs.frozen(kw_only=True)
class Session(Place):
    """One session.

    Attributes:
        connect: Seconds until the session was ready.
        seconds: How long it lasted, connecting included; without the wait until the other sessions are open.
        first_audio: Seconds from the first frame sent to the first audio of the model.
        late_p50_ms: Milliseconds by which frames were sent late: the median.
        late_p99_ms: The same: 99 of 100 frames were no later.
        late_max_ms: The same: the latest frame.
        frames: Frames sent.
        input_sha256: SHA-256 of all audio sent.
        session_id: Its id on the server.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
        usd: What they cost, if a price is known.
        lost_packets: Per cent of the model's packets that were missing when they had to be played; WebRTC only.
        made_up_ms: Milliseconds of sound that replaced lost or late packets; WebRTC only.
        errors: Codes of the reported errors, and the type of the exception that ended it.
        finished: Whether everything was played and answered.
        worker: Where it ran, if on a cluster.
        recorded: Its recording, relative to the folder of the results.
    """

    connect: float | None = None
    seconds: float = 0.0
    first_audio: float | None = None
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_max_ms: float = 0.0
    frames: int = 0
    input_sha256: str = ""
    session_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    lost_packets: float | None = None
    made_up_ms: float | None = None
    errors: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    finished: bool = False
    worker: str | None = None
    recorded: str | None = None


@attrs.frozen(kw_only=True)
class Check(Place):
    """How a session differs from the emulator's record of it.

    Attributes:
        segment_ms: The largest difference between the edges of a spoken segment, in milliseconds; ``None`` without any.
        segments_off: The difference in the number of segments.
        is_input_whole: Whether the emulator received the audio that was sent, bit by bit.
    """

    segment_ms: float | None = None
    segments_off: int = 0
    is_input_whole: bool = True


@attrs.frozen(kw_only=True)
class Level:
    """All sessions that ran at once.

    Attributes:
        sessions: The number of sessions.
        seconds: How long all of them took, from the moment at which all are open.
        cpu_seconds: CPU time of this process in that time; of all workers on a cluster.
        cpu_per_session: The same, for one session and one second of its audio.
        audio_seconds: How much audio they sent.
        memory_kb: How much the process grew by, for one session; 0 where the system does not say.
        finished: Whether all of them ran.
        repeat: Which repeat, from 0.
        transport: The wire.
        backend: The event loop.
    """

    sessions: int
    seconds: float
    cpu_seconds: float
    cpu_per_session: float
    audio_seconds: float = 0.0
    memory_kb: float = 0.0
    finished: bool = True
    repeat: int = 0
    transport: str = "websocket"
    backend: str = "asyncio"

    @property
    def busy(self) -> float:
        """CPU time as a share of `seconds`: 1 is one core."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0

    @property
    def key(self) -> LevelKey:
        """Identifies the level."""
        return self.transport, self.backend, self.sessions, self.repeat


Row: TypeAlias = Turn | BargeIn | Session | Check | Level
_KINDS: dict[str, type[Row]] = {"turn": Turn, "barge_in": BargeIn, "session": Session, "check": Check, "level": Level}


@attrs.frozen(kw_only=True)
class BenchResults:
    """The results of one run.

    Attributes:
        about: The header: plan, target, versions, time.
        turns: The turns, in the order in which they ended, like the other rows.
        barge_ins: The barge-ins.
        sessions: The sessions.
        checks: The comparisons with the emulator.
        levels: The levels.
        problem: Why the file is incomplete; ``None`` if it is complete.
        dropped_usd: The cost of sessions that ran again, because their levels had not ended.
    """

    about: Mapping[str, Any]
    turns: tuple[Turn, ...] = ()
    barge_ins: tuple[BargeIn, ...] = ()
    sessions: tuple[Session, ...] = ()
    checks: tuple[Check, ...] = ()
    levels: tuple[Level, ...] = ()
    problem: str | None = None
    dropped_usd: float = 0.0

    @property
    def usd(self) -> float:
        """What all sessions cost, as far as prices are known."""
        return self.dropped_usd + sum(session.usd or 0.0 for session in self.sessions)


class ResultsFile:
    """Writes ``results.jsonl`` line by line, so that earlier results survive any later failure.

    Raises:
        ConfigError: The file exists: nothing is overwritten.
        OSError: The file cannot be created.
    """

    _failed = False

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file: IO[bytes] = path.open("xb", buffering=0)
        except FileExistsError:
            raise ConfigError(
                f"{path} exists: nothing is overwritten; choose another --out, or --resume it", key="out"
            ) from None
        self._write({"format": "realtime-bench", "version": VERSION, **about})

    @classmethod
    def resume(cls, path: Path, now: str) -> ResultsFile:
        """Continue the file at *path*. Rows of levels that did not end are ignored from now on: these levels run again.

        Raises:
            OSError: It cannot be written.
        """
        found = cls.__new__(cls)
        found.path = path
        found._file = path.open("r+b", buffering=0)
        found._file.truncate(_whole_lines(path.read_bytes()))  # Drop a line that was cut off.
        found._file.seek(0, 2)
        found._write({"kind": "resumed", "at": now})
        return found

    def add(self, row: Row) -> None:
        """Write *row* and flush it to the operating system. After a failure, which is raised once, it does nothing.

        Raises:
            OSError: There is no room for it; what was written before is whole.
        """
        if self._failed:
            return
        self._failed = True
        self._write(row_as_json(row))
        self._failed = False

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def _write(self, value: Mapping[str, Any]) -> None:
        line = orjson.dumps(value) + b"\n"
        written = self._file.write(line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))


def _whole_lines(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def load_results(path: str | Path) -> BenchResults:
    """Read the results at *path*: ``results.jsonl``, or the folder that holds it.

    Of a truncated file the complete lines are read; rows of a newer version are skipped. ``problem`` says so.

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
    dropped = 0.0
    problem: str | None = None
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        found = _object(line)
        if found is None:
            problem = f"line {number} was cut off; what came before is here"
            break
        if found.get("kind") == "resumed":
            whole = _of_whole_levels(rows)
            dropped += _usd(rows) - _usd(whole)
            rows = whole
            continue
        row = row_from_json(found)
        if row is None:
            problem = f"line {number} was edited, or is of a newer version; it is left out"
        else:
            rows.append(row)
    return attrs.evolve(results_of(about, rows, problem), dropped_usd=dropped)


def levels_done(results: BenchResults) -> frozenset[LevelKey]:
    """The levels that ran to their end."""
    return frozenset(level.key for level in results.levels if level.finished)


def _usd(rows: Sequence[Row]) -> float:
    return sum(row.usd or 0.0 for row in rows if isinstance(row, Session))


def results_of(about: Mapping[str, Any], rows: Sequence[Row], problem: str | None = None) -> BenchResults:
    """The results that *rows* make."""
    return BenchResults(
        about=about,
        turns=tuple(row for row in rows if isinstance(row, Turn)),
        barge_ins=tuple(row for row in rows if isinstance(row, BargeIn)),
        sessions=tuple(row for row in rows if isinstance(row, Session)),
        checks=tuple(row for row in rows if isinstance(row, Check)),
        levels=tuple(row for row in rows if isinstance(row, Level)),
        problem=problem,
    )


def _of_whole_levels(rows: Sequence[Row]) -> list[Row]:
    whole = {row.key for row in rows if isinstance(row, Level) and row.finished}
    return [row for row in rows if key_of(row) in whole]


def key_of(row: Row) -> LevelKey:
    """The level that *row* belongs to."""
    return row.transport, row.backend, row.sessions, row.repeat


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def row_as_json(row: Row) -> dict[str, Any]:
    """The line of *row*."""
    return {"kind": next(name for name, cls in _KINDS.items() if isinstance(row, cls)), **attrs.asdict(row)}


def row_from_json(found: Mapping[str, Any]) -> Row | None:
    """The row of a line; ``None`` if this version does not know it."""
    cls = _KINDS.get(str(found.get("kind")))
    if cls is None:
        return None
    known = {field.name for field in attrs.fields(cls)}
    try:
        return cls(**{name: value for name, value in found.items() if name in known})
    except TypeError:  # A field is missing: the line was edited.
        return None
