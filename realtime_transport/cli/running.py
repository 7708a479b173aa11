"""Running a command under trio or asyncio, to its end or to Ctrl-C."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio

from realtime_transport.cli.terminal import remark
from realtime_transport.errors import MissingExtraError
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus

__all__ = ["require", "run_async", "say"]


def say(line: str) -> None:
    """Print *line* at once, also into a pipe; what the stream cannot show is replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201


def require(extra: str, *modules: str) -> None:
    """Check that *modules* are installed, before anything begins.

    Raises:
        MissingExtraError: One is not; the message holds the line that installs it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(module, extra)


def run_async(command: Callable[[], Awaitable[int]], backend: str) -> int:
    """Run *command* on *backend*; its exit code. On Ctrl-C it is cancelled, and the exit code is 130.

    Raises:
        MissingExtraError: trio is asked for and not installed.
    """
    if backend == "trio":
        require("cli", "trio")
    return anyio.run(_until_signal, command, backend=backend)


async def _until_signal(command: Callable[[], Awaitable[int]]) -> int:
    outcome: list[int] = []
    async with open_task_group() as tasks:

        async def watch(*, task_status: TaskStatus[None]) -> None:
            outcome.append(128 + await _signal(task_status))
            tasks.cancel_scope.cancel()

        await tasks.start(watch, name="signals")
        try:
            outcome.append(await command())
        except Exception:
            if not outcome:  # After a signal it is the command's way to end.
                raise
        tasks.cancel_scope.cancel()
    if outcome[0] > 128:  # Said when whatever was drawn is finished.
        remark("interrupted")
    return outcome[0]


async def _signal(task_status: TaskStatus[None]) -> int:
    """The number of the signal that asks us to stop."""
    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                return number
    except NotImplementedError:  # asyncio on Windows: Ctrl-C arrives as a KeyboardInterrupt.
        task_status.started()
    await anyio.sleep_forever()
    raise AssertionError
