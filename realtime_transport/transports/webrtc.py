"""The WebRTC transport."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack

import anyio
import anyio.to_thread
import attrs

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_callable, expect_client, expect_list, expect_number
from realtime_transport.connection.life_cycle import Phase
from realtime_transport.errors import NegotiationError
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.engine.policy import SERVER_PLAYBACK
from realtime_transport.protocol.vendors.profiles import profile_named
from realtime_transport.protocol.wire.server_events import SessionUpdated
from realtime_transport.rtc.host import asyncio_host
from realtime_transport.rtc.link import PeerLink
from realtime_transport.rtc.settings import IceServer, OpusSettings, PeerCallbacks, PeerOptions
from realtime_transport.urls import CALLS, endpoint_url, is_loopback

from .base.realtime import OpenAIRealtimeBase
from .endpoint.endpoint import Endpoint
from .endpoint.options import expect_sink, expect_source
from .interface.layer import ConnectionState
from .webrtc_call import CallRequest, call_request, check_call, post_offer
from .webrtc_media import DEFAULT_DEVICE, WebRTCMedia

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    import httpx

    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.connection.link import Link
    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.rtc.host import AsyncioHost
    from realtime_transport.rtc.jitter import JitterStatistics
    from realtime_transport.rtc.peer import Peer

    from .endpoint.media import MediaContext
    from .endpoint.options import ApiKey, ConnectionOptions, ConnectRequest

__all__ = ["OpenAIRealtimeWebRTC", "WebRTCConnectionState"]

_POLICY = attrs.evolve(SERVER_PLAYBACK, interrupts_on_speech=False)

PHASES = (
    Phase("devices", "the microphone and the loudspeaker"),
    Phase("offer", "the ICE servers, to make an offer"),
    Phase("answer", "the server to answer the SDP offer"),
    Phase("channel", "the data channel to open: the server answered, but it was not reached by UDP"),
)

BASE_URL = "https://api.openai.com/v1"


@frozen()
class WebRTCConnectionState(ConnectionState):
    """The state of the current WebRTC connection.

    Attributes:
        peer_connection: aiortc's ``RTCPeerConnection``. Under trio it lives in another thread: read it, do not call it.
        data_channel: Its data channel of events.
        peer_state: ``"connected"``, or ``"disconnected"`` while nothing arrives from the peer.
    """

    peer_connection: Any = attrs.field(default=None, repr=False)
    data_channel: Any = attrs.field(default=None, repr=False)
    peer_state: str | None = None


class OpenAIRealtimeWebRTC(OpenAIRealtimeBase):
    """The Realtime API over WebRTC: audio as media, events over a data channel. The server owns playback.

    ::

        transport = OpenAIRealtimeWebRTC()  # the default microphone and loudspeaker
        async with transport.connect(api_key=key):
            async for event in transport:
                ...

    `connect` waits for ``session.updated``; no audio is sent before, so that the session gets none before your settings
    apply. Under trio, aiortc runs in an asyncio event loop in its own thread for the time of the connection. Needs the
    extra ``webrtc``, and ``devices`` for the default microphone and loudspeaker.

    Args:
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key (or client secret), or a function or coroutine function that is called at each connect;
            ``OPENAI_API_KEY`` if not given.
        base_url: The base URL of the API (``https://host/v1``), or the whole URL that the SDP offer is posted to; that
            of the service if not given.
        client: An ``httpx.AsyncClient`` to post it with. It stays open.
        headers: Further headers of that request.
        query: Further query parameters of the URL.
        profile: How the server differs from the service: a name such as ``"azure"``, or an `EndpointProfile`. With it,
            *base_url* may be an address without a path.
        audio_source: The source of your audio: an object, which stays open; a microphone by name or index, opened and
            closed with the connection; ``"default"``; ``None``: silence, and `send_audio` appends audio by messages.
        audio_sink: The sink of the model's audio, likewise; ``None``: only `AudioEvent`.
        change_peer_connection: Called with the new ``RTCPeerConnection``, in asyncio's event loop. May change it, or
            return another (or an awaitable of one) to use instead; both are closed at the end.
        ice_servers: STUN and TURN servers; none by default, the service needs none.
        silence_timeout: Seconds without any packet of the server after which the connection counts as lost.
        opus: Bit rate, error correction and other settings of sent audio.
        options: Deadlines, bounds and clock; see `Settings`.
    """

    @named
    def __init__(
        self,
        *,
        model: str | None = None,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        profile: str | EndpointProfile | None = None,
        audio_source: AudioSource | str | int | None = DEFAULT_DEVICE,
        audio_sink: AudioSink | str | int | None = DEFAULT_DEVICE,
        change_peer_connection: Callable[[Any], Any | Awaitable[Any]] | None = None,
        ice_servers: Sequence[IceServer] = (),
        silence_timeout: float | None = 5.0,
        opus: OpusSettings | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        expect(base_url, str, "base_url", "text")
        expect_client(client)
        expect_callable(change_peer_connection, "change_peer_connection")
        expect_number(silence_timeout, "silence_timeout")
        expect(opus, OpusSettings, "opus", "OpusSettings")
        servers = expect_list(ice_servers, "ice_servers", IceServer, "an IceServer")
        if not isinstance(audio_source, str | int):
            expect_source(audio_source)
        if not isinstance(audio_sink, str | int):
            expect_sink(audio_sink)
        if options.get("audio_events") is None:
            options["audio_events"] = audio_sink is None
        found = None if profile is None else profile_named(profile)
        super().__init__(
            endpoint=Endpoint(
                wire="webrtc",
                connector=self._open_call,
                policy=_POLICY,
                profile=found,
                phases=PHASES,
                ready_events=(SessionUpdated,),
                connected_when_ready=True,
                build_request=call_request,
                make_media=self._make_media,
            ),
            model=model,
            api_key=api_key,
            url=endpoint_url(base_url or BASE_URL, CALLS) if found is None else found.calls_url(base_url),
            headers=headers,
            query=query,
            **options,
        )
        self._client = client
        self._source, self._sink = audio_source, audio_sink
        self._muted = None if audio_source is None else False
        self._change = change_peer_connection
        self._ice_servers = servers
        self._silence_timeout = silence_timeout
        self._opus = opus
        self._media: WebRTCMedia | None = None
        self._peer: Peer | None = None
        self._call_id: str | None = None
        self._peer_state: str | None = None

    @property
    def connection_state(self) -> WebRTCConnectionState:
        """Status, URL and call of the current connection, and its aiortc objects."""
        peer = self._peer
        return WebRTCConnectionState(
            status=self.status,
            url=super().connection_state.url,
            call_id=self.call_id,
            peer_connection=None if peer is None else peer.pc,
            data_channel=None if peer is None else peer.channel,
            peer_state=self._peer_state,
        )

    def audio_statistics(self) -> JitterStatistics | None:
        """The statistics of the jitter buffer; ``None`` without a connection."""
        return None if self._peer is None else self._peer.sound.statistics()

    @property
    def call_id(self) -> str | None:
        """The call that the server made from the SDP offer.

        If it was made with a client secret, ``connect(call_id=...)`` of another transport attaches with that secret if
        no key is given.
        """
        return self._call_id

    def _make_media(self, context: MediaContext) -> WebRTCMedia:
        media = self._media = WebRTCMedia(
            source_or_device=self._source,
            sink_or_device=self._sink,
            hub=context.hub,
            engine=context.engine,
            clock=context.settings.clock,
            muted=context.muted,
            observers=context.observers,
        )
        return media

    # Connecting

    @asynccontextmanager
    async def _open_call(self, request: ConnectRequest) -> AsyncGenerator[Link]:
        media = self._media
        assert media is not None
        assert isinstance(request, CallRequest)
        check_call(request, self._client)
        async with AsyncExitStack() as stack:
            stack.callback(self._forget)
            await media.open(stack)
            # The first import takes half a second: not in the caller's loop.
            await anyio.to_thread.run_sync(import_module, "realtime_transport.rtc.peer")
            host = await stack.enter_async_context(asyncio_host())
            link = PeerLink(host)
            request.enter_phase("offer")
            peer = self._peer = await self._make_peer(host, link, media, request, stack)
            offer = await host.run(peer.offer)
            request.enter_phase("answer")
            answer = await post_offer(request, offer, self._client)
            self._call_id = answer.call_id
            request.enter_phase("channel")
            await host.run(peer.accept, answer.sdp)
            failed = await link.wait_open()
            if failed is not None:
                raise NegotiationError(f"the data channel did not open: {failed}")
            yield link

    async def _make_peer(
        self,
        host: AsyncioHost,
        link: PeerLink,
        media: WebRTCMedia,
        request: ConnectRequest,
        stack: AsyncExitStack,
    ) -> Peer:
        from realtime_transport.rtc.peer import Peer

        options = PeerOptions(
            ice_servers=self._ice_servers,
            loopback=is_loopback(request.url),
            silence_timeout=self._silence_timeout,
            opus=self._opus or OpusSettings(),
            change=self._change,
        )
        callbacks = PeerCallbacks(
            opened=link.opened,
            message=link.message,
            closed=link.closed,
            sound=media.prepare(host),
            state=self._peer_state_changed,
        )

        async def make() -> Peer:
            return Peer(options, callbacks)

        peer = await host.run(make)
        link.peer = peer
        media.attach(host, peer)

        async def close() -> None:
            with anyio.CancelScope(shield=True):  # It is bounded, and must release everything.
                await host.run(peer.close, False)

        stack.push_async_callback(close)
        return peer

    def _peer_state_changed(self, state: str) -> None:
        self._peer_state = state

    def _forget(self) -> None:
        self._peer = self._peer_state = self._call_id = None
