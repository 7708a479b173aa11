"""One end of a call: a peer connection with the data channel of events and one audio track each way.

Everything here runs in the asyncio host. What happens is told by callbacks, which may only put things away.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from realtime_transport.errors import ConfigError, LocalProtocolError, NegotiationError, missing_extra

try:
    from aiortc import (
        MediaStreamTrack,
        RTCBundlePolicy,
        RTCConfiguration,
        RTCDataChannel,
        RTCIceServer,
        RTCPeerConnection,
        RTCRtpReceiver,
        RTCSessionDescription,
    )
except ImportError as _error:  # pragma: no cover - depends on the installation
    missing_extra(_error, "webrtc")

from .aiortc_internals import (
    abandon,
    add_loopback,
    cancel_tasks,
    count_checks,
    never_check,
    packets_received,
    probe,
    unsent,
)
from .incoming import IncomingAudio
from .outgoing import OutgoingTrack
from .sdp import acceptable, with_codecs, without_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .settings import IceServer, PeerCallbacks, PeerOptions

__all__ = ["CHANNEL", "Peer"]

logger: logging.Logger = logging.getLogger("realtime_transport")

CHANNEL = "oai-events"
"""The label of the data channel, as the service has it."""

MAX_BUFFERED = 256 * 1024
"""Bytes that wait in SCTP before we wait too."""

MAX_MESSAGE_BYTES = 256 * 1024
"""The largest message that we send, whatever the other side announces: the service names 1 GiB, and closes the channel
without a word at larger ones."""

CHECK_INTERVAL = 0.5
"""Seconds between looks at whether the peer is alive."""

FLUSH_TIMEOUT = 2.0
"""Seconds that the peer gets to acknowledge what was sent before we close."""

GATHER_TIMEOUT = 0.2
"""Seconds that opening the sockets gets to end when it is no longer wanted."""

CLOSE_TIMEOUT = 0.4
"""Seconds that aiortc gets to say goodbye; then its sockets are closed under it."""


class Peer:
    """A peer connection, offering or answering.

    Args:
        options: How it is set up.
        callbacks: Receive the state of the peer, and its data.
        pull: Where our voice comes from, if not by `OutgoingTrack.put`.
    """

    def __init__(
        self, options: PeerOptions, callbacks: PeerCallbacks, pull: Callable[[], bytes | None] | None = None
    ) -> None:
        self._options = options
        self._tell = callbacks
        self.voice: OutgoingTrack = OutgoingTrack(options.opus, pull)
        self.sound: IncomingAudio = IncomingAudio(callbacks.sound)
        self.pc: RTCPeerConnection | None = None
        self.channel: RTCDataChannel | None = None
        self._replaced: RTCPeerConnection | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._gathering: asyncio.Task[None] | None = None
        self._low: asyncio.Event = asyncio.Event()
        self._checks = 0
        self._over = False

    # Setting up

    async def offer(self) -> str:
        """Make everything and describe it: the SDP offer, candidates included.

        If cancelled, `close` lets go of what was made.

        Raises:
            ConfigError: An ICE server is described wrongly.
        """
        pc = await self._make()
        # The track comes before the channel: the other way round aiortc never connects when everything is bundled.
        pc.addTrack(self.voice)
        self._use(pc.createDataChannel(CHANNEL))
        self._prefer_opus(pc)
        self._reach(pc)
        await self._gather(pc, await pc.createOffer())
        return pc.localDescription.sdp

    def _reach(self, pc: RTCPeerConnection) -> None:
        if self._options.loopback:
            add_loopback(pc)
        count_checks(pc, self._checked)

    async def _gather(self, pc: RTCPeerConnection, description: RTCSessionDescription) -> None:
        # Not cancelled with us: a socket that is just being opened would be lost. `close` waits for its end.
        self._gathering = asyncio.ensure_future(pc.setLocalDescription(description))
        await asyncio.shield(self._gathering)

    async def accept(self, answer: str) -> None:
        """Take the other side's answer to our offer.

        If cancelled, `close` lets go of what was made.

        Raises:
            NegotiationError: It cannot be used.
        """
        assert self.pc is not None
        await self._describe(acceptable(answer, "answer"), "answer")
        for transceiver in self.pc.getTransceivers():
            self._listen(transceiver.receiver)

    async def answer(self, offer: str) -> str:
        """Take an offer and give the answer.

        If cancelled, `close` lets go of what was made.

        Raises:
            NegotiationError: The offer cannot be used.
        """
        # As the service: Opus is what is sent, and the others are understood.
        offer = with_codecs(acceptable(offer, "offer"), "opus/48000", "pcmu/8000", "pcma/8000")
        pc = await self._make()
        await self._describe(without_candidates(offer) if self._options.ice_lite else offer, "offer")
        self._reach(pc)
        if self._options.ice_lite:
            never_check(pc, *_lite_credentials())
        for transceiver in pc.getTransceivers():
            if transceiver.kind == "audio":
                transceiver.sender.replaceTrack(self.voice)
                transceiver.direction = "sendrecv"
                self._listen(transceiver.receiver)
                break
        try:
            await self._gather(pc, await pc.createAnswer())
        except Exception as exc:
            raise NegotiationError(f"the SDP offer cannot be answered: {exc or type(exc).__name__}") from exc
        return pc.localDescription.sdp

    async def _make(self) -> RTCPeerConnection:
        servers = [
            RTCIceServer(urls=_urls(server), username=server.username, credential=server.credential)
            for server in self._options.ice_servers
        ]
        configuration = RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.pc = pc = RTCPeerConnection(configuration)
        if self._options.change is not None:
            other: Any = self._options.change(pc)
            if inspect.isawaitable(other):
                other = await other
            if other is not None and other is not pc:
                self._replaced, pc = pc, cast("RTCPeerConnection", other)
                self.pc = pc
        pc.on("connectionstatechange", self._state_changed)
        pc.on("datachannel", self._use)
        return pc

    async def _describe(self, sdp: str, kind: str) -> None:
        assert self.pc is not None
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=kind))
        except Exception as exc:
            raise NegotiationError(f"the SDP {kind} cannot be used: {exc or type(exc).__name__}") from exc

    def _prefer_opus(self, pc: RTCPeerConnection) -> None:
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        opus = [codec for codec in (capabilities.codecs if capabilities else []) if codec.name.lower() == "opus"]
        for transceiver in pc.getTransceivers():
            if transceiver.kind == "audio":
                with suppress(ValueError):
                    transceiver.setCodecPreferences(opus)

    def _listen(self, receiver: RTCRtpReceiver) -> None:
        track = cast("MediaStreamTrack | None", receiver.track)  # It has none unless the other side sends.
        if track is not None and not self.sound.attach(receiver):
            raise ConfigError("this version of aiortc is not supported; install one that pyproject.toml names")

    def _use(self, channel: RTCDataChannel) -> None:
        if self.channel is not None or channel.label != CHANNEL:
            return
        self.channel = channel
        channel.on("open", self._channel_opened)
        channel.on("close", self._channel_closed)
        channel.on("message", self._message)
        channel.on("bufferedamountlow", self._low.set)
        channel.bufferedAmountLowThreshold = MAX_BUFFERED // 2
        if channel.readyState == "open":
            self._channel_opened()

    # What aiortc tells. An exception here would close the connection: these only put things away.

    def _checked(self) -> None:
        self._checks += 1

    def _message(self, data: str | bytes) -> None:
        self._tell.message(data)

    def _channel_opened(self) -> None:
        if self._over:
            return
        if self._options.silence_timeout is not None:
            self._watch = asyncio.ensure_future(self._watch_peer(self._options.silence_timeout))
        self._tell.opened()

    def _channel_closed(self) -> None:
        self._end("the data channel was closed by the peer")

    def _state_changed(self) -> None:
        state = self.pc.connectionState if self.pc is not None else "closed"
        if state == "failed":
            self._end("the peer connection failed")
        elif state == "closed":
            self._end("the peer connection was closed")

    def _end(self, why: str) -> None:
        if not self._over:
            self._over = True
            self.sound.close()
            self._low.set()
            self._tell.closed(why)

    async def _watch_peer(self, timeout: float) -> None:
        """End the connection when the peer is silent for too long: aiortc takes 35 s for that, or never does it."""
        assert self.pc is not None
        loop = asyncio.get_running_loop()
        heard, last, connected = -1, loop.time(), True
        while not self._over:
            count = packets_received(self.pc) + self._checks
            asks = not self._options.ice_lite and loop.time() - last > timeout / 4
            if count != heard or (asks and await probe(self.pc)):
                heard, last = count, loop.time()
            silent = loop.time() - last
            if silent > timeout:
                self._end(f"the peer gave no sign of life for {silent:.1f} s")
                return
            if connected != (silent <= timeout / 2):
                connected = not connected
                self._tell.state("connected" if connected else "disconnected")
            await asyncio.sleep(min(CHECK_INTERVAL, timeout / 8))

    # In use

    @property
    def max_message_bytes(self) -> int:
        """What the other side takes at once, as far as it says so, and no more than `MAX_MESSAGE_BYTES`."""
        announced = getattr(getattr(self.pc, "sctp", None), "_remote_max_message_size", None)
        if announced is None:
            return 65536
        return min(announced or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)  # 0: any size (RFC 8841, 6.1).

    async def send(self, messages: Sequence[str]) -> None:
        """Send *messages*, waiting while too much waits already.

        If cancelled, some of them may have been sent, each of them whole.

        Raises:
            ConnectionError: The channel is closed.
            LocalProtocolError: A message is too large for the channel; those before it were sent.
        """
        channel = self.channel
        for message in messages:
            while channel is not None and channel.bufferedAmount > MAX_BUFFERED and not self._over:
                self._low.clear()
                await self._low.wait()
            if channel is None or self._over or channel.readyState != "open":
                raise ConnectionError("the data channel is closed")
            size = len(message.encode())
            if size > self.max_message_bytes:
                raise LocalProtocolError(
                    f"a message of {size} bytes is too large for the data channel, which takes {self.max_message_bytes}"
                )
            channel.send(message)

    async def close(self, flush: bool = True) -> None:
        """Say goodbye and let go of everything. Idempotent. Takes 2.5 s at most, usually milliseconds.

        If cancelled, it goes on by itself.
        """
        if flush and not self._over and self.channel is not None and self.channel.readyState == "open":
            await self._flush()
        if self._closing is None:
            over, self._over = self._over, True
            self.sound.close()
            self.voice.stop()
            self._low.set()
            if self._watch is not None:
                self._watch.cancel()
            self._closing = asyncio.ensure_future(self._let_go())
            if not over:
                self._tell.closed("")
        await asyncio.shield(self._closing)

    async def _let_go(self) -> None:
        if self._gathering is not None:
            # Host candidates take a millisecond; what may take longer asks servers, and can be cancelled.
            await asyncio.wait([self._gathering], timeout=GATHER_TIMEOUT)
            if not self._gathering.cancel() and not self._gathering.cancelled():
                self._gathering.exception()  # Whoever gathered was told, or has gone.
        for pc in (self.pc, self._replaced):
            if pc is not None:
                await _close(pc)

    async def _flush(self) -> None:
        assert self.pc is not None
        loop = asyncio.get_running_loop()
        end = loop.time() + FLUSH_TIMEOUT
        while unsent(self.pc) and loop.time() < end and not self._over:  # noqa: ASYNC110 - aiortc does not tell
            await asyncio.sleep(0.005)


def _lite_credentials() -> tuple[str, str]:
    """A user fragment and a password of the form that the service gives out."""
    return f"{secrets.token_hex(4)}/u0/{secrets.token_hex(4)}", secrets.token_hex(16)


async def _close(pc: RTCPeerConnection) -> None:
    if pc.connectionState != "connected":
        await cancel_tasks(pc, all_of_them=False)
    closing = asyncio.ensure_future(pc.close())
    await asyncio.wait([closing], timeout=CLOSE_TIMEOUT)
    if not closing.done() or closing.cancelled() or closing.exception() is not None:
        closing.cancel()
        logger.debug("the peer connection did not close by itself")
        await abandon(pc)
    await cancel_tasks(pc, all_of_them=True)


def _urls(server: IceServer) -> list[str]:
    urls = [server.urls] if isinstance(server.urls, str) else list(server.urls)
    for url in urls:
        if url.partition(":")[0] not in ("stun", "stuns", "turn", "turns"):
            raise ConfigError(f"ice_servers: {url!r} is no stun: or turn: URL", key="ice_servers")
    return urls
