"""The state of a session, as instructions, tools, guardrails and listeners get it.

`Ctx` is the type of the application's own object, which is given to the session as ``context=``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import anyio

    from realtime_transport.protocol.engine.events import Usage
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem

    from ..agents.agent import RealtimeAgent

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Ctx = TypeVar("Ctx", default=Any)
else:  # The default needs Python 3.13, and only type checkers use it.
    from typing import TypeVar

    Ctx = TypeVar("Ctx")

__all__ = ["Ctx", "RunContext", "ToolContext", "add_usage"]


@attrs.frozen(kw_only=True)
class RunContext(Generic[Ctx]):
    """The state of a session at one moment.

    Attributes:
        context: The application's own object.
        history: The conversation.
        usage: The tokens of the session so far.
    """

    context: Ctx
    history: tuple[RealtimeItem, ...] = attrs.field(default=(), repr=False)
    usage: Usage = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ToolContext(RunContext[Ctx]):
    """The state of a session and one call of a tool.

    Attributes:
        agent: The agent whose tool it is; the one that was active when the response began.
        call_id: The call.
        tool_name: The tool.
        arguments: JSON text, as the model wrote it.
        interrupted: Set when the user interrupts the response of the call; only for tools made with
            ``when_interrupted="signal"``.
    """

    agent: RealtimeAgent[Ctx]
    call_id: str
    tool_name: str
    arguments: str = attrs.field(repr=False)
    interrupted: anyio.Event = attrs.field(repr=False)


def add_usage(first: Usage, second: Usage) -> Usage:
    """The sum of two usages, detail by detail."""
    return attrs.evolve(
        first,
        requests=first.requests + second.requests,
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        total_tokens=first.total_tokens + second.total_tokens,
        input_tokens_details=_sum(first.input_tokens_details, second.input_tokens_details),
        output_tokens_details=_sum(first.output_tokens_details, second.output_tokens_details),
    )


def _sum(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(first)
    for name, value in second.items():
        before = total.get(name)
        if isinstance(value, dict):
            total[name] = _sum(before if isinstance(before, dict) else {}, value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, int | float) and isinstance(before, int | float):
            total[name] = before + value
        else:
            total[name] = value
    return total
