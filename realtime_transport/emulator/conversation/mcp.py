"""MCP servers of the session. Nothing is fetched: the emulator makes their tools up from their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.items import McpListedTool, McpListToolsItem

from .history import Entry, History

if TYPE_CHECKING:
    from .event_sender import EventSender

__all__ = ["McpListings", "tool_names_of"]

DEFAULT_TOOL = "search"


def tool_names_of(tool: Mapping[str, Any]) -> Sequence[str]:
    """Names of the tools that the client allows of an MCP server; one made-up name if it allows all."""
    allowed = tool.get("allowed_tools")
    if isinstance(allowed, Mapping):
        allowed = cast("Mapping[str, Any]", allowed).get("tool_names")
    return tuple(cast("Sequence[str]", allowed)) if allowed else (DEFAULT_TOOL,)


@attrs.define(eq=False)
class McpListings:
    """Announces the tools of each MCP server once."""

    _sender: EventSender
    _history: History
    _listed: set[str] = attrs.field(init=False, factory=set[str])

    def announce_all(self, tools: Sequence[Mapping[str, Any]]) -> None:
        """List the MCP servers among the *tools* of a session."""
        for tool in tools:
            if tool.get("type") == "mcp":
                self.announce(tool["server_label"], tool_names_of(tool))

    def announce(self, server_label: str, tool_names: Sequence[str] = ()) -> None:
        """List one server, unless it was listed before."""
        if server_label in self._listed:
            return
        self._listed.add(server_label)
        names = tool_names or (DEFAULT_TOOL,)
        item_id = self._sender.ids("mcpl")
        begun = McpListToolsItem(id=item_id, server_label=server_label, tools=[])
        entry = Entry(begun)
        previous = self._history.append(entry)
        self._sender.emit(ev.ConversationItemAdded(previous_item_id=previous, item=begun))
        self._sender.emit(ev.McpListToolsInProgress(item_id=item_id))
        schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}
        entry.item = attrs.evolve(
            begun,
            tools=[McpListedTool(name=n, description=None, input_schema=schema, annotations=None) for n in names],
        )
        self._sender.emit(ev.ConversationItemDone(previous_item_id=previous, item=entry.item))
        self._sender.emit(ev.McpListToolsCompleted(item_id=item_id))
