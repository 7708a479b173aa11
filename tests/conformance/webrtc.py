"""Scenarios of WebRTC, over a peer connection that stands for the browser's: the driver plays the other side."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import httpx

from realtime_transport import AudioFormat, BufferSink, BytesSource
from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

from .runner import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["WebRTCRun"]

OFFER = "v=0 offer\r\n"
"""What the recorded peer connection offered."""

ANSWER = """\
v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=rtpmap:96 opus/48000/2
a=setup:active
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:1
a=setup:active
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=sctp-port:5000
""".replace("\n", "\r\n")
"""Stands for the recorded ``v=0 answer``, which no parser of ours would take."""

ROUNDS = 3
"""How often nothing may happen until everything is taken to have settled."""


class Stage:
    """What listens to what, as pyee has it."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[..., Any]]] = {}

    def on(self, name: str, listener: Callable[..., Any]) -> None:
        self._listeners.setdefault(name, []).append(listener)

    def emit(self, name: str, *args: Any) -> None:
        for listener in self._listeners.get(name, ()):
            listener(*args)


class Channel(Stage):
    """A data channel: what is sent is written down, what comes in is told."""

    def __init__(self, label: str, sent: Callable[[str], None]) -> None:
        super().__init__()
        self.label = label
        self.readyState = "connecting"
        self.bufferedAmount = self.bufferedAmountLowThreshold = 0
        self.send = sent

    def become(self, state: str, event: str) -> None:
        self.readyState = state
        self.emit(event)


@attrs.frozen
class Description:
    sdp: str
    type: str


class PeerConnection(Stage):
    """An ``RTCPeerConnection`` without a network."""

    sctp = None

    def __init__(self, sent: Callable[[str], None]) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.connectionState = "new"
        self.localDescription: Any = None
        self.remoteDescription: Any = None
        self.channel: Channel | None = None
        self._sent = sent

    def addTrack(self, track: Any) -> None: ...

    def getTransceivers(self) -> list[Any]:
        return []

    def createDataChannel(self, label: str) -> Channel:
        self.channel = Channel(label, self._sent)
        return self.channel

    async def createOffer(self) -> Description:
        return Description(OFFER, "offer")

    async def setLocalDescription(self, description: Description) -> None:
        self.localDescription = description

    async def setRemoteDescription(self, description: Any) -> None:
        self.remoteDescription = description

    async def close(self) -> None:
        self.connectionState = "closed"

    def become(self, state: str) -> None:
        self.connectionState = state
        self.emit("connectionstatechange")


class WebRTCRun(Run):
    """A call over WebRTC."""

    options: ClassVar[set[str]] = {"apiKey", "model", "baseUrl"}

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.record["http"] = []
        self.peers: list[PeerConnection] = []

    def _make(self, **options: Any) -> OpenAIRealtimeBase:
        for name in ("connector", "ping_interval"):
            del options[name]
        denied = self.scenario.get("microphone_denied")
        microphone = BytesSource(bytes(480_000), AudioFormat.PCM24K) if denied is None else "no such microphone"
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return OpenAIRealtimeWebRTC(
            audio_source=microphone,
            audio_sink=BufferSink(),
            audio_events=True,
            change_peer_connection=self._change,
            silence_timeout=None,
            client=self.client,
            **options,
        )

    def _change(self, _: Any) -> PeerConnection:
        number = len(self.peers)
        self.peers.append(PeerConnection(lambda text: self._frame(number, json.loads(text))))
        return self.peers[-1]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._note("http", method=request.method, url=str(request.url), body=request.content.decode())
        given = self.scenario.get("sdp_response", {})
        headers = given.get("headers", {"Location": "/v1/realtime/calls/rtc_0001"})
        body = given.get("body", ANSWER)
        return httpx.Response(
            given.get("status", 201), headers=headers, text=ANSWER if body.startswith("v=0") else body
        )

    # Settling

    async def _round(self) -> None:
        quiet = 0
        while quiet < ROUNDS:
            before = self.activity
            await self.clock.advance(0)
            while not self._is_at_rest:
                await anyio.lowlevel.checkpoint()
            for peer in self.peers:
                await self._pass(peer.loop)
            await anyio.wait_all_tasks_blocked()
            quiet = quiet + 1 if self.activity == before else 0

    @property
    def _is_at_rest(self) -> bool:
        """Nothing closes, and a connect that runs waits for the other side."""
        is_waiting = bool(self.peers) and self.peers[-1].remoteDescription is not None
        return self.emitter.status != "disconnecting" and (is_waiting or not self.pending)

    async def _pass(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let *loop*, which may be another thread's, come to an end of what it has to do."""
        if loop.is_closed():
            return

        async def turns() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        try:
            passed: Future[None] = asyncio.run_coroutine_threadsafe(turns(), loop)
            await anyio.to_thread.run_sync(passed.result, abandon_on_cancel=True)
        except RuntimeError:
            pass  # It was closed in this moment.

    # Steps

    def _act(self, name: str, value: Any) -> None:
        peer = self.peers[-1] if self.peers else None
        channel = None if peer is None else peer.channel
        if peer is None or channel is None or name in ("client", "get", "set", "on", "transport"):
            super()._act(name, value)
            return
        match name:
            case "dc_open":
                self._tell(channel.become, "open", "open")
            case "dc_close":
                self._tell(channel.become, "closed", "close")
            case "dc_message":
                self._tell(channel.emit, "message", json.dumps(self.reader.read(value)))
            case "dc_raw":
                self._tell(channel.emit, "message", value)
            case "pc_state":
                self._tell(peer.become, value)
            case "read_track" | "read_element":
                pass  # Of a browser alone.
            case _:
                super()._act(name, value)

    def _tell(self, function: Callable[..., None], *args: Any) -> None:
        self.activity += 1
        self.peers[-1].loop.call_soon_threadsafe(function, *args)
