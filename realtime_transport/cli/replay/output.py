"""What a replay leaves behind: its files, and the figures that are printed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs
import orjson

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_transport.replay import ReplayReport, TimelineEntry

__all__ = ["ReplayFiles", "figures"]


@attrs.define(eq=False)
class ReplayFiles:
    """The files in a directory, which is made.

    Used as a context manager, which closes the timeline.

    Args:
        folder: The directory.

    Raises:
        ConfigError: The directory cannot be made, or written to.
    """

    folder: Path
    _timeline: BinaryIO = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._timeline = self.timeline.open("wb")
            self.reply.unlink(missing_ok=True)  # One of an earlier replay would be taken for this one's.
        except OSError as error:
            raise ConfigError(f"--out {self.folder}: {error.strerror or error}", key="out") from error

    def __enter__(self) -> ReplayFiles:
        return self

    def __exit__(self, *_error: object) -> None:
        self._timeline.close()

    @property
    def reply(self) -> Path:
        """What the model said, as WAV."""
        return self.folder / "reply.wav"

    @property
    def transcript(self) -> Path:
        """Who said what."""
        return self.folder / "transcript.txt"

    @property
    def timeline(self) -> Path:
        """Everything that happened, a JSON object a line."""
        return self.folder / "timeline.jsonl"

    @property
    def report(self) -> Path:
        """The report, as JSON."""
        return self.folder / "report.json"

    def tell(self, entry: TimelineEntry) -> None:
        """Write a line of the timeline."""
        self._timeline.write(orjson.dumps(entry.as_json()) + b"\n")

    def write(self, report: ReplayReport, more: dict[str, Any]) -> dict[str, Any]:
        """Write the transcript and the report, which has *more* in it; gives the report."""
        complete = {**more, **report.as_json()}
        self.report.write_bytes(orjson.dumps(complete, option=orjson.OPT_INDENT_2) + b"\n")
        self.transcript.write_text("".join(line + "\n" for line in _transcript(report)), encoding="utf-8")
        with contextlib.suppress(OSError, ValueError):
            self._timeline.flush()
        return complete


def _transcript(report: ReplayReport) -> list[str]:
    said: list[tuple[float, str]] = []
    for turn in report.turns:
        at = turn.ended_at if turn.ended_at is not None else 0.0
        said.append((at, f"[{at:7.2f} s] user: {turn.transcript or '(no transcript)'}"))
    for reply in report.replies:
        at = reply.first_audio_at if reply.first_audio_at is not None else report.seconds
        cut = "" if reply.status == "completed" else f" ({reply.status or 'unfinished'})"
        said.append((at, f"[{at:7.2f} s] model: {reply.transcript or '(nothing)'}{cut}"))
    return [line for _, line in sorted(said, key=lambda entry: entry[0])]


def figures(report: ReplayReport, *, target: str, backend: str, wire: tuple[int, int]) -> list[str]:
    """The figures as lines for people.

    Args:
        report: The report.
        target: The server that it talked to.
        backend: The event loop.
        wire: Characters sent and received.
    """
    recordings = report.recordings
    played = sum(recording.seconds for recording in recordings)
    pace = "unpaced" if report.speed is None else f"at speed {report.speed:g}"
    latencies = report.as_json()["turn_latency"]
    late = report.as_json()["pacing_late_ms"]
    rows = [
        (
            "spoken segments",
            f"{report.segments} (turns {len(report.turns)}, replies {len(report.replies)}, "
            f"talked over {report.interruptions})",
        ),
        ("time to first audio", _seconds(report.time_to_first_audio)),
        (
            "turn latency",
            f"p50 {_seconds(latencies['p50'])}, max {_seconds(latencies['max'])} (end of speech to first audio)",
        ),
        (
            "pacing lateness",
            f"p50 {_ms(late['p50'])}, p99 {_ms(late['p99'])}, max {_ms(late['max'])}"
            + (" (the worst recording)" if len(recordings) > 1 else ""),
        ),
        (
            "bytes of audio",
            f"{report.input_bytes} sent, {report.output_bytes} received ({report.output_seconds:.1f} s of reply)",
        ),
        ("characters on the wire", f"{wire[0]} sent, {wire[1]} received"),
        ("tokens", f"{report.input_tokens} in, {report.output_tokens} out"),
        ("SHA-256 of the input", report.input_sha256),
    ]
    head = (
        f"{len(recordings)} recording{'s' * (len(recordings) != 1)}, {played:.1f} s, {pace}, to {target} "
        f"on {backend}: {report.seconds:.1f} s"
    )
    return [head, *(f"  {name:<23} {value}" for name, value in rows)]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"
