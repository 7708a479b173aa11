"""What is said and written about a benchmark: the table, the page, the comparison."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_transport.cli.running import require, say
from realtime_transport.cli.terminal import columns_of, remark
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from realtime_transport.bench import BenchResults, Difference

__all__ = ["compare", "make_corpus", "tell"]

WIDE = 105
"""Columns that the whole table takes. On a narrower terminal it is without the interval, which the page has."""

MOST_EXACT = 1000
"""Numbers from here on are shown without decimals."""

MOST_FAILURES = 10
"""Sessions with errors that the table lists."""


def tell(folder: Path, baseline: str | None) -> None:
    """Print the table of the results in *folder*, write the page, and say where everything is."""
    from realtime_transport.bench import load_results
    from realtime_transport.pages.bench_page import write_bench_page

    results = load_results(folder)
    for line in _table(results, whole=not sys.stdout.isatty() or columns_of(sys.stdout) >= WIDE):
        say(line)
    say(f"results: {folder / 'results.jsonl'}")
    try:
        page = write_bench_page(folder, results, None if baseline is None else Path(baseline))
    except OSError as error:
        remark(f"the page was not written: {error}")
    else:
        say(f"page: {page}")


def _table(results: BenchResults, *, whole: bool) -> Iterator[str]:
    from realtime_transport.bench import errors_by_kind, figures_of, groups_of

    answered = sum(turn.status is not None for turn in results.turns)
    yield f"{len(results.sessions)} sessions, {len(results.turns)} turns, {answered} answered"
    wide = 9 if whole else 8
    columns = " ".join(f"{name:>{wide}}" for name in ("p50", "p90", "p95", "p99", "max"))
    interval = "  median, 95 % interval" if whole else ""
    for (transport, backend, sessions), group in groups_of(results).items():
        yield f"{transport}, {backend}, {sessions} at once"
        yield f"  {'figure':<22} {'unit':<4} {'n':>5} {columns}{interval}"
        for f in figures_of(group):
            numbers = " ".join(_number(value, wide) for value in (f.p50, f.p90, f.p95, f.p99, f.maximum))
            interval = f"  {_number(f.low)} to {_number(f.high)}" if whole else ""
            yield f"  {f.name:<22} {f.unit:<4} {f.count:>5} {numbers}{interval}"
    errors = errors_by_kind(results)
    if errors:
        yield "errors: " + ", ".join(f"{kind} {count}" for kind, count in errors.items())
    bad = [session for session in results.sessions if session.errors or not session.finished]
    for session in bad[:MOST_FAILURES]:
        yield f"session {session.name}: {', '.join(session.errors) or 'not everything was answered'}"
    if len(bad) > MOST_FAILURES:
        yield f"and {len(bad) - MOST_FAILURES} more sessions with errors"


def _number(value: float, width: int = 0) -> str:
    return f"{value:{width}.3f}" if abs(value) < MOST_EXACT else f"{value:{width}.0f}"


def compare(arguments: argparse.Namespace) -> int:
    """Print the differences of two runs; 1 if one is past a threshold.

    Raises:
        ConfigError: A run cannot be read, a threshold makes no sense, or there is nothing that it could judge.
    """
    require("bench", "numpy", "soundfile")
    from realtime_transport.bench import compare as compare_runs, load_results
    from realtime_transport.bench.compare import Threshold

    thresholds = [Threshold.parse(text) for text in arguments.fail_on]
    statistics = sorted({"p50", "p95", *(threshold.statistic for threshold in thresholds)})
    differences = compare_runs(load_results(arguments.old), load_results(arguments.new), *statistics)
    say("the change with its 95 % interval; *: not by chance")
    judged = {difference.figure for difference in differences}
    for threshold in thresholds:
        if threshold.figure not in judged:
            raise ConfigError(f"--fail-on {threshold.figure}: the runs have no such values to compare", key="fail_on")
    say(f"{'figure':<26} {'old':>9} {'new':>9} {'change':>9}  interval")
    for difference in differences:
        say(_line(difference))
    failed = [
        (threshold, difference)
        for threshold in thresholds
        for difference in differences
        if (difference.figure, difference.statistic) == (threshold.figure, threshold.statistic)
        and threshold.is_passed(difference)
    ]
    for threshold, difference in failed:
        limit = f"{threshold.limit:.0%}" if threshold.relative else f"{threshold.limit:g}"
        grown = f"{difference.ratio:+.1%}" if threshold.relative else f"{difference.change:+.3f}"
        said = f"{difference.figure}.{difference.statistic} grew by {grown}, more than +{limit}"
        remark(said)
    return 1 if failed else 0


def _line(difference: Difference) -> str:
    name = f"{difference.figure}.{difference.statistic}"
    mark = "  *" if difference.is_certain else ""
    return (
        f"{name:<26} {_number(difference.old, 9)} {_number(difference.new, 9)} {difference.ratio:+9.1%}  "
        f"{difference.low:+.3f} to {difference.high:+.3f}{mark}"
    )


def make_corpus(arguments: argparse.Namespace) -> int:
    """Speak sentences into a folder; 0.

    Raises:
        ConfigError: espeak-ng is not installed, or the folder exists.
    """
    from realtime_transport.bench.synthesis import make_corpus as make

    count = make(Path(arguments.folder), arguments.count)
    say(f"{count} recordings and manifest.csv in {arguments.folder}")
    return 0
