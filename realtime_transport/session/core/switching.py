"""Carries out changes of agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.errors import CallbackError, ConfigError

from ..agents.config import agent_config
from ..tools.rendering import default_render
from ..tools.tool import GENERIC_ERROR
from . import actions as do
from .events import AgentHandoffEvent, McpToolsChangedEvent
from .switch import AgentSwitch, SwitchRequest

if TYPE_CHECKING:
    from ..agents.mcp import McpCatalogue
    from ..agents.scope import PreparedAgent, ResponseScope
    from .calls import CallDesk
    from .output import CoreOutput
    from .settings import CoreSettings

__all__ = ["AgentSwitching"]


@attrs.define(eq=False)
class AgentSwitching:
    """Prepares the agent, sends its configuration, then answers the call of the handoff."""

    _output: CoreOutput
    _scope: ResponseScope
    _calls: CallDesk
    _mcp: McpCatalogue
    _settings: CoreSettings
    _switch: AgentSwitch = attrs.field(init=False, factory=AgentSwitch)

    def request(self, request: SwitchRequest) -> None:
        """Queue a change of agent."""
        self._prepare(self._switch.request(request))

    def _prepare(self, request: SwitchRequest | None) -> None:
        if request is not None:
            self._output.act(do.Prepare(request))

    def prepared(self, request: SwitchRequest, prepared: PreparedAgent) -> None:
        """Take the prepared agent of a request, and send its configuration."""
        settings = self._settings
        try:
            config = agent_config(
                prepared, settings.config, model=settings.model, tracing=settings.tracing, is_change=True
            )
        except ConfigError as error:
            self.failed(request, error)
            return
        if self._switch.prepared(request):
            request.prepared = prepared
            self._output.act(do.SendConfig(request, config))

    def sent(self, request: SwitchRequest) -> None:
        """Note that the configuration was sent: the new agent is active."""
        prepared = request.prepared
        assert prepared is not None
        done, following = self._switch.finish(request)
        if not done:
            return
        before = request.source or self._scope.current.agent
        self._scope.current = prepared
        request.done = True
        self._output.emit(AgentHandoffEvent(from_agent=before, to_agent=prepared.agent, **self._output.facts()))
        if self._mcp.use(prepared.mcp_servers):
            self._output.emit(McpToolsChangedEvent(tools=self._mcp.available, **self._output.facts()))
        if request.call is not None:
            self._calls.answer_handoff(request.call, default_render({"assistant": prepared.agent.name}))
        self._output.act(do.SwitchSettled(request))
        self._prepare(following)

    def failed(self, request: SwitchRequest, error: Exception) -> None:
        """Note that a change failed: the active agent stays."""
        done, following = self._switch.finish(request)
        if not done:
            return
        request.failure = error
        if request.call is not None:
            failure = CallbackError(
                f"the handoff to {request.target.name} raised {error!r}", role="handoff", name=request.target.name
            )
            failure.__cause__ = error
            self._output.error(failure)
            self._calls.answer_handoff(request.call, GENERIC_ERROR)
        self._output.act(do.SwitchSettled(request))
        self._prepare(following)

    def close(self) -> None:
        """Wake the tasks that wait for a change, since the connection is over."""
        for request in self._switch.close():
            self._output.act(do.SwitchSettled(request))
