"""Which agent each response belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..tools.tool import FunctionTool
    from .agent import RealtimeAgent
    from .handoff import Handoff
    from .mcp import HostedMcpTool

__all__ = ["PreparedAgent", "ResponseScope"]

MAX_RESPONSES = 256
"""The number of responses whose agent is remembered."""


@attrs.frozen(kw_only=True)
class PreparedAgent:
    """An agent with the results of its functions, as `prepare_agent` made it.

    Attributes:
        agent: The agent.
        instructions: The system prompt.
        prompt: The stored prompt.
        tools: The tools that are enabled.
        handoffs: The handoffs that are enabled.
        mcp_servers: Its hosted MCP servers.
    """

    agent: RealtimeAgent[Any]
    instructions: str = attrs.field(default="", repr=False)
    prompt: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    tools: tuple[FunctionTool, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    mcp_servers: tuple[HostedMcpTool, ...] = ()

    def tool(self, name: str) -> FunctionTool | None:
        """The tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def handoff(self, name: str) -> Handoff | None:
        """The handoff of that name."""
        return next((entry for entry in self.handoffs if entry.tool_name == name), None)

    def payloads(self) -> list[dict[str, Any]]:
        """All tools as a ``session.update`` carries them, in the order of the JavaScript SDK."""
        return [
            *(tool.payload() for tool in self.tools),
            *(server.payload() for server in self.mcp_servers),
            *(entry.payload() for entry in self.handoffs),
        ]


@attrs.define(eq=False)
class ResponseScope:
    """The responses of a connection. Each belongs to the agent that was active when it began.

    Attributes:
        current: The active agent.
        active: The response in progress; ``None`` between responses.
        latest: The response that began last.
        speaking: Whether audio of the response in progress has arrived.
        number: The number of responses that have begun.
    """

    current: PreparedAgent
    active: str | None = attrs.field(init=False, default=None)
    latest: str = attrs.field(init=False, default="")
    speaking: bool = attrs.field(init=False, default=False)
    number: int = attrs.field(init=False, default=0)
    _sources: dict[str, PreparedAgent] = attrs.field(init=False, factory=dict[str, PreparedAgent])

    def start(self, response_id: str) -> PreparedAgent:
        """Note that a response began. Returns its agent."""
        self.active = self.latest = response_id
        self.speaking = False
        self.number += 1
        return self.source(response_id)

    def source(self, response_id: str) -> PreparedAgent:
        """The agent of a response. An unknown response is assigned to the active agent."""
        found = self._sources.get(response_id)
        if found is None:
            found = self.current
            if response_id:
                self._sources[response_id] = found
                if len(self._sources) > MAX_RESPONSES:
                    del self._sources[next(iter(self._sources))]
        return found

    def finish(self, response_id: str) -> PreparedAgent:
        """Note that a response ended. Returns its agent."""
        if self.active == response_id:
            self.active = None
        return self.source(response_id)

    def begin_audio(self) -> bool:
        """Note that audio arrived. Returns whether it is the first of the response."""
        first, self.speaking = not self.speaking, True
        return first

    def end_audio(self) -> None:
        """Note that the audio ended or was interrupted."""
        self.speaking = False
