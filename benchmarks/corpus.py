"""``realtime-transport bench`` on itself: known answers, sessions up to 200, and whether ``compare`` can tell.

The server is ``serve`` in processes of its own. What must hold: everything that the emulator knows better is 0 off; a
latency of 300 ms that it was told to add comes out as 300 ± 20 ms; CPU for one session and a second of its audio does
not grow with their number, nor does lateness while neither process fills a core; a run against a server that is 50 ms
slower is found in ten of ten, and one against a server that is 1 ms slower in none.

``python -m benchmarks corpus [--only PART]``: one of known_answers, fitting, latency, comparison.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import anyio
import attrs

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
from tests.processes import cpu_seconds, serving, serving_process

AUDIO = Path(__file__).parents[1] / "examples/audio"
LEVELS = (1, 10, 50, 200)
FITTING_SPEED = 0.1
"""At which 200 sessions are 20 speakers: two cores carry them, and the detector of the emulator."""

PATIENCE = 180.0
"""Seconds: at speed 4 the emulator hears the last of 200 sessions when it is through with the others."""

FULL = 80.0
"""Per cent of a core from which on a process is late because it has too much to do. A machine with a load of more than
its cores has something else to do, and its lateness is not judged either."""

LATE_MS = 20.0
"""A frame: how late the median session may send its median frame while there is room."""

UTTERANCES = 200
ROUNDS, SLICES = 10, 3
LATENCY_MS = 300
ANSWERS = ("segment_error", "not_echoed", "input_damaged")
SHOWN = ("connect", "turn_latency", "thinking", "pacing_late", "cpu", "busy", "memory", *ANSWERS)

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


@attrs.frozen
class Server:
    """The emulator in a process of its own."""

    url: str
    pid: int

    def run_each(self, corpus: Corpus, plan: BenchPlan) -> None:
        """Run and show each level of *plan* by itself.

        Raises:
            AssertionError: An answer is wrong, frames were late though there was room, or CPU grows with the sessions.
        """
        cpu: dict[int, float] = {}
        wrong: list[str] = []
        for level in plan.sessions:
            before, began = cpu_seconds(self.pid), time.monotonic()
            results = run(self.url, corpus, attrs.evolve(plan, sessions=(level,)), known=True)
            spent = cpu_seconds(self.pid) - before
            server, load = 100 * spent / (time.monotonic() - began), os.getloadavg()[0]
            audio = sum(one.audio_seconds for one in results.levels)
            found = show(results)[level]
            late = median(session.late_p50_ms for session in results.sessions)
            print(f"    the server took {server:.0f} % of a core, {1000 * spent / audio:.1f} ms for a second of audio")
            print(f"    the median frame was {late:.1f} ms late, at a load of {load:.1f}", flush=True)
            wrong += [f"{name} at {level}: {found[name][2]:g}" for name in ANSWERS if found.get(name, (0, 0, 0))[2]]
            unfinished = sum(not one.finished for one in results.sessions)
            wrong += [f"unfinished at {level}: {unfinished}"] if unfinished else []
            has_room = max(server, found["busy"][0]) < FULL and load <= (os.cpu_count() or 1)
            if has_room and late > LATE_MS:
                wrong.append(f"frames late at {level}: {late:.0f} ms")
            cpu[level] = found["cpu"][0]
        print(f"  CPU of the client for a session, in ms for a second of its audio: {cpu}")
        many = [spent for level, spent in cpu.items() if level >= 10]
        if many and max(many) > GROWS * min(many):
            wrong.append(f"CPU grows with the sessions: {cpu}")
        assert not wrong, "; ".join(wrong)


@contextmanager
def server(*arguments: str) -> Iterator[Server]:
    with serving_process("--audio-speed", "max", *arguments) as (url, pid):
        yield Server(url, pid)


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


def known_answers(corpus: Corpus) -> None:
    """Both corpora at speed 4: 200 sessions are eight hundred speakers, and more than two cores carry in time."""
    plan = BenchPlan(sessions=LEVELS, speed=4.0, utterances=1, reply_timeout=PATIENCE)
    with server() as emulator:
        print("examples/audio, at speed 4")
        emulator.run_each(load_corpus([AUDIO]), BenchPlan(sessions=(1, 4), speed=4.0, utterances=2))
        print(f"{len(corpus.utterances)} synthesised utterances, one in each session, at speed 4")
        emulator.run_each(corpus, plan)
        print("the same, each turn committed by hand: without the work of the emulator's detector")
        emulator.run_each(corpus, attrs.evolve(plan, commit=True))


def fitting(corpus: Corpus) -> None:
    """The same at a speed at which two cores carry 200 sessions."""
    with server() as emulator:
        print(f"{len(corpus.utterances)} synthesised utterances, one in each session, at speed {FITTING_SPEED}")
        emulator.run_each(corpus, BenchPlan(sessions=LEVELS, speed=FITTING_SPEED, utterances=1))


def latency(corpus: Corpus) -> None:
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
    assert abs(added - LATENCY_MS) <= 20, f"{LATENCY_MS} ms came out as {added:.1f}"


def alternating(runs: dict[int, Callable[[], BenchResults]]) -> dict[int, BenchResults]:
    """The results of *runs*, each in slices that take turns: what else the machine does hits all of them alike."""
    turns: dict[int, list[Row]] = {name: [] for name in runs}
    for number in range(SLICES):
        for name in sorted(runs, reverse=bool(number % 2)):
            turns[name] += runs[name]().turns
    return {name: results_of({}, rows) for name, rows in turns.items()}


def comparison(corpus: Corpus) -> None:
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
    assert all(verdicts[50]), "50 ms more went unnoticed"
    assert not any(verdicts[1]), "1 ms more was taken for slower"


PARTS = (known_answers, fitting, latency, comparison)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=[part.__name__ for part in PARTS])
    only = parser.parse_args().only
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "corpus"
        make_corpus(folder, UTTERANCES)
        corpus = load_corpus([folder / "manifest.csv"])
        for part in PARTS:
            if only in (None, part.__name__):
                try:
                    part(corpus)
                except AssertionError as exc:
                    broken.append(f"{part.__name__} ({exc})")
                    print(f"  DOES NOT HOLD: {exc}", flush=True)
    print(f"limits that do not hold: {', '.join(broken)}" if broken else "all limits hold")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main())
