"""``python -m benchmarks.record [--peers] [--rounds N] [--row NAME…] [--json FILE]``: the benchmark of record.

Every client runs in a process of its own and they take turns, round after round, so that a ratio holds when the speed
of the machine drifts. A ratio is that of one round to floor A in the same round; the table has the median and the
quartiles of the rounds. A *must* that does not hold makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from benchmarks.record.frame_server import frame_server, report
from benchmarks.record.peers import LEFT_OUT
from benchmarks.report import Table, quartiles

FLOOR, OURS = "A", ("asyncio", "trio")
TRIO_FACTOR = 1.3
"""Trio may take this much more than asyncio must not exceed."""

PEERS = {"openai": "openai", "agents": "agents", "livekit": "livekit.plugins.openai"}
"""Name of a client: the module that it needs."""

DISTRIBUTIONS = {"agents": "openai-agents", "livekit": "livekit-plugins-openai"}
"""Name of a client: what it is called on PyPI, where that differs."""

Answer = dict[str, Any]


def value(answer: Answer, _notes: dict[str, list[float]]) -> float:
    return answer["value"]


def late_p99(_answer: Answer, notes: dict[str, list[float]]) -> float:
    late = sorted(notes["late_ms"])
    return late[int(len(late) * 0.99)]


def collection(answer: Answer, _notes: dict[str, list[float]]) -> float:
    return answer["gc_ms"]


def heard(answer: Answer, notes: dict[str, list[float]]) -> float:
    return statistics.median((at - said) * 1000 for at, said in zip(answer["heard"], notes["said"], strict=True))


@attrs.frozen(kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        title: What is measured.
        run: The measurement of `benchmarks.record.worker` and its arguments.
        figure: What of its answer counts.
        unit: Of the absolute figure, and what it is multiplied with to be in it.
        must: The ratio to floor A that must hold on asyncio, or the absolute figure if *absolute*.
        reference: Where an absolute must is a time: a row, and what floor A took in it on the machine on which the must
            was set. It is scaled by what floor A takes here, and stands as it is if that row is not run.
        rounds: How often; one more warms up.
    """

    title: str
    run: tuple[Any, ...]
    figure: Callable[[Answer, dict[str, list[float]]], float] = value
    unit: tuple[str, float] = ("µs", 1e6)
    must: float | None = None
    absolute: bool = False
    reference: tuple[str, float] | None = None
    rounds: int = 9


def per(count: int) -> tuple[str, float]:
    return "µs", 1e6 / count


BULK = 3000
SAME = ("ms", 1.0)
ROWS = {
    "flood-20": Row(title="receive, 20 ms deltas, flood", run=("flood", BULK, 20), unit=per(BULK), must=0.9),
    "flood-100": Row(title="receive, 100 ms deltas, flood", run=("flood", BULK, 100), unit=per(BULK), must=0.6),
    "groups": Row(
        title="receive, 20 ms deltas in groups of five, ten times real time",
        run=("groups", 100),
        unit=per(500),
        must=1.0,
        rounds=3,
    ),
    "send": Row(title="send, 20 ms frames", run=("send", BULK), unit=per(BULK), must=0.7),
    "echo": Row(title="echo round trip p50", run=("echo", 600), unit=SAME, must=1.3),
    "sessions-50": Row(title="50 sessions in real time, CPU per frame", run=("paced", 50, 75), must=1.0, rounds=2),
    "sessions-200": Row(title="200 sessions, CPU per frame", run=("paced", 200, 50), must=1.0, rounds=2),
    "late-200": Row(
        title="200 sessions, lateness of sends p99", run=("paced", 200, 50), figure=late_p99, unit=SAME,
        must=3.0, absolute=True, reference=("late-200", 1.3), rounds=2,
    ),
    "barge-in": Row(
        title="barge-in heard p50", run=("barge", 20, 10, 20, 0), figure=heard, unit=SAME, must=0.3, absolute=True,
        reference=("barge-in", 0.27), rounds=3,
    ),
    "barge-in-slow": Row(
        title="barge-in heard beside a consumer of 50 ms an event, p50", run=("barge", 1, 25, 1, 0.05), figure=heard,
        unit=SAME, must=0.3, absolute=True, reference=("barge-in", 0.27), rounds=3,
    ),
    "memory": Row(title="memory per idle connection", run=("idle", 203), unit=("kB", 1.0), must=40.0, absolute=True,
                  rounds=2),
    "connect": Row(title="connect, CPU", run=("connect", 40), must=1.3),
    "collection": Row(title="full collection with 203 connections", run=("idle", 203), figure=collection, unit=SAME,
                      must=20.0, absolute=True, reference=("collection", 5.0), rounds=2),
}  # fmt: skip
IMPORT = "import"


@attrs.define
class Result:
    """The rounds of a row, by client."""

    title: str
    unit: str
    must: float | None
    absolute: bool
    scale: float = 1.0
    figures: dict[str, list[float]] = attrs.field(factory=dict)

    def add(self, client: str, figure: float) -> None:
        self.figures.setdefault(client, []).append(figure)

    def ratios(self, client: str) -> tuple[float, float, float]:
        return quartiles(a / b for a, b in zip(self.figures[client], self.figures[FLOOR], strict=True))

    def judged(self, client: str) -> float:
        return statistics.median(self.figures[client]) if self.absolute else self.ratios(client)[1]

    def limit(self, client: str) -> float | None:
        if self.must is None or client not in OURS:
            return None
        return self.must * self.scale * (TRIO_FACTOR if client == "trio" else 1.0)

    def holds(self, client: str) -> bool:
        limit = self.limit(client)
        return limit is None or self.judged(client) <= limit


