"""One connection, from resolving the key to its end."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.clock import EventLoopClock
from realtime_transport.connection.connection import Connection
from realtime_transport.connection.hub import Tap
from realtime_transport.connection.life_cycle import ConnectionEnd, LifeCycle, Signal, State
from realtime_transport.connection.owner import Owner
from realtime_transport.connection_events import (
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
)
from realtime_transport.errors import (
    ConnectError,
    ConnectionLost,
    LocalProtocolError,
    RealtimeError,
    SetupTimeout,
    UpgradeRejected,
    connect_error,
)
from realtime_transport.late_classes import define
from realtime_transport.task_groups import open_task_group

from .event_logging import logging_tap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from anyio.abc import TaskStatus

    from realtime_transport.connection.hub import Hub
    from realtime_transport.connection.interface import AttemptEngine, Event, Opening, Reported
    from realtime_transport.connection.life_cycle import Notice
    from realtime_transport.connection.link import Link

    from ..endpoint.endpoint import Endpoint
    from ..endpoint.media import Media
    from ..endpoint.observer import WireObserver
    from ..endpoint.options import Connector, ConnectRequest, Settings

__all__ = ["Attempt"]

FIRST_RETRY = 0.1
"""Seconds before the first new try to attach to a call that does not exist yet; each further pause is twice as long."""

RETRY_TIME = 10.0
"""Seconds after which no more tries are made, if there is no connect deadline."""

logger: logging.Logger = logging.getLogger("realtime_transport")


@define(kw_only=True)
class Attempt:
    """Resolves the key, opens the link, and runs the connection. Used once.

    Args:
        endpoint: The wire.
        settings: Deadlines, bounds, audio source and sink.
        hub: Publishes the events.
        engine: The rules of the protocol, new for this connection.
        opening: Tracks the opening of the session, new for this connection.
        make_media: Makes the media.
        make_request: Resolves the key and makes the request.
        ended: Called when the attempt is over.
        observers: They observe the wire.

    Attributes:
        owner: The event loop that it was made in.
        life: The state of its life cycle.
        media: The audio source and sink at work.
        request: The request, once it is made.
        connection: The connection, once the link is open.
    """

    endpoint: Endpoint
    settings: Settings
    hub: Hub
    engine: AttemptEngine
    opening: Opening
    make_media: Callable[[Attempt], Media]
    make_request: Callable[[], Awaitable[ConnectRequest]]
    ended: Callable[[Attempt], None]
    observers: Sequence[WireObserver] = ()
    owner: Owner = attrs.field(factory=Owner, init=False)
    life: LifeCycle = attrs.field(init=False)
    media: Media = attrs.field(init=False)
    request: ConnectRequest | None = attrs.field(default=None, init=False)
    connection: Connection | None = attrs.field(default=None, init=False)
    _opening: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self.life = LifeCycle(self._emit)
        self.hub.own(self.owner)
        self.media = self.make_media(self)
        tap = self.media.tap()
        if tap is not None:
            self.hub.add_tap(tap)
        log = logging_tap(content=self.settings.log_content)
        if log is not None:
            self.hub.add_tap(log)
        self.hub.add_tap(Tap(accepts=self.opening.concerns, put=self._follow_opening, withdraw=lambda _: None))

    def require_owner(self) -> None:
        """Refuse a caller of another event loop or thread while the attempt lives.

        Raises:
            LocalProtocolError: The caller is one.
        """
        if not self.owner.is_here() and not self.life.is_over:
            raise self.owner.refusal()

    def require_thread(self) -> None:
        """As `require_owner`, for calls that are allowed while the event loop does not run."""
        if not self.life.is_over:
            self.owner.require_thread()

    # Running

    def block(self) -> AbstractAsyncContextManager[None]:
        """Run beside an ``async with`` block, from the open link on; see `OpenAIRealtimeBase.connect`."""
        return _Block(self)

    async def run_beside(self, *, task_status: TaskStatus[None]) -> None:
        """As `run`, for a block that reports the loss of the connection when it is left."""
        try:
            await self.run(task_status.started)
        except Exception:
            if self.connection is None:
                raise  # There is no block yet.

    async def run(self, opened: Callable[[], None]) -> None:
        """Run to the end; call *opened* when the link is open.

        If cancelled, what is queued is discarded, and everything is released within ``close_timeout``.

        Raises:
            ConnectError: The connection could not be opened.
            ConnectionLost: The connection was lost.
            Exception: What the key function raised.
        """
        try:
            jobs = self._jobs()
            if jobs:
                async with open_task_group() as tasks:
                    for name, job in jobs:
                        tasks.start_soon(job, name=f"realtime {name}")
                    await self._run_in_scope(opened)
                    tasks.cancel_scope.cancel()
            else:
                await self._run_in_scope(opened)
        finally:
            # If nothing else has ended it, it was cancelled.
            self.life.close()
            self.life.signal(Signal.GONE)
            self.hub.end(self._error_for_iterator)
            self.ended(self)
        if self.life.end is not None and self.life.end.error is not None:
            raise self.life.end.error

    def _jobs(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The tasks that run beside the connection, by name. Also starts the connect deadline."""
        jobs, clock, timeout = self.media.companions(), self.settings.clock, self.settings.connect_timeout
        if timeout is not None:
            if type(clock) is EventLoopClock:
                self._opening.deadline = clock.now() + timeout
            else:  # The cancel scopes of the event loop do not follow another clock.
                jobs.append(("connect deadline", self._expire))
        return jobs

    async def _run_in_scope(self, opened: Callable[[], None]) -> None:
        failure: Exception | None = None
        try:
            with self._opening:
                connector, request = await self._prepare()
                async with _OpenLink(connector, request, self.settings) as link:
                    # A deadline that passes in this very turn still counts; after this there is none.
                    await anyio.lowlevel.checkpoint_if_cancelled()
                    self._opening.deadline = math.inf
                    connection = self._begin(link, request)
                    opened()
                    await connection.run()
        except Exception as exc:  # noqa: BLE001 - `run` raises it, outside of its task group, which would wrap it
            failure = exc
        if self._opening.cancel_called and self.life.is_opening:
            failure = self._late()
        if failure is not None:
            self.life.finish(ConnectionEnd(code=None, reason="", error=failure))

    async def _prepare(self) -> tuple[Connector, ConnectRequest]:
        request = self.request = attrs.evolve(await self.make_request(), enter_phase=self._enter)
        connector = self.endpoint.connector
        if self.endpoint.prepare is not None:
            self.life.enter(self.endpoint.preparing)
            connector = await self.endpoint.prepare(request)
        assert connector is not None
        self.life.enter(self.endpoint.phases[0])
        self.life.signal(Signal.REQUESTED)
        return connector, request

    def _begin(self, link: Link, request: ConnectRequest) -> Connection:
        for observer in self.observers:
            link = observer.wrap(link, request)
        connection = self.connection = self._make_connection(link)
        self.life.signal(Signal.JOINED if self.endpoint.connected_when_ready else Signal.OPENED)
        return connection

    def _make_connection(self, link: Link) -> Connection:
        return Connection(
            link,
            self.engine,
            self.hub,
            clock=self.settings.clock,
            timeouts=self.settings.timeouts,
            max_outbox_bytes=self.settings.max_outbox_bytes,
            pumps=self.media.pumps(),
            before_receive=self.media.refresh,
            life=self.life,
        )

    def _enter(self, name: str) -> None:
        phase = next((phase for phase in self.endpoint.phases if phase.name == name), None)
        if phase is None:
            raise LocalProtocolError(f"{name!r} is not one of the phases of this endpoint")
        self.life.enter(phase)

    async def _expire(self) -> None:
        clock = self.settings.clock
        with clock.move_on_at(clock.now() + (self.settings.connect_timeout or 0.0)):
            await self.life.wait_while(State.RESOLVING_KEY, State.OPENING)
        if self.life.is_opening:
            self._opening.cancel()

    def _late(self) -> SetupTimeout:
        phase, timeout = self.life.phase, self.settings.connect_timeout or 0.0
        return SetupTimeout(
            f"waited {timeout:g} s for {phase.waits_for}; raise connect_timeout if it needs longer",
            phase=phase.name,
            timeout=timeout,
        )

    def close(self, *, discard: bool = False) -> None:
        """Begin to close, at whatever stage. Idempotent."""
        if self.connection is not None:
            self.connection.close(discard=discard)
        elif self.life.close():
            self._opening.cancel()

    # The session

    def _follow_opening(self, event: Event) -> None:
        self.opening.receive(event)
        if self.opening.ready:
            self.life.signal(Signal.READY)
        self.life.notify()

    async def wait_for_session(self) -> None:
        """Wait until the session is ready and the server has answered the first update.

        If cancelled, nothing has changed.

        Raises:
            ConnectError: The server refused the update, or closed the connection before; it holds the server's error.
            SetupTimeout: The session is not ready within ``session_timeout``.
        """
        opening, life = self.opening, self.life
        timeout, clock = self.settings.session_timeout, self.settings.clock
        deadline = None if timeout is None else clock.now() + timeout
        with clock.move_on_at(deadline):
            await life.wait_until(lambda: opening.ready or opening.settled or not life.is_open)
        if opening.ready and not opening.settled:
            grace = clock.now() + self.settings.update_timeout
            with clock.move_on_at(grace if deadline is None else min(grace, deadline)):
                await life.wait_until(lambda: opening.settled or not life.is_open)
        if opening.refusal is not None:
            raise _refused("the server refused the configuration of the session", opening.refusal)
        if not opening.ready:
            raise self._not_ready(timeout or 0.0)
        if life.is_open and not opening.settled:
            logger.warning(
                "the server did not answer the session.update that opens the session; it may not have taken it"
            )

    def _not_ready(self, timeout: float) -> Exception:
        said = self.opening.error or self.engine.last_error
        if not self.life.is_open:
            loss = self.life.error_for_caller()
            if isinstance(loss, LocalProtocolError):  # What was to be sent cannot be sent.
                return loss
            how = str(loss) if isinstance(loss, ConnectionLost) else "the server closed the connection"
            refusal = _refused(f"{how} before the session was ready", said, _reason(self.life.end))
            refusal.__cause__ = loss
            return refusal
        if said is not None:
            return _refused("the server reported an error and did not make the session ready", said)
        expected = " or ".join(event.type for event in self.endpoint.ready_events)
        return SetupTimeout(
            f"the server accepted the connection but did not send {expected} within {timeout:g} s; "
            "is this a Realtime endpoint? wait_for_session=False does not wait",
            phase="session",
            timeout=timeout,
        )

    # Events

    def _emit(self, notices: tuple[Notice, ...]) -> None:
        events = [event for notice in notices for event in self._events(notice)]
        self.hub.publish(events)

    def _events(self, notice: Notice) -> list[Event]:
        match notice:
            case "error":
                return self._error_events()
            case "connection_change":
                return [ConnectionChangeEvent(status=self.life.status, sequence=self.engine.next_sequence())]
            case "connected":
                return [ConnectedEvent(sequence=self.engine.next_sequence())]
            case "disconnected":
                return [self._disconnected_event()]

    def _error_events(self) -> list[Event]:
        error = None if self.life.end is None else self.life.end.error
        cause = error.__cause__ if isinstance(error, ConnectionLost) else error
        if not isinstance(cause, RealtimeError):
            return []
        return [ErrorEvent(error=cause, sequence=self.engine.next_sequence())]

    def _disconnected_event(self) -> DisconnectedEvent:
        end = self.life.end
        assert end is not None
        return DisconnectedEvent(
            code=end.code,
            reason=end.reason,
            error=end.error if isinstance(end.error, RealtimeError) else None,
            sequence=self.engine.next_sequence(),
        )

    def _error_for_iterator(self) -> BaseException:
        return self.life.error_for_caller() or anyio.EndOfStream()


