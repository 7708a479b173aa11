"""Handoffs: tools whose effect is that another agent takes over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.argument_names import named, named_fields
from realtime_transport.argument_types import expect_callable
from realtime_transport.errors import ConfigError, brief

from ..tools.arguments import check_schema, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..tools.tool import Enabled
    from .agent import RealtimeAgent

__all__ = ["Handoff", "handoff", "tool_name_of"]

NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def tool_name_of(agent_name: str) -> str:
    """The name of the tool that hands over to an agent."""
    return "transfer_to_" + re.sub(r"[^A-Za-z0-9_]", "_", agent_name)


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class Handoff:
    """A tool that hands over to another agent. `handoff` makes one.

    Attributes:
        agent: The agent that takes over.
        tool_name: The name that the model calls.
        description: Describes it to the model.
        parameters: A JSON Schema of type ``object``.
        on_handoff: Called with the context, and with the input if there is one, before the other agent is prepared.
        enabled: A bool, or a (coroutine) function of ``(ctx, agent)``, asked when the agent that has it becomes active.
        takes_input: Whether ``on_handoff`` takes the decoded arguments.
        read: Decodes JSON text for ``on_handoff``.
    """

    agent: RealtimeAgent[Any]
    tool_name: str
    description: str = attrs.field(repr=False)
    parameters: Mapping[str, Any] = attrs.field(default=NOTHING, repr=False)
    on_handoff: Callable[..., Any] | None = attrs.field(default=None, repr=False)
    enabled: Enabled = attrs.field(default=True, repr=False)
    takes_input: bool = False
    read: Callable[[str], Any] | None = attrs.field(default=None, repr=False)

    def payload(self) -> dict[str, Any]:
        """The tool as a ``session.update`` carries it."""
        return {
            "type": "function",
            "name": self.tool_name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }

    def read_arguments(self, text: str) -> Any:
        """Decode the arguments *text* for ``on_handoff``.

        Raises:
            InvalidArguments: They are not JSON, or do not fit.
        """
        if self.read is not None:
            return self.read(text)
        value = parse_arguments(text)
        check_schema(value, {"type": "object"})  # Further fields do no harm.
        return value


@named
def handoff(
    agent: RealtimeAgent[Any],
    *,
    tool_name: str | None = None,
    description: str | None = None,
    on_handoff: Callable[..., Any] | None = None,
    input_type: Any = None,
    enabled: Enabled = True,
) -> Handoff:
    """Make a handoff with settings that a plain agent in ``handoffs=`` does not have.

    Args:
        agent: The agent that takes over.
        tool_name: Instead of ``transfer_to_NAME``.
        description: Instead of the sentence with the agent's ``handoff_description``.
        on_handoff: A (coroutine) function of ``(ctx)``, or of ``(ctx, input)`` with an *input_type*. If it raises, the
            active agent stays.
        input_type: The type of the input that the model must give; its JSON form must be an object.
        enabled: Whether the agent has it: a bool, or a (coroutine) function of ``(ctx, agent)``.

    Raises:
        ConfigError: A value has a wrong type, *input_type* cannot be described to a model, or there is no *on_handoff*
            to take the input.
        MissingExtraError: There is an *input_type*, and the extra ``agents`` is not installed.
    """
    if not hasattr(agent, "handoff_description"):
        raise ConfigError(f"agent: a RealtimeAgent expected, not {brief(agent)}", key="agent")
    expect_callable(on_handoff, "on_handoff")
    parameters, read = NOTHING, None
    if input_type is not None:
        if on_handoff is None:
            raise ConfigError("input_type: there is no on_handoff to take it", key="input_type")
        from ..tools.signature import type_schema

        parameters, read = type_schema(input_type, "input_type")
    return Handoff(
        agent=agent,
        tool_name=tool_name or tool_name_of(agent.name),
        description=_description(agent) if description is None else description,
        parameters=parameters,
        on_handoff=on_handoff,
        enabled=enabled,
        takes_input=input_type is not None,
        read=read,
    )


def _description(agent: RealtimeAgent[Any]) -> str:
    return f"Handoff to the {agent.name} agent to handle the request. {agent.handoff_description}"