@attrs.define
class Worker:
    """A client in its process."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, client: str) -> Worker:
        command = [sys.executable, "-m", "benchmarks.record.worker", client]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        return cls(process)

    def ask(self, *row: Any) -> Answer:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(row) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.communicate()


def measure(address: str, workers: dict[str, Worker], names: list[str], rounds: int | None) -> dict[str, Result]:
    results = {
        name: Result(ROWS[name].title, ROWS[name].unit[0], ROWS[name].must, ROWS[name].absolute) for name in names
    }
    runs: dict[tuple[Any, ...], list[str]] = {}
    for name in names:
        runs.setdefault(ROWS[name].run, []).append(name)  # Rows with the same run share it.
    for run, sharing in runs.items():
        for number in range((rounds or ROWS[sharing[0]].rounds) + 1):
            for client, worker in workers.items():
                if (client, sharing[0]) in LEFT_OUT:
                    continue
                answer = worker.ask(run[0], address, *run[1:])
                notes = report(address)
                if "error" in answer:
                    print(f"  {client}, {sharing[0]}: {answer['error']}", file=sys.stderr)
                    raise SystemExit(1)
                if number:
                    for name in sharing:
                        row = ROWS[name]
                        results[name].add(client, row.figure(answer, notes) * row.unit[1])
    return results


def scale_musts(results: dict[str, Result]) -> None:
    """Scale the musts that are times by how fast floor A is here."""
    for name, result in results.items():
        reference = ROWS[name].reference
        if reference is not None and reference[0] in results:
            floor = statistics.median(results[reference[0]].figures[FLOOR])
            result.scale = max(1.0, floor / reference[1])  # A fast machine may not take more than the must.


def measure_import(address: str, clients: list[str], rounds: int) -> Result:
    """Import and first connect, in fresh interpreters that find bytecode, as installed packages have it."""
    result = Result("import, first connect's included, CPU", "ms", 1.5, absolute=False)
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for client in clients:
                before = cpu_of_children()
                command = [sys.executable, "-m", "benchmarks.record.worker", client, address]
                subprocess.run(command, check=True, env=environment)
                if number:
                    result.add(client, (cpu_of_children() - before) * 1000)
    return result


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def show(results: dict[str, Result], clients: list[str]) -> bool:
    """Print the tables; whether every must holds."""
    table = Table("Medians; ratios to floor A with quartiles", ("", "client", "figure", "ratio", "q1-q3", "must", ""))
    good = True
    for result in results.values():
        for client in filter(result.figures.__contains__, clients):
            median = statistics.median(result.figures[client])
            q1, ratio, q3 = result.ratios(client)
            limit = result.limit(client)
            must = "" if limit is None else f"{limit:.2f} {result.unit if result.absolute else ''}".strip()
            if limit is not None and result.scale != 1.0:
                must += f" ({limit / result.scale:.2f} x {result.scale:.2f})"
            verdict = "" if limit is None else "yes" if result.holds(client) else "NO"
            good = good and verdict != "NO"
            figure = f"{median:.4g} {result.unit}"
            table.row(result.title if client == FLOOR else "", client, figure, f"{ratio:.2f}", f"{q1:.2f}-{q3:.2f}",
                      must, verdict)  # fmt: skip
    table.show()
    return good


def is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # Nor a package that it is in.
        return False


def machine() -> dict[str, Any]:
    versions: dict[str, str] = {}
    for package in ("anyio", "trio", "websockets", "picows", "orjson", "pybase64", *PEERS):
        try:
            versions[package] = version(DISTRIBUTIONS.get(package, package))
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "versions": versions,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.record")
    parser.add_argument("--peers", action="store_true", help="also the other SDKs that are installed")
    parser.add_argument("--rounds", type=int, help="at least 2")
    parser.add_argument("--row", nargs="*", choices=[*ROWS, IMPORT])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 2:
        parser.error("quartiles need two rounds")
    began = time.monotonic()
    clients = [FLOOR, *(["B"] if find_spec("picows") else []), *OURS]
    if options.peers:
        clients += [name for name, module in PEERS.items() if is_there(module)]
    names = options.row or [*ROWS, IMPORT]
    with frame_server() as address:
        workers = {client: Worker.start(client) for client in clients}
        try:
            results = measure(address, workers, [name for name in names if name != IMPORT], options.rounds)
        finally:
            for worker in workers.values():
                worker.stop()
        scale_musts(results)
        if IMPORT in names:
            results[IMPORT] = measure_import(address, clients, options.rounds or 5)
    good = show(results, clients)
    print(f"  {machine()}\n  {time.monotonic() - began:.0f} s")
    if options.json is not None:
        figures = {name: attrs.asdict(result) for name, result in results.items()}
        options.json.write_text(json.dumps({"machine": machine(), "rows": figures}, indent=1) + "\n")
    return not good


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
