"""What an application does in a connected session: send, interrupt, decide on calls, change history and agent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

import anyio.lowlevel
import attrs

from realtime_transport.argument_names import named
from realtime_transport.argument_types import is_list
from realtime_transport.errors import LocalProtocolError, NotConnectedError, UnsupportedOperation, brief
from realtime_transport.protocol.engine.realtime_items import realtime_item

from .agents.agent import check_agent
from .core.approval import Verdict
from .tools.context import Ctx

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .agents.agent import RealtimeAgent
    from .core.approval import ToolApproval
    from .core.switch import SwitchRequest
    from .running import Running

    HistoryInput: TypeAlias = Sequence[RealtimeItem | Mapping[str, Any]]
    HistoryChange: TypeAlias = HistoryInput | Callable[[tuple[RealtimeItem, ...]], HistoryInput]

__all__ = ["AgentChange", "Decision", "SessionCalls"]


@attrs.frozen(eq=False)
class Decision:
    """A decision on a call. Await it to wait until the output is sent; if cancelled, the decision stands."""

    _running: Running
    _key: str | None

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        if self._key is None:
            await anyio.lowlevel.checkpoint()
        else:
            await self._running.wait_for(self._key)


@attrs.frozen(eq=False)
class AgentChange(Generic[Ctx]):
    """A requested change of agent. Await it to wait until the new configuration is sent; gives the agent.

    If cancelled, the change happens all the same. Awaiting raises what the change failed with.
    """

    _running: Running
    _request: SwitchRequest
    _agent: RealtimeAgent[Ctx]

    def __await__(self) -> Generator[Any, Any, RealtimeAgent[Ctx]]:
        return self._wait().__await__()

    async def _wait(self) -> RealtimeAgent[Ctx]:
        request = self._request
        await self._running.wait_for(request)
        if request.failure is not None:
            raise request.failure
        if not request.done:
            raise NotConnectedError("the connection ended before the agent was changed")
        return self._agent


class SessionCalls(ABC, Generic[Ctx]):
    """The calls of a session. Without a connection they raise `NotConnectedError`, after a loss `ConnectionLost`."""

    _transport: RealtimeTransportLayer
    _running: Running | None

    @property
    @abstractmethod
    def history(self) -> tuple[RealtimeItem, ...]:
        """The conversation."""

    # The conversation

    @named
    async def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message and, if *trigger_response*, ask for a response. If cancelled, nothing was sent."""
        await self._open().send_message(message, other_event_data, trigger_response=trigger_response)

    async def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input buffer of the server. If cancelled, nothing was sent."""
        await self._open().send_audio(audio, commit=commit)

    @named
    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image (a data URI) and, if *trigger_response*, ask for a response. If cancelled, nothing was sent."""
        await self._open().add_image(image, trigger_response=trigger_response)

    async def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response. If cancelled, nothing was sent."""
        await self._open().request_response(response)

    def interrupt(self) -> None:
        """Stop the model and playback; tools of that turn follow their ``when_interrupted``.

        Without a connection this does nothing.
        """
        self._transport.interrupt()
        if self._running is not None and not self._running.core.closed:
            self._running.core.interrupt_tools()
            self._running.perform()

    def mute(self, muted: bool) -> None:
        """Mute or unmute the microphone of the transport.

        Raises:
            UnsupportedOperation: The transport has none.
        """
        self._transport.mute(muted)

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how many samples of an item have been played, when the application plays the audio itself.

        Raises:
            NotConnectedError: There is no connection.
            UnsupportedOperation: The transport does not take reports.
        """
        self._optional("audio_played")(item_id, content_index, samples)

    @named
    async def update_history(self, new_history: HistoryChange) -> None:
        """Change the conversation on the server; `history` changes when the server confirms it.

        If cancelled, nothing was sent.

        Args:
            new_history: The new items, or a function that takes the present items and returns the new ones.

        Raises:
            LocalProtocolError: It holds an item that a client cannot create. Nothing was sent.
        """
        transport, history = self._open(), self.history
        await transport.reset_history(history, _wanted(new_history, history))

    @named
    def update_history_nowait(self, new_history: HistoryChange) -> None:
        """`update_history` without waiting.

        Raises:
            anyio.WouldBlock: There is no room in the outbox; nothing was sent.
            UnsupportedOperation: The transport has no `reset_history_nowait`.
        """
        self._open()
        history = self.history
        self._optional("reset_history_nowait")(history, _wanted(new_history, history))

    async def update_agent(self, agent: RealtimeAgent[Ctx]) -> RealtimeAgent[Ctx]:
        """Hand over to *agent*, as a handoff does; return it when its configuration is sent.

        If cancelled, the handoff happens all the same.

        Raises:
            ConfigError: Two of its tools have one name, or a setting is wrong. The active agent stays.
            Exception: What one of its functions raised. The active agent stays.
            NotConnectedError: There is no connection, or it ended meanwhile.
        """
        return await self.update_agent_nowait(agent)

    def update_agent_nowait(self, agent: RealtimeAgent[Ctx]) -> AgentChange[Ctx]:
        """`update_agent` without waiting; the result can be awaited.

        Raises:
            ConfigError: *agent* is no agent.
            NotConnectedError: There is no connection.
        """
        check_agent(agent)
        running = self._connected()
        request = running.core.update_agent(agent)
        running.expect(request)
        running.perform()
        return AgentChange(running, request, agent)

    # Tools

    async def approve(self, asked: ToolApproval | str, *, always: bool = False) -> None:
        """Let a call that waits run, and wait until its output is sent.

        If cancelled, the call runs all the same. A call that was decided before is left as it is.

        Args:
            asked: The approval of the `ToolApprovalRequestedEvent`, or its ``call_id``.
            always: Later calls of this tool need no approval in this session.

        Raises:
            LocalProtocolError: It belongs to a connection that is closed, or to another session.
        """
        await self.approve_nowait(asked, always=always)

    async def reject(self, asked: ToolApproval | str, *, always: bool = False, message: str | None = None) -> None:
        """Do not let a call run, and wait until the model has the rejection.

        If cancelled, the rejection is sent all the same. A call that was decided before is left as it is.

        Args:
            asked: The approval of the `ToolApprovalRequestedEvent`, or its ``call_id``.
            always: Later calls of this tool are rejected in this session.
            message: The text for the model; the session's own if not given.

        Raises:
            LocalProtocolError: It belongs to a connection that is closed, or to another session.
        """
        await self.reject_nowait(asked, always=always, message=message)

    def approve_nowait(self, asked: ToolApproval | str, *, always: bool = False) -> Decision:
        """`approve` without waiting; the result can be awaited."""
        return self._decide(asked, Verdict(approved=True), always=always)

    def reject_nowait(self, asked: ToolApproval | str, *, always: bool = False, message: str | None = None) -> Decision:
        """`reject` without waiting; the result can be awaited."""
        return self._decide(asked, Verdict(approved=False, message=message), always=always)

    def _decide(self, asked: ToolApproval | str, verdict: Verdict, *, always: bool) -> Decision:
        running = self._running
        if running is None:
            raise LocalProtocolError("the session was never connected: no approval waits for a decision")
        running.require_owner()
        key = running.core.decide(asked, verdict, always=always)
        if key is not None:
            running.expect(key)
        running.perform()
        return Decision(running, key)

    def cancel_tool(self, call_id: str) -> bool:
        """Cancel a call that waits or runs, and tell the model so. Returns whether there was one."""
        running = self._running
        if running is None:
            return False
        running.require_owner()
        found = running.core.cancel_tool(call_id)
        running.perform()
        return found

    # Inside

    def _connected(self) -> Running:
        running = self._running
        if running is None or running.core.closed:
            if running is not None and running.failure is not None:
                raise cast("Exception", running.take_failure())
            raise NotConnectedError("there is no connection; use the session inside of its connect() block")
        running.require_owner()
        return running

    def _open(self) -> RealtimeTransportLayer:
        self._connected()
        return self._transport

    def _optional(self, name: str) -> Callable[..., Any]:
        method = getattr(self._transport, name, None)
        if method is None:
            raise UnsupportedOperation(f"{type(self._transport).__name__} has no {name}()")
        return method


def _wanted(change: HistoryChange, history: tuple[RealtimeItem, ...]) -> list[RealtimeItem]:
    wanted: object = change(history) if callable(change) else change
    if not is_list(wanted):
        raise LocalProtocolError(f"a history is a list of items, not {brief(wanted)}")
    return [realtime_item(item) for item in wanted]
