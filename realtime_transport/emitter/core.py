"""The emitter for any source: its block, its listeners, one connection after the other."""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.protocol.engine.events import (
    AudioInterruptedEvent,
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
    Event,
)
from realtime_transport.task_groups import open_task_group

from ..connection.owner import Owner
from ..connection.subscription import Subscription, SubscriptionLimits
from ..errors import ConnectError, ListenerError, LocalProtocolError, MessageTooBig, RealtimeError, TransportError
from .listeners import Listeners

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from ..errors import ConsumerTooSlow
    from .listeners import Listener
    from .source import Source

__all__ = ["EmitterCore"]


class _Ending(enum.IntEnum):
    """Whether a connection is ending, and why."""

    NONE = 0
    LEAVING = 1
    """The block is left: listeners still get the remaining events."""
    CLOSED = 2
    """`EmitterCore.close` was called: listeners get only the events of the end."""


@attrs.define(eq=False)
class _Connection:
    """One connect, from the call to the last event.

    Attributes:
        before: The connection that must end first.
        ending: Whether it is ending, and why.
        opened: Set when ``connected`` was emitted, or never will be.
        over: Set when ``disconnected`` was emitted.
        emitted: Set when all events were emitted.
        settled: Set when it is known whether it opened.
        failure: Why it did not open.
        done: Set when its tasks have ended.
    """

    before: _Connection | None
    ending: _Ending = _Ending.NONE
    opened: anyio.Event = attrs.field(factory=anyio.Event)
    over: anyio.Event = attrs.field(factory=anyio.Event)
    emitted: anyio.Event = attrs.field(factory=anyio.Event)
    settled: anyio.Event = attrs.field(factory=anyio.Event)
    failure: Exception | None = None
    done: anyio.Event = attrs.field(factory=anyio.Event)

    def settle(self, failure: Exception | None) -> None:
        if not self.settled.is_set():
            self.failure = failure
            self.settled.set()


