"""The WebRTC transport."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast
from urllib.parse import parse_qsl, urlsplit

import anyio
import anyio.to_thread
import attrs

from realtime_transport.errors import ConfigError, LocalProtocolError, NegotiationError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL
from realtime_transport.protocol.engine.policy import SERVER_PLAYBACK, EnginePolicy
from realtime_transport.protocol.vendors.profiles import PROFILES, profile_named
from realtime_transport.protocol.wire.server_events import SessionUpdated
from realtime_transport.rtc.host import asyncio_host
from realtime_transport.rtc.link import PeerLink
from realtime_transport.rtc.settings import OpusSettings, PeerCallbacks, PeerOptions
from realtime_transport.urls import CALLS, endpoint_url, is_loopback

from .base import ConnectionState, OpenAIRealtimeBase
from .opening import build_url, with_query
from .webrtc_call import CallRequest, check_call, post_offer
from .webrtc_media import DEFAULT_DEVICE, WebRTCMedia

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    import httpx

    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.connection.link import Link
    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import Event
    from realtime_transport.protocol.vendors.profiles import CallRules, EndpointProfile
    from realtime_transport.protocol.wire.model import ServerEvent
    from realtime_transport.rtc.host import AsyncioHost
    from realtime_transport.rtc.jitter import JitterStatistics
    from realtime_transport.rtc.peer import Peer
    from realtime_transport.rtc.settings import IceServer

    from .options import ApiKey, ConnectionOptions, ConnectOptions, ConnectRequest

__all__ = ["OpenAIRealtimeWebRTC", "WebRTCConnectionState"]

BASE_URL = "https://api.openai.com/v1"


@attrs.frozen(kw_only=True)
class WebRTCConnectionState(ConnectionState):
    """What is known of the current WebRTC connection.

    Attributes:
        peer_connection: aiortc's ``RTCPeerConnection``. Under trio it lives in another thread: look, do not call.
        data_channel: Its data channel of events.
        peer_state: ``"connected"``, or ``"disconnected"`` while the peer gives no sign of life.
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

    `connect` waits for ``session.updated``; no audio is sent before, so that the session never hears any under settings
    that are not yours. Under trio, aiortc runs in an asyncio event loop in a thread of its own, for the time of the
    connection. Needs the extra ``webrtc``, and ``devices`` for the default ends.

    Args:
        model: The model; `current_model` changes it.
        api_key: A key (a client secret, say), or a sync or async function that is asked at each connect;
            ``OPENAI_API_KEY`` if not given.
        base_url: The base URL of the API (``https://host/v1``), or the whole URL that the SDP offer is posted to; that
            of the service if not given.
        client: An ``httpx.AsyncClient`` to post it with. It stays open.
        headers: Further headers of that request.
        query: Further query parameters of the URL.
        profile: In what the server differs from the service: ``"azure"``, say, or an `EndpointProfile`. Then *base_url*
            may be an address without a path.
        audio_source: Where your audio comes from: a source, which stays open; a microphone by name or index, opened
            and closed with the connection; ``"default"``; ``None``: silence, and `send_audio` appends by event.
        audio_sink: Where the model's audio goes, likewise; ``None``: nowhere but into `AudioEvent`.
        change_peer_connection: Called with the new ``RTCPeerConnection``, in asyncio's event loop. May change it, or
            return another (or an awaitable of one), which is used in its place and closed in the end, both.
        ice_servers: STUN and TURN servers; none by default, the service needs none.
        silence_timeout: Seconds without any sign of life of the server after which the connection counts as lost.
        opus: Bit rate, error correction and the like of what is sent.
        options: Deadlines, bounds and clock; see `Settings`.
    """

    _policy: ClassVar[EnginePolicy] = attrs.evolve(SERVER_PLAYBACK, interrupts_on_speech=False)
    _ready_event: ClassVar[type[ServerEvent]] = SessionUpdated
    _connected_at: ClassVar[type[Event] | None] = SessionUpdated

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
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
        if options.get("audio_events") is None:
            options["audio_events"] = audio_sink is None
        found = None if profile is None else profile_named(profile)
        super().__init__(
            connector=self._open_call,
            model=model,
            api_key=api_key,
            url=endpoint_url(base_url or BASE_URL, CALLS) if found is None else found.calls_url(base_url),
            headers=headers,
            query=query,
            **options,
        )
        self._profile = found
        self._client = client
        self._source, self._sink = audio_source, audio_sink
        self._muted = None if audio_source is None else False
        self._change = change_peer_connection
        self._ice_servers = ice_servers
        self._silence_timeout = silence_timeout
        self._opus = opus
        self._peer: Peer | None = None
        self._peer_state: str | None = None

    @property
    def connection_state(self) -> WebRTCConnectionState:
        """Status, URL and call of the current connection, and what aiortc made for it."""
        peer = self._peer
        return WebRTCConnectionState(
            status=self.status,
            url=self._state.url,
            call_id=self.call_id,
            peer_connection=None if peer is None else peer.pc,
            data_channel=None if peer is None else peer.channel,
            peer_state=self._peer_state,
        )

    def audio_statistics(self) -> JitterStatistics | None:
        """What the jitter buffer has done so far; ``None`` without a connection."""
        return None if self._peer is None else self._peer.sound.statistics()

    def interrupt(self, *, cancel_ongoing_response: bool = True) -> None:
        """Stop the model: cancel a running response, and let the server drop what it has not played yet.

        What waits in our sink is dropped at once. No truncation is sent: the server owns playback. Does nothing without
        a connection.

        Args:
            cancel_ongoing_response: ``False`` only clears what is being played.
        """
        attempt = self._attempt
        if attempt is not None and attempt.connection is not None and attempt.connection.end is None:
            cast("WebRTCMedia", attempt.media).drop()
        super().interrupt(cancel_ongoing_response=cancel_ongoing_response)

    async def _send(self, size: int, operation: Callable[[Engine, float], None]) -> None:
        self._check_size(size)
        await super()._send(size, operation)

    def _send_nowait(self, size: int, operation: Callable[[Engine, float], None]) -> None:
        self._check_size(size)
        super()._send_nowait(size, operation)

    def _check_size(self, size: int) -> None:
        if self._peer is not None and size > self._peer.max_message_bytes:
            raise LocalProtocolError(
                f"the message has about {size} bytes, and the data channel takes {self._peer.max_message_bytes}; "
                "send it in smaller pieces, or over the sideband WebSocket (OpenAIRealtimeWebSocket, call_id=)"
            )

    def _request(self, options: ConnectOptions, key: str) -> CallRequest:
        given = options.url and endpoint_url(options.url, CALLS)
        url = build_url(connect_url=given, own_url=self._url, model=self._model, call_id=None, query=self._query)
        profile = self._profile or PROFILES["openai"]
        rules = profile.calls
        assert rules is not None
        _refuse_query(url, rules)
        session = self.build_session_payload(options.initial_session_config or {})
        session = profile.supported({"type": "session.update", "session": session})["session"]
        headers, query, _ = profile.credentials(key)
        if rules.is_secret(key):
            headers, query = {"Authorization": f"Bearer {key}"}, {}
        mints = rules.needs_secret and not rules.is_secret(key)
        return CallRequest(
            url=with_query(url, query),
            headers={**profile.headers, **self._headers, **headers},
            api_key=key,
            model=self._model,
            session=session if mints or rules.posts_session(key) else None,
            secrets_url=profile.secrets_url(url) if mints else None,
            allow_insecure=self._settings.allow_insecure,
        )

    def _make_media(
        self, session: Mapping[str, Any], engine: Engine, send: Callable[[bytes], Awaitable[None]]
    ) -> WebRTCMedia:
        return WebRTCMedia(
            source_or_device=self._source,
            sink_or_device=self._sink,
            hub=self._hub,
            engine=engine,
            clock=self._settings.clock,
            muted=bool(self._muted),
        )

    # Connecting

    @asynccontextmanager
    async def _open_call(self, request: ConnectRequest) -> AsyncGenerator[Link]:
        attempt = self._attempt
        assert attempt is not None
        media = cast("WebRTCMedia", attempt.media)
        check_call(request, self._client)
        async with AsyncExitStack() as stack:
            stack.callback(self._forget)
            attempt.phase = "devices"
            await media.open(stack)
            # Half a second the first time: not in the caller's loop.
            await anyio.to_thread.run_sync(import_module, "realtime_transport.rtc.peer")
            host = await stack.enter_async_context(asyncio_host())
            link = PeerLink(host)
            attempt.phase = "offer"
            peer = self._peer = await self._make_peer(host, link, media, request, stack)
            offer = await host.run(peer.offer)
            attempt.phase = "answer"
            answer = await post_offer(cast("CallRequest", request), offer, self._client)
            self._state = attrs.evolve(self._state, call_id=answer.call_id)
            attempt.phase = "channel"
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
            with anyio.CancelScope(shield=True):  # It is bounded, and nothing may stay behind.
                await host.run(peer.close, False)

        stack.push_async_callback(close)
        return peer

    def _peer_state_changed(self, state: str) -> None:
        self._peer_state = state

    def _forget(self) -> None:
        self._peer = self._peer_state = None
        self._state = attrs.evolve(self._state, call_id=None)


def _refuse_query(url: str, rules: CallRules) -> None:
    given = dict(parse_qsl(urlsplit(url).query))
    for name, value in rules.unusable_query.items():
        if given.get(name, "").lower() == value:
            raise ConfigError(
                f"query: with {name}={value} the server keeps session.updated from the data channel, which says that "
                "the session is configured; leave it out",
                key="query",
            )
