"""Resolves what the functions of an agent decide: instructions, prompt, enabled tools and handoffs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from realtime_transport.errors import ConfigError
from realtime_transport.task_groups import open_task_group

from ..tools.callbacks import call
from ..tools.tool import FunctionTool
from .agent import RealtimeAgent, check_names
from .mcp import HostedMcpTool
from .scope import PreparedAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..tools.context import RunContext
    from .handoff import Handoff

__all__ = ["prepare_agent"]


async def prepare_agent(agent: RealtimeAgent[Any], context: RunContext[Any]) -> PreparedAgent:
    """Resolve the instructions, the prompt and the enabled tools and handoffs of *agent*, concurrently.

    If cancelled, the functions of the agent are cancelled.

    Raises:
        ConfigError: A function returned a wrong type, or two tools have the same name.
        Exception: What one of the functions raised.
    """
    tools = [tool for tool in agent.tools if isinstance(tool, FunctionTool)]
    handoffs = agent.resolve_handoffs()

    async def enabled(entry: FunctionTool | Handoff) -> bool:
        return entry.enabled if isinstance(entry.enabled, bool) else bool(await call(entry.enabled, context, agent))

    async def given(value: Any) -> Any:
        return await call(value, context, agent) if callable(value) else value

    instructions, prompt, *answers = await _all(
        [
            lambda: given(agent.instructions),
            lambda: given(agent.prompt),
            *(lambda entry=entry: enabled(entry) for entry in (*tools, *handoffs)),
        ]
    )
    _check(agent, instructions, prompt)
    kept_tools = tuple(tool for tool, keep in zip(tools, answers, strict=False) if keep)
    kept_handoffs = tuple(entry for entry, keep in zip(handoffs, answers[len(tools) :], strict=True) if keep)
    check_names(kept_tools, kept_handoffs)
    return PreparedAgent(
        agent=agent,
        instructions=instructions,
        prompt=prompt,
        tools=kept_tools,
        handoffs=kept_handoffs,
        mcp_servers=tuple(tool for tool in agent.tools if isinstance(tool, HostedMcpTool)),
    )


def _check(agent: RealtimeAgent[Any], instructions: object, prompt: Mapping[str, Any] | object | None) -> None:
    if not isinstance(instructions, str):
        raise ConfigError(
            f"instructions: the function of the agent {agent.name} gave {type(instructions).__name__}, not text",
            key="instructions",
        )
    if prompt is not None and not hasattr(prompt, "keys"):
        raise ConfigError(f"prompt: the agent {agent.name} has {type(prompt).__name__}, not a mapping", key="prompt")


async def _all(functions: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """The results of *functions*, run concurrently; the first failure cancels the others and is raised as it is."""
    results: list[Any] = [None] * len(functions)
    failures: list[BaseException] = []

    async def run(index: int, tasks: anyio.abc.TaskGroup) -> None:
        try:
            results[index] = await functions[index]()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as exc:  # noqa: BLE001 - raised again below: the task group would wrap it
            failures.append(exc)
            tasks.cancel_scope.cancel()

    async with open_task_group() as tasks:
        for index in range(len(functions)):
            tasks.start_soon(run, index, tasks, name="realtime preparation")
    if failures:
        raise failures[0]
    return results
