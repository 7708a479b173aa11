"""One run of a tool: guardrails, time limit, and the text for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.errors import CallbackError, ToolError
from realtime_transport.protocol.engine.events import ErrorEvent

from .core.actions import ToolOutcome
from .core.events import ToolErrorEvent
from .tools.callbacks import call
from .tools.rendering import BackgroundResult, ToolOutput
from .tools.tool import GENERIC_ERROR, FunctionTool, default_tool_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.errors import RealtimeError
    from realtime_transport.protocol.wire.model import Event

    from .core.ledger import OpenCall
    from .core.settings import ToolSettings
    from .tools.context import RunContext, ToolContext

__all__ = ["ToolRun", "check_input"]


class _TimedOut(Exception):
    """A tool took too long."""


@attrs.define(eq=False)
class ToolRun:
    """Runs one call.

    Attributes:
        call: The call.
        context: The first argument of the tool.
        settings: How the session runs tools.
        render: Turns a result into text.
        now: The state of the session, for the events.
    """

    call: OpenCall
    context: ToolContext[Any]
    settings: ToolSettings
    render: Callable[[Any], str]
    now: Callable[[], RunContext[Any]]

    async def run(self) -> ToolOutcome:
        """Run the tool. Never raises an `Exception`; if cancelled, the tool is cancelled."""
        tool = self._tool
        try:
            refused = await check_input(tool, self.context, self.call.event.arguments)
            if refused is not None:
                return ToolOutcome(text=refused)
        except Exception as exc:  # noqa: BLE001 - reported
            return self._guardrail_failed(exc)
        try:
            result = await self._limited(tool)
        except _TimedOut as exc:
            return await self._timed_out(exc)
        except Exception as exc:  # noqa: BLE001 - reported
            return await self._failed(exc)
        return await self._finished(result)

    @property
    def _tool(self) -> FunctionTool:
        assert self.call.tool is not None
        return self.call.tool

    @property
    def _timeout(self) -> float | None:
        return self.settings.default_timeout if self._tool.timeout is None else self._tool.timeout

    async def _limited(self, tool: FunctionTool) -> Any:
        with anyio.move_on_after(self._timeout) as scope:
            return await tool.invoke(self.context, self.call.arguments)
        assert scope.cancelled_caught
        raise _TimedOut(f"Tool '{tool.name}' timed out after {round((self._timeout or 0) * 1000)}ms.")

    async def _timed_out(self, exc: _TimedOut) -> ToolOutcome:
        if self._tool.on_timeout == "raise":
            return await self._failed(TimeoutError(str(exc)))
        error = self._error(str(exc))
        return ToolOutcome(text=str(exc), report=self._event(error))

    async def _failed(self, exc: Exception) -> ToolOutcome:
        error = self._error(f"the tool {self._tool.name} raised {type(exc).__name__}")
        error.__cause__ = exc
        failure = self._tool.failure
        if failure is None:
            return ToolOutcome(text=GENERIC_ERROR, report=ErrorEvent(error=error))
        if failure is default_tool_error:
            return ToolOutcome(text=GENERIC_ERROR, report=self._event(error))
        try:
            text = str(await call(failure, self.context, exc))
        except Exception as other:  # noqa: BLE001 - reported
            return ToolOutcome(text=GENERIC_ERROR, report=ErrorEvent(error=self._callback("formatter", other)))
        return ToolOutcome(text=text, report=self._event(error))

    async def _finished(self, result: Any) -> ToolOutcome:
        respond = not isinstance(result, BackgroundResult)
        value = result.value if isinstance(result, BackgroundResult) else result
        image = value.image if isinstance(value, ToolOutput) else None
        try:
            text = value.text if isinstance(value, ToolOutput) else self.render(value)
        except Exception as exc:  # noqa: BLE001 - reported
            error = self._error(f"the result of the tool {self._tool.name} has no text form: {type(exc).__name__}")
            error.__cause__ = exc
            return ToolOutcome(text=GENERIC_ERROR, report=self._event(error))
        try:
            for guardrail in self._tool.output_guardrails:
                replaced = await call(guardrail.run, self.context, text)
                text = text if replaced is None else str(replaced)
        except Exception as exc:  # noqa: BLE001 - reported
            return self._guardrail_failed(exc)
        if len(text) > self.settings.max_output_chars:
            reason = f"the tool {self._tool.name} returned {len(text)} characters"
            answer = f"The result of {self._tool.name} has {len(text)} characters, which is too long."
            limit = f"; at most {self.settings.max_output_chars} are sent"
            return ToolOutcome(text=answer, report=self._event(self._error(reason + limit)))
        return ToolOutcome(text=text, respond=respond, image=image)

    def _guardrail_failed(self, exc: Exception) -> ToolOutcome:
        return ToolOutcome(text=GENERIC_ERROR, report=ErrorEvent(error=self._callback("guardrail", exc)))

    def _callback(self, role: str, exc: Exception) -> RealtimeError:
        error = CallbackError(f"the {role} of {self._tool.name} raised {exc!r}", role=role, name=self._tool.name)
        error.__cause__ = exc
        return error

    def _error(self, message: str) -> ToolError:
        return ToolError(message, tool_name=self._tool.name, call_id=self.call.key)

    def _event(self, error: ToolError) -> Event:
        return ToolErrorEvent(
            tool=self._tool, tool_call=self.call.event, error=error, agent=self.call.agent, context=self.now()
        )


async def check_input(tool: FunctionTool, context: ToolContext[Any], arguments: str) -> str | None:
    """The text of the first input guardrail that answers instead of the tool; ``None`` if none does.

    If cancelled, the guardrail is cancelled.
    """
    for guardrail in tool.input_guardrails:
        answer = await call(guardrail.run, context, arguments)
        if answer is not None:
            return str(answer)
    return None
