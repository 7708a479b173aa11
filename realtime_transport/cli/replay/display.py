"""What a replay shows while it runs: a live panel on a terminal, plain lines elsewhere. On standard error."""

from __future__ import annotations

import sys
from collections import Counter, deque
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from realtime_transport.cli.terminal import ROOM_FOR_KEYS, draws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.replay import Progress, TimelineEntry

__all__ = ["Display", "LiveDisplay", "PlainDisplay", "choose_display"]

TOLD: dict[str, str] = {
    "recording_began": "playing",
    "recording_ended": "played",
    "turn_committed": "turn committed",
    "input_audio_buffer.speech_started": "speech started",
    "input_audio_buffer.speech_stopped": "speech stopped",
    "turn_started": "reply begins",
    "turn_done": "reply ends",
    "audio_interrupted": "the user talks over the reply",
    "error": "error",
    "disconnected": "disconnected",
}
"""The entries of the timeline that people are told of, and how."""


class Display(Protocol):
    """Follows a replay."""

    def begin(self, progress: Callable[[], Progress | None]) -> AbstractContextManager[Any]:
        """Show the replay within a ``with`` block; *progress* says how far it is."""
        ...

    def tell(self, entry: TimelineEntry) -> None:
        """Something happened."""
        ...

    def refresh(self) -> None:
        """Some time has passed."""
        ...


LINES_SHOWN = 8


def choose_display(seconds: Mapping[str, float]) -> Display:
    """The display that suits standard error: a terminal or not. Without rich it is lines, too.

    Args:
        seconds: How long each recording plays, by name.
    """
    if draws(sys.stderr) and find_spec("rich") is not None:
        return LiveDisplay(seconds)
    return PlainDisplay()


def _line(entry: TimelineEntry) -> str | None:
    """What people are told of *entry*."""
    what = TOLD.get(entry.type)
    if what is None or (entry.type == "error" and entry.origin == "server"):  # Its event follows, and says the same.
        return None
    return f"{entry.seconds:8.2f} s  {what}" + (f": {entry.detail}" if entry.detail else "")


@attrs.define(eq=False)
class PlainDisplay:
    """A line for each thing of note."""

    def begin(self, progress: Callable[[], Progress | None]) -> AbstractContextManager[Any]:
        """Nothing to prepare."""
        return nullcontext()

    def tell(self, entry: TimelineEntry) -> None:
        """Print a line, if people are told of it."""
        line = _line(entry)
        if line is not None:
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    def refresh(self) -> None:
        """Lines stay as they are."""


@attrs.define(eq=False)
class LiveDisplay:
    """A panel that is drawn anew several times a second. Needs rich.

    Args:
        seconds: How long each recording plays, by name.
    """

    _seconds: Mapping[str, float]
    _progress: Callable[[], Progress | None] = attrs.field(init=False, default=lambda: None)
    _console: Any = attrs.field(init=False, default=None)
    _live: Any = attrs.field(init=False, default=None)
    _bars: Any = attrs.field(init=False, default=None)
    _bar: Any = attrs.field(init=False, default=None)
    _playing: str = attrs.field(init=False, default="")
    _counts: Counter[str] = attrs.field(init=False, factory=Counter[str])
    _now: float = attrs.field(init=False, default=0.0)
    _lines: deque[str] = attrs.field(init=False, factory=lambda: deque[str](maxlen=LINES_SHOWN))

    def begin(self, progress: Callable[[], Progress | None]) -> AbstractContextManager[Any]:
        """Draw until the block is left; what was drawn last stays."""
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.live import Live

        self._progress = progress
        columns = ("{task.description}", rich_progress.BarColumn(), "{task.completed:5.1f} of {task.total:.1f} s")
        self._bars = rich_progress.Progress(*columns)
        # Drawn by us alone: rich would start a thread for it.
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._panel)
        return self._live

    def tell(self, entry: TimelineEntry) -> None:
        """Keep what the next drawing shows."""
        self._now = entry.seconds
        self._counts[entry.type] += 1
        if entry.type == "audio":
            self._counts["audio bytes"] += entry.bytes or 0
        elif entry.type == "recording_began":
            self._playing = entry.detail or ""
            self._bar = self._bars.add_task(self._playing, total=self._seconds.get(self._playing, 0.0))
        line = _line(entry)
        if line is not None:
            self._lines.append(line)

    def refresh(self) -> None:
        """Draw anew."""
        progress = self._progress()
        if progress is not None and self._bar is not None:
            self._bars.update(self._bar, completed=min(progress.seconds, self._seconds.get(self._playing, 0.0)))
        self._live.refresh()

    def _panel(self) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        counts, progress = self._counts, self._progress()
        figures = (
            f"turns {counts['input_audio_buffer.committed']}   replies {counts['turn_started']}   "
            f"interrupted {counts['audio_interrupted']}   reply audio {counts['audio bytes'] / 1000:.0f} kB"
        )
        if progress is not None:
            figures += f"\npacing p50 {progress.late_p50_ms:.1f} ms, p99 {progress.late_p99_ms:.1f} ms"
        shown = Group(self._bars, Text(figures), Text("\n".join(self._lines), style="dim"))
        return Panel(shown, title="replay", width=self._console.width - ROOM_FOR_KEYS)
