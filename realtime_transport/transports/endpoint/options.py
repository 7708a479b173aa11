"""The options of a transport, and those of one connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

import attrs

from realtime_transport.argument_names import named_fields, unknown_argument
from realtime_transport.argument_types import expect, expect_callable, expect_number, expect_texts
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.connection.connection import Timeouts
from realtime_transport.connection.link import Link
from realtime_transport.connection.subscription import SubscriptionLimits
from realtime_transport.errors import ConfigError, brief
from realtime_transport.keys import ApiKey
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.config.settings import RealtimeSessionConfig
from realtime_transport.urls import redact_url, secrets_in

if TYPE_CHECKING:
    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.protocol.engine.playback.ledger import PlaybackPosition
    from realtime_transport.protocol.vendors.profiles import EndpointProfile

__all__ = [
    "ApiKey",
    "ConnectOptions",
    "ConnectRequest",
    "ConnectionOptions",
    "Connector",
    "RequestParts",
    "Settings",
    "TransportOptions",
    "expect_sink",
    "expect_source",
    "settings_of",
]

SessionConfig: TypeAlias = RealtimeSessionConfig | Mapping[str, Any]
"""Settings of the session: the class, or a mapping in snake_case or camelCase."""


_CREDENTIALS = re.compile(r"authorization|key|token|secret|cookie", re.IGNORECASE)
"""Matches the name of a header whose value is a secret."""


def _no_phases(_name: str) -> None:
    """Ignore the phase: outside of a connect attempt nothing reports it."""


@frozen()
class ConnectRequest:
    """The request that a connector gets.

    Attributes:
        url: The URL to request (ws, wss, http or https).
        headers: Headers of the upgrade request, authorization included.
        subprotocols: WebSocket subprotocols to offer, authorization by subprotocol included.
        max_message_bytes: Larger messages end the link with 1009; ``None``: no limit.
        api_key: The key that ``headers`` or ``subprotocols`` carry, for connectors that authenticate otherwise.
        model: The requested model.
        call_id: The call to attach to, if any.
        allow_insecure: Whether the key may be sent over ws or http to a host that is not this machine.
        enter_phase: Called by a connector of several steps with the name of the endpoint's phase that begins; a
            time-out names it.
    """

    url: str = attrs.field(repr=lambda url: repr(redact_url(url)))
    headers: dict[str, str] = attrs.field(factory=dict[str, str], repr=lambda headers: repr(sorted(headers)))
    subprotocols: tuple[str, ...] = attrs.field(default=(), repr=False)
    max_message_bytes: int | None = 64 * 1024 * 1024
    api_key: str | None = attrs.field(default=None, repr=False)
    model: str | None = None
    call_id: str | None = None
    allow_insecure: bool = False
    enter_phase: Callable[[str], None] = attrs.field(default=_no_phases, repr=False, eq=False)

    @property
    def secrets(self) -> set[str]:
        """What must not be shown: the key, and the credentials in the URL and the headers."""
        values = {value.strip() for name, value in self.headers.items() if _CREDENTIALS.search(name)}
        tokens = {value.partition(" ")[2].strip() for value in values}
        return {*secrets_in(self.url), self.api_key or "", *values, *tokens} - {""}


@frozen()
class RequestParts:
    """What a `ConnectRequest` is made of.

    Attributes:
        api_key: The key.
        model: The requested model.
        call_id: The call to attach to, if any.
        connect_url: The URL given for this connection only.
        own_url: The URL that the transport was built with.
        headers: Further headers.
        query: Further query parameters.
        max_message_bytes: See `ConnectRequest`.
        profile: How the server differs from the service.
        allow_insecure: See `ConnectRequest`.
        session: The session that opens the connection.
    """

    api_key: str = attrs.field(repr=False)
    model: str
    call_id: str | None = None
    connect_url: str | None = attrs.field(default=None, repr=False)
    own_url: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    max_message_bytes: int | None = 64 * 1024 * 1024
    profile: EndpointProfile | None = None
    allow_insecure: bool = False
    session: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)


Connector: TypeAlias = Callable[[ConnectRequest], AbstractAsyncContextManager[Link]]
"""Opens a link: an async context manager whose exit releases everything."""


@named_fields
@frozen()
class ConnectOptions:
    """The arguments of one connection; what is ``None`` comes from the transport.

    Attributes:
        api_key: A key, or a function or coroutine function that returns one.
        model: The model, also for later connections; a failed connect restores the old one.
        url: Used as written and for this connection only; ``{model}`` and ``{call_id}`` in it are filled in, escaped.
        call_id: The WebRTC or SIP call to attach to.
        initial_session_config: Sent as the first ``session.update``.
        headers: Further headers of this connection. Without an *api_key* beside them they must hold the
            credentials: no key of the transport or the environment is sent.
        playback_position: For an application that plays the audio itself and knows the position: called at each
            interruption where the client owns playback; must not wait. It returns ``None`` if it does not know. Audio
            after the returned position counts as not heard. Without this function, report by
            `OpenAIRealtimeBase.audio_played`.
        interrupt_on_speech: Whether speech that the server detects interrupts the model's audio automatically.
            ``False``: only the speech events are emitted, and you decide what to cut. ``None``: the default of the
            wire.
    """

    api_key: ApiKey | None = attrs.field(default=None, repr=False)
    model: str | None = None
    url: str | None = attrs.field(default=None, repr=lambda url: repr(url and redact_url(url)))
    call_id: str | None = None
    initial_session_config: SessionConfig | None = None
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    playback_position: Callable[[], PlaybackPosition | None] | None = attrs.field(default=None, repr=False)
    interrupt_on_speech: bool | None = None

    def __attrs_post_init__(self) -> None:
        for key in ("model", "url", "call_id"):
            expect(getattr(self, key), str, key, "text")
        expect_texts(self.headers, "headers")
        expect_callable(self.playback_position, "playback_position")


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments that every transport takes besides its own; see `Settings` for what they mean."""

    connect_timeout: float | None
    session_timeout: float | None
    update_timeout: float
    create_timeout: float | None
    ping_interval: float | None
    ping_timeout: float | None
    close_timeout: float | None
    max_message_bytes: int | None
    max_outbox_bytes: int
    max_audio_bytes: int
    max_events: int
    max_playback_bytes: int
    on_overflow: Literal["error", "drop_audio"]
    audio_events: bool | None
    allow_insecure: bool
    log_content: bool
    respond_after_all_calls: bool
    clock: Clock


