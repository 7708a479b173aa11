"""A conversation between a user and an agent, on any transport."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_callable, expect_list
from realtime_transport.connection.hub import Hub
from realtime_transport.connection.owner import Owner
from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
from realtime_transport.errors import ConfigError, LocalProtocolError
from realtime_transport.task_groups import open_task_group
from realtime_transport.transports.base.connecting import connecting

from .agents.agent import check_agent
from .agents.config import agent_config, check_config, tracing_config
from .agents.guardrail import GuardrailSettings, OutputGuardrail
from .agents.preparing import prepare_agent
from .application_calls import RunningSettings
from .conversation import SessionCalls
from .core.approval import Verdicts
from .core.core import SessionCore
from .core.output import Tally
from .core.settings import CoreSettings, ToolSettings
from .observing import ObservedSession, let_watch
from .opening import initial_payload, make_transport
from .running import Running
from .streams import SessionStreams, accepts_by_default, close_default_stream
from .tools.context import Ctx, RunContext
from .tools.rendering import default_render

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from typing import Self

    from anyio.abc import TaskStatus

    from realtime_transport.protocol.engine.events import ConnectionStatus, SemanticEvent, Usage
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.endpoint.options import ApiKey, ConnectOptions, SessionConfig
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .agents.agent import RealtimeAgent
    from .opening import TransportName

__all__ = ["RealtimeSession"]


class RealtimeSession(ObservedSession, SessionStreams, SessionCalls[Ctx]):
    """A conversation with an agent; runs its tools, handoffs and guardrails.

    ::

        session = RealtimeSession(agent, model="gpt-realtime")
        async with session.connect(api_key=key):
            await session.send_message("Hello")
            async for event in session:
                ...

    The block owns the tasks. A tool, guardrail or function of an agent that raises never ends the session: the model
    gets an answer, and the application an `ErrorEvent` or a `ToolErrorEvent`.

    Args:
        agent: The agent to begin with.
        transport: ``"websocket"``, ``"webrtc"``, or a transport, which stays the caller's.
        api_key: A key, or a function that gives one; ``OPENAI_API_KEY`` if not given.
        model: The model; that of the transport if not given.
        context: An object of the application, passed to tools, guardrails and events.
        config: Settings of the session; instructions, tools and prompt belong to the agent.
        output_guardrails: They check what the model says.
        guardrail_settings: When the guardrails run, and their time limit.
        history_store_audio: Keep audio in the history.
        tracing_disabled: The vendor keeps no trace of the session.
        workflow_name: The name of the vendor's trace.
        group_id: Groups traces; needs a *workflow_name*.
        trace_metadata: Metadata of the trace; needs a *workflow_name*.
        mcp_auto_response: Ask for a response after a call of an MCP tool.
        tool_error_formatter: A (coroutine) function of ``(ctx, default)`` that gives the text for a rejected call.
        tools: How the session runs tools.
        render: Turns the result of a tool into text.
        limits: How much a stream holds for its consumer.

    Raises:
        ConfigError: A value is wrong; ``key`` names it.
    """

    @named
    def __init__(
        self,
        agent: RealtimeAgent[Ctx],
        *,
        transport: TransportName | RealtimeTransportLayer = "websocket",
        api_key: ApiKey | None = None,
        model: str | None = None,
        context: Ctx = cast("Ctx", None),  # noqa: B008 - None, for applications without such an object
        config: SessionConfig | None = None,
        output_guardrails: Sequence[OutputGuardrail] = (),
        guardrail_settings: GuardrailSettings | None = None,
        history_store_audio: bool = False,
        tracing_disabled: bool = False,
        workflow_name: str | None = None,
        group_id: str | None = None,
        trace_metadata: Mapping[str, Any] | None = None,
        mcp_auto_response: bool = True,
        tool_error_formatter: Callable[..., Any] | None = None,
        tools: ToolSettings | None = None,
        render: Callable[[Any], str] = default_render,
        limits: SubscriptionLimits | None = None,
    ) -> None:
        check_agent(agent)
        check_config(config)
        guardrails = expect_list(output_guardrails, "output_guardrails", OutputGuardrail, "an OutputGuardrail")
        expect(guardrail_settings, GuardrailSettings, "guardrail_settings", "GuardrailSettings")
        expect(tools, ToolSettings, "tools", "ToolSettings (tools themselves belong to the agent)")
        expect(limits, SubscriptionLimits, "limits", "SubscriptionLimits")
        expect(model, str, "model", "text")
        expect_callable(tool_error_formatter, "tool_error_formatter")
        expect_callable(render, "render")
        super().__init__()
        self._initial = agent
        self._transport = make_transport(transport)
        self._api_key = api_key
        self._application = context
        self._limits = limits or SubscriptionLimits()
        guards = guardrail_settings or GuardrailSettings()
        self._settings = CoreSettings(
            config=config,
            model=model,
            tracing=tracing_config(
                disabled=tracing_disabled, workflow_name=workflow_name, group_id=group_id, metadata=trace_metadata
            ),
            tools=tools or ToolSettings(),
            guardrail_length=guards.debounce_text_length if guardrails else None,
            keep_audio=history_store_audio,
            mcp_auto_response=mcp_auto_response,
            formats_rejections=tool_error_formatter is not None,
        )
        self._running_settings = RunningSettings(
            tools=self._settings.tools,
            guardrails=guardrails,
            guardrail_settings=guards,
            render=render,
            format_rejection=tool_error_formatter,
        )
        self._tally = Tally()
        self._verdicts = Verdicts()
        self._hub = Hub()
        self._stream: Subscription[SemanticEvent] | None = None
        self._running: Running | None = None
        self._connecting = False

    # State

    @property
    def transport(self) -> RealtimeTransportLayer:
        """The transport, for what the session does not offer."""
        return self._transport

    @property
    def status(self) -> ConnectionStatus:
        """The status of the transport."""
        return self._transport.status

    @property
    def initial_agent(self) -> RealtimeAgent[Ctx]:
        """The agent that each connection begins with."""
        return self._initial

    @property
    def current_agent(self) -> RealtimeAgent[Any]:
        """The active agent."""
        return self._initial if self._running is None else self._running.core.current_agent

    @property
    def context(self) -> RunContext[Ctx]:
        """The state now: the application's object, the history, the usage."""
        return RunContext(context=self._application, history=self.history, usage=self.usage)

    @property
    def history(self) -> tuple[RealtimeItem, ...]:
        """The conversation; after the end of a connection, as it was then."""
        return () if self._running is None else self._running.core.history

    @property
    def usage(self) -> Usage:
        """Tokens of all responses so far, over all connections."""
        return self._tally.total

    @property
    def usage_by_response(self) -> Mapping[str, Usage]:
        """Tokens of the last 1,024 responses by their id."""
        return dict(self._tally.by_response)

    @property
    def muted(self) -> bool | None:
        """Whether the microphone of the transport is muted; ``None`` where it has none."""
        return self._transport.muted

    @property
    def available_mcp_tools(self) -> tuple[Mapping[str, Any], ...]:
        """The tools that MCP servers have listed for the active agent, filtered by ``allowed_tools``."""
        return () if self._running is None else self._running.core.available_mcp_tools

    def statistics(self) -> Any:
        """Counters of the current connection.

        Raises:
            NotConnectedError: There is none.
            UnsupportedOperation: The transport has no counters.
        """
        return self._optional("statistics")()

    # Life

    @named
    @connecting
    async def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        wait_for_session: bool = True,
    ) -> AsyncGenerator[Self]:
        """Connect for the time of an ``async with`` block, with the initial agent and an empty history.

        The agent is prepared first: an exception of its functions is raised before anything is opened. Leaving the
        block normally gives running tools ``ToolSettings.drain_timeout`` seconds; leaving it by an exception or
        cancellation cancels them at once. A lost connection cancels tools but not the block: iterators, waiting calls
        and later sends raise `ConnectionLost`.

        Args:
            api_key: A key, or a function that gives one.
            model: The model, for this connection.
            url: See `OpenAIRealtimeBase.connect`, as for *call_id*.
            call_id: The call to attach to.
            wait_for_session: Enter the block when the server has said that the session is ready; otherwise at the
                upgrade.

        Raises:
            ConfigError: Two tools have one name, or a setting is wrong.
            LocalProtocolError: The session is connected or connecting; that connection stays.
            ConnectError: The connection could not be opened.
        """
        if self._connecting:
            raise LocalProtocolError("the session is already connected or connecting; make another session")
        self._connecting = True
        hub = self._hub
        owner = Owner()
        hub.own(owner)
        self._stream = hub.subscribe(accepts_by_default, self._limits)
        settings = self._settings if model is None else attrs.evolve(self._settings, model=model)
        try:
            prepared = await prepare_agent(
                self._initial, RunContext(context=self._application, usage=self.usage, history=())
            )
            core = SessionCore(prepared, settings, self._application, self._tally, self._verdicts)
            observers = tuple(self._observers)
            let_watch(observers, hub)
            running_settings = attrs.evolve(self._running_settings, observers=observers)
            running = Running(core, self._transport, hub, running_settings, owner)
            options: dict[str, Any] = {
                "api_key": self._api_key if api_key is None else api_key,
                "model": settings.model,
                "url": url,
                "call_id": call_id,
                "initial_session_config": agent_config(
                    prepared, settings.config, model=settings.model, tracing=settings.tracing
                ),
            }
            if not wait_for_session:
                options["wait_for_session"] = False
            async with self._transport.subscribe() as events, self._tasks_of(running, events):
                async with self._transport.connect(**options):
                    await close_default_stream(self._transport)
                    running.opened()
                    try:
                        yield self
                        await running.drain()
                    finally:
                        running.stop()
        finally:
            hub.end(anyio.EndOfStream)
            self._hub = Hub()
            self._connecting = False

    @asynccontextmanager
    async def _tasks_of(self, running: Running, events: Subscription[Event]) -> AsyncGenerator[None]:
        # The task group would wrap exceptions in a group: those of the body and of tools are raised after it.
        failure: BaseException | None = None
        async with open_task_group() as tasks:
            self._running = running
            running.start(tasks, events)
            try:
                yield
            except GeneratorExit:
                raise
            except BaseException as exc:  # noqa: BLE001 - raised again below
                failure = exc
            running.stop()
            tasks.cancel_scope.cancel()
        running.read_rest(events)
        if running.crash is not None:
            raise running.crash
        if failure is not None:
            raise failure
        if running.failure is not None and not running.failure_raised:
            raise running.failure

    async def run(
        self, options: ConnectOptions | None = None, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Connect and run until the connection is over: ``await task_group.start(session.run, options)``.

        ``start`` returns at the upgrade. If cancelled, tools are cancelled and the connection is closed.

        Args:
            options: As for a transport, without ``initial_session_config``, which the agent provides.
            task_status: The argument that anyio passes.

        Raises:
            ConfigError: *options* hold an ``initial_session_config``.
            ConnectError: The connection could not be opened.
            ConnectionLost: The connection was lost.
        """
        given: dict[str, Any] = {}
        if options is not None:
            if options.initial_session_config is not None:
                raise ConfigError("initial_session_config: pass config= to the session", key="initial_session_config")
            given = {name: getattr(options, name) for name in ("api_key", "model", "url", "call_id")}
        async with self.connect(**given, wait_for_session=False):
            task_status.started()
            assert self._running is not None
            await self._running.ended.wait()

    async def aclose(self) -> None:
        """Close the connection and wait until it is closed. Tools are cancelled. Idempotent.

        If cancelled, the connection closes all the same.

        Raises:
            LocalProtocolError: Another event loop or thread owns the connection.
        """
        if self._running is not None:
            self._running.require_owner()
        self._stop()
        await self._transport.aclose()

    def close_nowait(self, *, discard: bool = False) -> None:
        """Begin to close, and return at once: tools are cancelled, nothing more is answered. Idempotent.

        Args:
            discard: Do not send what is queued.

        Raises:
            UnsupportedOperation: The transport can only be closed with `aclose`.
            LocalProtocolError: Another thread owns the connection.
        """
        close = self._optional("close_nowait")
        if self._running is not None:
            self._running.require_thread()
        self._stop()
        close(discard=discard)

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()

    # The configuration

    async def get_initial_config(self, overrides: SessionConfig | None = None) -> dict[str, Any]:
        """The ``session`` object that connecting would send: what accepting a telephone call needs.

        Nothing is connected. If cancelled, the functions of the agent are cancelled.

        Args:
            overrides: Further settings.

        Raises:
            ConfigError: A setting is wrong, or two tools have one name.
        """
        prepared = await prepare_agent(
            self._initial, RunContext(context=self._application, usage=self.usage, history=())
        )
        settings = self._settings
        config = agent_config(prepared, settings.config, overrides, model=settings.model, tracing=settings.tracing)
        return initial_payload(self._transport, config)

    @classmethod
    async def compute_initial_config(
        cls, agent: RealtimeAgent[Ctx], overrides: SessionConfig | None = None, **options: Any
    ) -> dict[str, Any]:
        """`get_initial_config` of a new session with *agent* and *options*.

        If cancelled, the functions of the agent are cancelled.

        Args:
            agent: The agent to begin with.
            overrides: Further settings.
            **options: As for the class.

        Raises:
            ConfigError: A setting is wrong, or two tools have one name.
        """
        return await cls(agent, **options).get_initial_config(overrides)
