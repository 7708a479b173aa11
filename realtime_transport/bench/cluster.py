"""A benchmark on the workers of a Dask cluster: each runs its share of the sessions of a level."""

from __future__ import annotations

import queue
import time
import uuid
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.bench.plan import Place
from realtime_transport.bench.results import Level, Row, Session, row_from_json
from realtime_transport.bench.worker import Job, Share, prepare, run_share
from realtime_transport.errors import ConfigError, ConnectError, missing_extra

try:
    import distributed
except ModuleNotFoundError as _error:
    missing_extra(_error, "dask")

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.bench.plan import LevelKey

__all__ = ["LOST", "Job", "run_on_cluster"]

LOST = "WorkerLost"
"""The error of a session whose worker died."""

LOOK_EVERY = 0.2
"""Seconds between two checks whether workers have died."""

STOP_WITHIN = 10.0
"""Seconds that the workers get to end their sessions when the run is stopped."""

_dask: Any = distributed  # It has no types.


def run_on_cluster(
    client: Any,
    job: Job,
    *,
    found: Callable[[Row], None],
    skip: frozenset[LevelKey] = frozenset(),
    spent: float = 0.0,
    said: Callable[[str], None] = lambda _line: None,
) -> str | None:
    """Run *job* on the workers of *client*, which belongs to the caller. Blocks.

    Session *n* of a level runs on worker *n* modulo their number. Rows are passed on as they are found. When a worker
    dies, each of its unfinished sessions is a row with the error ``WorkerLost``; the next level is divided among the
    workers that are left. The budget is divided equally.

    Args:
        client: A ``distributed.Client`` that is not asynchronous.
        job: The plan and its corpus.
        found: Called with each row, in this thread.
        skip: Levels that were done before.
        spent: What was spent before, in USD.
        said: Called with a message for people: a level begins, a worker died.

    Returns:
        Which limit ended it before its end, ``"max_seconds"`` or ``"max_usd"``; ``None`` if none did.

    Raises:
        ConfigError: There is no worker, or one cannot read the corpus.
        ConnectError: The warm-up of a worker failed.
        KeyboardInterrupt: The run was interrupted. The sessions have ended, and their rows were passed to *found*.
    """
    run = _Run(client=client, job=job, found=found, spent=spent, said=said)
    client.subscribe_topic(run.topic, run.note)
    try:
        return run.all(skip)
    finally:
        client.unsubscribe_topic(run.topic)