class TransportOptions(ConnectionOptions, total=False):
    """`ConnectionOptions`, and the audio source and sink."""

    audio_source: AudioSource | None
    audio_sink: AudioSink | None


_SECONDS = (
    "connect_timeout",
    "session_timeout",
    "create_timeout",
    "ping_interval",
    "ping_timeout",
    "close_timeout",
)


def settings_of(options: TransportOptions, transport: type[object]) -> Settings:
    """The settings for the *options* of a *transport*.

    Raises:
        ConfigError: There is no such option; the message names the nearest.
    """
    for name in options:
        if name not in Settings.__annotations__:
            known = [field.name for field in attrs.fields(Settings)]
            raise unknown_argument(transport.__name__, name, [*known, *signature(transport).parameters])
    return Settings(**options)


def expect_source(source: object) -> None:
    """Check that *source* is an `AudioSource`, or ``None``.

    Raises:
        ConfigError: It is not: the name of a file, say.
    """
    if source is not None and not (hasattr(source, "receive") and hasattr(source, "format")):
        raise ConfigError(
            f"audio_source: an object that gives audio (FileSource, Microphone), not {brief(source)}",
            key="audio_source",
        )


def expect_sink(sink: object) -> None:
    """Check that *sink* is an `AudioSink`, or ``None``.

    Raises:
        ConfigError: It is not: the name of a file, say.
    """
    if sink is not None and not (hasattr(sink, "send") and hasattr(sink, "samples_played")):
        raise ConfigError(
            f"audio_sink: an object that takes audio (WavSink, Speaker), not {brief(sink)}", key="audio_sink"
        )


