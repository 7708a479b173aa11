"""``realtime-transport bench --workers`` and ``--scheduler``: the sessions on a Dask cluster."""

from __future__ import annotations

import os
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.cli.bench.wire import BenchWire
from realtime_transport.cli.target import Target
from realtime_transport.cli.terminal import remark
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from realtime_transport.bench import Line, Place
    from realtime_transport.bench.cluster import Job
    from realtime_transport.bench.plan import LevelKey
    from realtime_transport.bench.results import Row

__all__ = ["WorkerWire", "run_on_workers"]

CONNECT_TIMEOUT = 10
"""Seconds for the scheduler to answer."""


@attrs.frozen(kw_only=True)
class WorkerWire:
    """`BenchWire` that holds no key: each worker takes its own from its environment."""

    url: str
    model: str | None
    commit: bool
    recordings: Path | None

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncGenerator[Line]:
        """One session. If cancelled, it is closed.

        If cancelled, the session is closed.

        Raises:
            ConfigError: The worker has no key for the server.
            ConnectError: It cannot be opened.
        """
        target = Target.server(self.url, self.model, os.environ)
        async with BenchWire(target=target, commit=self.commit, recordings=self.recordings).open(place) as line:
            yield line


def run_on_workers(
    arguments: argparse.Namespace, job: Job, found: Callable[[Row], None], skip: frozenset[LevelKey], spent: float
) -> str | None:
    """Run *job* on a local cluster or an existing one; which limit ended it.

    Raises:
        ConfigError: The scheduler does not answer, or its workers are no good.
        ConnectError: The server refuses them.
    """
    import distributed

    from realtime_transport.bench.cluster import run_on_cluster

    dask: Any = distributed  # It has no types.
    with ExitStack() as stack:
        try:
            client = stack.enter_context(dask.Client(_address(arguments, dask, stack), timeout=CONNECT_TIMEOUT))
        except (OSError, ValueError) as exc:
            raise ConfigError(f"--scheduler {arguments.scheduler}: {exc}", key="scheduler") from exc
        for worker, process in client.run(os.getpid).items():
            remark(f"worker {worker} is process {process}")
        return run_on_cluster(client, job, found=found, skip=skip, spent=spent, said=remark)


def _address(arguments: argparse.Namespace, dask: Any, stack: ExitStack) -> Any:
    if arguments.scheduler is not None:
        return arguments.scheduler
    return stack.enter_context(
        dask.LocalCluster(
            n_workers=arguments.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs="CRITICAL",
        )
    )
