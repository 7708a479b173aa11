"""The transport that speaks the OpenAI Realtime protocol over any link."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

import anyio
import attrs

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_texts
from realtime_transport.call_id import secret_of
from realtime_transport.errors import UnsupportedOperation
from realtime_transport.keys import without_headers
from realtime_transport.protocol.config.defaults import DEFAULT_MODEL, VENDOR_DEFAULTS
from realtime_transport.protocol.config.settings import SessionSettings
from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.engine.events import AudioEvent
from realtime_transport.urls import model_in, redact_url

from ..endpoint.endpoint import Endpoint
from ..endpoint.opening import DEFAULT_BASE_URL, resolve_api_key
from ..endpoint.options import ConnectOptions, ConnectRequest, RequestParts, settings_of
from ..interface.layer import ConnectionState
from ..interface.sending import SendingTransport
from .attempt import Attempt
from .audio_path import media_context, sends_at_once
from .connecting import connecting
from .core import TransportCore
from .model_ends import ModelEnds
from .watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from typing import Self

    from anyio.abc import TaskStatus

    from realtime_transport.connection.connection import Connection
    from realtime_transport.protocol.engine.playback.ledger import PlaybackPosition
    from realtime_transport.protocol.engine.policy import EnginePolicy

    from ..endpoint.options import ApiKey, Connector, SessionConfig, TransportOptions

__all__ = ["OpenAIRealtimeBase"]

_MODEL_ENDS = ModelEnds()

Playback: TypeAlias = Literal["application", "sink", "server", "provider"]
"""Who plays the model's audio."""


