"""Sends what the core of a session wants sent, one message after the other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
import attrs

from realtime_transport.errors import NotConnectedError, RealtimeError
from realtime_transport.protocol.engine.events import ErrorEvent

from .core import actions as do

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.connection.hub import Hub
    from realtime_transport.transports.interface.layer import RealtimeTransportLayer

    from .core.core import SessionCore
    from .core.ledger import OpenCall

__all__ = ["Sender"]


@attrs.define(eq=False)
class Sender:
    """Sends in the order in which the core asked, and reports to the core what was sent or refused.

    After each message `Running.perform` is called, which publishes and starts what the core wants next.
    """

    _core: SessionCore
    _transport: RealtimeTransportLayer
    _hub: Hub
    _perform: Callable[[], None]
    _waiting: deque[do.Outgoing] = attrs.field(init=False, factory=deque["do.Outgoing"])
    _wake: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _sending: bool = attrs.field(init=False, default=False)

    def put(self, action: do.Outgoing) -> None:
        """Queue *action*."""
        self._waiting.append(action)
        self._wake.set()

    def clear(self) -> None:
        """Drop what is queued."""
        self._waiting.clear()

    @property
    def is_idle(self) -> bool:
        """Nothing is queued, and nothing is being sent."""
        return not self._waiting and not self._sending

    @property
    def is_empty(self) -> bool:
        """Nothing is queued; a message may be on its way."""
        return not self._waiting

    async def run(self) -> None:
        """Send until cancelled. A message that is being sent then is queued by the transport whole or not at all."""
        while True:
            while self._waiting:
                self._sending = True
                try:
                    await self._send_one(self._waiting.popleft())
                finally:
                    self._sending = False
                self._perform()
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _send_one(self, action: do.Outgoing) -> None:
        try:
            await self._send(action)
        except NotConnectedError:
            pass  # The reader learns of the end.
        except RealtimeError as exc:
            self._not_sent(action, exc)

    async def _send(self, action: do.Outgoing) -> None:
        transport, core = self._transport, self._core
        match action:
            case do.SendOutput(call=call):
                await self._send_output(call)
                core.output_sent(call)
            case do.SendConfig(request=request, config=config):
                await transport.update_session_config(config, reset=True)
                core.config_sent(request)
            case do.SendMessage(text=text):
                await transport.send_message(text)
            case do.SendMcpAnswer(approval=approval, request=request, approve=approve, reason=reason):
                await transport.send_mcp_response(request, approve, reason)
                core.call_settled(approval.call_id)
            case do.CancelResponse(response_id=response_id):
                await transport.send_event({"type": "response.cancel", "response_id": response_id})
            case do.RequestResponse():
                await transport.request_response()

    async def _send_output(self, call: OpenCall) -> None:
        if call.image is None:
            await self._transport.send_function_call_output(call.event, call.output, start_response=call.respond)
            return
        await self._transport.send_function_call_output(call.event, call.output, start_response=False)
        await self._transport.add_image(call.image, trigger_response=call.respond)

    def _not_sent(self, action: do.Outgoing, error: RealtimeError) -> None:
        """The transport refused *action*: report that, and let whoever waits for it go on."""
        if isinstance(action, do.SendConfig):
            self._core.switch_failed(action.request, error)
            return
        self._hub.publish([ErrorEvent(error=error)])
        if isinstance(action, do.SendOutput):
            self._core.output_sent(action.call)
        elif isinstance(action, do.SendMcpAnswer):
            self._core.call_settled(action.approval.call_id)
