"""``realtime-transport bench`` on itself: known answers, sessions up to 200, and whether ``compare`` can tell.

The server is ``serve`` in processes of its own. What must hold: everything that the emulator knows better is 0 off; a
latency of 300 ms that it was told to add comes out as 300 ± 20 ms; CPU for one session and a second of its audio does
not grow with their number; a run against a server that is 50 ms slower is found in ten of ten, and one against a server
that is 1 ms slower in none.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from realtime_transport.bench import (
    Bench,
    BenchPlan,
    BenchResults,
    Corpus,
    compare,
    errors_by_kind,
    figures_of,
    groups_of,
    load_corpus,
)
from realtime_transport.bench.compare import Threshold
from realtime_transport.bench.results import Row, results_of
from realtime_transport.bench.synthesis import make_corpus
from realtime_transport.cli.bench.wire import BenchWire, noted_by_emulator
from realtime_transport.cli.target import Target
from tests.processes import serving

AUDIO = Path(__file__).parents[1] / "examples/audio"
LEVELS = (1, 10, 50, 200)
DETECTED_LEVELS = (1, 10, 50)
"""Where the emulator has to find the speech: its detector, a neural network, is what fills two cores then."""

UTTERANCES = 200
ROUNDS, SLICES = 10, 3
LATENCY_MS = 300
SHOWN = ("turn_latency", "thinking", "pacing_late", "cpu", "memory", "segment_error", "not_echoed", "input_damaged")

GROWS = 2.0
"""How many times the CPU of a session may be that of the cheapest level of at least ten."""


def run(url: str, corpus: Corpus, plan: BenchPlan, *, known: bool = False) -> BenchResults:
    """Run *plan* against the emulator at *url*."""
    wire = BenchWire(target=Target.server(url, None, {}), commit=plan.commit)
    rows: list[Row] = []
    noted = partial(noted_by_emulator, url) if known else None
    bench = Bench(plan=plan, corpus=corpus, connect=wire.open, found=rows.append, noted=noted)
    anyio.run(bench.run)
    return results_of({}, rows)


def show(results: BenchResults, names: Iterable[str] = SHOWN) -> dict[int, dict[str, tuple[float, float, float]]]:
    """Print p50, p95 and maximum of some figures for each number of sessions."""
    found: dict[int, dict[str, tuple[float, float, float]]] = {}
    for (_, _, sessions), group in groups_of(results).items():
        unfinished = sum(not session.finished for session in group.sessions)
        errors = errors_by_kind(group) or "none"
        print(f"  {sessions} at once: {unfinished} unfinished, {len(group.turns)} turns; errors: {errors}")
        for figure in figures_of(group):
            if figure.name in names:
                print(
                    f"    {figure.name:<14} p50 {figure.p50:9.3f}, p95 {figure.p95:9.3f}, max {figure.maximum:9.3f} "
                    f"{figure.unit}"
                )
                found.setdefault(sessions, {})[figure.name] = (figure.p50, figure.p95, figure.maximum)
    return found


def known_answers(corpus: Corpus) -> bool:
    """Both corpora at speed 4."""
    with serving("--audio-speed", "max") as url:
        print("examples/audio, at speed 4")
        spoken = run(url, load_corpus([AUDIO]), BenchPlan(sessions=(1, 4), speed=4.0, utterances=2), known=True)
        found = [show(spoken)]
        print(f"{len(corpus.utterances)} synthesised utterances, one in each session, at speed 4")
        made = run(url, corpus, BenchPlan(sessions=DETECTED_LEVELS, speed=4.0, utterances=1), known=True)
        found.append(show(made))
        print("the same, each turn committed by hand: nothing is left of the work of the emulator's detector")
        committed = run(url, corpus, BenchPlan(sessions=LEVELS, speed=4.0, utterances=1, commit=True), known=True)
        found.append(show(committed))
    figures = [figures for levels in found for figures in levels.values()]
    answers = ("segment_error", "not_echoed", "input_damaged")
    right = all(one[name][2] == 0.0 for one in figures for name in answers if name in one)
    cpu = {level: figures["cpu"][0] for level, figures in found[2].items() if level >= 10}
    flat = max(cpu.values()) <= GROWS * min(cpu.values())
    print(f"  {'every answer is right' if right else 'ANSWERS ARE WRONG'}; CPU {cpu}: {'flat' if flat else 'GROWS'}")
    return right and flat


def latency(corpus: Corpus) -> bool:
    """A latency that the emulator was told to add: by how much a server that has it is slower than one without."""
    plan = BenchPlan(sessions=(2,), speed=4.0, utterances=10, commit=True)
    medians: dict[int, float] = {}
    for told in (0, LATENCY_MS):
        print(f"--latency {told}")
        with serving("--audio-speed", "max", "--latency", str(told)) as url:
            results = run(url, corpus, plan)
        medians[told] = show(results, ("thinking", "turn_latency"))[2]["thinking"][0] * 1000
    added = medians[LATENCY_MS] - medians[0]
    print(f"  {LATENCY_MS} ms come out as {added:.1f} ms more, {medians[LATENCY_MS]:.1f} ms in all")
    return abs(added - LATENCY_MS) <= 20


def alternating(runs: dict[int, Callable[[], BenchResults]]) -> dict[int, BenchResults]:
    """The results of *runs*, each in slices that take turns: what else the machine does hits all of them alike."""
    turns: dict[int, list[Row]] = {name: [] for name in runs}
    for number in range(SLICES):
        for name in sorted(runs, reverse=bool(number % 2)):
            turns[name] += runs[name]().turns
    return {name: results_of({}, rows) for name, rows in turns.items()}


def comparison(corpus: Corpus) -> bool:
    """Two servers beside one, 50 ms and 1 ms slower: what compare says of runs that alternate."""
    limit = Threshold.parse("turn_latency.p50=+0.025")  # Half of what is to be found.
    plan = BenchPlan(sessions=(5,), speed=8.0, utterances=2, commit=True, warm_up=0)
    verdicts: dict[int, list[bool]] = {50: [], 1: []}
    with ExitStack() as stack:
        servers = {
            more: stack.enter_context(serving("--audio-speed", "max", "--latency", str(LATENCY_MS + more)))
            for more in (0, 50, 1)
        }
        for _ in range(ROUNDS):
            runs = alternating({more: partial(run, url, corpus, plan) for more, url in servers.items()})
            for more, found in verdicts.items():
                (difference,) = [one for one in compare(runs[0], runs[more], "p50") if one.figure == limit.figure]
                found.append(limit.is_passed(difference))
                print(
                    f"  +{more} ms: {difference.change * 1000:+.1f} ms ({difference.low * 1000:+.1f} to "
                    f"{difference.high * 1000:+.1f}): {'slower' if found[-1] else 'the same'}"
                )
    print(f"compare: 50 ms found in {sum(verdicts[50])} of {ROUNDS}, 1 ms in {sum(verdicts[1])}")
    return all(verdicts[50]) and not any(verdicts[1])


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "corpus"
        make_corpus(folder, UTTERANCES)
        corpus = load_corpus([folder / "manifest.csv"])
        chosen = {"known_answers": known_answers, "latency": latency, "comparison": comparison}
        names = sys.argv[1:] or list(chosen)
        broken = [name for name in names if not chosen[name](corpus)]
    print(f"limits that do not hold: {', '.join(broken)}" if broken else "all limits hold")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main())