@attrs.define(eq=False, kw_only=True)
class _Run:
    """One run, on the side of the caller."""

    client: Any
    job: Job
    found: Callable[[Row], None]
    spent: float
    said: Callable[[str], None]
    topic: str = attrs.field(init=False, factory=lambda: f"realtime-bench-{uuid.uuid4().hex}")
    _news: queue.SimpleQueue[tuple[str, int, Row]] = attrs.field(
        init=False, factory=lambda: queue.SimpleQueue[tuple[str, int, Row]]()
    )
    _received: dict[str, list[Row]] = attrs.field(init=False, factory=lambda: dict[str, list[Row]]())

    def note(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Take a row from a worker. Runs in the thread of the client."""
        _, message = event
        row = row_from_json(message["row"])
        if row is not None:
            self._news.put((message["share"], message["number"], row))

    def all(self, skip: frozenset[LevelKey]) -> str | None:
        """Run all levels but those of *skip*. Returns the limit that ended the run, if one did."""
        plan = self.job.plan
        began = time.monotonic()
        levels = [key for backend in plan.backends for key in plan.levels(backend) if key not in skip]
        self._prepare(sorted({(key[0], key[1]) for key in levels}))
        for key in levels:
            left = None if plan.max_seconds is None else plan.max_seconds - (time.monotonic() - began)
            if left is not None and left <= 0:
                return "max_seconds"
            if self._is_spent():
                return "max_usd"
            self._level(key, left)
        return "max_usd" if self._is_spent() else None

    def _is_spent(self) -> bool:
        limit = self.job.plan.max_usd
        return limit is not None and self.spent >= limit

    def _alive(self) -> set[str]:
        """The addresses of the workers that the scheduler has."""
        # Not `scheduler_info`: its answer is shared with a callback that overwrites it, every other second, with none.
        return set(self.client.nthreads())

    def _workers(self) -> list[str]:
        workers = sorted(self._alive())
        if not workers:
            raise ConfigError("the cluster has no worker (any more)", key="scheduler")
        return workers

    def _prepare(self, wires: Sequence[tuple[str, str]]) -> None:
        """Let each worker check the corpus and warm up."""
        for worker in self._workers():
            future = self.client.submit(prepare, self.job, wires, workers=[worker], pure=False)
            try:
                kind, why = future.result()
            except Exception as exc:  # A worker without this package, or that died: say where.
                raise ConfigError(f"worker {worker}: {type(exc).__name__}: {exc}", key="scheduler") from exc
            if kind == "corpus":
                raise ConfigError(f"worker {worker} cannot read {why}: it needs the files at that path", key="corpus")
            if kind == "connect":
                raise ConnectError(f"worker {worker}: {why}")

    def _level(self, key: LevelKey, left: float | None) -> None:
        workers = self._workers()
        plan = self.job.plan
        usd = None if plan.max_usd is None else (plan.max_usd - self.spent) / len(workers)
        job = attrs.evolve(self.job, plan=attrs.evolve(plan, max_seconds=left, max_usd=usd))
        began = time.monotonic()
        waiting: dict[str, tuple[Share, Any]] = {}
        for index, worker in enumerate(workers):
            numbers = tuple(range(index, key[2], len(workers)))
            if numbers:
                share = Share(job=job, key=key, numbers=numbers, topic=self.topic, worker=worker)
                future = self.client.submit(run_share, share, workers=[worker], pure=False, retries=0)
                waiting[future.key] = (share, future)
        self.said(f"{key[0]}, {key[1]}, {key[2]} at once, repeat {key[3]}: on {len(waiting)} workers")
        levels: list[Level] = []
        is_whole = True
        try:
            while waiting:
                self._take_news()
                is_whole = self._look(waiting, levels) and is_whole
        except KeyboardInterrupt:
            self._stop(waiting, levels)
            raise
        self.found(_sum(key, levels, time.monotonic() - began, is_whole=is_whole))

    def _take_news(self) -> None:
        """Take the rows that arrive within `LOOK_EVERY`."""
        until = time.monotonic() + LOOK_EVERY
        while (patience := until - time.monotonic()) > 0:
            try:
                share, number, row = self._news.get(timeout=patience)
            except queue.Empty:
                return
            received = self._received.setdefault(share, [])
            if number == len(received):  # Otherwise the share has ended, and its result held the row.
                self._take(received, row)

    def _take(self, received: list[Row], row: Row) -> None:
        received.append(row)
        if isinstance(row, Session):
            self.spent += row.usd or 0.0
        if not isinstance(row, Level):
            self.found(row)

    def _look(self, waiting: dict[str, tuple[Share, Any]], levels: list[Level]) -> bool:
        """Handle the shares that have ended. Returns whether all of them were complete."""
        alive = self._alive()
        is_whole = True
        for name, (share, future) in list(waiting.items()):
            if future.status == "finished":
                rows = future.result()
                received = self._received.setdefault(name, [])
                for row in rows[len(received) :]:
                    self._take(received, row)
                levels += [row for row in rows if isinstance(row, Level)]
            elif future.status == "error":
                self._lose(share, name, f"{future.exception()!r}")
                is_whole = False
            elif share.worker not in alive:
                self._lose(share, name, "it died")
                future.cancel()
                is_whole = False
            else:
                continue
            del waiting[name]
        return is_whole

    def _lose(self, share: Share, name: str, why: str) -> None:
        """Add a row for each session that was lost with a worker."""
        received = self._received.setdefault(name, [])
        ended = {row.session for row in received if isinstance(row, Session)}
        lost = [number for number in share.numbers if number not in ended]
        self.said(f"worker {share.worker}: {why}; it cost {len(lost)} of its {len(share.numbers)} sessions")
        transport, backend, sessions, repeat = share.key
        for number in lost:
            place = Place(sessions=sessions, session=number, repeat=repeat, transport=transport, backend=backend)
            self._take(received, Session(**attrs.asdict(place), errors=(LOST,), worker=share.worker))

    def _stop(self, waiting: dict[str, tuple[Share, Any]], levels: list[Level]) -> None:
        """End the sessions, and take their rows."""
        _dask.Event(self.topic, client=self.client).set()
        until = time.monotonic() + STOP_WITHIN
        while waiting and time.monotonic() < until:
            self._take_news()
            self._look(waiting, levels)


def _sum(key: LevelKey, levels: Sequence[Level], seconds: float, *, is_whole: bool) -> Level:
    transport, backend, sessions, repeat = key
    cpu = sum(level.cpu_seconds for level in levels)
    audio = sum(level.audio_seconds for level in levels)
    return Level(
        sessions=sessions,
        repeat=repeat,
        transport=transport,
        backend=backend,
        seconds=seconds,
        cpu_seconds=cpu,
        cpu_per_session=cpu / audio if audio else 0.0,
        audio_seconds=audio,
        memory_kb=max((level.memory_kb for level in levels), default=0.0),
        finished=is_whole and all(level.finished for level in levels),
    )
