"""Results on disk: what is kept, what is read again, what runs again."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from realtime_transport.bench import BargeIn, Check, Level, Session, Turn, errors_by_kind, figures_of, load_results
from realtime_transport.bench.figures import FIGURES
from realtime_transport.bench.results import ResultsFile, levels_done, results_of

DOCS = Path(__file__).parents[2] / "docs/bench.md"
WHOLE = (
    Turn(sessions=1, session=0, repeat=0, recording="a.wav", latency=0.3, gaps=(0.1,), status="completed"),
    BargeIn(sessions=1, session=0, repeat=0, recording="a.wav", silence=0.2),
    Session(sessions=1, session=0, repeat=0, usd=0.5, finished=True),
    Check(sessions=1, session=0, repeat=0, segment_ms=0.0),
    Level(sessions=1, seconds=1.0, cpu_seconds=0.5, cpu_per_session=0.1),
)
HALF = (
    Turn(sessions=2, session=0, repeat=0, recording="a.wav"),
    Session(sessions=2, session=0, repeat=0, usd=0.25),
)


def written(path: Path) -> ResultsFile:
    file = ResultsFile(path, {})
    for row in (*WHOLE, *HALF):
        file.add(row)
    file.close()
    return file


def test_every_kind_of_row_comes_back(tmp_path: Path) -> None:
    written(tmp_path / "results.jsonl")
    found = load_results(tmp_path)
    rows = [*found.turns, *found.barge_ins, *found.sessions, *found.checks, *found.levels]
    assert sorted(map(repr, rows)) == sorted(map(repr, (*WHOLE, *HALF)))


def test_a_level_that_did_not_end_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    written(path)
    with path.open("ab") as cut:
        cut.write(b'{"kind":"turn","sess')
    assert levels_done(load_results(path)) == {("websocket", "asyncio", 1, 0)}
    file = ResultsFile.resume(path, "now")
    file.add(attrs.evolve(HALF[1], usd=1.0))
    file.close()
    found = load_results(path)
    assert found.problem is None
    assert found.turns == (WHOLE[0],)
    assert [session.usd for session in found.sessions] == [0.5, 1.0]
    assert found.usd == pytest.approx(1.75)  # What the first attempt cost is not forgotten.


def test_a_level_that_was_stopped_is_not_done() -> None:
    stopped = Level(sessions=1, seconds=1.0, cpu_seconds=0.5, cpu_per_session=0.1, finished=False)
    assert levels_done(results_of({}, [stopped])) == frozenset()


def test_a_line_that_was_edited_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    written(path)
    path.write_text(path.read_text().replace('"recording":"a.wav","start_ms"', '"rec":"a.wav","start_ms"', 1))
    found = load_results(path)
    assert found.problem is not None
    assert "line 2 was edited" in found.problem
    assert len(found.sessions) == 2


def test_errors_are_counted_by_kind() -> None:
    session = Session(sessions=1, session=0, repeat=0, errors=("ConnectionLost", "server_error", "ConnectionLost"))
    assert errors_by_kind(results_of({}, [session, HALF[0]])) == {
        "ConnectionLost": 2,
        "server_error": 1,
        "unanswered": 1,
    }


def test_gaps_and_drift() -> None:
    turns = [
        attrs.evolve(WHOLE[0], reply_seconds=2.0),
        attrs.evolve(WHOLE[0], reply_seconds=2.0, gaps=(0.1, 0.3)),
        attrs.evolve(WHOLE[0], reply_seconds=2.0, gaps=()),
    ]
    found = {figure.name: figure for figure in figures_of(results_of({}, turns))}
    assert found["gap"].maximum == pytest.approx(300)
    assert found["gap"].count == 2
    assert (found["drift"].count, found["drift"].maximum) == (3, pytest.approx(400))
    assert (found["late_frames"].p50, found["late_frames"].maximum) == (1.0, 2.0)


def test_how_busy_the_client_was() -> None:
    found = {figure.name: figure for figure in figures_of(results_of({}, [WHOLE[-1]]))}
    assert found["busy"].maximum == 50.0
    assert attrs.evolve(WHOLE[-1], seconds=0.0).busy == 0.0


def test_what_the_emulator_knows_better_is_counted() -> None:
    place = {"sessions": 1, "session": 0, "repeat": 0}
    rows = [
        Turn(**place, recording="a", is_echo=True),
        Turn(**place, recording="b", is_echo=False),
        Turn(**place, recording="c"),
        Check(**place, segment_ms=20.0, is_input_whole=False),
        Check(sessions=1, session=1, repeat=0, segment_ms=0.0, segments_off=1),
        Check(sessions=1, session=2, repeat=0, segment_ms=0.0),
        Check(sessions=1, session=3, repeat=0),
    ]
    found = {figure.name: figure for figure in figures_of(results_of({}, rows))}
    assert found["not_echoed"].maximum == 50.0
    assert found["input_damaged"].maximum == 50.0
    assert (found["segment_error"].count, found["segment_error"].maximum) == (3, 20.0)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_defined_in_the_documentation(name: str) -> None:
    unit, meaning, _ = FIGURES[name]
    assert f"| `{name}` | {unit} | {meaning} |" in DOCS.read_text()
