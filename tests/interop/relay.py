"""A relay that makes of a peer with full ICE one that never starts a check: it answers its checks itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import anyio.abc
import attrs
import httpx
from aioice import stun

from realtime_transport.rtc.sdp import Description, without_candidates
from tests.transports.webrtc_server import posted

__all__ = ["Relay", "relay_to"]

COOKIE = b"\x21\x12\xa4\x42"
REQUEST, KIND_MASK = 0x0000, 0x0110


def kind_of(data: bytes) -> Literal["check", "answer", "media"]:
    """A STUN request, its answer (RFC 8489, 5), or what is none of the relay's business."""
    if data[4:8] != COOKIE or data[0] > 3:
        return "media"
    return "check" if int.from_bytes(data[:2], "big") & KIND_MASK == REQUEST else "answer"


@attrs.define(eq=False)
class Relay:
    """Posts offers on to a server of calls, and stands between the two peers.

    Attributes:
        checks_answered: Checks of the server's peer, which the client has not seen.
        passed: Kinds of datagrams that the client was given.
    """

    http: httpx.AsyncClient
    server_url: str
    front: anyio.abc.UDPSocket
    back: anyio.abc.UDPSocket
    checks_answered: int = 0
    passed: set[str] = attrs.field(factory=set[str])
    _turn: anyio.Lock = attrs.field(factory=anyio.Lock)
    _client: tuple[str, int] | None = None
    _server: tuple[str, int] | None = None
    _client_password: str = ""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer ``POST …/calls``: the server's answer, with the address of the relay in its first section."""
        offer = posted(request)["sdp"]
        self._client_password = Description.parse(offer).sections[0].values("ice-pwd")[0]
        kind = {"content-type": "application/sdp"}
        response = await self.http.post(self.server_url, content=without_candidates(offer), headers=kind)
        response.raise_for_status()
        described = Description.parse(response.text).sections
        there = next(one for part in described for one in part.candidates() if one.is_usable and "." in one.host)
        self._server = (there.host, there.port)
        answer = Description.parse(without_candidates(response.text))
        port = self.front.extra(anyio.abc.SocketAttribute.local_port)
        answer.sections[0].lines.append(f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host")
        answer.session.insert(4, "a=ice-lite")
        return httpx.Response(201, text=str(answer), headers={"location": response.headers["location"]})

    async def serve_client(self) -> None:
        async for data, address in self.front:
            self._client = address
            if self._server is not None:
                await self._send_back(data, self._server)

    async def serve_server(self) -> None:
        async for data, address in self.back:
            kind = kind_of(data)
            if kind == "check":
                self.checks_answered += 1
                await self._send_back(self._success(data, address), address)
            elif self._client is not None:
                self.passed.add(kind)
                await self.front.sendto(data, *self._client)

    async def _send_back(self, data: bytes, address: tuple[str, int]) -> None:
        async with self._turn:  # Two tasks send there.
            await self.back.sendto(data, *address)

    def _success(self, check: bytes, address: tuple[str, int]) -> bytes:
        asked = stun.parse_message(check)
        answer = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.RESPONSE,
            transaction_id=asked.transaction_id,
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = address
        answer.add_message_integrity(self._client_password.encode())
        return bytes(answer)


@asynccontextmanager
async def relay_to(server_url: str) -> AsyncGenerator[Relay]:
    """A relay for the time of the block."""
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        await anyio.create_udp_socket(local_host="127.0.0.1") as front,
        await anyio.create_udp_socket(local_host="0.0.0.0") as back,
        anyio.create_task_group() as tasks,
    ):
        relay = Relay(http, server_url, front, back)
        tasks.start_soon(relay.serve_client)
        tasks.start_soon(relay.serve_server)
        yield relay
        tasks.cancel_scope.cancel()