class OpenAIRealtimeBase(TransportCore, SendingTransport):
    """Speaks the OpenAI Realtime protocol over the links that a connector opens.

    ::

        transport = OpenAIRealtimeBase(connector=my_connector)
        async with transport.connect(api_key=key):
            await transport.send_message("Hello")
            async for event in transport:
                ...

    Args:
        connector: Opens a link for a `ConnectRequest`; short for an `Endpoint` with default values otherwise.
        endpoint: The wire, instead of *connector*.
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key, or a function or coroutine function that is called at each connect; ``OPENAI_API_KEY`` if not
            given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        options: Deadlines, bounds, audio ends and clock; see `Settings`.

    Raises:
        TypeError: Neither or both of *connector* and *endpoint* were given.
    """

    @named
    def __init__(
        self,
        *,
        connector: Connector | None = None,
        endpoint: Endpoint | None = None,
        model: str | None = None,
        api_key: ApiKey | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        if (connector is None) == (endpoint is None):
            raise TypeError("a transport is built on a connector or on an endpoint: pass one of them")
        if endpoint is None:
            assert connector is not None
            endpoint = Endpoint(connector=connector)
        expect(model, str, "model", "text")
        expect(url, str, "url", "text")
        expect_texts(headers, "headers")
        expect_texts(query, "query")
        super().__init__(endpoint, settings_of(options, type(self)))
        self._model_is_named = model is not None
        self._api_key = api_key
        self._url = url
        self._headers = dict(headers or {})
        self._query = dict(query or {})
        self._model = model or self._model_in(url)
        self._engine: Engine | None = None
        self._muted = None if self._settings.audio_source is None else False

    # State

    @property
    def connection_state(self) -> ConnectionState:
        """Status, URL and call of the current connection."""
        request = None if self._attempt is None else self._attempt.request
        return ConnectionState(status=self.status, url=_shown(request), call_id=self.call_id)

    @property
    def current_model(self) -> str:
        """The model. A new value takes effect with the next ``session.update``."""
        return self._model

    @current_model.setter
    def current_model(self, model: str) -> None:
        self._model, self._model_is_named = model, True
        if self._engine is not None:
            self._engine.model = model

    @property
    def call_id(self) -> str | None:
        """The call that the current connection is attached to."""
        request = None if self._attempt is None else self._attempt.request
        return None if request is None else request.call_id

    @property
    def tracing_config(self) -> Any:
        """The requested tracing; ``None`` without a connection or with tracing off."""
        return None if self._engine is None else self._engine.tracing

    @property
    def muted(self) -> bool | None:
        """Whether the audio source is muted; ``None`` without one."""
        return self._muted

    @property
    def response_requested(self) -> bool:
        """Whether a response that was requested on this connection has not begun."""
        return self._engine is not None and self._engine.response_requested

    @property
    def audio_events(self) -> bool:
        """Whether iterating gives `AudioEvent`: by default unless a sink plays the audio."""
        return self._by_default(AudioEvent)

    @property
    def playback(self) -> Playback:
        """Who plays the model's audio, and so knows how much was heard.

        ``"application"``: you, from `AudioEvent`; ``"sink"``: the sink of the transport; ``"server"``: the server sends
        it in real time (WebRTC, SIP); ``"provider"``: the telephone provider, which reports marks.
        """
        policy = self._endpoint.policy
        if policy.clears_output:
            return "server"
        if policy.ends_reported:
            return "provider"
        return "application" if self._settings.audio_sink is None else "sink"

    # Life

    @named
    @connecting
    async def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = True,
        headers: Mapping[str, str] | None = None,
        playback_position: Callable[[], PlaybackPosition | None] | None = None,
        interrupt_on_speech: bool | None = None,
    ) -> AsyncGenerator[Self]:
        """Open a connection for the time of an ``async with`` block.

        Leaving the block normally sends what is queued and closes; leaving it by an exception or cancellation
        discards what is queued. Both take ``close_timeout`` at most. A lost connection does not cancel the block:
        iterators, waiting calls and later sends raise `ConnectionLost`; leaving raises it only if nothing else did.

        Args:
            api_key: See `ConnectOptions`, as for the other arguments.
            model: The model, also for later connections; if none was ever given, the one that *url* names.
            url: The URL, for this connection only.
            call_id: The call to attach to. If no key is given, a call that this process made with a client secret is
                attached to with that secret, at the server of the call only.
            initial_session_config: Sent as the first ``session.update``.
            wait_for_session: Enter the block when the server has sent ``session.created``; otherwise at the upgrade.
            headers: Further headers of this connection; without a key beside them they are the credentials, see
                `ConnectOptions`.
            playback_position: Called at an interruption for the position of your playback; see `ConnectOptions`.
            interrupt_on_speech: ``False``: speech does not interrupt, you call `interrupt`; see `ConnectOptions`.

        Raises:
            ConfigError: There is no key, or the URL or the configuration is wrong.
            ConnectError: The connection could not be opened: `UpgradeRejected`, `SetupTimeout`, `NegotiationError`,
                or a server that reported an error and closed.
            LocalProtocolError: The transport is connected or connecting; that connection stays.
            ConnectionLost: The connection was lost, and nothing has raised that yet.
        """
        options = ConnectOptions(
            api_key=api_key,
            model=model,
            url=url,
            call_id=call_id,
            initial_session_config=initial_session_config,
            headers=headers,
            playback_position=playback_position,
            interrupt_on_speech=interrupt_on_speech,
        )
        before = self._model, self._model_is_named
        attempt = self._begin(options)
        async with attempt.block():
            if wait_for_session:
                try:
                    await attempt.wait_for_session()
                except BaseException:
                    self._model, self._model_is_named = before
                    raise
            yield self

    async def run(
        self, options: ConnectOptions | None = None, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Open a connection and run it until it is closed: ``await task_group.start(transport.run)``.

        ``start`` returns at the upgrade. If cancelled, what is queued is discarded, and it ends within
        ``close_timeout``.

        Raises:
            ConnectError: The connection could not be opened.
            ConnectionLost: The connection was lost.
        """
        await self._begin(options or ConnectOptions()).run(task_status.started)

    def _begin(self, options: ConnectOptions) -> Attempt:
        self._refuse_second_attempt()
        self._endpoint.check(options)
        before, model = (self._model, self._model_is_named), self._model_for(options)
        watching = Watching.wanted(self._observers)
        engine = Engine(
            new_id=_new_id,
            model=model,
            session_config=options.initial_session_config,
            policy=self._policy(options),
            create_timeout=self._settings.create_timeout,
            profile=self._endpoint.profile,
            respond_after_all_calls=self._settings.respond_after_all_calls,
            attached=options.call_id is not None,
            playback_position=options.playback_position,
            observer=watching,
        )
        if engine.of_vendor:
            _MODEL_ENDS.check(engine.initial_session)
        hub = self._hub

        def ended(attempt: Attempt) -> None:
            self._renew_hub()
            if watching is not None:
                watching.ended(attempt)
            if attempt.connection is None:
                self._model, self._model_is_named = before

        endpoint, muted = self._endpoint.attached() if options.call_id else self._endpoint, bool(self._muted)
        attempt = Attempt(
            endpoint=endpoint,
            settings=self._settings,
            hub=hub,
            engine=engine,
            opening=endpoint.opening(),
            make_media=lambda attempt: endpoint.make_media(media_context(attempt, engine, muted)),
            make_request=lambda: self._make_request(options, engine.initial_session),
            ended=ended,
            observers=tuple(self._observers),
        )
        if watching is not None:
            watching.begin(attempt, engine, model)
        self._set_attempt(attempt)
        hub.on_change(lambda: engine.set_interest(hub.wants))
        self._engine = engine
        self._model, self._model_is_named = model, self._model_is_named or options.model is not None
        return attempt

    def _model_for(self, options: ConnectOptions) -> str:
        """The model of a connection: that of its options, of the transport, or of the URL."""
        return options.model or (self._model if self._model_is_named else self._model_in(options.url or self._url))

    def _model_in(self, url: str | None) -> str:
        return self._query.get("model") or model_in(url) or DEFAULT_MODEL

    def _policy(self, options: ConnectOptions) -> EnginePolicy:
        settings, policy = self._settings, self._endpoint.policy
        if settings.audio_sink is settings.audio_source is options.playback_position is options.interrupt_on_speech:
            return policy  # All are None.
        reported = settings.audio_sink is not None or options.playback_position is not None
        ends = {"input": settings.audio_source, "output": settings.audio_sink}
        interrupts = policy.interrupts_on_speech if options.interrupt_on_speech is None else options.interrupt_on_speech
        return attrs.evolve(
            policy,
            interrupts_on_speech=interrupts,
            playback_reported=policy.playback_reported or reported,
            fixed_formats=frozenset(side for side, end in ends.items() if end is not None),
        )

    async def _make_request(self, options: ConnectOptions, session: Mapping[str, Any]) -> ConnectRequest:
        profile = self._endpoint.profile
        variable = "OPENAI_API_KEY" if profile is None else profile.key_variable
        if options.headers is not None and options.api_key is None:
            key = ""
        else:
            of_call = secret_of(options.call_id, options.url or self._url or DEFAULT_BASE_URL)
            key = await resolve_api_key(options.api_key, self._api_key, of_call, variable=variable)
        parts = RequestParts(
            api_key=key,
            model=self._model,
            call_id=options.call_id,
            connect_url=options.url,
            own_url=self._url,
            headers={**without_headers(self._headers, *(options.headers or ())), **(options.headers or {})},
            query=self._query,
            max_message_bytes=self._settings.max_message_bytes,
            profile=profile,
            allow_insecure=self._settings.allow_insecure,
            session=session,
        )
        return self._endpoint.build_request(parts)

    def _by_default(self, cls: type[Any]) -> bool:
        if issubclass(cls, AudioEvent):
            wanted = self._settings.audio_events
            return self._settings.audio_sink is None if wanted is None else wanted
        return super()._by_default(cls)

    # Control: plain functions, which never wait

    def _open_connection(self) -> tuple[Connection, Engine]:
        attempt = self._attempt
        connection = self._current_connection()
        engine = self._engine
        assert attempt is not None
        assert engine is not None
        attempt.require_owner()
        return connection, engine

    def _send_audio_at_once(self, audio: object) -> bool:
        attempt = self._attempt
        return (
            attempt is not None
            and self._muted is None
            and self._endpoint.policy.audio_refused is None
            and sends_at_once(attempt, audio)
        )

    @property
    def _audio_refused(self) -> str | None:
        return self._endpoint.policy.audio_refused

    @named
    def interrupt(self, *, cancel_ongoing_response: bool = True, response_id: str | None = None) -> None:
        """Stop the model: cancel what is running, and stop playback, in the way of the wire.

        If a reply was playing, `AudioInterruptedEvent` says what was cut off; it overtakes undelivered audio, which is
        withdrawn. Where the client owns playback, the server is told how much was heard; where the server owns
        it, it is asked to drop what it has not played. These messages overtake waiting audio. Without a connection this
        does nothing.

        Args:
            cancel_ongoing_response: ``False`` only stops playback, for a server that cancels itself.
            response_id: Stop only this response; ``None``: all that are running or playing.

        Raises:
            LocalProtocolError: Another event loop or thread owns the connection.
        """
        attempt = self._open_attempt()
        engine = self._engine
        if attempt is None or attempt.connection is None or engine is None:
            return
        attempt.require_owner()
        attempt.media.refresh()
        attempt.connection.perform(lambda now: engine.interrupt(cancel_ongoing_response, now, response_id))

    @named
    def cancel_response(self, response_id: str | None = None) -> None:
        """Cancel the running responses; audio already received is still played.

        Args:
            response_id: Cancel this response only.

        Raises:
            NotConnectedError: There is no connection.
        """
        connection, engine = self._open_connection()
        connection.perform(lambda now: engine.cancel_response(now, response_id))

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how many samples of an item have been played, when the application plays the audio itself.

        Args:
            item_id: The item, as `AudioEvent.item_id`.
            content_index: The content part, as `AudioEvent.content_index`.
            samples: Samples played so far, counted from the start of the part. Never goes back.

        Raises:
            NotConnectedError: There is no connection.
        """
        connection, engine = self._open_connection()
        connection.perform(lambda _: engine.audio_played(item_id, content_index, samples))

    def mute(self, muted: bool) -> None:
        """Mute or unmute the audio source; without a connection, for the next one.

        Raises:
            UnsupportedOperation: The transport has no source; to be silent, do not call `send_audio`.
            LocalProtocolError: Another thread owns the connection.
        """
        if self._attempt is not None:
            self._attempt.require_thread()
        if self._muted is None:
            raise UnsupportedOperation(
                "there is no audio source to mute; pass audio_source= to the transport, or do not call send_audio()"
            )
        self._muted = muted
        if self._attempt is not None:
            self._attempt.media.set_muted(muted)

    def build_session_payload(self, config: SessionConfig) -> dict[str, Any]:
        """The ``session`` object for *config*, defaults included; nothing is sent.

        Raises:
            ConfigError: A setting has a wrong name, type or value.
        """
        profile = self._endpoint.profile
        defaults = VENDOR_DEFAULTS if profile is None else profile.defaults
        return SessionSettings(self._model, self._endpoint.policy.default_format, session_defaults=defaults).preview(
            config
        )


def _shown(request: ConnectRequest | None) -> str | None:
    return None if request is None else redact_url(request.url, request.api_key or "")


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"