class _Block:
    """The ``async with`` block of a connection. The task group does not wrap what the block raises."""

    __slots__ = ("_attempt", "_group")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._group = attempt, open_task_group()

    async def __aenter__(self) -> None:
        tasks = await self._group.__aenter__()
        try:
            await tasks.start(self._attempt.run_beside, name="realtime connection")
            return
        except BaseException as exc:  # noqa: BLE001 - raised again below
            failure = exc
        await self._leave(failure)
        raise failure

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(exc)
        loss = self._attempt.life.take_unreported_loss()
        if loss is not None and exc is None:
            raise loss

    async def _leave(self, failure: BaseException | None) -> None:
        self._attempt.close(discard=failure is not None)
        await self._group.__aexit__(None, None, None)


class _OpenLink:
    """The link that a connector opens. If the call to attach to does not exist yet, it is tried again."""

    __slots__ = ("_connector", "_manager", "_request", "_settings")

    def __init__(self, connector: Connector, request: ConnectRequest, settings: Settings) -> None:
        self._connector, self._request, self._settings = connector, request, settings

    async def __aenter__(self) -> Link:
        clock, delay = self._settings.clock, FIRST_RETRY
        give_up_at = clock.now() + (self._settings.connect_timeout or RETRY_TIME)
        while True:
            try:
                self._manager = self._connector(self._request)
                return await self._manager.__aenter__()
            except UpgradeRejected as exc:
                # A call can be attached to once its media is connected: until then the service has no session.
                if self._request.call_id is None or exc.status != 404 or clock.now() + delay >= give_up_at:
                    raise
            await clock.sleep_until(clock.now() + delay)
            delay *= 2

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)


def _refused(what: str, said: Reported | None, reason: str = "") -> ConnectError:
    if said is None:
        return connect_error(what, code=reason or None)
    code = said.code if isinstance(said.code, str) and said.code else reason or None
    return connect_error(f"{what}: {said.message}" if said.message else what, code=code)


def _reason(end: ConnectionEnd | None) -> str:
    return "" if end is None else end.reason
