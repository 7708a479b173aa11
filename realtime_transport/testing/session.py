"""Fakes for tests of agents: a transport whose server is the test, and a tool that finishes when told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.connection.hub import Hub
from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
from realtime_transport.errors import ConnectionLost, LocalProtocolError, NotConnectedError, UnsupportedOperation
from realtime_transport.protocol.engine.events import (
    AudioInterruptedEvent,
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    FunctionCallEvent,
    ItemUpdateEvent,
    TurnDoneEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.engine.realtime_items import RealtimeToolCallItem
from realtime_transport.protocol.engine.requests import output_text
from realtime_transport.session.tools.tool import FunctionTool
from realtime_transport.transports.interface.layer import RealtimeTransportLayer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
    from typing import Self

    from realtime_transport.protocol.engine.events import ConnectionStatus
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.session.tools.context import ToolContext

__all__ = ["FakeTool", "ScriptedTransport", "Sent"]


@attrs.frozen
class Sent:
    """A call that sent something over a `ScriptedTransport`.

    Attributes:
        method: The method of the transport: ``"send_message"``.
        values: Its arguments by name.
    """

    method: str
    values: Mapping[str, Any]


class ScriptedTransport(RealtimeTransportLayer):
    """A transport without a wire: the test emits the events that a server would cause, and reads what was sent.

    ::

        transport = ScriptedTransport()
        session = RealtimeSession(agent, transport=transport)
        async with session.connect():
            transport.call("get_weather", '{"city": "Oslo"}')
            await transport.wait_for("send_function_call_output")
            assert transport.outputs() == ["Snow"]

    Attributes:
        sent: What was sent, oldest first.
        config: The configuration that was sent last, that of the connect included.
        interruptions: How often the model was interrupted.
        refuses: An exception that the sending methods raise instead of sending.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.config: Any = None
        self.interruptions: int = 0
        self.refuses: Exception | None = None
        self._hub = Hub()
        self._stream: Subscription[Event] | None = None
        self._status: ConnectionStatus = "disconnected"
        self._ended = anyio.Event()
        self._change = anyio.Event()
        self._number = 0
        self._response = ""

    # The test

    def emit(self, *events: Event) -> None:
        """Emit *events*, one after the other."""
        self._hub.publish(events)

    def begin(self, response_id: str) -> None:
        """Begin a response."""
        self._response = response_id
        self.emit(TurnStartedEvent(response_id=response_id))

    def finish(self) -> None:
        """End the response."""
        self.emit(TurnDoneEvent(response_id=self._response, status="completed"))

    def call(self, name: str, arguments: str = "{}", *, call_id: str | None = None) -> str:
        """Call a function as the model, in the response that has begun. Returns the id of the call."""
        self._number += 1
        key = call_id or f"call_{self._number}"
        item_id = f"item_{key}"
        self.emit(
            ItemUpdateEvent(item=RealtimeToolCallItem(item_id=item_id, name=name, arguments=arguments)),
            FunctionCallEvent(
                id=item_id, call_id=key, name=name, arguments=arguments, response_id=self._response or "response_0"
            ),
        )
        return key

    def outputs(self) -> list[str]:
        """The outputs of functions that were sent, oldest first."""
        return [entry.values["output"] for entry in self.sent if entry.method == "send_function_call_output"]

    async def wait_for(self, method: str, count: int = 1) -> list[Sent]:
        """Wait until *method* was called *count* times; returns those calls. If cancelled, nothing has changed."""
        while True:
            found = [entry for entry in self.sent if entry.method == method]
            if len(found) >= count:
                return found
            await self._change.wait()

    def lose(self, code: int = 1006) -> None:
        """Lose the connection."""
        self._end(ConnectionLost("the connection was lost", code=code, reason=""))

    # The transport

    @property
    def status(self) -> ConnectionStatus:
        """``"connected"`` within `connect`."""
        return self._status

    @property
    def muted(self) -> bool | None:
        """``None``: there is no microphone."""
        return None

    @asynccontextmanager
    async def connect(self, *, initial_session_config: Any = None, **options: Any) -> AsyncGenerator[Self]:
        """Connect; this cannot fail.

        Leaving the block ends the connection, also when cancelled.

        Raises:
            LocalProtocolError: It is connected.
        """
        if self._status != "disconnected":
            raise LocalProtocolError("the transport is already connected")
        await anyio.lowlevel.checkpoint()
        self._ended = anyio.Event()
        self.config = initial_session_config
        self._stream = self._hub.subscribe(lambda cls: True, SubscriptionLimits())
        self._set_status("connected")
        self.emit(ConnectedEvent())
        try:
            yield self
        finally:
            self._end(None)
            self._hub = Hub()

    async def aclose(self) -> None:
        """Close the connection. If cancelled, it is closed all the same."""
        self._end(None)
        await anyio.lowlevel.checkpoint()

    def close_nowait(self, *, discard: bool = False) -> None:
        """Close the connection."""
        self._end(None)

    def _end(self, error: ConnectionLost | None) -> None:
        if self._status == "disconnected":
            return
        self._set_status("disconnected")
        self.emit(DisconnectedEvent(code=None if error is None else error.code, error=error))
        self._hub.end(anyio.EndOfStream if error is None else lambda: error.with_traceback(None))
        self._ended.set()

    def _set_status(self, status: ConnectionStatus) -> None:
        self._status = status
        self.emit(ConnectionChangeEvent(status=status))

    def __aiter__(self) -> AsyncIterator[Event]:
        if self._stream is None:
            raise NotConnectedError("there are no events before connect()")
        return self._stream

    @asynccontextmanager
    async def subscribe(self, *types: type[Event]) -> AsyncGenerator[Subscription[Event]]:
        """A stream of what is emitted from now on. Leaving the block closes the stream, also when cancelled."""
        accepts: Callable[[type[Any]], bool] = (lambda cls: issubclass(cls, types)) if types else (lambda cls: True)
        subscription = self._hub.subscribe(accepts, SubscriptionLimits())
        try:
            yield subscription
        finally:
            with anyio.CancelScope(shield=True):
                await subscription.aclose()

    async def _send(self, method: str, **values: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self._note(method, **values)

    def _note(self, method: str, **values: Any) -> None:
        if self._status != "connected":
            raise NotConnectedError("there is no connection")
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(Sent(method, values))
        self._change.set()
        self._change = anyio.Event()

    async def send_event(self, event: Any) -> None:
        """Record the call in ``sent``, as all sending methods do. If cancelled, nothing was recorded."""
        await self._send("send_event", event=event)

    async def send_message(self, message: Any, other_event_data: Any = None, *, trigger_response: bool = True) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("send_message", message=message, trigger_response=trigger_response)

    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("add_image", image=image, trigger_response=trigger_response)

    async def send_audio(self, audio: Any, *, commit: bool = False) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("send_audio", audio=bytes(audio), commit=commit)

    async def send_function_call_output(self, tool_call: Any, output: object, *, start_response: bool = True) -> None:
        """Record it, and update the item of the call, as an engine does. If cancelled, nothing was recorded."""
        await self._send("send_function_call_output", tool_call=tool_call, output=output, start_response=start_response)
        if isinstance(tool_call, FunctionCallEvent) and tool_call.id:
            item = RealtimeToolCallItem(
                item_id=tool_call.id,
                name=tool_call.name,
                arguments=tool_call.arguments,
                status="completed",
                output=output_text(output),
            )
            self.emit(ItemUpdateEvent(item=item))

    async def send_mcp_response(self, approval_request: Any, approved: bool, reason: str | None = None) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("send_mcp_response", approval_request=approval_request, approved=approved, reason=reason)

    async def update_session_config(self, config: Any, *, reset: bool = False) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("update_session_config", config=config, reset=reset)
        self.config = config

    async def request_response(self, response: Any = None) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("request_response", response=response)

    async def reset_history(self, old_history: Sequence[Any], new_history: Sequence[Any]) -> None:
        """Record it. If cancelled, nothing was recorded."""
        await self._send("reset_history", old_history=old_history, new_history=new_history)

    def interrupt(self, *, cancel_ongoing_response: bool = True, response_id: str | None = None) -> None:
        """Stop the model: `AudioInterruptedEvent` follows."""
        if self._status == "connected":
            self.interruptions += 1
            self.emit(AudioInterruptedEvent(withdraws=frozenset({response_id or self._response})))

    def mute(self, muted: bool) -> None:
        """There is nothing to mute.

        Raises:
            UnsupportedOperation: Always.
        """
        raise UnsupportedOperation("there is no microphone to mute")


@attrs.define(eq=False)
class FakeTool:
    """A tool that finishes when a test says so.

    ::

        fake = FakeTool("get_weather")
        agent = RealtimeAgent(name="A", tools=[fake.tool])
        ...
        await fake.called()
        fake.complete("Snow")

    Attributes:
        name: The name that the model calls.
        options: Further attributes of the `FunctionTool`.
        tool: The tool.
        calls: The contexts of the calls that have begun, oldest first.
        cancelled: The ids of calls that were cancelled.
    """

    name: str
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    tool: FunctionTool = attrs.field(init=False)
    calls: list[ToolContext[Any]] = attrs.field(init=False, factory=list["ToolContext[Any]"])
    cancelled: list[str] = attrs.field(init=False, factory=list[str])
    _results: dict[str, Callable[[], Any]] = attrs.field(init=False, factory=dict[str, "Callable[[], Any]"])
    _change: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    def __attrs_post_init__(self) -> None:
        anything: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        given: dict[str, Any] = {"name": self.name, "parameters": anything, "invoke": self._invoke, **self.options}
        self.tool = FunctionTool(**given)

    async def called(self, count: int = 1) -> ToolContext[Any]:
        """Wait until it was called *count* times; returns the context of the last of these calls.

        If cancelled, nothing has changed.
        """
        while len(self.calls) < count:
            await self._change.wait()
        return self.calls[count - 1]

    def complete(self, result: Any = None, *, call: int = -1) -> None:
        """Let a call return *result*: the newest one, or the one with the number *call*, from 0."""
        self._finish(call, lambda: result)

    def fail(self, error: BaseException, *, call: int = -1) -> None:
        """Let a call raise *error*."""

        def throw() -> Any:
            raise error

        self._finish(call, throw)

    def _finish(self, call: int, result: Callable[[], Any]) -> None:
        self._results[self.calls[call].call_id] = result
        self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    async def _invoke(self, context: ToolContext[Any], arguments: Any) -> Any:
        self.calls.append(context)
        self._changed()
        try:
            while context.call_id not in self._results:
                await self._change.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(context.call_id)
            raise
        return self._results.pop(context.call_id)()
