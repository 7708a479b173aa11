"""Task groups of the package, which raise no group for one failure."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from anyio.abc import TaskGroup

__all__ = ["open_task_group"]


@asynccontextmanager
async def open_task_group() -> AsyncGenerator[TaskGroup]:
    """As `anyio.create_task_group`, but a failure leaves it as it is, and `KeyboardInterrupt` before all others.

    A group is raised only where several failures came at once that are no cancellation.
    """
    failure: BaseException
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
        return
    except BaseExceptionGroup as group:
        failure = _single(group)
    raise failure


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    cancelled = anyio.get_cancelled_exc_class()
    leaves = {id(leaf): leaf for leaf in _leaves(group)}.values()
    failures = [leaf for leaf in leaves if not isinstance(leaf, cancelled)]
    final = [leaf for leaf in failures if not isinstance(leaf, Exception)]
    if final:
        return final[0]  # Whoever pressed Ctrl-C wants no list.
    if len(failures) > 1:
        return group
    return failures[0] if failures else next(iter(leaves))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(cast("BaseExceptionGroup[BaseException]", exc))
        else:
            yield exc
