"""Scenarios of other wires than a plain WebSocket: SIP, Twilio, Cloudflare."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import attrs

from realtime_transport import ConfigError, FunctionTool, RealtimeAgent, RealtimeSession
from realtime_transport.connection.link import LinkClosed
from realtime_transport.transports.cloudflare import CloudflareRealtimeTransportLayer
from realtime_transport.transports.endpoint.options import ConnectRequest
from realtime_transport.transports.links.websocket_link import connect_websocket
from realtime_transport.transports.sip import OpenAIRealtimeSIP
from realtime_transport.transports.twilio import TwilioRealtimeTransportLayer

from . import trace
from .runner import OPTIONS, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase
    from realtime_transport.transports.links.websocket_link import WebSocketLink

__all__ = ["CloudflareRun", "SipRun", "TwilioRun"]


class SipRun(Run):
    """A SIP call."""

    def _make(self, **options: Any) -> OpenAIRealtimeBase:
        return OpenAIRealtimeSIP(**options)

    async def _perform(self, step: Mapping[str, Any]) -> None:
        value = step.get("sip_initial_config")
        if value is None:
            await super()._perform(step)
            return
        entry, options = value["agents"][0], value.get("options", {})
        tools = [FunctionTool(invoke=_never_called, **tool) for tool in entry.get("tools", [])]
        agent = RealtimeAgent(
            name=entry["name"], instructions=entry["instructions"], voice=entry.get("voice"), tools=tools
        )
        given = {name: options[name] for name in ("model", "config") if name in options}
        session: RealtimeSession[Any] = RealtimeSession(agent, transport=OpenAIRealtimeSIP(), **given)
        await self._initial_config(session, value.get("overrides"))

    async def _initial_config(self, session: RealtimeSession[Any], overrides: Any) -> None:
        self._note("calls", method="OpenAIRealtimeSIP.buildInitialConfig", outcome="pending")
        entry = self.record["calls"][-1]
        try:
            value = await session.get_initial_config(overrides)
        except ConfigError as exc:
            entry |= {"outcome": "rejected", "error": trace.error(exc)}
        else:
            entry |= {"outcome": "resolved", "value": value}


async def _never_called(ctx: Any, arguments: Any) -> Any:
    raise AssertionError("only the schema matters")


class WebSocketDisconnect(Exception):
    """As Starlette tells that the peer has closed."""


@attrs.define(eq=False)
class TwilioSocket:
    """What Twilio has opened, as a server's framework hands it over."""

    sent: Callable[[Any], None]
    _messages: deque[str] = attrs.field(factory=deque, init=False)
    _end: Exception | None = attrs.field(default=None, init=False)
    _change: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def put(self, text: str) -> None:
        if self._end is None:
            self._messages.append(text)
            self._change.set()

    def end(self, error: Exception) -> None:
        self._end = self._end or error
        self._change.set()

    async def receive_text(self) -> str:
        while not self._messages:
            if self._end is not None:
                raise self._end
            self._change = anyio.Event()
            await self._change.wait()
        return self._messages.popleft()

    async def send_text(self, data: str, /) -> None:
        if self._end is not None:
            raise WebSocketDisconnect
        self.sent(json.loads(data))


class TwilioRun(Run):
    """A call at Twilio."""

    options: ClassVar[set[str]] = {*OPTIONS, "inputAudioInactivityTimeoutMs", "frameMs"}

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.record["twilio_frames"] = []
        self._socket = TwilioSocket(lambda frame: self._note("twilio_frames", frame=frame))

    def _make(self, **options: Any) -> OpenAIRealtimeBase:
        return TwilioRealtimeTransportLayer(self._socket, silence_timeout=None, **options)

    def _act(self, name: str, value: Any) -> None:
        match name:
            case "twilio":
                self._socket.put(json.dumps(self.reader.read(value)))
            case "twilio_raw":
                self._socket.put(value)
            case "twilio_close":
                self._socket.end(WebSocketDisconnect(1000))
            case "twilio_error":
                self._socket.end(RuntimeError(value if isinstance(value, str) else "the socket broke"))
            case _:
                super()._act(name, value)


@attrs.define(eq=False)
class WorkerSocket:
    """A Worker's WebSocket on a link of ours: events to listeners, methods that do not wait."""

    outgoing: Callable[[str], None]
    closing: Callable[[int, str], None]
    _listeners: dict[str, list[Any]] = attrs.field(factory=dict, init=False)

    def accept(self) -> None: ...

    def addEventListener(self, name: str, listener: Any) -> None:
        self._listeners.setdefault(name, []).append(listener)

    def removeEventListener(self, name: str, listener: Any) -> None:
        self._listeners[name].remove(listener)

    def send(self, text: str) -> None:
        self.outgoing(text)

    def close(self, code: int, reason: str) -> None:
        self.closing(code, reason)

    def tell(self, name: str, **event: Any) -> None:
        for listener in list(self._listeners.get(name, [])):
            listener(attrs.make_class("Event", list(event))(**event))


@attrs.frozen
class WorkerResponse:
    status: int
    body: str = ""
    webSocket: WorkerSocket | None = None  # noqa: N815 - JavaScript's name

    async def text(self) -> str:
        return self.body


class CloudflareRun(Run):
    """A Worker."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.record["http"] = []

    def _upgrade(self, path: str, headers: dict[str, str]) -> None:
        """The reference saw a request by ``fetch()``, and no upgrade."""

    def _make(self, *, connector: Any, **options: Any) -> OpenAIRealtimeBase:
        return CloudflareRealtimeTransportLayer(fetch=self._fetch, **options)

    async def _fetch(self, url: str, init: Mapping[str, Any]) -> WorkerResponse:
        base = self.server.base.replace("ws", "http", 1)
        self._note("http", method=init["method"], url=url.replace(base, "{{http}}"), headers=init["headers"])
        fails = self.scenario.get("upgrade_fails")
        if fails:
            return WorkerResponse(fails["status"], fails.get("body", ""))
        authorization = {"Authorization": init["headers"]["Authorization"]}
        opened: list[WorkerSocket] = []
        ready = anyio.Event()
        self.tasks.start_soon(self._serve_socket, ConnectRequest(url=url, headers=authorization), opened, ready)
        await ready.wait()
        return WorkerResponse(101, "", opened[0])

    async def _serve_socket(self, request: ConnectRequest, opened: list[WorkerSocket], ready: anyio.Event) -> None:
        send, receive = anyio.create_memory_object_stream[Any](1000)
        socket = WorkerSocket(send.send_nowait, lambda code, reason: send.send_nowait((code, reason)))
        try:
            async with connect_websocket(request, client=self.client) as link, anyio.create_task_group() as tasks:
                opened.append(socket)
                ready.set()
                link.on_control(lambda: send.send_nowait(None))
                tasks.start_soon(self._deliver, link, socket)
                async with send, receive:
                    async for message in receive:
                        if isinstance(message, tuple):
                            await link.aclose(*message)
                            break
                        await link.send([] if message is None else [message])
        finally:
            socket.tell("close", code=1006, reason="")

    async def _deliver(self, link: WebSocketLink, socket: WorkerSocket) -> None:
        try:
            while True:
                for message in await link.receive():
                    socket.tell("message", data=message)
        except LinkClosed as exc:
            socket.tell("close", code=exc.code, reason=exc.reason)
