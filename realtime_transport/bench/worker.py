"""The part of a benchmark that runs on a worker of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import attrs

from realtime_transport.bench.results import Session, row_as_json
from realtime_transport.bench.runner import Bench
from realtime_transport.errors import RealtimeError
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from realtime_transport.bench.corpus import Corpus
    from realtime_transport.bench.plan import BenchPlan, LevelKey, Place
    from realtime_transport.bench.prices import Price
    from realtime_transport.bench.results import Row
    from realtime_transport.bench.rows import Noted
    from realtime_transport.bench.runner import Line

__all__ = ["Job", "Share", "prepare", "run_share"]

ASK_EVERY = 1.0
"""Seconds that one call waits for the stop event; the last call may outlive its share by this."""


@attrs.frozen(kw_only=True)
class Job:
    """The instructions for every worker. They are pickled and hold no keys: each worker has its own.

    Attributes:
        plan: The plan.
        corpus: The recordings; each worker reads the files on its own machine.
        connect: Opens one session; see `Bench`.
        price: The prices of tokens.
        noted: Gives the emulator's records; see `Bench`.
    """

    plan: BenchPlan
    corpus: Corpus
    connect: Callable[[Place], AbstractAsyncContextManager[Line]]
    price: Price | None = None
    noted: Callable[[], Awaitable[Mapping[str, Noted]]] | None = None


@attrs.frozen(kw_only=True)
class Share:
    """The sessions of one level that one worker runs.

    Attributes:
        job: The instructions.
        key: The level.
        numbers: The numbers of its sessions.
        topic: The topic that rows are sent to, and the name of the event that stops the share.
        worker: The address of the worker.
    """

    job: Job
    key: LevelKey
    numbers: tuple[int, ...]
    topic: str
    worker: str


def prepare(job: Job, wires: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Check the corpus and warm up.

    Returns:
        ``"corpus"`` and a missing file, ``"connect"`` and the reason of a failure, or two empty texts.
    """
    missing = next((one.path for one in job.corpus.utterances if not one.path.exists()), None)
    if missing is not None:
        return "corpus", str(missing)
    bench = _bench(job, lambda _row: None)
    for transport, backend in wires:
        try:
            anyio.run(bench.warm_up, (transport,), backend=backend)
        except RealtimeError as exc:
            return "connect", f"{type(exc).__name__}: {exc}"
    return "", ""


def run_share(share: Share) -> list[Row]:
    """Run the sessions of *share*. Returns all rows; each was also sent to the topic when it was found."""
    import distributed

    dask: Any = distributed  # It has no types.
    worker = dask.get_worker()
    name = worker.get_current_task()
    rows: list[Row] = []

    def found(row: Row) -> None:
        if isinstance(row, Session):
            row = attrs.evolve(row, worker=share.worker)
        worker.log_event(share.topic, {"share": name, "number": len(rows), "row": row_as_json(row)})
        rows.append(row)

    stop = dask.Event(share.topic, client=dask.get_client())
    anyio.run(_until_stopped, _bench(share.job, found), share, stop, backend=share.key[1])
    return rows


def _bench(job: Job, found: Callable[[Row], None]) -> Bench:
    return Bench(plan=job.plan, corpus=job.corpus, connect=job.connect, found=found, price=job.price, noted=job.noted)


async def _until_stopped(bench: Bench, share: Share, stop: Any) -> None:
    async with open_task_group() as tasks:
        tasks.start_soon(_watch, stop, tasks, name="stop")
        bench.begin()
        await bench.level(share.key, share.numbers)
        tasks.cancel_scope.cancel()


async def _watch(stop: Any, tasks: TaskGroup) -> None:
    while not await anyio.to_thread.run_sync(stop.wait, ASK_EVERY, abandon_on_cancel=True):
        pass
    tasks.cancel_scope.cancel()