class EmitterCore:
    """Calls listeners for the events of a source.

    Args:
        source: The transport or session. Nothing else may connect it.
        names: Gives the names under which an event is emitted, each with the argument for listeners.
        limits: How much may wait for one coroutine function before the connection is ended with `ConsumerTooSlow`.
    """

    def __init__(
        self,
        source: Source,
        names: Callable[[Event], Iterable[tuple[str, object]]],
        limits: SubscriptionLimits | None,
    ) -> None:
        self._source = source
        self._names = names
        self._listeners = Listeners(
            self._start_listener, self._listener_failed, self._listener_too_slow, limits or SubscriptionLimits()
        )
        self._connection: _Connection | None = None
        self._tasks: TaskGroup | None = None
        self._owner: Owner | None = None
        self._leaving = False
        self._failure: Exception | None = None
        self._block: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the block, which owns the tasks. If cancelled, it is not open."""
        if self._block is not None:
            raise LocalProtocolError("the block of this emitter has been entered already")
        self._block = self._run()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Close the connection and wait for the listeners.

        If cancelled, or left by an exception, what waits on either side is discarded.
        """
        assert self._block is not None
        if self._owner is not None:
            self._owner.require()
        block, self._block = self._block, None
        return await block.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[None]:
        # The task group would wrap exceptions in a group: those of the body and of listeners are raised after it.
        failure: BaseException | None = None
        self._leaving, self._failure = False, None
        try:
            async with open_task_group() as tasks:
                self._tasks, self._owner = tasks, Owner()
                try:
                    yield
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as exc:  # noqa: BLE001 - raised again below
                    failure = exc
                    tasks.cancel_scope.cancel()
                self._leaving = True
                self._end(_Ending.LEAVING)
        finally:
            self._tasks = self._owner = None
        if failure is not None:
            raise failure
        if self._failure is not None:
            raise self._failure

    # Listeners

    def on(self, event: str, listener: Listener) -> Self:
        """Call *listener* for each *event*; see the class for names and arguments."""
        self._listeners.add(event, listener)
        return self

    def once(self, event: str, listener: Listener) -> Self:
        """Call *listener* for the next *event* only."""
        self._listeners.add(event, listener, once=True)
        return self

    def off(self, event: str, listener: Listener) -> Self:
        """Stop calling *listener* for *event*; a coroutine function also gets none of the events that wait for it.

        Of several registrations the last one is removed; without any, nothing happens.
        """
        self._listeners.remove(event, listener)
        return self

    def emit(self, event: str, *args: Any) -> bool:
        """Call the listeners of *event* with *args*. Returns whether there were any.

        Raises:
            LocalProtocolError: One of them is a coroutine function, and the emitter's block is not open.
        """
        return self._listeners.emit(event, *args)

    def _start_listener(self, run: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._task_group().start_soon(run, name=f"realtime listener {name}")

    def _listener_failed(self, failure: Exception, name: str, event: object) -> None:
        if name == "error" or not self._listeners.heard("error"):
            self._fail(failure)
            return
        error = ListenerError(f"a listener of {name!r} raised {failure!r}", event_name=name, event=event)
        error.__cause__ = failure
        self._listeners.emit("error", ErrorEvent(error=error))

    def _listener_too_slow(self, failure: ConsumerTooSlow) -> None:
        if not self._listeners.emit("error", ErrorEvent(error=failure)):
            self._fail(failure)
        self.close()

    def _fail(self, failure: Exception) -> None:
        if self._tasks is None:
            raise failure
        if self._failure is None:
            self._failure = failure
            self._tasks.cancel_scope.cancel()

    def _task_group(self) -> TaskGroup:
        if self._tasks is None:
            raise LocalProtocolError("the emitter runs its tasks inside of `async with emitter:`; enter that first")
        if self._owner is not None:
            self._owner.require()
        return self._tasks

    # Life

    def _begin(self, options: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        tasks, current = self._task_group(), self._connection
        if self._leaving:
            raise LocalProtocolError("the emitter's block is being left; it makes no more connections")
        if current is not None and not self._is_ending(current):
            raise LocalProtocolError(
                "the emitter is already connected or connecting: emitter.close() first, or make another emitter"
            )
        connection = self._connection = _Connection(current)
        tasks.start_soon(self._live, connection, options, name="realtime emitter")
        return self._opened(connection)

    def _is_ending(self, connection: _Connection) -> bool:
        return (
            connection.ending is not _Ending.NONE
            or connection.over.is_set()
            or connection.done.is_set()
            or self._source.status == "disconnecting"
        )

    async def _opened(self, connection: _Connection) -> None:
        try:
            await connection.settled.wait()
        except anyio.get_cancelled_exc_class():
            if connection is self._connection:
                self.close()
            raise
        if connection.failure is not None:
            raise connection.failure

    async def _live(self, connection: _Connection, options: Mapping[str, Any]) -> None:
        failure: Exception = ConnectError("the transport was closed before the connection was open")
        try:
            if connection.before is not None:
                await connection.before.done.wait()
                connection.before = None
            if connection.ending is _Ending.NONE:
                await self._connect(connection, options)
        except Exception as exc:  # noqa: BLE001 - raised by connect(); once it was open, `_emit_events` has dealt with it
            failure = exc
        finally:
            connection.settle(failure)
            connection.done.set()

    async def _connect(self, connection: _Connection, options: Mapping[str, Any]) -> None:
        source = self._source
        failure: Exception | None = None
        async with source.subscribe(Event) as events:
            async with open_task_group() as tasks:
                tasks.start_soon(self._emit_events, connection, events, name="realtime listeners")
                try:
                    async with source.connect(**options):
                        await _close_default_stream(source)
                        await connection.opened.wait()
                        if connection.ending is _Ending.NONE:
                            connection.settle(None)
                        await connection.emitted.wait()
                except Exception as exc:  # noqa: BLE001 - raised outside of the task group, which would wrap it
                    failure = exc
                # If the connection did not begin, the stream never ends by itself.
                tasks.cancel_scope.cancel()
            self._emit_rest(connection, events)  # The task may have been cancelled between two events.
        if failure is not None:
            raise failure

    async def _emit_events(self, connection: _Connection, events: Subscription[Event]) -> None:
        try:
            async for event in events:
                self._dispatch(event, connection)
        except RealtimeError:
            pass  # A loss: its events have been emitted.
        except Exception as exc:  # noqa: BLE001 - not an error of the protocol: a listener's, which ends the block
            self._fail(exc)
        finally:
            connection.opened.set()
            connection.emitted.set()

    def _emit_rest(self, connection: _Connection, events: Subscription[Event]) -> None:
        with suppress(anyio.WouldBlock, anyio.EndOfStream, RealtimeError):
            while True:
                self._dispatch(events.receive_nowait(), connection)

    def _dispatch(self, event: Event, connection: _Connection) -> None:
        if connection.ending is _Ending.CLOSED and not _is_about_the_end(event):
            return
        if isinstance(event, AudioInterruptedEvent):
            self._listeners.withdraw(event.withdraws or frozenset())
        elif isinstance(event, DisconnectedEvent):
            connection.over.set()
        for name, argument in self._names(event):
            self._listeners.emit(name, argument)
        if isinstance(event, ConnectedEvent):
            connection.opened.set()

    def close(self) -> None:
        """Begin to close, and return at once; ``disconnected`` is emitted at the end. Idempotent.

        Queued messages are sent first; before ``connect()`` has returned they are discarded, and it raises
        `ConnectError`. From now on listeners get only the events of the end: ``connection_change``, ``disconnected``,
        and ``error`` if the connection breaks. Events that wait for a coroutine function are dropped, so nothing is
        done about messages that arrived after the reason to hang up.

        Raises:
            LocalProtocolError: Another thread owns the emitter's block.
        """
        if self._owner is not None:
            self._owner.require_thread()
        if self._end(_Ending.CLOSED):
            self._listeners.drop()

    def _end(self, ending: _Ending) -> bool:
        connection = self._connection
        if connection is None or connection.over.is_set() or connection.ending >= ending:
            return False
        first, connection.ending = connection.ending is _Ending.NONE, ending
        if first:
            self._source.close_nowait(discard=not connection.settled.is_set())
        return True


def _is_about_the_end(event: Event) -> bool:
    if isinstance(event, ErrorEvent):
        return isinstance(event.error, TransportError | MessageTooBig)
    return isinstance(event, ConnectionChangeEvent | DisconnectedEvent)


async def _close_default_stream(source: Source) -> None:
    # Nobody reads it: it would fill up to its limits.
    stream = aiter(source)
    if isinstance(stream, Subscription):
        await stream.aclose()
