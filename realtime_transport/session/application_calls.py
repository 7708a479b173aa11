"""Runs the functions of the application: tools, approval policies, guardrails, handoffs, and those of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.errors import CallbackError
from realtime_transport.task_groups import open_task_group

from .agents.preparing import prepare_agent
from .core.approval import REJECTED, Verdict
from .core.guarding import Trip
from .core.ledger import CallState
from .observing import within_tool
from .tool_run import ToolRun, check_input
from .tools.arguments import parse_arguments
from .tools.callbacks import call
from .tools.context import ToolContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .agents.guardrail import GuardrailSettings, OutputGuardrail
    from .core import actions as do
    from .core.approval import ToolApproval
    from .core.core import SessionCore
    from .core.ledger import OpenCall
    from .core.settings import ToolSettings
    from .core.switch import SwitchRequest
    from .observing import SessionObserver

__all__ = ["ApplicationCalls", "RunningSettings"]


@attrs.frozen(kw_only=True)
class RunningSettings:
    """The settings that the tasks of a session need.

    Attributes:
        tools: How the session runs tools.
        guardrails: They check what the model says.
        guardrail_settings: When the guardrails run, and their time limit.
        render: Turns the result of a tool into text.
        format_rejection: Makes the text for a rejected call.
        observers: Each tool runs within their `SessionObserver.within_tool`.
    """

    tools: ToolSettings
    guardrails: Sequence[OutputGuardrail]
    guardrail_settings: GuardrailSettings
    render: Callable[[Any], str]
    format_rejection: Callable[..., Any] | None = None
    observers: Sequence[SessionObserver] = ()


@attrs.define(eq=False)
class ApplicationCalls:
    """Runs what the core asks to run, in the task of the caller.

    An `Exception` of a function is reported to the core; any other exception is raised.
    """

    _core: SessionCore
    _settings: RunningSettings
    _scopes: dict[OpenCall, anyio.CancelScope] = attrs.field(init=False, factory=dict["OpenCall", anyio.CancelScope])
    _interrupts: dict[OpenCall, anyio.Event] = attrs.field(init=False, factory=dict["OpenCall", anyio.Event])

    def cancel_tool(self, tool_call: OpenCall) -> None:
        """Cancel the tool that runs for *tool_call*, if any."""
        if tool_call in self._scopes:
            self._scopes[tool_call].cancel()

    def signal_tool(self, tool_call: OpenCall) -> None:
        """Set ``interrupted`` of the tool that runs for *tool_call*, if any."""
        if tool_call in self._interrupts:
            self._interrupts[tool_call].set()

    def _tool_context(self, call: OpenCall, interrupted: anyio.Event | None = None) -> ToolContext[Any]:
        now = self._core.context()
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

    async def run_tool(self, action: do.RunTool) -> None:
        """Run a tool. If cancelled, the tool is cancelled."""
        tool_call = action.call
        if tool_call.state is not CallState.RUNNING:
            return
        interrupted = self._interrupts[tool_call] = anyio.Event()
        context = attrs.evolve(self._tool_context(tool_call, interrupted), history=action.history)
        run = ToolRun(tool_call, context, self._settings.tools, self._settings.render, self._core.context)
        try:
            with anyio.CancelScope() as scope:
                self._scopes[tool_call] = scope
                with within_tool(self._settings.observers, tool_call.event):
                    outcome = await run.run()
                self._core.tool_finished(tool_call, outcome)
        finally:
            self._scopes.pop(tool_call, None)
            self._interrupts.pop(tool_call, None)

    async def ask_policy(self, tool_call: OpenCall) -> None:
        """Ask whether *tool_call* needs approval. If cancelled, the function that is asked is cancelled."""
        tool = tool_call.tool
        assert tool is not None
        context = self._tool_context(tool_call)
        try:
            if self._settings.tools.pre_approval_input_guardrails:
                answer = await check_input(tool, context, tool_call.event.arguments)
                if answer is not None:
                    self._core.answered_by_guardrail(tool_call, answer)
                    return
            policy = tool.needs_approval
            if callable(policy):
                policy = bool(await call(policy, context, parse_arguments(tool_call.event.arguments), tool_call.key))
        except Exception as exc:  # noqa: BLE001 - reported
            self._core.policy_failed(tool_call, exc)
        else:
            self._core.policy_given(tool_call, policy)

    async def format_rejection(self, tool_call: OpenCall) -> None:
        """Ask for the text that the model gets for a rejected call. If cancelled, the formatter is cancelled."""
        text = REJECTED
        formatter = self._settings.format_rejection
        assert formatter is not None
        try:
            given = await call(formatter, self._tool_context(tool_call), REJECTED)
            text = given if isinstance(given, str) else REJECTED
        except Exception as exc:  # noqa: BLE001 - reported
            self._core.report(_callback_error("formatter", tool_call.event.name, exc))
        self._core.rejection_formatted(tool_call, text)

    async def decide_mcp(self, action: do.DecideMcp) -> None:
        """Ask whether the server may call an MCP tool. If cancelled, ``on_approval`` is cancelled."""
        approval: ToolApproval = action.approval
        assert action.server.on_approval is not None
        try:
            approved = bool(await call(action.server.on_approval, self._core.context(), approval.request))
        except Exception as exc:  # noqa: BLE001 - reported
            self._core.report(_callback_error("approval", approval.tool_name, exc))
            self._core.ask_mcp(approval)
        else:
            if not self._core.closed:
                self._core.decide(approval, Verdict(approved=approved))

    async def prepare(self, request: SwitchRequest) -> None:
        """Call ``on_handoff``, then prepare the agent. If cancelled, the function that runs is cancelled."""
        try:
            await self._call_on_handoff(request)
            prepared = await prepare_agent(request.target, self._core.context())
        except Exception as exc:  # noqa: BLE001 - reported
            self._core.switch_failed(request, exc)
        else:
            self._core.prepared(request, prepared)

    async def _call_on_handoff(self, request: SwitchRequest) -> None:
        handoff = request.handoff
        if handoff is not None and handoff.on_handoff is not None:
            given = (request.input,) if handoff.takes_input else ()
            await call(handoff.on_handoff, self._core.context(), *given)

    async def run_guardrails(self, action: do.RunGuardrails) -> None:
        """Run all guardrails concurrently on the model's text so far. If cancelled, they are cancelled."""
        trips: list[Trip | None] = [None] * len(self._settings.guardrails)
        crashes: list[BaseException] = []

        async def run(index: int, guardrail: OutputGuardrail) -> None:
            try:
                with anyio.fail_after(self._settings.guardrail_settings.timeout):
                    result = await call(guardrail.run, self._core.context(), action.agent, action.run.text)
                if result.tripped:
                    hint = guardrail.policy_hint or guardrail.name
                    trips[index] = Trip(guardrail=guardrail.name, policy_hint=hint, info=result.info)
            except anyio.get_cancelled_exc_class():
                raise
            except Exception as exc:  # noqa: BLE001 - reported
                self._core.report(_callback_error("guardrail", guardrail.name, exc))
            except BaseException as exc:  # noqa: BLE001 - raised below: the task group would wrap it
                crashes.append(exc)

        async with open_task_group() as tasks:
            for index, guardrail in enumerate(self._settings.guardrails):
                tasks.start_soon(run, index, guardrail, name=f"realtime guardrail {guardrail.name}")
        if crashes:
            raise crashes[0]
        self._core.guardrails_finished(action, next((trip for trip in trips if trip is not None), None))


def _callback_error(role: str, name: str, exc: Exception) -> CallbackError:
    error = CallbackError(f"the {role} of {name} raised {exc!r}", role=role, name=name)
    error.__cause__ = exc
    return error