@named_fields
@frozen()
class Settings:
    """Deadlines (seconds; ``None`` switches one off), bounds, audio source and sink of a transport.

    Attributes:
        connect_timeout: From resolving the key to the upgrade.
        session_timeout: From the upgrade to ``session.created``, where `connect` waits for it.
        update_timeout: From there to the answer to the first ``session.update``, where `connect` waits for the session;
            if the server does not answer, `connect` goes on after this time with a warning.
        create_timeout: Without an answer for this long, a ``response.create`` counts as failed.
        ping_interval: The pause between WebSocket pings.
        ping_timeout: Without a pong for this long, the connection counts as lost.
        close_timeout: The longest time for closing, whatever the server does.
        max_message_bytes: A larger message of the server closes the connection with 1009; ``None``: no limit.
        max_outbox_bytes: Bytes that may wait to be sent; one larger message is admitted when nothing waits.
        max_audio_bytes: Bytes of undelivered audio that a subscription holds.
        max_events: The number of undelivered events other than audio that a subscription holds.
        max_playback_bytes: Bytes of audio that wait for the sink.
        on_overflow: What happens when a subscription exceeds its bounds: ``"error"`` ends the connection with
            `ConsumerTooSlow`, ``"drop_audio"`` drops the oldest audio.
        audio_source: The source of the user's audio. It stays open.
        audio_sink: The sink of the model's audio. It stays open.
        audio_events: Whether to emit `AudioEvent`; ``None``: unless a sink plays the audio.
        allow_insecure: Whether the key and the conversation may go unencrypted (ws, http) to a host that is neither
            this machine nor an application in this process.
        respond_after_all_calls: When a response makes several function calls: ask for the next response once all of
            them are answered, instead of after each answer.
        log_content: Whether the log at ``DEBUG`` holds the contents of events, words included, and not only types and
            sizes.
        clock: The clock for all deadlines.
    """

    connect_timeout: float | None = 10.0
    session_timeout: float | None = 10.0
    update_timeout: float = 2.0
    create_timeout: float | None = 30.0
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    close_timeout: float | None = 2.0
    max_message_bytes: int | None = 64 * 1024 * 1024
    max_outbox_bytes: int = 1024 * 1024
    max_audio_bytes: int = 64 * 1024 * 1024
    max_events: int = 10_000
    max_playback_bytes: int = 64 * 1024 * 1024
    on_overflow: Literal["error", "drop_audio"] = "error"
    audio_source: AudioSource | None = None
    audio_sink: AudioSink | None = None
    audio_events: bool | None = None
    allow_insecure: bool = False
    log_content: bool = False
    respond_after_all_calls: bool = False
    clock: Clock = attrs.field(factory=EventLoopClock)

    def __attrs_post_init__(self) -> None:
        for key in _SECONDS:
            expect_number(getattr(self, key), key)
        expect_number(self.update_timeout, "update_timeout", optional=False)
        for key in ("max_outbox_bytes", "max_audio_bytes", "max_events", "max_playback_bytes"):
            expect_number(getattr(self, key), key, whole=True, optional=False)
        expect_number(self.max_message_bytes, "max_message_bytes", least=1, whole=True)
        if self.ping_interval == 0:
            raise ConfigError("ping_interval: None switches pings off, not 0", key="ping_interval")
        if not hasattr(self.clock, "move_on_at"):
            raise ConfigError(f"clock: a Clock expected, not {brief(self.clock)}", key="clock")
        expect_source(self.audio_source)
        expect_sink(self.audio_sink)

    @property
    def timeouts(self) -> Timeouts:
        """The deadlines of an open connection."""
        return Timeouts(ping_interval=self.ping_interval, ping_timeout=self.ping_timeout, close=self.close_timeout)

    @property
    def limits(self) -> SubscriptionLimits:
        """The bounds of a subscription."""
        return SubscriptionLimits(
            max_audio_bytes=self.max_audio_bytes, max_events=self.max_events, on_overflow=self.on_overflow
        )
