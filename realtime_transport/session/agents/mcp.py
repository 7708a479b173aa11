"""Tools of MCP servers that the Realtime server calls by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.rules import plain
from realtime_transport.protocol.wire.tools import tool_payload

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["HostedMcpTool", "McpCatalogue"]


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class HostedMcpTool:
    """An MCP server whose tools the Realtime server calls.

    Attributes:
        server_label: The name of the server in this session.
        server_url: Its address; not needed with *connector_id* or *tunnel_id*.
        connector_id: A connector of the vendor. Models released after 2026-09-01 take *server_url* or *tunnel_id*.
        tunnel_id: A tunnel of the vendor to the server.
        server_description: Describes it to the model.
        authorization: A token for it.
        headers: Further headers of requests to it.
        allowed_tools: The names of the tools that may be used, or a filter; ``None``: all.
        require_approval: ``"always"``, ``"never"``, or a mapping of these to filters.
        on_approval: A (coroutine) function of ``(ctx, request)`` that returns whether the tool may run; without it, a
            `ToolApprovalRequestedEvent` asks the application.

    Raises:
        ConfigError: A value is wrong; ``key`` names it.
    """

    server_label: str
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    server_description: str | None = attrs.field(default=None, repr=False)
    authorization: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    allowed_tools: Sequence[str] | Mapping[str, Any] | None = None
    require_approval: str | Mapping[str, Any] | None = None
    on_approval: Callable[..., bool | Awaitable[bool]] | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.server_label:
            raise ConfigError("server_label: an MCP server has a name", key="server_label")
        self.payload()

    def payload(self) -> dict[str, Any]:
        """The tool as a ``session.update`` carries it."""
        names = (
            "server_label",
            "server_url",
            "connector_id",
            "tunnel_id",
            "server_description",
            "authorization",
            "headers",
            "allowed_tools",
            "require_approval",
        )
        given = {name: plain(getattr(self, name), name) for name in names if getattr(self, name) is not None}
        if isinstance(given.get("allowed_tools"), list):
            given["allowed_tools"] = {"tool_names": given["allowed_tools"]}
        return tool_payload({"type": "mcp", **given}, self.server_label)

    def allows(self, name: str) -> bool:
        """Whether the tool *name* may be used."""
        allowed: Any = self.allowed_tools
        if isinstance(allowed, Mapping):
            allowed = cast("Mapping[str, Any]", allowed).get("tool_names")
        return not allowed or name in allowed


@attrs.define(eq=False)
class McpCatalogue:
    """The tools that MCP servers have listed, and those that the active agent may use."""

    _listed: dict[str, Sequence[Any]] = attrs.field(init=False, factory=dict[str, Sequence[Any]])
    _servers: tuple[HostedMcpTool, ...] = attrs.field(init=False, default=())
    available: tuple[Mapping[str, Any], ...] = attrs.field(init=False, default=())

    def list_tools(self, server_label: str, tools: Sequence[Any]) -> bool:
        """Store the tools that a server listed. Returns whether the available tools changed."""
        self._listed[server_label] = tools
        return self._update()

    def use(self, servers: Sequence[HostedMcpTool]) -> bool:
        """Set the servers of the active agent. Returns whether the available tools changed."""
        self._servers = tuple(servers)
        return self._update()

    def server(self, label: str) -> HostedMcpTool | None:
        """The active agent's server of that name."""
        return next((server for server in self._servers if server.server_label == label), None)

    def _update(self) -> bool:
        found: dict[str, Mapping[str, Any]] = {}
        for server in self._servers:
            for tool in self._listed.get(server.server_label, ()):
                name = cast("Mapping[str, Any]", tool).get("name") if isinstance(tool, Mapping) else None
                if isinstance(name, str) and server.allows(name):
                    found.setdefault(name, cast("Mapping[str, Any]", tool))
        before, self.available = self.available, tuple(found.values())
        return {tool["name"] for tool in before} != set(found)
