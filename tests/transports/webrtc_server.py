"""A WebRTC server that does what the test says: it answers offers by httpx, in the process of the test."""

from __future__ import annotations

import email
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import httpx

from realtime_transport import OpenAIRealtimeWebRTC
from realtime_transport.emulator.server.sdp_answer import service_answer
from realtime_transport.rtc.aiortc_internals import abandon
from realtime_transport.rtc.host import AsyncioHost, Inbox, asyncio_host
from realtime_transport.rtc.peer import Peer
from realtime_transport.rtc.settings import PeerCallbacks, PeerOptions
from realtime_transport.rtc.waveform import energy

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}
UPDATED = {"type": "session.updated", "event_id": "e2", "session": {"type": "realtime", "id": "s1"}}


@attrs.define(eq=False)
class CallServer:
    """One call at a time.

    Attributes:
        requests: The HTTP requests so far.
        received: The events so far.
        respond: Answers an HTTP request in place of an SDP answer.
        hold: If set, requests are answered only after it.
        change: Edits the SDP offer and the SDP answer.
        configures: Answer the first ``session.update`` with ``session.updated``.
    """

    host: AsyncioHost
    inbox: Inbox
    requests: list[httpx.Request] = attrs.field(factory=list[httpx.Request])
    received: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    respond: Callable[[httpx.Request], httpx.Response] | None = None
    hold: anyio.Event | None = None
    change: Callable[[str], str] = lambda sdp: sdp
    configures: bool = True
    peers: list[Peer] = attrs.field(factory=list[Peer])
    say: Callable[[], bytes | None] = lambda: None
    loud: int = 0
    frames: int = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path.endswith("/client_secrets"):
            return httpx.Response(200, json={"value": "ek_minted", "expires_at": 1790000600})
        if self.hold is not None:
            await self.hold.wait()
        if self.respond is not None:
            return self.respond(request)
        callbacks = PeerCallbacks(opened=self._opened, message=self._message, sound=self._sound)

        async def make() -> Peer:
            return Peer(PeerOptions(loopback=True, silence_timeout=None, ice_lite=True), callbacks, self.say)

        peer = await self.host.run(make)
        self.peers.append(peer)
        local = await self.host.run(peer.answer, self.change(posted(request)["sdp"]))
        answer = service_answer(local, ice_lite=True)
        headers = {"location": f"/v1/realtime/calls/rtc_{len(self.peers):04d}"}
        return httpx.Response(201, text=self.change(answer), headers=headers)

    def _opened(self) -> None:
        self.peers[-1].voice.open()
        self.inbox.put("open")

    def _message(self, data: str | bytes) -> None:
        event = json.loads(data)
        self.received.append(event)
        if event["type"] == "session.update" and self.configures and len(self.received) == 1:
            peer = self.peers[-1]
            assert peer.channel is not None
            peer.channel.send(json.dumps(CREATED))
            peer.channel.send(json.dumps(UPDATED))
        self.inbox.put(event["type"])

    def _sound(self, pcm: bytes) -> None:
        self.frames += 1
        if energy(pcm) > 1e-4:
            self.loud += 1
            self.inbox.put("loud")

    async def until(self, what: str) -> None:
        """Wait until that has happened (again)."""
        while what not in await self.inbox.receive():
            pass

    async def send(self, *events: dict[str, Any]) -> None:
        await self.host.run(self.peers[-1].send, [json.dumps(event) for event in events])

    async def close_channel(self) -> None:
        async def close() -> None:
            channel = self.peers[-1].channel
            assert channel is not None
            channel.close()

        await self.host.run(close)

    async def leave(self) -> None:
        """Say goodbye."""
        await self.host.run(self.peers[-1].close)

    async def vanish(self) -> None:
        """Be gone without a word."""
        pc = self.peers[-1].pc
        assert pc is not None
        await self.host.run(abandon, pc)


def posted(request: httpx.Request) -> dict[str, str]:
    """What was posted: ``sdp`` alone, or the fields of a form."""
    kind = request.headers["content-type"]
    if not kind.startswith("multipart/form-data"):
        return {"sdp": request.content.decode()}
    form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.content)
    return {
        str(part.get_param("name", header="content-disposition")): str(part.get_payload())
        for part in form.walk()
        if not part.is_multipart()
    }


@asynccontextmanager
async def call_server() -> AsyncGenerator[CallServer]:
    async with asyncio_host() as host:
        server = CallServer(host, Inbox(host, 100_000))
        try:
            yield server
        finally:
            with anyio.CancelScope(shield=True):
                for peer in server.peers:
                    await host.run(peer.close, False)


def transport_to(server: CallServer, **options: Any) -> OpenAIRealtimeWebRTC:
    """A transport without devices whose offers *server* answers."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(server.answer))
    given: dict[str, Any] = {
        "audio_source": None,
        "audio_sink": None,
        "base_url": "http://127.0.0.1/v1/realtime/calls",
        "api_key": "ek_test",
    }
    return OpenAIRealtimeWebRTC(client=client, **{**given, **options})


def tone(seconds: float, hertz: float = 440.0, level: float = 0.25, rate: int = 24_000) -> bytes:
    """A sine of that amplitude, 16-bit mono."""
    import numpy as np

    times = np.arange(int(seconds * rate)) / rate
    return np.rint(np.sin(2 * np.pi * hertz * times) * level * 32767).astype("<i2").tobytes()
