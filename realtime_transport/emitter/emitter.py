"""Calls listeners for the events of a transport."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from realtime_transport.protocol.engine.events import (
    AudioInterruptedEvent,
    ConnectedEvent,
    DisconnectedEvent,
    ErrorEvent,
    Event,
    SemanticEvent,
)
from realtime_transport.protocol.wire.model import ServerEvent
from realtime_transport.protocol.wire.server_events import Error, UnknownServerEvent

from ..connection.subscription import Subscription, SubscriptionLimits
from ..errors import ConnectError, ListenerError, LocalProtocolError, RealtimeError
from .calls import TransportCalls
from .listeners import Listeners

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from ..errors import ConsumerTooSlow
    from ..transports.base import OpenAIRealtimeBase
    from ..transports.options import ApiKey, SessionConfig
    from .listeners import Listener

__all__ = ["RealtimeEmitter"]


@attrs.define(eq=False)
class _Connection:
    """One connect, from the call to the last event.

    Attributes:
        before: The connection that has to end first.
        closing: `RealtimeEmitter.close` was called.
        over: ``disconnected`` was told.
        heard: ``connected`` was told.
        told: Everything was told.
        settled: Whether it opened is known.
        failure: Why it did not open.
        done: Nothing of it is left.
    """

    before: _Connection | None
    closing: bool = False
    over: bool = False
    heard: anyio.Event = attrs.field(factory=anyio.Event)
    told: anyio.Event = attrs.field(factory=anyio.Event)
    settled: anyio.Event = attrs.field(factory=anyio.Event)
    failure: Exception | None = None
    done: anyio.Event = attrs.field(factory=anyio.Event)

    def settle(self, failure: Exception | None) -> None:
        if not self.settled.is_set():
            self.failure = failure
            self.settled.set()


class RealtimeEmitter(TransportCalls):
    """Calls listeners for the events of a transport.

    ::

        async with RealtimeEmitter(OpenAIRealtimeWebSocket()) as emitter:
            emitter.on("audio", lambda event: speaker.write(event.data))
            emitter.on("turn_done", lambda event: emitter.close())
            await emitter.connect(api_key=key)
            emitter.send_message("Hello")

    The block owns the tasks. Leaving it closes the connection and waits until the listeners have handled what there
    was; leaving it by an exception or cancellation discards what waits on either side.

    A listener is called with one argument:

    * the event, for the names of `realtime_transport.events` (``"audio"``: `AudioEvent`, ``"connected"``:
      `ConnectedEvent`; each class has its name as ``event_name``);
    * the typed event, for the server's own names (``"response.done"``: `ResponseDone`), ``"error"`` excepted;
    * the message as it was received, a mapping, for ``"*"``, which stands for every message of the server.

    Listeners are functions or coroutine functions. Functions run when the event is delivered, in the order in which
    they were added. A coroutine function handles its events one after the other in a task of its own; neither the
    connection nor other listeners wait for it, and what it has not begun with when the user interrupts the model is
    withdrawn if it is audio. An event is heard by those who listened when it came.

    What a listener raises is told to the listeners of ``"error"`` as an `ErrorEvent` with a `ListenerError`. If there
    are none, or if one of those raises, it ends the block and leaves it, as it is.

    The emitter reads a stream of its own. ``async for`` on the transport is not available meanwhile,
    ``transport.subscribe()`` is.

    Args:
        transport: The transport. Nothing else may connect it.
        limits: How much may wait for one coroutine function before the connection is ended with `ConsumerTooSlow`.
    """

    def __init__(self, transport: OpenAIRealtimeBase, *, limits: SubscriptionLimits | None = None) -> None:
        super().__init__(transport)
        self._listeners = Listeners(
            self._start_listener, self._listener_failed, self._listener_too_slow, limits or SubscriptionLimits()
        )
        self._connection: _Connection | None = None
        self._tasks: TaskGroup | None = None
        self._leaving = False
        self._failure: Exception | None = None
        self._block: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        if self._block is not None:
            raise LocalProtocolError("the block of this emitter has been entered already")
        self._block = self._run()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._block is not None
        block, self._block = self._block, None
        return await block.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[None]:
        # The task group would wrap what leaves it: the failures of the body and of listeners leave by hand.
        failure: BaseException | None = None
        self._leaving, self._failure = False, None
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                try:
                    yield
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as exc:  # noqa: BLE001 - raised again below
                    failure = exc
                    tasks.cancel_scope.cancel()
                self._leaving = True
                self.close()
        finally:
            self._tasks = None
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
        """Call *listener* for *event* no more, not even for what a coroutine function has not begun with.

        Of several registrations the last one goes; without any, nothing happens.
        """
        self._listeners.remove(event, listener)
        return self

    def emit(self, event: str, *args: Any) -> bool:
        """Call the listeners of *event* with *args*; say whether there were any.

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
        return self._tasks

    # Life

    def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = False,
    ) -> Coroutine[Any, Any, None]:
        """Open a connection: ``await emitter.connect(api_key=key)``.

        It begins with the call. Awaiting it waits until the listeners of ``"connected"`` were called. If that is
        cancelled, the connection is closed. After a close it waits until the old connection has gone.

        A connection that is refused, or lost while it opens, is also told by ``error``, ``connection_change`` and
        ``disconnected``; one that never began (without a key, say) only raises.

        Args:
            api_key: See `OpenAIRealtimeBase.connect`, as for the others.
            model: The model, also for later connections.
            url: The URL, for this connection only.
            call_id: The call to attach to.
            initial_session_config: Sent as the first ``session.update``.
            wait_for_session: Wait until the server has said ``session.created``, too.

        Raises:
            ConfigError: There is no key, or the URL or the configuration is wrong.
            ConnectError: The connection could not be opened, or was closed meanwhile, by a listener perhaps.
            LocalProtocolError: The emitter is connected or connecting, or its block is not open.
        """
        tasks, current = self._task_group(), self._connection
        if self._leaving:
            raise LocalProtocolError("the emitter's block is being left; it makes no more connections")
        if current is not None and not self._is_ending(current):
            raise LocalProtocolError("the transport is already connected or connecting; close it first")
        connection = self._connection = _Connection(current)
        options: dict[str, Any] = {
            "api_key": api_key,
            "model": model,
            "url": url,
            "call_id": call_id,
            "initial_session_config": initial_session_config,
            "wait_for_session": wait_for_session,
        }
        tasks.start_soon(self._live, connection, options, name="realtime emitter")
        return self._opened(connection)

    def _is_ending(self, connection: _Connection) -> bool:
        return (
            connection.closing
            or connection.over
            or connection.done.is_set()
            or self._transport.status == "disconnecting"
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
            if not connection.closing:
                await self._connect(connection, options)
        except Exception as exc:  # noqa: BLE001 - raised by connect(); once it was open, `_tell` has dealt with it
            failure = exc
        finally:
            connection.settle(failure)
            connection.done.set()

    async def _connect(self, connection: _Connection, options: Mapping[str, Any]) -> None:
        transport = self._transport
        failure: Exception | None = None
        async with transport.subscribe(Event) as events, anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell, connection, events, name="realtime listeners")
            try:
                async with transport.connect(**options):
                    await _close_default_stream(transport)
                    await connection.heard.wait()
                    if not connection.closing:
                        connection.settle(None)
                    await connection.told.wait()
            except Exception as exc:  # noqa: BLE001 - raised outside of the task group, which would wrap it
                failure = exc
            # Where the connection did not even begin, the stream has no end.
            tasks.cancel_scope.cancel()
            if not connection.told.is_set():
                self._tell_rest(connection, events)
        if failure is not None:
            raise failure

    async def _tell(self, connection: _Connection, events: Subscription[Event]) -> None:
        try:
            async for event in events:
                self._dispatch(event, connection)
        except RealtimeError:
            pass  # A loss: told by the events.
        except Exception as exc:  # noqa: BLE001 - what ended the connection is no error of the protocol
            self._fail(exc)
        finally:
            connection.heard.set()
            connection.told.set()

    def _tell_rest(self, connection: _Connection, events: Subscription[Event]) -> None:
        with suppress(anyio.WouldBlock, anyio.EndOfStream, RealtimeError):
            while True:
                self._dispatch(events.receive_nowait(), connection)

    def _dispatch(self, event: Event, connection: _Connection) -> None:
        emit = self._listeners.emit
        if isinstance(event, ServerEvent):
            emit("*", event.raw)
            if isinstance(event.event_id, str) and not isinstance(event, Error | UnknownServerEvent):
                emit(event.type, event)
            return
        if isinstance(event, AudioInterruptedEvent):
            self._listeners.withdraw(event.withdraws or frozenset())
        elif isinstance(event, DisconnectedEvent):
            connection.over = True
        emit(cast("SemanticEvent", event).event_name, event)
        if isinstance(event, ConnectedEvent):
            connection.heard.set()

    def close(self) -> None:
        """Begin to close, and return at once; ``disconnected`` tells when it is done. Idempotent.

        What was sent goes out first. Before ``connect()`` has come back, nothing does, and it raises `ConnectError`.
        """
        connection = self._connection
        if connection is not None and not connection.closing:
            connection.closing = True
            self._transport.close_nowait(discard=not connection.settled.is_set())


async def _close_default_stream(transport: OpenAIRealtimeBase) -> None:
    # Nobody reads it: it would hold what it is allowed to hold.
    stream = aiter(transport)
    if isinstance(stream, Subscription):
        await stream.aclose()
