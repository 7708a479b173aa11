"""The page of one recorded session: both voices on one time axis, with sound."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pybase64
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, Range1d, Span, TapTool
from markupsafe import Markup

from realtime_transport.recording.reader import Recording, load_recording

from .page import INK, MODEL, UNHEARD, USER, embedded_json, plot, render
from .session_timeline import read_timeline
from .sound_file import mix, to_mp3

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bokeh.plotting import figure as Figure  # noqa: N812

    from .session_timeline import Piece, Reply, SessionTimeline

__all__ = ["session_page", "write_session_page"]

POINTS_PER_SECOND = 100
"""Columns of a waveform: enough to see syllables when zoomed in."""

MOST_POINTS = 12_000
"""Columns of a whole session at most: a page of an hour must not have 100 MB."""

LANES = ("note", "connection", "server", "client")


def write_session_page(recording: str | Path | Recording, path: str | Path) -> int:
    """Write the page of *recording* to *path*, which must not exist. Returns its size in bytes.

    Raises:
        ConfigError: There is no recording there.
        FileExistsError: *path* exists.
        MissingExtraError: bokeh is not installed.
    """
    page = session_page(recording).encode(errors="replace")
    with Path(path).open("xb") as file:
        return file.write(page)


def session_page(recording: str | Path | Recording) -> str:
    """The page of *recording*: HTML that needs no other file and no network.

    Raises:
        ConfigError: There is no recording there.
        MissingExtraError: bokeh is not installed.
    """
    found = recording if isinstance(recording, Recording) else load_recording(recording)
    timeline = read_timeline(found)
    sound = to_mp3(mix(timeline.user, timeline.model, timeline.seconds)) if timeline.user or timeline.model else b""
    header = found.header
    facts = [header.wire, header.url, header.started, f"{timeline.seconds:.1f} s"]
    facts += ["taken out: " + ", ".join(header.redacted) if header.redacted else "not scrubbed"]
    return render(
        "session",
        _plots(timeline),
        title=f"Session {found.path.stem}",
        facts=" · ".join(fact for fact in facts if fact),
        problem=found.problem,
        tiles=_tiles(timeline),
        turns=sorted(_turns(timeline), key=lambda turn: turn["at"]),
        sound=Markup(pybase64.b64encode(sound).decode()),
        events=embedded_json([{"t": m.t, "lane": m.lane, "type": m.type, "detail": m.detail} for m in timeline.marks]),
        version=version("realtime-transport"),
        name=found.path.name,
    )


def _tiles(timeline: SessionTimeline) -> list[dict[str, str]]:
    latencies = sorted(reply.latency for reply in timeline.replies if reply.latency is not None)
    cut_off = sum(reply.cut_off_after is not None for reply in timeline.replies)
    answered = [tool.answered - tool.asked for tool in timeline.tools if tool.answered is not None]
    return [
        {"name": "turns by voice", "value": str(len(timeline.segments))},
        {"name": "replies", "value": str(len(timeline.replies))},
        {"name": "cut off", "value": str(cut_off)},
        {"name": "latency, median", "value": _ms(float(np.median(latencies))) if latencies else "–"},
        {"name": "latency, worst", "value": _ms(latencies[-1]) if latencies else "–"},
        {"name": "tool calls", "value": str(len(timeline.tools))},
        {"name": "slowest tool", "value": _ms(max(answered)) if answered else "–"},
        {"name": "messages", "value": str(len(timeline.marks))},
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _turns(timeline: SessionTimeline) -> Iterator[dict[str, Any]]:
    for segment in timeline.segments:
        yield _turn(segment.start, "user", segment.transcript, None, "")
    for reply in timeline.replies:
        yield _turn(_began(reply), "model", reply.transcript, reply.latency, _end(reply))
    for tool in timeline.tools:
        end = "not answered" if tool.answered is None else f"answered after {_ms(tool.answered - tool.asked)}"
        yield _turn(tool.asked, "tool", f"{tool.name}()", None, end)


def _turn(at: float, who: str, said: str, latency: float | None, end: str) -> dict[str, Any]:
    latency_ms = "" if latency is None else f"{latency * 1000:.0f}"
    return {"at": at, "when": f"{at:.2f}", "who": who, "said": said, "latency": latency_ms, "end": end}


def _began(reply: Reply) -> float:
    return reply.created if reply.first_audio is None else reply.first_audio


def _end(reply: Reply) -> str:
    if reply.cut_off_after is not None:
        return f"cut off after {reply.cut_off_after:.2f} s"
    return reply.status or "open"


def _plots(timeline: SessionTimeline) -> Any:
    end = max(timeline.seconds, 0.1)
    time = Range1d(start=0, end=end, reset_start=0, reset_end=end)
    made = [_voices(timeline, time), _spans(timeline, time), _marks(timeline, time)]
    return column(*made, sizing_mode="stretch_width")


def _voices(timeline: SessionTimeline, time: Range1d) -> Figure:
    made: Any = plot(
        "voices",
        240,
        x_range=time,
        y_range=Range1d(start=-2.1, end=2.1),
        tools="xpan,xwheel_zoom,xbox_zoom,reset",
        active_scroll="xwheel_zoom",
        active_drag="xpan",
    )
    made.yaxis.ticker = [-1, 1]
    made.yaxis.major_label_overrides = {1: "user", -1: "model"}
    spans = [(s.start, timeline.seconds if s.end is None else s.end) for s in timeline.segments]
    left, right = [start for start, _ in spans], [end for _, end in spans]
    made.quad(left=left, right=right, bottom=0.05, top=1.95, color=USER, alpha=0.12, name="segments")
    for pieces, middle, colour in ((timeline.user, 1.0, USER), (timeline.model, -1.0, MODEL)):
        heard, unheard = _envelope(pieces, timeline.seconds)
        for envelope, shade, alpha in ((heard, colour, 0.9), (unheard, UNHEARD, 0.7)):
            x, low, high = envelope
            if len(x):
                source = ColumnDataSource({"x": x, "low": middle + low, "high": middle + high})
                made.varea(x="x", y1="low", y2="high", source=source, color=shade, alpha=alpha)
    made.add_layout(Span(name="playhead", location=0, dimension="height", line_color="#d33", line_width=2))
    chosen = Span(name="chosen", location=0, dimension="height", line_color=INK, line_dash="dotted", visible=False)
    made.add_layout(chosen)
    return made


Envelope = tuple[Any, Any, Any]


def _envelope(pieces: Sequence[Piece], seconds: float) -> tuple[Envelope, Envelope]:
    """The lowest and highest sample of each column, of the audio that was heard and of the rest."""
    rate = min(POINTS_PER_SECOND, MOST_POINTS / max(seconds, 1.0))
    parts: tuple[list[Envelope], list[Envelope]] = ([], [])
    for piece in pieces:
        step = max(1, round(piece.rate / rate))
        split = round(piece.heard * piece.rate)
        for into, first, last in ((parts[0], 0, split), (parts[1], split, len(piece.samples))):
            if last > first:
                into.append(_columns(piece.samples[first:last], step, piece.start + first / piece.rate, piece.rate))
    return _joined(parts[0]), _joined(parts[1])


def _columns(samples: Any, step: int, start: float, rate: int) -> Envelope:
    edges = np.arange(0, len(samples), step)
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    x = start + (edges + step / 2) / rate
    # A zero column on either side: otherwise the area would join one piece to the next.
    ends = np.array([start, start + len(samples) / rate])
    return (
        np.round(np.concatenate([ends[:1], x, ends[1:]]), 4),
        np.round(np.concatenate([[0.0], low, [0.0]]), 3),
        np.round(np.concatenate([[0.0], high, [0.0]]), 3),
    )


def _joined(parts: list[Envelope]) -> Envelope:
    if not parts:
        return np.array([]), np.array([]), np.array([])
    x, low, high = (np.concatenate([part[index] for part in parts]).astype(np.float32) for index in range(3))
    return x, low, high


def _spans(timeline: SessionTimeline, time: Range1d) -> Figure:
    rows = ["tool", "reply", "waiting"]
    made: Any = plot("spans", 130, x_range=time, y_range=rows, tools="xpan,xwheel_zoom,reset", active_drag="xpan")
    spans: list[tuple[str, float, float, str, str]] = []
    for reply in timeline.replies:
        end = timeline.seconds if reply.done is None else reply.done
        spans.append(("reply", reply.created, end, MODEL, f"{reply.response_id}: {_end(reply)}"))
        if reply.latency is not None and reply.asked_at is not None and reply.first_audio is not None:
            spans.append(("waiting", reply.asked_at, reply.first_audio, "#b45309", f"latency {_ms(reply.latency)}"))
    for tool in timeline.tools:
        end = timeline.seconds if tool.answered is None else tool.answered
        spans.append(("tool", tool.asked, end, "#7c3aed", f"{tool.name}() {tool.call_id}"))
    source = ColumnDataSource(
        {
            "row": [row for row, *_ in spans],
            "left": [left for _, left, *_ in spans],
            "right": [right for _, _, right, *_ in spans],
            "colour": [colour for *_, colour, _ in spans],
            "what": [what for *_, what in spans],
        }
    )
    bars = made.hbar(y="row", left="left", right="right", height=0.6, color="colour", alpha=0.75, source=source)
    tips = [("", "@what"), ("from", "@left{0.000} s"), ("to", "@right{0.000} s")]
    made.add_tools(HoverTool(renderers=[bars], tooltips=tips))
    return made


def _marks(timeline: SessionTimeline, time: Range1d) -> Figure:
    made: Any = plot(
        "marks",
        170,
        x_range=time,
        y_range=list(LANES),
        tools="xpan,xwheel_zoom,reset",
        active_drag="xpan",
        x_axis_label="seconds",
    )
    colours = {"client": USER, "server": MODEL}
    source = ColumnDataSource(
        {
            "t": [mark.t for mark in timeline.marks],
            "lane": [mark.lane for mark in timeline.marks],
            "type": [mark.type for mark in timeline.marks],
            "colour": ["#d33" if mark.type == "error" else colours.get(mark.lane, INK) for mark in timeline.marks],
        },
        name="mark-source",
    )
    dots = made.scatter(x="t", y="lane", size=9, color="colour", alpha=0.6, source=source, name="mark-dots")
    made.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@type"), ("at", "@t{0.000} s")]))
    made.add_tools(TapTool(renderers=[dots]))
    chosen = CustomJS(code="if (cb_obj.indices.length) { showEvent(cb_obj.indices[0]); }")
    source.selected.js_on_change("indices", chosen)
    return made
