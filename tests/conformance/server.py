"""A WebSocket server that does what a scenario says, on a loopback socket."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import SocketStream

__all__ = ["Pulse", "ScenarioConnection", "ScriptedServer", "serve"]

BROKEN = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Pulse:
    """Wakes who waits for a condition whenever something may have changed."""

    def __init__(self) -> None:
        self._next = anyio.Event()

    def beat(self) -> None:
        self._next.set()
        self._next = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._next.wait()


@attrs.define(eq=False)
class ScenarioConnection:
    """One TCP connection of a client. Methods only queue; a task of its own writes."""

    stream: SocketStream
    pulse: Pulse
    protocol: ServerProtocol = attrs.field(factory=lambda: ServerProtocol(max_size=None))
    request: Request | None = None
    number: int | None = None
    pings: int = 0
    pongs: int = 0
    ended: bool = False
    terminated: bool = False
    _eof_sent: bool = False
    _wake: anyio.Event = attrs.field(factory=anyio.Event)

    @property
    def open(self) -> bool:
        """Whether frames can be exchanged."""
        return self.number is not None and self.protocol.state is State.OPEN and not (self.ended or self.terminated)

    @property
    def waits(self) -> bool:
        """Whether its upgrade has not been answered."""
        answered = self.number is not None or self.terminated or self.protocol.state is not State.CONNECTING
        return self.request is not None and not (self.ended or answered)

    @property
    def closing(self) -> bool:
        """Whether one end has finished and the other has yet to see it."""
        return not self.ended and (self.terminated or self.protocol.state in (State.CLOSING, State.CLOSED))

    def send_text(self, text: str) -> None:
        if self.open:
            self.protocol.send_text(text.encode())
            self._wake.set()

    def send_binary(self, data: bytes) -> None:
        if self.open:
            self.protocol.send_binary(data)
            self._wake.set()

    def ping(self) -> None:
        self.pings += 1
        self.protocol.send_ping(str(self.pings).encode())
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        if code in (1006, 1015):  # Codes that stand for the lack of a close frame.
            self.terminate()
        elif self.open:
            if code == 1005:  # The one for a close frame without a code.
                self.protocol.send_close()
            else:
                self.protocol.send_close(code, reason)
            self._wake.set()

    def terminate(self) -> None:
        self.terminated = True
        self._wake.set()

    def accept(self, number: int) -> None:
        assert self.request is not None
        self.number = number
        self.protocol.send_response(self.protocol.accept(self.request))
        self._wake.set()

    def reject(self, status: int, body: str) -> None:
        content = body.encode()
        headers = Headers({"Connection": "close", "Content-Length": str(len(content))})
        self.protocol.send_response(Response(status, "Refused", headers, content))
        self._wake.set()

    async def write(self) -> None:
        """Write what is queued, whenever something is, in one piece."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            pieces = self.protocol.data_to_send()
            try:
                if data := b"".join(pieces):
                    await self.stream.send(data)
                if self.terminated:
                    await anyio.aclose_forcefully(self.stream)
                elif b"" in pieces and not self._eof_sent:
                    self._eof_sent = True
                    await self.stream.send_eof()
            except BROKEN:
                pass  # The reader sees it, too.

    async def read(self, received: Callable[[ScenarioConnection, Request | Frame], None]) -> None:
        """Hand over requests and frames until the end."""
        protocol = self.protocol
        while True:
            try:
                data = await self.stream.receive(2**20)
            except (*BROKEN, OSError):
                break
            protocol.receive_data(data)
            for event in protocol.events_received():
                received(self, event)
            self._wake.set()
            self.pulse.beat()
        if not self.terminated:
            protocol.receive_eof()


@attrs.define(eq=False)
class ScriptedServer:
    """Accepts connections and records what arrives.

    Attributes:
        base: The server's own base URL.
        policy: What happens to the next upgrades: ``"accept"``, ``"hold"``, ``"destroy"`` or a status and a body.
        on_upgrade: Told of each upgrade request.
        on_frame: Told of each frame, with the number of its connection.
        on_close: Told of each close that the client sees or makes.
    """

    base: str
    pulse: Pulse
    on_upgrade: Callable[[str, dict[str, str]], None]
    on_frame: Callable[[int, Any], None]
    on_close: Callable[[int, int, str], None]
    policy: Any = "accept"
    peers: list[ScenarioConnection] = attrs.field(factory=list[ScenarioConnection])
    accepted: list[ScenarioConnection] = attrs.field(factory=list[ScenarioConnection])

    @property
    def current(self) -> ScenarioConnection | None:
        """The connection that was accepted last, if it is open."""
        return self.accepted[-1] if self.accepted and self.accepted[-1].open else None

    @property
    def held(self) -> list[ScenarioConnection]:
        """The upgrades that wait for an answer."""
        return [peer for peer in self.peers if peer.waits]

    @property
    def at_rest(self) -> bool:
        """No connection is half closed, and no rejected client is still there."""
        return not any(peer.closing for peer in self.peers)

    def accept_held(self) -> None:
        for peer in self.held:
            self._accept(peer)

    def drop_held(self) -> None:
        for peer in self.held:
            peer.terminate()

    def _accept(self, peer: ScenarioConnection) -> None:
        peer.accept(len(self.accepted))
        self.accepted.append(peer)

    async def handle(self, stream: SocketStream) -> None:
        """Serve one connection to its end."""
        peer = ScenarioConnection(stream, self.pulse)
        self.peers.append(peer)
        async with stream, anyio.create_task_group() as tasks:
            tasks.start_soon(peer.write)
            await peer.read(self._received)
            tasks.cancel_scope.cancel()
        peer.ended = True
        closed = peer.protocol.close_rcvd or peer.protocol.close_sent
        if peer.number is not None:
            self.on_close(peer.number, closed.code if closed else 1006, closed.reason if closed else "")
        self.pulse.beat()

    def _received(self, peer: ScenarioConnection, event: Request | Frame) -> None:
        if isinstance(event, Request):
            peer.request = event
            self.on_upgrade(event.path, {name.lower(): value for name, value in event.headers.raw_items()})
            self._answer(peer)
        elif event.opcode is Opcode.PONG:
            peer.pongs = int(bytes(event.data))
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY) and peer.number is not None:
            self.on_frame(peer.number, _frame(event))

    def _answer(self, peer: ScenarioConnection) -> None:
        match self.policy:
            case "accept":
                self._accept(peer)
            case "hold":
                pass
            case "destroy":
                peer.terminate()
            case {"status": status, **rest}:
                peer.reject(status, rest.get("body") or "")
            case _:
                raise ValueError(f"an unknown policy: {self.policy!r}")


def _frame(frame: Frame) -> Any:
    if frame.opcode is Opcode.BINARY:
        return {"$bytes": base64.b64encode(frame.data).decode()}
    text = bytes(frame.data).decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


@asynccontextmanager
async def serve(
    pulse: Pulse,
    *,
    on_upgrade: Callable[[str, dict[str, str]], None],
    on_frame: Callable[[int, Any], None],
    on_close: Callable[[int, int, str], None],
) -> AsyncIterator[ScriptedServer]:
    """A server on a free port of the loopback interface."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        server = ScriptedServer(
            f"ws://127.0.0.1:{port}", pulse, on_upgrade=on_upgrade, on_frame=on_frame, on_close=on_close
        )
        tasks.start_soon(listener.serve, server.handle)
        yield server
        tasks.cancel_scope.cancel()
