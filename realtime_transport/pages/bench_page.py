"""The page of one benchmark: distributions, figures by number of sessions, the slowest turns."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from bokeh.layouts import column
from bokeh.models import ColumnDataSource, HoverTool

from realtime_transport.bench.compare import compare
from realtime_transport.bench.figures import FIGURES, errors_by_kind, figures_of, groups_of, percentile
from realtime_transport.bench.results import BenchResults, load_results

from .page import INK, MODEL, USER, plot, render
from .session_page import write_session_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bokeh.plotting import figure as Figure  # noqa: N812

    from realtime_transport.bench.results import Session, Turn

__all__ = ["bench_page", "write_bench_page"]

Groups: TypeAlias = Mapping[tuple[str, str, int], BenchResults]
Lines: TypeAlias = dict[str, list[tuple[float, float]]]

SLOWEST = 10

COLOURS = (USER, MODEL, "#16a34a", "#9333ea", "#ca8a04", "#0891b2", "#db2777", "#65a30d")
"""The colours of the lines, in order."""

ZOOM: dict[str, Any] = {"tools": "xbox_zoom,xpan,reset", "active_drag": "xbox_zoom"}
"""No zoom by wheel: that scrolls the page."""


def write_bench_page(folder: Path, results: BenchResults, baseline: Path | None = None) -> Path:
    """Write ``report.html`` into the *folder* of *results*, with the pages that it links to. Returns its path.

    Recorded sessions with a slow turn or an error are linked. *baseline* is the folder of an earlier run to compare
    with.

    Raises:
        ConfigError: There are no results in *baseline*, or none at the same level.
        OSError: A file cannot be written.
    """
    links = _session_pages(folder, results)
    page = folder / "report.html"
    earlier = None if baseline is None else load_results(baseline)
    named = None if earlier is None or baseline is None else (baseline.name, earlier)
    draft = folder / "report.html.part"
    try:
        draft.write_text(bench_page(results, folder.name, baseline=named, links=links), encoding="utf-8")
        draft.replace(page)
    finally:
        draft.unlink(missing_ok=True)
    return page


def bench_page(
    results: BenchResults,
    name: str,
    *,
    baseline: tuple[str, BenchResults] | None = None,
    links: Mapping[str, str] | None = None,
) -> str:
    """The page of *results*, called *name*: HTML that needs no other file and no network.

    Args:
        results: The results to show.
        name: The title.
        baseline: The name and the results of an earlier run to compare with.
        links: The pages of sessions, by `Place.name`.
    """
    links = links or {}
    about = results.about
    facts = [about.get("target"), about.get("model"), about.get("started")]
    facts += [f"{about.get('cores')} cores", f"Python {about.get('python')}"]
    groups = groups_of(results)
    plots: list[Any] = [_latencies(groups), _by_level(groups), _cost(results), _lateness(groups)]
    return render(
        "bench",
        column(*plots, sizing_mode="stretch_width"),
        title=f"Benchmark {name}",
        facts=" · ".join(str(fact) for fact in facts if fact),
        problem=results.problem,
        tiles=_tiles(results),
        baseline="" if baseline is None else baseline[0],
        differences=[] if baseline is None else list(_differences(baseline[1], results)),
        groups=[{"name": _group_name(key), "figures": list(_figures(group))} for key, group in groups.items()],
        slowest=[_slow_row(turn, links) for turn in _slowest(results)],
        errors=[{"kind": kind, "count": count} for kind, count in errors_by_kind(results).items()],
        failures=[
            {
                "session": one.name,
                "link": links.get(one.name),
                "errors": ", ".join(one.errors) or "not all answered",
            }
            for one in _failed(results)
        ],
        version=version("realtime-transport"),
    )


def _group_name(key: tuple[str, str, int]) -> str:
    transport, backend, sessions = key
    return f"{transport}, {backend}, {sessions} at once"


def _failed(results: BenchResults) -> list[Session]:
    return [one for one in results.sessions if one.errors or not one.finished]


def _session_pages(folder: Path, results: BenchResults) -> dict[str, str]:
    """Write the pages of slow and failed sessions beside the report. Returns their paths by `Place.name`."""
    recorded = {one.name: one.recorded for one in results.sessions if one.recorded}
    wanted = [turn.name for turn in _slowest(results)] + [one.name for one in _failed(results)[:SLOWEST]]
    links: dict[str, str] = {}
    for name in dict.fromkeys(wanted):
        source = recorded.get(name)
        if source is None:
            continue
        page = folder / "sessions" / f"{Path(source).stem}.html"
        page.parent.mkdir(exist_ok=True)
        if not page.exists():
            write_session_page(folder / source, page)
        links[name] = f"sessions/{quote(page.name)}"
    return links


def _differences(old: BenchResults, new: BenchResults) -> Iterator[dict[str, Any]]:
    for one in compare(old, new):
        yield {
            "name": f"{one.figure}.{one.statistic}",
            "old": f"{one.old:.3f}",
            "new": f"{one.new:.3f}",
            "change": f"{one.ratio:+.1%}" if one.old else f"{one.change:+.3f}",
            "interval": f"{one.low:+.3f} to {one.high:+.3f}",
            "certain": one.is_certain,
        }


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


def _slowest(results: BenchResults) -> list[Turn]:
    timed = [turn for turn in results.turns if turn.latency is not None]
    return sorted(timed, key=_latency, reverse=True)[:SLOWEST]


def _slow_row(turn: Turn, links: Mapping[str, str]) -> dict[str, Any]:
    return {
        "latency": f"{_latency(turn) * 1000:.0f}",
        "sessions": str(turn.sessions),
        "session": turn.name,
        "link": links.get(turn.name),
        "recording": turn.recording,
        "speech": "" if turn.start_ms is None else f"{turn.start_ms} to {turn.end_ms}",
        "words": turn.words,
    }


def _latency(turn: Turn) -> float:
    return turn.latency or 0.0


def _latencies(groups: Groups) -> Figure:
    title = "Turn latency: share that took no longer"
    made: Any = plot("latencies", 300, title=title, x_axis_label="ms", **ZOOM)
    made.yaxis.axis_label = "share"
    for index, (key, group) in enumerate(groups.items()):
        values = sorted(_latency(turn) * 1000 for turn in group.turns if turn.latency is not None)
        if values:
            shares = [(number + 1) / len(values) for number in range(len(values))]
            colour = COLOURS[index % len(COLOURS)]
            made.step(values, shares, mode="after", line_width=2, color=colour, legend_label=_group_name(key))
    _finish(made)
    return made


def _finish(made: Any) -> None:
    """Set the title and the legend in a colour that differs on light and dark backgrounds."""
    made.title.text_color = INK
    if made.legend:
        made.legend.location = "bottom_right"
        made.legend.background_fill_alpha = 0.0
        made.legend.border_line_alpha = 0.0
        made.legend.label_text_color = INK


def _by_level(groups: Groups) -> Figure:
    lines: Lines = {}
    for (transport, backend, level), group in groups.items():
        values = sorted(turn.latency for turn in group.turns if turn.latency is not None)
        for name, share in (("p50", 0.5), ("p95", 0.95)) if values else ():
            value = percentile(values, share) * 1000
            lines.setdefault(f"{transport}, {backend}, {name}", []).append((level, value))
    return _lines("by_level", "Turn latency, ms", lines)


def _cost(results: BenchResults) -> Figure:
    lines: Lines = {}
    for level in results.levels:
        point = (level.sessions, level.cpu_per_session * 1000)
        lines.setdefault(f"{level.transport}, {level.backend}", []).append(point)
    return _lines("cost", "CPU of a session, ms a second of audio", lines)


def _lateness(groups: Groups) -> Figure:
    lines: Lines = {}
    for (transport, backend, level), group in groups.items():
        values = [session.late_p99_ms for session in group.sessions if session.frames]
        if values:
            lines.setdefault(f"{transport}, {backend}", []).append((level, max(values)))
    return _lines("lateness", "Pacing: the latest p99, ms", lines)


def _lines(name: str, title: str, lines: Lines) -> Figure:
    made: Any = plot(name, 240, title=title, x_axis_label="sessions at once", **ZOOM)
    made.y_range.start = 0
    for index, (label, points) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        source = ColumnDataSource({"level": [x for x, _ in points], "value": [y for _, y in points]})
        made.line("level", "value", source=source, line_width=2, color=colour, legend_label=label)
        dots = made.scatter("level", "value", source=source, size=8, color=colour)
        tips = [(label, "@value{0.00}"), ("sessions", "@level")]
        made.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    _finish(made)
    return made
