"""Calls listeners for the events of an agent session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from realtime_transport.argument_names import named
from realtime_transport.session.core.events import SessionEvent, TransportEvent
from realtime_transport.session.tools.context import Ctx

from ..connection.subscription import SubscriptionLimits
from ..errors import ConfigError, brief
from ..protocol.engine.events import AudioEvent, AudioInterruptedEvent, ErrorEvent, McpToolCallCompletedEvent
from .calls import TransportCalls, passed_on
from .core import EmitterCore
from .emitter import transport_names
from .listeners import Listeners
from .names import check_name, session_event_names, transport_event_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
    from typing import Self

    from ..protocol.engine.events import ConnectionStatus, Event, Usage
    from ..protocol.engine.realtime_items import RealtimeItem
    from ..session.agents.agent import RealtimeAgent
    from ..session.core.approval import ToolApproval
    from ..session.session import RealtimeSession
    from ..session.tools.context import RunContext
    from ..transports.endpoint.options import ApiKey
    from ..transports.interface.layer import RealtimeTransportLayer
    from .listeners import Listener
    from .session_listeners import ListenToSession
    from .transport_listeners import ListenToTransport

__all__ = ["RealtimeSessionEmitter", "SessionTransport"]


class SessionTransport(TransportCalls):
    """The transport of a session's emitter: its calls as plain functions, and listeners for its events.

    ``emitter.transport.on("*", ...)`` gets every message of the server, as with `RealtimeEmitter`.
    """

    def __init__(self, transport: RealtimeTransportLayer, listeners: Listeners) -> None:
        super().__init__(transport)
        self._listeners = listeners

    if TYPE_CHECKING:
        on: ListenToTransport[Self]
        once: ListenToTransport[Self]
        off: ListenToTransport[Self]
    else:

        def on(self, event: str, listener: Listener) -> Self:
            """Call *listener* for each *event*; see `RealtimeEmitter` for names and arguments."""
            check_name(event, transport_event_names())
            self._listeners.add(event, listener)
            return self

        def once(self, event: str, listener: Listener) -> Self:
            """Call *listener* for the next *event* only."""
            check_name(event, transport_event_names())
            self._listeners.add(event, listener, once=True)
            return self

        def off(self, event: str, listener: Listener) -> Self:
            """Stop calling *listener* for *event*."""
            check_name(event, transport_event_names())
            self._listeners.remove(event, listener)
            return self


class RealtimeSessionEmitter(EmitterCore, Generic[Ctx]):
    """Calls listeners for the events of an agent session.

    ::

        async with RealtimeSessionEmitter(RealtimeSession(agent)) as emitter:
            emitter.on("audio", lambda event: speaker.write(event.data))
            emitter.on("tool_approval_requested", lambda event: emitter.approve(event.approval))
            emitter.transport.on("*", print)
            await emitter.connect(api_key=key)
            emitter.send_message("Hello")

    The block owns the tasks. A listener is called with one argument, the event: see `realtime_transport.session_events`
    for the names. Functions, coroutine functions and their exceptions are treated as in `RealtimeEmitter`.

    Args:
        session: The session. Nothing else may connect it.
        limits: How much may wait for one coroutine function before the connection is ended with `ConsumerTooSlow`.
    """

    @named
    def __init__(self, session: RealtimeSession[Ctx], *, limits: SubscriptionLimits | None = None) -> None:
        if not hasattr(session, "update_agent"):
            raise ConfigError(
                f"session: a RealtimeSession expected, not {brief(session)}; a transport has RealtimeEmitter",
                key="session",
            )
        super().__init__(session, self._pairs, limits)
        self._session = session
        self._heard_on_transport = Listeners(
            self._start_listener, self._listener_failed, self._listener_too_slow, limits or SubscriptionLimits()
        )
        self._transport = SessionTransport(session.transport, self._heard_on_transport)

    def _pairs(self, event: Event) -> Iterator[tuple[str, object]]:
        """Emit an event to the listeners of the transport, and give its names for those of the session."""
        if isinstance(event, AudioInterruptedEvent):
            self._heard_on_transport.withdraw(event.withdraws or frozenset())
        if not isinstance(event, SessionEvent):
            for name, argument in transport_names(event):
                self._heard_on_transport.emit(name, argument)
            if self._listeners.heard("transport_event"):
                yield "transport_event", TransportEvent(event=event, context=self._session.context)
        if isinstance(
            event, SessionEvent | AudioEvent | ErrorEvent | AudioInterruptedEvent | McpToolCallCompletedEvent
        ):
            yield event.event_name, event

    if TYPE_CHECKING:
        on: ListenToSession[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
        once: ListenToSession[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
        off: ListenToSession[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
    else:

        def on(self, event: str, listener: Listener) -> Self:
            """Call *listener* for each *event*."""
            check_name(event, session_event_names())
            return super().on(event, listener)

        def once(self, event: str, listener: Listener) -> Self:
            """Call *listener* for the next *event* only."""
            check_name(event, session_event_names())
            return super().once(event, listener)

        def off(self, event: str, listener: Listener) -> Self:
            """Stop calling *listener* for *event*."""
            check_name(event, session_event_names())
            return super().off(event, listener)

    # State

    @property
    def session(self) -> RealtimeSession[Ctx]:
        """The session."""
        return self._session

    @property
    def transport(self) -> SessionTransport:
        """The transport, with listeners of its own."""
        return self._transport

    @property
    def status(self) -> ConnectionStatus:
        """See `RealtimeSession.status`, as for the other properties."""
        return self._session.status

    @property
    def history(self) -> tuple[RealtimeItem, ...]:
        """The conversation."""
        return self._session.history

    @property
    def current_agent(self) -> RealtimeAgent[Any]:
        """The active agent."""
        return self._session.current_agent

    @property
    def initial_agent(self) -> RealtimeAgent[Ctx]:
        """The agent that each connection begins with."""
        return self._session.initial_agent

    @property
    def context(self) -> RunContext[Ctx]:
        """The state now."""
        return self._session.context

    @property
    def usage(self) -> Usage:
        """Tokens of all responses so far."""
        return self._session.usage

    @property
    def muted(self) -> bool | None:
        """Whether the microphone of the transport is muted."""
        return self._session.muted

    @property
    def available_mcp_tools(self) -> tuple[Mapping[str, Any], ...]:
        """The tools that MCP servers offer to the active agent."""
        return self._session.available_mcp_tools

    # Life

    @named
    def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        wait_for_session: bool = False,
    ) -> Coroutine[Any, Any, None]:
        """Connect: ``await emitter.connect(api_key=key)``. The call begins to connect; see `RealtimeEmitter.connect`.

        If cancelled, the connection is closed.

        Args:
            api_key: See `RealtimeSession.connect`, as for the others.
            model: The model, for this connection.
            url: The URL, for this connection only.
            call_id: The call to attach to.
            wait_for_session: Wait also until the server has said that the session is ready.

        Raises:
            ConfigError: Two tools have one name, or a setting is wrong.
            ConnectError: The connection could not be opened, or was closed while it opened.
            LocalProtocolError: The emitter is connected or connecting, or its block is not open.
        """
        options: dict[str, Any] = {"api_key": api_key, "model": model, "url": url, "call_id": call_id}
        return self._begin({**options, "wait_for_session": wait_for_session})

    def close(self) -> None:
        """Begin to close, and return at once: tools are cancelled. Idempotent; see `RealtimeEmitter.close`."""
        super().close()
        self._heard_on_transport.drop()

    # The conversation

    @named
    def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message; see `RealtimeSession.send_message`."""
        self._transport.send_message(message, other_event_data, trigger_response=trigger_response)

    def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input; see `RealtimeSession.send_audio`."""
        self._transport.send_audio(audio, commit=commit)

    @named
    def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image; see `RealtimeSession.add_image`."""
        self._transport.add_image(image, trigger_response=trigger_response)

    def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response; see `RealtimeSession.request_response`."""
        self._transport.request_response(response)

    def interrupt(self) -> None:
        """Stop the model; see `RealtimeSession.interrupt`."""
        self._session.interrupt()

    def mute(self, muted: bool) -> None:
        """Mute or unmute the microphone; see `RealtimeSession.mute`."""
        self._session.mute(muted)

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how much of an item has been played; see `RealtimeSession.audio_played`."""
        passed_on(self._session.audio_played, item_id, content_index, samples)

    @named
    def update_history(
        self,
        new_history: Sequence[RealtimeItem | Mapping[str, Any]]
        | Callable[[tuple[RealtimeItem, ...]], Sequence[RealtimeItem | Mapping[str, Any]]],
    ) -> None:
        """Change the conversation on the server; see `RealtimeSession.update_history`."""
        passed_on(self._session.update_history_nowait, new_history)

    # Agents and tools: each call takes effect at once; its result can be awaited

    def update_agent(self, agent: RealtimeAgent[Ctx]) -> Awaitable[RealtimeAgent[Ctx]]:
        """Hand over to *agent*; see `RealtimeSession.update_agent`."""
        return passed_on(self._session.update_agent_nowait, agent)

    def approve(self, asked: ToolApproval | str, *, always: bool = False) -> Awaitable[None]:
        """Let a call that waits run; see `RealtimeSession.approve`."""
        return passed_on(self._session.approve_nowait, asked, always=always)

    def reject(self, asked: ToolApproval | str, *, always: bool = False, message: str | None = None) -> Awaitable[None]:
        """Do not let a call run; see `RealtimeSession.reject`."""
        return passed_on(self._session.reject_nowait, asked, always=always, message=message)

    def cancel_tool(self, call_id: str) -> bool:
        """Cancel a call that waits or runs; see `RealtimeSession.cancel_tool`."""
        return self._session.cancel_tool(call_id)
