"""The tasks of a connected session: reader, sender, tools, guardrails, preparation."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.errors import CallbackError, ConsumerTooSlow, NotConnectedError, RealtimeError
from realtime_transport.protocol.engine.events import AudioEvent, ErrorEvent
from realtime_transport.protocol.wire.server_events import ResponseOutputAudioDelta
from realtime_transport.task_groups import open_task_group

from .agents.preparing import prepare_agent
from .core import actions as do
from .core.approval import REJECTED, Verdict
from .core.events import SessionEvent, TransportEvent
from .core.guarding import Trip
from .core.ledger import CallState
from .tool_run import ToolRun, check_input
from .tools.callbacks import call
from .tools.context import ToolContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from realtime_transport.connection.owner import Owner
    from realtime_transport.connection.subscription import Hub, Subscription
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .agents.guardrail import GuardrailSettings, OutputGuardrail
    from .core.approval import ToolApproval
    from .core.core import SessionCore
    from .core.ledger import OpenCall
    from .core.settings import ToolSettings
    from .core.switch import SwitchRequest

__all__ = ["Running", "RunningSettings"]


@attrs.frozen(kw_only=True)
class RunningSettings:
    """What a session was made with, as far as its tasks need it.

    Attributes:
        tools: How tools are treated.
        guardrails: They look at what the model says.
        guardrail_settings: When, and for how long.
        render: Makes text of the result of a tool.
        format_rejection: Makes the text for a rejected call.
    """

    tools: ToolSettings
    guardrails: Sequence[OutputGuardrail]
    guardrail_settings: GuardrailSettings
    render: Callable[[Any], str]
    format_rejection: Callable[..., Any] | None = None


@attrs.define(eq=False)
class Running:
    """Performs what the core of one connection decides.

    Attributes:
        core: The core.
        crash: What a tool raised that is no `Exception`: it ends the session.
        failure: What ended the connection, if it did not end by our wish.
        told: A stream or a call has raised that.
    """

    core: SessionCore
    _transport: RealtimeTransportLayer
    _hub: Hub
    _settings: RunningSettings
    _owner: Owner
    crash: BaseException | None = attrs.field(init=False, default=None)
    failure: Exception | None = attrs.field(init=False, default=None)
    told: bool = attrs.field(init=False, default=False)
    ended: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _tasks: TaskGroup | None = attrs.field(init=False, default=None)
    _outgoing: deque[do.Outgoing] = attrs.field(init=False, factory=deque["do.Outgoing"])
    _wake: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _scopes: dict[OpenCall, anyio.CancelScope] = attrs.field(init=False, factory=dict["OpenCall", anyio.CancelScope])
    _interrupted: dict[OpenCall, anyio.Event] = attrs.field(init=False, factory=dict["OpenCall", anyio.Event])
    _work: set[anyio.CancelScope] = attrs.field(init=False, factory=set[anyio.CancelScope])
    _waiting: dict[object, anyio.Event] = attrs.field(init=False, factory=dict[object, anyio.Event])
    _copies: bool = attrs.field(init=False, default=False)
    _sending: bool = attrs.field(init=False, default=False)
    _idle: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    # Life

    def require_owner(self) -> None:
        """Refuse a caller of another event loop or thread while the conversation lasts.

        Raises:
            LocalProtocolError: The caller is one.
        """
        if not self.core.closed:
            self._owner.require()

    def require_thread(self) -> None:
        """As `require_owner`, for what may also be done while the event loop does not run."""
        if not self.core.closed:
            self._owner.require_thread()

    def start(self, tasks: TaskGroup, events: Subscription[Event]) -> None:
        """Start the reader and the sender in *tasks*, which the tools run in, too."""
        self._tasks = tasks
        self._hub.on_change(self._streams_changed)
        tasks.start_soon(self._read, events, name="realtime session reader")
        tasks.start_soon(self._send, name="realtime session sender")

    def opened(self) -> None:
        """The connection is open."""
        self.core.opened()
        self.perform()

    async def drain(self) -> None:
        """Let tools that run finish within the drain timeout, and send what is queued."""
        with anyio.move_on_after(self._settings.tools.drain_timeout):
            while self.core.has_running_tools or self._outgoing or self._sending:
                self._idle = anyio.Event()
                await self._idle.wait()

    def stop(self) -> None:
        """Nothing is answered or told of the conversation any more; streams still hear of the end. Idempotent."""
        if self.core.closed:
            return
        self.core.close()
        self.perform()
        self._outgoing.clear()
        for scope in list(self._work):
            scope.cancel()
        for waiting in self._waiting.values():
            waiting.set()

    def end(self) -> None:
        """The connection is over, and all that it had to say was told: streams end. Idempotent."""
        self.stop()
        self._hub.end(anyio.EndOfStream if self.failure is None else self.tell)
        self.ended.set()

    def read_rest(self, events: Subscription[Event]) -> None:
        """Tell what the reader has not come to, and end."""
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
        if not self._outgoing and not self.core.has_running_tools:
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
        # At the moment when they happen: a task of its own would come later than the consumers of the transport.
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

    def tell(self) -> BaseException:
        """What ended the connection, to be raised now."""
        self.told = True
        assert self.failure is not None
        return self.failure.with_traceback(None)

    async def _send(self) -> None:
        while True:
            while self._outgoing:
                self._sending = True
                try:
                    await self._send_one(self._outgoing.popleft())
                finally:
                    self._sending = False
                self.perform()
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _send_one(self, action: do.Outgoing) -> None:
        try:
            await self._sent(action)
        except NotConnectedError:
            pass  # The reader learns of the end.
        except RealtimeError as exc:
            self._not_sent(action, exc)

    async def _sent(self, action: do.Outgoing) -> None:
        transport, core = self._transport, self.core
        match action:
            case do.SendOutput(call=call):
                await self._send_output(call)
                core.output_sent(call)
            case do.SendConfig(request=request, config=config):
                await transport.update_session_config(config, reset=True)
                core.config_sent(request)
            case do.SendMessage(text=text):
                await transport.send_message(text)
            case do.SendMcpAnswer(approval=approval, request=request, approve=approve, reason=reason):
                await transport.send_mcp_response(request, approve, reason)
                core.call_settled(approval.call_id)
            case do.CancelResponse(response_id=response_id):
                await transport.send_event({"type": "response.cancel", "response_id": response_id})
            case do.RequestResponse():
                await transport.request_response()

    async def _send_output(self, call: OpenCall) -> None:
        if call.image is None:
            await self._transport.send_function_call_output(call.event, call.output, start_response=call.respond)
            return
        await self._transport.send_function_call_output(call.event, call.output, start_response=False)
        await self._transport.add_image(call.image, trigger_response=call.respond)

    def _not_sent(self, action: do.Outgoing, error: RealtimeError) -> None:
        """What the transport refused: it is told, and whoever waits goes on."""
        if isinstance(action, do.SendConfig):
            self.core.switch_failed(action.request, error)
            return
        self._hub.publish([ErrorEvent(error=error)])
        if isinstance(action, do.SendOutput):
            self.core.output_sent(action.call)
        elif isinstance(action, do.SendMcpAnswer):
            self.core.call_settled(action.approval.call_id)

    # Actions

    def _act(self, action: do.Action) -> None:
        match action:
            case do.RunTool():
                self._spawn(lambda: self._run_tool(action), f"tool {action.call.event.name} {action.call.key}")
            case do.CancelTool(call=call):
                if call in self._scopes:
                    self._scopes[call].cancel()
            case do.SignalTool(call=call):
                if call in self._interrupted:
                    self._interrupted[call].set()
            case do.RunGuardrails():
                self._spawn(lambda: self._run_guardrails(action), "realtime guardrails")
            case do.Prepare(request=request):
                self._spawn(lambda: self._prepare(request), "realtime preparation")
            case do.AskPolicy(call=call):
                self._spawn(lambda: self._ask_policy(call), "realtime approval")
            case do.FormatRejection(call=call):
                self._spawn(lambda: self._format_rejection(call), "realtime rejection")
            case do.DecideMcp():
                self._spawn(lambda: self._decide_mcp(action), "realtime approval")
            case do.Interrupt():
                self._transport.interrupt()
            case do.CallSettled(key=key):
                self._settle(key)
            case do.SwitchSettled(request=request):
                self._settle(request)
            case _:
                self._outgoing.append(action)
                self._wake.set()

    def _settle(self, key: object) -> None:
        if key in self._waiting:
            self._waiting[key].set()

    async def wait_for(self, key: object) -> None:
        """Wait until a call or a change of agent is over, or the connection is."""
        waiting = self._waiting.setdefault(key, anyio.Event())
        try:
            await waiting.wait()
        finally:
            self._waiting.pop(key, None)

    def expect(self, key: object) -> None:
        """Somebody will wait for *key*: what settles it from now on counts."""
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

    def _tool_context(self, call: OpenCall, interrupted: anyio.Event | None = None) -> ToolContext[Any]:
        now = self.core.context()
        return ToolContext(
            context=now.context,
            history=now.history,
            usage=now.usage,
            agent=call.agent,
            call_id=call.key,
            tool_name=call.event.name,
            arguments=call.event.arguments,
            interrupted=interrupted or anyio.Event(),
        )

    async def _run_tool(self, action: do.RunTool) -> None:
        tool_call = action.call
        if tool_call.state is not CallState.RUNNING:
            return
        interrupted = self._interrupted[tool_call] = anyio.Event()
        context = attrs.evolve(self._tool_context(tool_call, interrupted), history=action.history)
        run = ToolRun(tool_call, context, self._settings.tools, self._settings.render, self.core.context)
        try:
            with anyio.CancelScope() as scope:
                self._scopes[tool_call] = scope
                outcome = await run.run()
                self.core.tool_finished(tool_call, outcome)
        finally:
            self._scopes.pop(tool_call, None)
            self._interrupted.pop(tool_call, None)

    async def _ask_policy(self, tool_call: OpenCall) -> None:
        tool = tool_call.tool
        assert tool is not None
        context = self._tool_context(tool_call)
        try:
            if self._settings.tools.pre_approval_input_guardrails:
                answer = await check_input(tool, context, tool_call.event.arguments)
                if answer is not None:
                    self.core.answered_by_guardrail(tool_call, answer)
                    return
            policy = tool.needs_approval
            if callable(policy):
                policy = bool(await call(policy, context, _mapping(tool_call), tool_call.key))
        except Exception as exc:  # noqa: BLE001 - reported
            self.core.policy_failed(tool_call, exc)
        else:
            self.core.policy_given(tool_call, policy)

    async def _format_rejection(self, tool_call: OpenCall) -> None:
        text = REJECTED
        formatter = self._settings.format_rejection
        assert formatter is not None
        try:
            given = await call(formatter, self._tool_context(tool_call), REJECTED)
            text = given if isinstance(given, str) else REJECTED
        except Exception as exc:  # noqa: BLE001 - reported
            self.core.report(_callback_error("formatter", tool_call.event.name, exc))
        self.core.rejection_formatted(tool_call, text)

    async def _decide_mcp(self, action: do.DecideMcp) -> None:
        approval: ToolApproval = action.approval
        assert action.server.on_approval is not None
        try:
            approved = bool(await call(action.server.on_approval, self.core.context(), approval.request))
        except Exception as exc:  # noqa: BLE001 - reported
            self.core.report(_callback_error("approval", approval.tool_name, exc))
            self.core.ask_mcp(approval)
        else:
            if not self.core.closed:
                self.core.decide(approval, Verdict(approved=approved))

    async def _prepare(self, request: SwitchRequest) -> None:
        try:
            await self._call_on_handoff(request)
            prepared = await prepare_agent(request.target, self.core.context())
        except Exception as exc:  # noqa: BLE001 - reported
            self.core.switch_failed(request, exc)
        else:
            self.core.prepared(request, prepared)

    async def _call_on_handoff(self, request: SwitchRequest) -> None:
        handoff = request.handoff
        if handoff is not None and handoff.on_handoff is not None:
            given = (request.input,) if handoff.takes_input else ()
            await call(handoff.on_handoff, self.core.context(), *given)

    async def _run_guardrails(self, action: do.RunGuardrails) -> None:
        trips: list[Trip | None] = [None] * len(self._settings.guardrails)
        crashes: list[BaseException] = []

        async def run(index: int, guardrail: OutputGuardrail) -> None:
            try:
                with anyio.fail_after(self._settings.guardrail_settings.timeout):
                    result = await call(guardrail.run, self.core.context(), action.agent, action.run.text)
                if result.tripped:
                    hint = guardrail.policy_hint or guardrail.name
                    trips[index] = Trip(guardrail=guardrail.name, policy_hint=hint, info=result.info)
            except anyio.get_cancelled_exc_class():
                raise
            except Exception as exc:  # noqa: BLE001 - reported
                self.core.report(_callback_error("guardrail", guardrail.name, exc))
            except BaseException as exc:  # noqa: BLE001 - raised below: the task group would wrap it
                crashes.append(exc)

        async with open_task_group() as tasks:
            for index, guardrail in enumerate(self._settings.guardrails):
                tasks.start_soon(run, index, guardrail, name=f"realtime guardrail {guardrail.name}")
        if crashes:
            raise crashes[0]
        self.core.guardrails_finished(action, next((trip for trip in trips if trip is not None), None))


def _mapping(tool_call: OpenCall) -> Any:
    from .tools.arguments import parse_arguments

    return parse_arguments(tool_call.event.arguments)


def _callback_error(role: str, name: str, exc: Exception) -> CallbackError:
    error = CallbackError(f"the {role} of {name} raised {exc!r}", role=role, name=name)
    error.__cause__ = exc
    return error
