"""Agents: instructions, tools and handoffs under a name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.argument_types import expect, expect_list
from realtime_transport.errors import ConfigError, brief

from ..tools.context import Ctx
from ..tools.tool import FunctionTool, function_tool
from .handoff import Handoff, handoff
from .mcp import HostedMcpTool

if TYPE_CHECKING:
    from typing import Self

    from ..tools.context import RunContext

__all__ = ["RealtimeAgent", "check_agent", "check_names"]

ToolInput: TypeAlias = FunctionTool | HostedMcpTool | Callable[..., Any]
HandoffInput: TypeAlias = "RealtimeAgent[Any] | Handoff"
Handoffs: TypeAlias = "Sequence[HandoffInput] | Callable[[], Sequence[HandoffInput]]"


def _name(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"name: an agent has a name, not {value!r}", key="name")


def _instructions(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not (isinstance(value, str) or callable(value)):
        raise ConfigError(f"instructions: text or a function expected, not {brief(value)}", key="instructions")


def _text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    expect(value, str, attribute.name, "text")


def _prompt(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        expect(value, Mapping, "prompt", "a mapping or a function")


def _tools(tools: Sequence[ToolInput]) -> tuple[FunctionTool | HostedMcpTool, ...]:
    entries = expect_list(tools, "tools", object, "a tool or a function")
    return tuple(_tool(tool, index) for index, tool in enumerate(entries))


def _tool(tool: object, index: int) -> FunctionTool | HostedMcpTool:
    if isinstance(tool, FunctionTool | HostedMcpTool):
        return tool
    if callable(tool) and not isinstance(tool, type):
        return function_tool(tool)
    raise ConfigError(f"tools[{index}]: a tool or a function expected, not {brief(tool)}", key=f"tools[{index}]")


def _handoffs(handoffs: Any) -> Any:
    return handoffs if callable(handoffs) else _checked_handoffs(handoffs)


def _checked_handoffs(handoffs: Any) -> tuple[HandoffInput, ...]:
    return expect_list(handoffs, "handoffs", (RealtimeAgent, Handoff), "an agent or a handoff")


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class RealtimeAgent(Generic[Ctx]):
    """An agent of a voice session: its instructions and what it can call.

    Agents are compared by identity. They hold no connection and no state; one agent may serve many sessions.

    Attributes:
        name: Not empty. The tool that hands over to the agent is ``transfer_to_NAME``.
        instructions: The system prompt, or a (coroutine) function of ``(ctx, agent)``, asked when the agent becomes
            active.
        tools: `FunctionTool`, `HostedMcpTool`, or plain functions, which become tools by `function_tool`.
        handoffs: Agents and `Handoff` objects, or a function without arguments that returns them, so that agents can
            refer to each other.
        handoff_description: Describes this agent to the models of other agents.
        voice: The voice, if the configuration of the session names none.
        prompt: A prompt stored with the vendor: a mapping, or a (coroutine) function of ``(ctx, agent)``.

    Raises:
        ConfigError: A value is wrong; ``key`` names it.
    """

    name: str = attrs.field(validator=_name)
    instructions: str | Callable[[RunContext[Ctx], RealtimeAgent[Ctx]], str | Awaitable[str]] = attrs.field(
        default="", validator=_instructions, repr=False
    )
    tools: tuple[FunctionTool | HostedMcpTool, ...] = attrs.field(default=(), converter=_tools, repr=False)
    handoffs: Handoffs = attrs.field(default=(), converter=_handoffs, repr=False)
    handoff_description: str = attrs.field(default="", validator=_text, repr=False)
    voice: str | None = attrs.field(default=None, validator=_text, repr=False)
    prompt: (
        Mapping[str, Any]
        | Callable[
            [RunContext[Ctx], RealtimeAgent[Ctx]], Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None
        ]
        | None
    ) = attrs.field(default=None, validator=_prompt, repr=False)

    def clone(self, **changes: Any) -> Self:
        """A copy with *changes*."""
        return attrs.evolve(self, **changes)

    def resolve_handoffs(self) -> tuple[Handoff, ...]:
        """The handoffs, each as a `Handoff`.

        Raises:
            ConfigError: The function gives no list, or something that is neither an agent nor a handoff.
        """
        entries = _checked_handoffs(self.handoffs() if callable(self.handoffs) else self.handoffs)
        return tuple(entry if isinstance(entry, Handoff) else handoff(entry) for entry in entries)


def check_agent(agent: object) -> None:
    """Check that *agent* is one.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(agent, RealtimeAgent):
        raise ConfigError(f"agent: a RealtimeAgent expected, not {brief(agent)}", key="agent")


def check_names(tools: Sequence[FunctionTool], handoffs: Sequence[Handoff]) -> None:
    """Check that no two tools or handoffs have the same name.

    Raises:
        ConfigError: Two have the same name.
    """
    sources: dict[str, list[str]] = {}
    for tool in tools:
        sources.setdefault(tool.name, []).append("function tool")
    for entry in handoffs:
        sources.setdefault(entry.tool_name, []).append("handoff")
    twice = [f"'{name}' ({' and '.join(kinds)})" for name, kinds in sorted(sources.items()) if len(kinds) > 1]
    if twice:
        raise ConfigError(
            f"Duplicate Realtime tool {'name' if len(twice) == 1 else 'names'} found: {', '.join(twice)}. "
            "Realtime function tool and handoff names must be unique. "
            "Rename one of them before starting the session.",
            key="tools",
        )
