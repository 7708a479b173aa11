"""The page of one benchmark: distributions, what grows with the sessions, the slowest turns."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from bokeh.layouts import gridplot
from bokeh.models import ColumnDataSource, HoverTool

from realtime_transport.bench.figures import FIGURES, figures_of, percentile

from .page import MODEL, USER, plot, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bokeh.plotting import figure as Figure  # noqa: N812

    from realtime_transport.bench.results import BenchResults, Turn

__all__ = ["bench_page"]

SLOWEST = 10

COLOURS = (USER, MODEL, "#16a34a", "#9333ea", "#ca8a04", "#0891b2", "#db2777", "#65a30d")
"""One for each level of sessions, from the first."""


def bench_page(results: BenchResults, name: str) -> str:
    """The page of *results*, called *name*: HTML that needs no other file and no network."""
    about = results.about
    facts = [about.get("target"), about.get("model"), about.get("backend"), about.get("started")]
    facts += [f"{about.get('cores')} cores", f"Python {about.get('python')}"]
    levels = sorted({turn.sessions for turn in results.turns})
    plots: list[Any] = [_latencies(results, levels), _by_level(results, levels), _cost(results), _lateness(results)]
    return render(
        "bench.html",
        gridplot(plots, ncols=1, sizing_mode="stretch_width", toolbar_location=None),
        title=f"Benchmark {name}",
        facts=" · ".join(str(fact) for fact in facts if fact),
        problem=results.problem,
        tiles=_tiles(results),
        figures=list(_figures(results)),
        slowest=list(_slowest(results)),
        failures=[
            {"sessions": one.sessions, "session": one.session, "errors": ", ".join(one.errors) or "not all answered"}
            for one in results.sessions
            if one.errors or not one.finished
        ],
        version=version("realtime-transport"),
    )


def _tiles(results: BenchResults) -> list[dict[str, str]]:
    answered = sum(turn.status is not None for turn in results.turns)
    latencies = sorted(turn.latency for turn in results.turns if turn.latency is not None)
    worst = sum(not session.finished for session in results.sessions)
    return [
        {"name": "sessions", "value": str(len(results.sessions))},
        {"name": "turns", "value": str(len(results.turns))},
        {"name": "answered", "value": f"{answered / len(results.turns):.0%}" if results.turns else "–"},
        {"name": "latency, median", "value": f"{percentile(latencies, 0.5) * 1000:.0f} ms" if latencies else "–"},
        {"name": "latency, p95", "value": f"{percentile(latencies, 0.95) * 1000:.0f} ms" if latencies else "–"},
        {"name": "sessions not finished", "value": str(worst)},
    ]


def _figures(results: BenchResults) -> Iterator[dict[str, Any]]:
    for found in figures_of(results):
        numbers = [f"{value:.3f}" for value in (found.p50, found.p90, found.p95, found.p99, found.maximum)]
        yield {
            "name": found.name,
            "unit": found.unit,
            "count": found.count,
            "numbers": numbers,
            "interval": f"{found.low:.3f} to {found.high:.3f}",
            "meaning": FIGURES[found.name][1],
        }


def _slowest(results: BenchResults) -> Iterator[dict[str, str]]:
    timed = [turn for turn in results.turns if turn.latency is not None]
    for turn in sorted(timed, key=_latency, reverse=True)[:SLOWEST]:
        yield {
            "latency": f"{_latency(turn) * 1000:.0f}",
            "sessions": str(turn.sessions),
            "session": str(turn.session),
            "recording": turn.recording,
            "speech": "" if turn.start_ms is None else f"{turn.start_ms} to {turn.end_ms}",
            "words": turn.words,
        }


def _latency(turn: Turn) -> float:
    return turn.latency or 0.0


def _latencies(results: BenchResults, levels: list[int]) -> Figure:
    made: Any = plot("latencies", 300, title="Turn latency: share of turns that took no longer", x_axis_label="ms")
    made.yaxis.axis_label = "share"
    for index, level in enumerate(levels):
        values = sorted(_latency(t) * 1000 for t in results.turns if t.sessions == level and t.latency is not None)
        if values:
            shares = [(number + 1) / len(values) for number in range(len(values))]
            colour = COLOURS[index % len(COLOURS)]
            made.step(values, shares, mode="after", line_width=2, color=colour, legend_label=f"{level} at once")
    if made.legend:
        made.legend.location = "bottom_right"
        made.legend.background_fill_alpha = 0.0
        made.legend.border_line_alpha = 0.0
        made.legend.label_text_color = "#8a94a0"
    made.title.text_color = "#8a94a0"
    return made


def _by_level(results: BenchResults, levels: list[int]) -> Figure:
    columns: dict[str, list[float]] = {"level": [], "p50": [], "p95": []}
    for level in levels:
        values = sorted(t.latency for t in results.turns if t.sessions == level and t.latency is not None)
        if values:
            columns["level"].append(level)
            columns["p50"].append(percentile(values, 0.5) * 1000)
            columns["p95"].append(percentile(values, 0.95) * 1000)
    return _lines("by_level", "Turn latency against sessions at once, ms", columns, ("p50", "p95"))


def _cost(results: BenchResults) -> Figure:
    columns: dict[str, list[float]] = {"level": [], "cpu": []}
    for level in results.levels:
        columns["level"].append(level.sessions)
        columns["cpu"].append(level.cpu_per_session * 1000)
    return _lines("cost", "CPU of the client against sessions at once, ms for a second of audio", columns, ("cpu",))


def _lateness(results: BenchResults) -> Figure:
    columns: dict[str, list[float]] = {"level": [], "late": []}
    for level in sorted({session.sessions for session in results.sessions}):
        values = [session.late_p99_ms for session in results.sessions if session.sessions == level and session.frames]
        if values:
            columns["level"].append(level)
            columns["late"].append(max(values))
    return _lines("lateness", "Latest p99 of the pacing against sessions at once, ms", columns, ("late",))


def _lines(name: str, title: str, columns: dict[str, list[float]], names: tuple[str, ...]) -> Figure:
    made: Any = plot(name, 240, title=title, x_axis_label="sessions at once")
    made.title.text_color = "#8a94a0"
    made.y_range.start = 0
    source = ColumnDataSource(columns)
    for index, column in enumerate(names):
        colour = COLOURS[index]
        made.line("level", column, source=source, line_width=2, color=colour)
        dots = made.scatter("level", column, source=source, size=8, color=colour)
        made.add_tools(HoverTool(renderers=[dots], tooltips=[(column, f"@{column}{{0.00}}"), ("sessions", "@level")]))
    return made
