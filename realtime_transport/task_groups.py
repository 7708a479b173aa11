"""Task groups that raise a single failure as it is, not in an exception group."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from anyio.abc import TaskGroup

__all__ = ["open_task_group"]


class _TaskGroup:
    # A class, not a generator: asyncio tracks generators, and one keeps four more objects for the life of a connection.
    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> TaskGroup:
        return await self._tasks.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        failure: BaseException
        try:
            return await self._tasks.__aexit__(exc_type, exc, traceback)
        except BaseExceptionGroup as group:
            failure = _single(group)
        if failure is exc:
            return False  # Python raises it again, with its own traceback.
        raise failure


def open_task_group() -> AbstractAsyncContextManager[TaskGroup]:
    """As `anyio.create_task_group`, but a single failure is raised as it is, and `KeyboardInterrupt` before any other.

    An exception group is raised only for several failures at once, cancellations aside.
    """
    return _TaskGroup()


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    cancelled = anyio.get_cancelled_exc_class()
    leaves = {id(leaf): leaf for leaf in _leaves(group)}.values()
    failures = [leaf for leaf in leaves if not isinstance(leaf, cancelled)]
    final = [leaf for leaf in failures if not isinstance(leaf, Exception)]
    if final:
        return final[0]  # Ctrl-C ends the program: the other failures do not matter.
    if len(failures) > 1:
        return group
    return failures[0] if failures else next(iter(leaves))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(cast("BaseExceptionGroup[BaseException]", exc))
        else:
            yield exc
