"""The tasks of a connected session: reader, sender, and those that run functions of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from realtime_transport.errors import ConsumerTooSlow, RealtimeError
from realtime_transport.protocol.engine.events import AudioEvent
from realtime_transport.protocol.wire.server_events import ResponseOutputAudioDelta

from .application_calls import ApplicationCalls
from .core import actions as do
from .core.events import SessionEvent, TransportEvent
from .sender import Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from realtime_transport.connection.hub import Hub
    from realtime_transport.connection.owner import Owner
    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .application_calls import RunningSettings
    from .core.core import SessionCore

__all__ = ["Running"]


@attrs.define(eq=False)
class Running:
    """Performs what the core of one connection decides.

    Attributes:
        core: The core.
        crash: What a tool raised that is not an `Exception`: it ends the session.
        failure: Why the connection ended, if it was not closed on purpose.
        failure_raised: Whether a stream or a call has raised *failure*.
        ended: Set when the streams have ended.
    """

    core: SessionCore
    _transport: RealtimeTransportLayer
    _hub: Hub
    _settings: RunningSettings
    _owner: Owner
    crash: BaseException | None = attrs.field(init=False, default=None)
    failure: Exception | None = attrs.field(init=False, default=None)
    failure_raised: bool = attrs.field(init=False, default=False)
    ended: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _tasks: TaskGroup | None = attrs.field(init=False, default=None)
    _sender: Sender = attrs.field(init=False)
    _calls: ApplicationCalls = attrs.field(init=False)
    _work: set[anyio.CancelScope] = attrs.field(init=False, factory=set[anyio.CancelScope])
    _waiting: dict[object, anyio.Event] = attrs.field(init=False, factory=dict[object, anyio.Event])
    _copies: bool = attrs.field(init=False, default=False)
    _idle: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    def __attrs_post_init__(self) -> None:
        self._sender = Sender(self.core, self._transport, self._hub, self.perform)
        self._calls = ApplicationCalls(self.core, self._settings)

    # Life

    def require_owner(self) -> None:
        """Refuse a caller of another event loop or thread while the conversation lasts.

        Raises:
            LocalProtocolError: The caller is one.
        """
        if not self.core.closed:
            self._owner.require()

    def require_thread(self) -> None:
        """As `require_owner`, for calls that are allowed while the event loop does not run."""
        if not self.core.closed:
            self._owner.require_thread()

    def start(self, tasks: TaskGroup, events: Subscription[Event]) -> None:
        """Start the reader and the sender in *tasks*, where tools will run, too."""
        self._tasks = tasks
        self._hub.on_change(self._streams_changed)
        tasks.start_soon(self._read, events, name="realtime session reader")
        tasks.start_soon(self._sender.run, name="realtime session sender")

    def opened(self) -> None:
        """Note that the connection is open."""
        self.core.opened()
        self.perform()

    async def drain(self) -> None:
        """Wait, up to the drain timeout, until running tools have ended and what is queued is sent.

        If cancelled, nothing has changed.
        """
        with anyio.move_on_after(self._settings.tools.drain_timeout):
            while self.core.has_running_tools or not self._sender.is_idle:
                self._idle = anyio.Event()
                await self._idle.wait()

    def stop(self) -> None:
        """Stop the conversation: no more answers; streams get only the events of its end. Idempotent."""
        if self.core.closed:
            return
        self.core.close()
        self.perform()
        self._sender.clear()
        for scope in list(self._work):
            scope.cancel()
        for waiting in self._waiting.values():
            waiting.set()

    def end(self) -> None:
        """End the streams: the connection is over and all its events are handled. Idempotent."""
        self.stop()
        self._hub.end(anyio.EndOfStream if self.failure is None else self.take_failure)
        self.ended.set()

    def read_rest(self, events: Subscription[Event]) -> None:
        """Handle the events that the reader has not received, then `end`."""
        self.stop()
        try:
            while True:
                self._receive(events.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
            pass
        except RealtimeError as exc:
            self.failure = self.failure or exc
        self.end()

    def perform(self) -> None:
        """Publish the events of the core and start what it asks for. Never waits."""
        while True:
            events, actions = self.core.take()
            if events:
                self._publish(events)
            if not actions:
                break
            for action in actions:
                self._act(action)
        if self._sender.is_empty and not self.core.has_running_tools:
            self._idle.set()

    def _publish(self, events: list[Event]) -> None:
        if self._copies:
            events = self._with_copies(events)
        try:
            self._hub.publish(events)
        except ConsumerTooSlow as exc:
            self._give_up(exc)

    def _with_copies(self, events: list[Event]) -> list[Event]:
        if self._hub.wants(ResponseOutputAudioDelta):
            events = [*(event.server_event for event in events if isinstance(event, AudioEvent)), *events]
        if self._hub.wants(TransportEvent):
            events = [piece for event in events for piece in self._with_copy(event)]
        return events

    def _give_up(self, slow: ConsumerTooSlow) -> None:
        """A consumer passed its bound: that ends the connection, as it does on a transport."""
        if not self.core.closed:
            self.failure = slow
            self.stop()
            assert self._tasks is not None
            self._tasks.start_soon(self._transport.aclose, name="realtime session closing")

    def _with_copy(self, event: Event) -> Sequence[Event]:
        if isinstance(event, SessionEvent):
            return (event,)
        return TransportEvent(event=event, context=self.core.context(), sequence=event.sequence), event

    # Tasks

    async def _read(self, events: Subscription[Event]) -> None:
        # Handled while they are published: this task would run after the consumers of the transport.
        events.forward_to(self._receive, self._receive_first)
        try:
            async for event in events:
                self._receive(event)
        except RealtimeError as exc:
            self.failure = self.failure or exc
        self.end()

    def _receive(self, event: Event) -> None:
        if type(event) is AudioEvent and self.core.is_speaking and not self._copies:
            try:
                self._hub.publish((event,))
            except ConsumerTooSlow as exc:
                self._give_up(exc)
            return
        self.core.receive(event)
        self.perform()

    def _receive_first(self, events: Sequence[Event]) -> None:
        for event in events:
            self.core.receive(event)
        self.perform()

    def _streams_changed(self) -> None:
        self._copies = self._hub.wants(TransportEvent) or self._hub.wants(ResponseOutputAudioDelta)

    def take_failure(self) -> BaseException:
        """What ended the connection, for the caller to raise."""
        self.failure_raised = True
        assert self.failure is not None
        return self.failure.with_traceback(None)

    # Actions

    def _act(self, action: do.Action) -> None:
        match action:
            case do.RunTool():
                self._spawn(lambda: self._calls.run_tool(action), f"tool {action.call.event.name} {action.call.key}")
            case do.CancelTool(call=call):
                self._calls.cancel_tool(call)
            case do.SignalTool(call=call):
                self._calls.signal_tool(call)
            case do.RunGuardrails():
                self._spawn(lambda: self._calls.run_guardrails(action), "realtime guardrails")
            case do.Prepare(request=request):
                self._spawn(lambda: self._calls.prepare(request), "realtime preparation")
            case do.AskPolicy(call=call):
                self._spawn(lambda: self._calls.ask_policy(call), "realtime approval")
            case do.FormatRejection(call=call):
                self._spawn(lambda: self._calls.format_rejection(call), "realtime rejection")
            case do.DecideMcp():
                self._spawn(lambda: self._calls.decide_mcp(action), "realtime approval")
            case do.Interrupt():
                self._transport.interrupt()
            case do.CallSettled(key=key):
                self._settle(key)
            case do.SwitchSettled(request=request):
                self._settle(request)
            case _:
                self._sender.put(action)

    def _settle(self, key: object) -> None:
        if key in self._waiting:
            self._waiting[key].set()

    async def wait_for(self, key: object) -> None:
        """Wait until a call or a change of agent is over, or the connection is. If cancelled, nothing has changed."""
        waiting = self._waiting.setdefault(key, anyio.Event())
        try:
            await waiting.wait()
        finally:
            self._waiting.pop(key, None)

    def expect(self, key: object) -> None:
        """Announce a `wait_for` of *key*: it returns at once if *key* is settled before it begins."""
        self._waiting.setdefault(key, anyio.Event())

    def _spawn(self, run: Callable[[], Awaitable[None]], name: str) -> None:
        tasks = self._tasks
        assert tasks is not None
        if not self.core.closed:
            tasks.start_soon(self._guarded, run, name=name)

    async def _guarded(self, run: Callable[[], Awaitable[None]]) -> None:
        if self.core.closed:
            return
        try:
            with anyio.CancelScope() as scope:
                self._work.add(scope)
                try:
                    await run()
                finally:
                    self._work.discard(scope)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as exc:  # noqa: BLE001 - raised by `connect`, as it is: the task group would wrap it
            assert self._tasks is not None
            self.crash = self.crash or exc
            self._tasks.cancel_scope.cancel()
        else:
            self.perform()
