"""The transport that connects the media stream of a telephone call with a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import attrs

from realtime_transport.argument_names import named
from realtime_transport.errors import ConfigError, DecodeError, LocalProtocolError, NotConnectedError
from realtime_transport.protocol.engine.output_queue import LEFT_OUT
from realtime_transport.protocol.engine.policy import PHONE_PLAYBACK

from .base.realtime import OpenAIRealtimeBase
from .endpoint.endpoint import Endpoint
from .endpoint.opening import require_no_audio_ends
from .phone.intake import Intake
from .phone.leg import ModelSide, PhoneLeg, PhoneLine
from .phone.liveness import Liveness
from .phone.messages import PhoneMedia, PhoneStarted
from .phone.playout import Playout
from .phone.reading import to_text
from .phone.sockets import open_socket
from .phone.transcoding import Transcoder
from .phone.twilio import TwilioCodec
from .websocket import websocket_connector

if TYPE_CHECKING:
    import httpx

    from .endpoint.media import MediaContext
    from .endpoint.options import ApiKey, Connector, TransportOptions
    from .phone.codec import MediaCodec
    from .phone.sockets import SocketLike

__all__ = ["TwilioRealtimeTransportLayer"]

DEFAULT_INACTIVITY_MS = 750.0
"""Longer than packets are late, and short enough that the caller does not notice a delay."""

DEFAULT_SILENCE_TIMEOUT = 600.0
"""Seconds. Some providers send nothing while the caller is muted, and do not return marks either. Servers ping their
sockets, so a lost one is usually noticed long before."""

MAX_INACTIVITY_MS = 2**31 - 1
"""24 days, the limit in other SDKs."""


class TwilioRealtimeTransportLayer(OpenAIRealtimeBase):
    """Bridges the media stream of a telephone call and the Realtime API.

    ::

        @app.websocket_route("/media")
        async def call(socket):
            await socket.accept()
            transport = TwilioRealtimeTransportLayer(socket)
            try:
                async with transport.connect(api_key=key):
                    async for event in transport:
                        ...
            finally:
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # The provider has closed it already.
                    await socket.close()

    The caller's audio goes to the model and the model's to the caller as it is, G.711 without transcoding; where the
    session or the provider's ``start`` names another format, it is converted. A barge-in clears the provider's buffer
    and truncates what was not heard, by the provider's marks. The provider's messages are events of the stream, too:
    `PhoneStarted`, `PhoneDtmf`, `PhoneMark`, `PhoneStopped`, other messages as `PhoneMessage`; `PhoneMedia` only if you
    subscribe to it.

    When the provider stops the stream, closes its socket or is lost, the connection closes. When the connection ends,
    the provider's socket stays open: the handler that accepted it closes it, and until then the transport can connect
    again for the rest of the call. A transport serves one call.

    Args:
        socket: The accepted socket of the provider: a WebSocket of Starlette or FastAPI (``receive_text`` and
            ``send_text``), a connection of the ``websockets`` server, or an `anyio` object stream of text.
        codec: The codec of the provider; Twilio's if not given.
        frame_ms: Split the model's audio into frames of this many milliseconds, each with a mark, and send them in real
            time. Truncations are then that precise. ``None`` sends audio as it arrives, and the provider buffers it.
        input_audio_inactivity_timeout_ms: While the caller speaks: after this long without audio, the model gets a
            second of silence, so that it notices the end of the turn; ``None``: never.
        silence_timeout: Seconds without any message of the provider after which it counts as gone; ``None``: never.
            After half of that or 30 seconds, whichever is less, a mark named ``alive`` asks it for an answer.
        start: What the application has already read from the socket: the ``start`` message, or the id of the stream. If
            not given, the id comes from the ``start`` message, or from the first audio that names it.
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key, or a function or coroutine function that is called at each connect; ``OPENAI_API_KEY`` if not
            given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        client: An ``httpx.AsyncClient`` to connect with. It stays open.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        connector: Opens the link instead of `connect_websocket`.
        options: Deadlines, bounds and clock; see `Settings`. ``max_playback_bytes`` bounds the audio that waits for
            the provider.

    Raises:
        ConfigError: *socket* or *start* cannot be used, a number is out of range, or ``audio_source`` or ``audio_sink``
            was given: the telephone carries the audio.
    """

    @named
    def __init__(
        self,
        socket: SocketLike,
        *,
        codec: MediaCodec | None = None,
        frame_ms: float | None = None,
        input_audio_inactivity_timeout_ms: float | None = DEFAULT_INACTIVITY_MS,
        silence_timeout: float | None = DEFAULT_SILENCE_TIMEOUT,
        start: Mapping[str, Any] | str | bytes | None = None,
        model: str | None = None,
        api_key: ApiKey | None = None,
        url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        connector: Connector | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        require_no_audio_ends(options, "the telephone is where audio comes from and goes to")
        codec = codec or TwilioCodec()
        super().__init__(
            endpoint=Endpoint(
                wire="twilio",
                connector=connector or websocket_connector(client),
                policy=attrs.evolve(PHONE_PLAYBACK, default_format=codec.audio_format),
                make_media=self._make_leg,
                left_out=(*LEFT_OUT, PhoneMedia),
            ),
            model=model,
            api_key=api_key,
            url=url,
            headers=headers,
            query=query,
            **options,
        )
        _check(frame_ms, "frame_ms", 10_000)
        _check(input_audio_inactivity_timeout_ms, "input_audio_inactivity_timeout_ms", MAX_INACTIVITY_MS)
        self._line = PhoneLine(
            socket=open_socket(socket),
            codec=codec,
            playout=Playout(codec, frame_ms, self._settings.max_playback_bytes),
            intake=Intake(input_audio_inactivity_timeout_ms),
            liveness=Liveness(silence_timeout),
        )
        if start is not None:
            self._line.start(_read_start(codec, start))
        self._leg: PhoneLeg | None = None

    @property
    def phone_call(self) -> PhoneStarted | None:
        """The start of the stream; ``None`` before it. Only the id if the application has read the message."""
        return self._line.started

    def _make_leg(self, context: MediaContext) -> PhoneLeg:
        formats = Transcoder(self._line.codec.audio_format, context.input_format, context.output_format)
        if self._line.started is not None:
            formats.caller = self._line.started.audio_format
        self._leg = PhoneLeg(
            line=self._line,
            model=ModelSide(is_open=context.is_open, send=context.send_audio_if_open, close=context.close),
            formats=formats,
            engine=context.engine,
            hub=context.hub,
            clock=context.settings.clock,
        )
        return self._leg

    async def wait_until_heard(self) -> None:
        """Wait until the caller has heard all that the model has said so far, or the connection has ended.

        Call it before hanging up: the provider plays for seconds after the model has spoken. If cancelled, nothing has
        changed.

        Raises:
            NotConnectedError: There is no connection.
        """
        if self._leg is None or self.status == "disconnected":
            raise NotConnectedError("there is no call to listen to; wait inside of `async with transport.connect(...)`")
        await self._leg.drained()


def _check(value: float | None, key: str, most: float) -> None:
    if value is not None and not (math.isfinite(value) and 0 < value <= most):
        raise ConfigError(f"{key}: a number above 0 and up to {most} expected, or None, not {value}", key=key)


def _read_start(codec: MediaCodec, start: Mapping[str, Any] | str | bytes) -> PhoneStarted:
    """The start of a stream, from the provider's message or the id alone."""
    if isinstance(start, str) and not start.lstrip().startswith("{"):
        return PhoneStarted(stream_id=start, audio_format=codec.audio_format)
    try:
        message = codec.decode(to_text(start) if isinstance(start, Mapping) else start)
    except (DecodeError, LocalProtocolError) as exc:
        raise ConfigError(
            f"start: the provider's start message expected, or the id of the stream: {exc}", key="start"
        ) from exc
    if message.problem is not None:
        raise ConfigError(f"start: {message.problem}", key="start") from message.problem
    if not isinstance(message, PhoneStarted):
        raise ConfigError("start: this is not the provider's start message", key="start")
    return message
