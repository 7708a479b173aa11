"""The connections of one session, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.errors import ConnectionLost, TransportError
from realtime_transport.events import AudioEvent

from .frames import WANTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup, TaskStatus

    from realtime_transport import OpenAIRealtimeBase
    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.events import Event

__all__ = ["NORMAL_CLOSE", "Line"]

NORMAL_CLOSE = 1000
"""The close code of a normal end."""


@attrs.define(eq=False)
class Line:
    """Holds a connection in its own task, so that any task can replace it by another.

    Args:
        tasks: The task group of that task.
        transport: The transport.
        connect: Opens a connection with the options of the session.
        timeout: Seconds that opening may take; ``None``: the transport's own limits.
        hears: Whether the model's audio is wanted.
    """

    _tasks: TaskGroup
    transport: OpenAIRealtimeBase
    _connect: Callable[[], AbstractAsyncContextManager[object]]
    _timeout: float | None = None
    _hears: bool = True
    _left: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def dial(self, items: Sequence[dict[str, Any]] = ()) -> Subscription[Event]:
        """Open a connection and send *items*. Returns the events of that connection.

        If cancelled, no connection stays open.

        Raises:
            TransportError: It did not open.
            TimeoutError: It did not open in time.
        """
        self.leave()
        self._left = anyio.Event()
        with anyio.fail_after(self._timeout):
            return await self._tasks.start(self._hold, self._left, items, name="realtime connection")

    def leave(self) -> None:
        """Begin to close the connection; what is queued is sent first."""
        self._left.set()

    def closed_by_server(self) -> ConnectionLost | None:
        """The error for a connection that the server closed normally; ``None`` if `leave` was called."""
        if self._left.is_set():
            return None
        return ConnectionLost("the server closed the connection", code=NORMAL_CLOSE)

    async def _hold(
        self,
        left: anyio.Event,
        items: Sequence[dict[str, Any]],
        *,
        task_status: TaskStatus[Subscription[Event]],
    ) -> None:
        wanted = (*WANTED, AudioEvent) if self._hears else WANTED
        entered = False
        try:
            async with self.transport.subscribe(*wanted) as events, self._connect():
                for item in items:
                    await self.transport.send_event({"type": "conversation.item.create", "item": item})
                entered = True
                task_status.started(events)
                await left.wait()
        except TransportError:
            if not entered:
                raise
            # The reader of the events gets the loss.
