"""Two runs: what differs, and what is only chance."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from realtime_transport.bench import BenchResults, Difference, Level, Session, Turn, compare, figures_of, load_results
from realtime_transport.bench.compare import Threshold
from realtime_transport.bench.results import ResultsFile
from realtime_transport.errors import ConfigError


def run(shift: float, seed: int, turns: int = 200, sessions: int = 10) -> BenchResults:
    """Latencies as a server has them: 250 ms and a tail, *shift* seconds more."""
    dice = random.Random(seed)
    found = [
        Turn(
            sessions=sessions,
            session=number % sessions,
            repeat=0,
            recording="a.wav",
            latency=0.25 + dice.expovariate(100) + shift,
            status="completed",
        )
        for number in range(turns)
    ]
    return BenchResults(about={}, turns=tuple(found))


def latency(old: BenchResults, new: BenchResults, statistic: str) -> Difference:
    (found,) = [one for one in compare(old, new, statistic) if one.figure == "turn_latency"]
    return found


def test_fifty_milliseconds_are_found_and_one_is_not_in_ten_of_ten() -> None:
    limit = Threshold.parse("turn_latency.p50=+10%")
    for seed in range(10):
        slower = latency(run(0.0, seed), run(0.05, seed + 100), "p50")
        assert slower.is_certain
        assert limit.is_passed(slower)
        same = latency(run(0.0, seed), run(0.001, seed + 100), "p50")
        assert not limit.is_passed(same)


def test_only_the_same_level_is_compared() -> None:
    both = BenchResults(about={}, turns=(*run(0.0, 1).turns, *run(5.0, 1, sessions=50).turns))
    difference = latency(run(0.0, 2), both, "p50")
    assert abs(difference.change) < 0.01
    with pytest.raises(ConfigError, match="no level of sessions in common"):
        compare(run(0.0, 1), run(0.0, 1, sessions=50))


@pytest.mark.parametrize(
    "text", ["turn_latency=+10%", "turn_latency.p50=10%", "nothing.p50=+10%", "turn_latency.p51=+1"]
)
def test_a_threshold_has_a_form(text: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Threshold.parse(text)


def test_an_absolute_threshold_is_in_the_unit_of_the_figure() -> None:
    slower = latency(run(0.0, 1), run(0.05, 2), "p95")
    assert Threshold.parse("turn_latency.p95=+0.03").is_passed(slower)
    assert not Threshold.parse("turn_latency.p95=+0.08").is_passed(slower)


def test_percentiles_of_known_values() -> None:
    turns = tuple(
        Turn(sessions=1, session=0, repeat=0, recording="a", latency=number / 100, status="completed")
        for number in range(1, 101)
    )
    found = {figure.name: figure for figure in figures_of(BenchResults(about={}, turns=turns))}["turn_latency"]
    assert (found.count, found.p50, found.p90, found.p95, found.p99, found.maximum) == (100, 0.5, 0.9, 0.95, 0.99, 1.0)
    assert found.low < 0.5 < found.high


ROWS = (
    Turn(sessions=2, session=1, repeat=0, recording="a.wav", latency=0.3, status="completed", words="Hi"),
    Session(sessions=2, session=1, repeat=0, connect=0.1, frames=5, errors=("ConnectionLost",)),
    Level(sessions=2, seconds=1.0, cpu_seconds=0.5, cpu_per_session=0.1),
)


def test_results_come_back_and_a_cut_off_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path / "run/results.jsonl", {"target": "here"})
    for row in ROWS:
        file.add(row)
    file.close()
    results = load_results(tmp_path / "run")
    assert (results.turns, results.sessions, results.levels) == ((ROWS[0],), (ROWS[1],), (ROWS[2],))
    assert results.problem is None
    with pytest.raises(ConfigError, match="exists"):
        ResultsFile(tmp_path / "run/results.jsonl", {})

    path = tmp_path / "run/results.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    cut = load_results(path)
    assert (cut.turns, cut.levels) == ((ROWS[0],), ())
    assert "cut off" in str(cut.problem)
    path.write_bytes(data + b'{"kind":"hologram"}\n')
    assert "newer version" in str(load_results(path).problem)
    assert load_results(path).levels == (ROWS[2],)


@pytest.mark.parametrize("content", [b"", b"[]\n", b"{}\n"])
def test_what_holds_no_results(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match="no results"):
        load_results(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_results(tmp_path / "none")
