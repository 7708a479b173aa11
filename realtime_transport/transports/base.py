"""The transport that speaks the OpenAI Realtime protocol over any link."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.connection.subscription import Hub, Subscription, SubscriptionLimits
from realtime_transport.errors import (
    ConnectError,
    ConnectionLost,
    LocalProtocolError,
    NotConnectedError,
    SetupTimeout,
    UnsupportedOperation,
)
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, SessionSettings
from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.engine.events import AudioEvent
from realtime_transport.protocol.engine.policy import CLIENT_PLAYBACK, EnginePolicy
from realtime_transport.protocol.wire.server_events import ResponseOutputAudioDelta, SessionCreated
from realtime_transport.urls import redact_url

from .attempt import Attempt
from .media import Media
from .opening import build_url, resolve_api_key
from .options import ConnectOptions, ConnectRequest, Settings
from .sending import SendingTransport, audio_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from typing import Self

    from anyio.abc import TaskStatus

    from realtime_transport.connection.connection import Connection, ConnectionStatistics
    from realtime_transport.protocol.engine.events import ConnectionStatus, Event
    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.protocol.wire.model import ServerEvent

    from .options import ApiKey, Connector, SessionConfig, TransportOptions

__all__ = ["ConnectionState", "OpenAIRealtimeBase"]


@attrs.frozen(kw_only=True)
class ConnectionState:
    """What is known of the current connection.

    Attributes:
        status: As the transport's ``status``.
        url: The URL that was asked for, without user info and secrets in its query; ``None`` before the first connect.
        call_id: The call that the connection is attached to, if any.
    """

    status: ConnectionStatus
    url: str | None = None
    call_id: str | None = None


class OpenAIRealtimeBase(SendingTransport):
    """Speaks the OpenAI Realtime protocol over the links that a connector opens.

    ::

        transport = OpenAIRealtimeBase(connector=my_connector)
        async with transport.connect(api_key=key):
            await transport.send_message("Hello")
            async for event in transport:
                ...

    Args:
        connector: Opens a link for a `ConnectRequest`.
        model: The model; `current_model` changes it.
        api_key: A key, or a sync or async function that is asked at each connect; ``OPENAI_API_KEY`` if not given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        options: Deadlines, bounds, audio ends and clock; see `Settings`.
    """

    def __init__(
        self,
        *,
        connector: Connector,
        model: str = DEFAULT_MODEL,
        api_key: ApiKey | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        self._connector = connector
        self._model = model
        self._api_key = api_key
        self._url = url
        self._headers = dict(headers or {})
        self._query = dict(query or {})
        self._settings = Settings(**options)
        self._hub = Hub()
        self._attempt: Attempt | None = None
        self._profile: EndpointProfile | None = None
        self._stream: Subscription[Event] | None = None
        self._state = ConnectionState(status="disconnected")
        self._muted = None if self._settings.audio_source is None else False

    _policy: ClassVar[EnginePolicy] = CLIENT_PLAYBACK
    """What is special about the wire: who plays the audio, what may be sent."""

    _ready_event: ClassVar[type[ServerEvent]] = SessionCreated
    """What the server says when the session is ready: `connect` waits for it."""

    _connected_at: ClassVar[type[Event] | None] = None
    """What makes the status ``"connected"``: ``None``, the open link."""

    # State

    @property
    def status(self) -> ConnectionStatus:
        """``"connecting"``, ``"connected"``, ``"disconnecting"`` or ``"disconnected"``."""
        return "disconnected" if self._attempt is None else self._attempt.status

    @property
    def connection_state(self) -> ConnectionState:
        """Status, URL and call of the current connection."""
        return attrs.evolve(self._state, status=self.status)

    @property
    def current_model(self) -> str:
        """The model. Setting it counts from the next ``session.update`` on."""
        return self._model

    @current_model.setter
    def current_model(self, model: str) -> None:
        self._model = model
        if self._attempt is not None:
            self._attempt.engine.model = model

    @property
    def call_id(self) -> str | None:
        """The call that the current connection is attached to."""
        return self._state.call_id

    @property
    def tracing_config(self) -> Any:
        """The tracing that was asked for; ``None`` without a connection or where tracing is off."""
        return None if self._attempt is None else self._attempt.engine.tracing

    @property
    def muted(self) -> bool | None:
        """Whether the audio source is muted; ``None`` without one: then the caller decides what to send."""
        return self._muted

    def statistics(self) -> ConnectionStatistics:
        """Counters of the current connection.

        Raises:
            NotConnectedError: There is none.
        """
        return self._open_connection()[0].statistics()

    # Life

    @asynccontextmanager
    async def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = True,
    ) -> AsyncGenerator[Self]:
        """Open a connection for the time of an ``async with`` block.

        Leaving the block normally sends what is queued and closes; leaving it by an exception or cancellation
        discards what is queued. Both take ``close_timeout`` at most. A lost connection does not cancel the block:
        iterators, waiting calls and later sends raise `ConnectionLost`; leaving raises it only if nothing else did.

        Args:
            api_key: See `ConnectOptions`, as for the others.
            model: The model, also for later connections.
            url: The URL, for this connection only.
            call_id: The call to attach to.
            initial_session_config: Sent as the first ``session.update``.
            wait_for_session: Enter when the server has said ``session.created``; otherwise at the upgrade.

        Raises:
            ConfigError: There is no key, or the URL or the configuration is wrong.
            ConnectError: The connection could not be opened: `UpgradeRejected`, `SetupTimeout`, `NegotiationError`,
                or a server that reported an error and closed.
            LocalProtocolError: The transport is connected or connecting; that connection stays.
            ConnectionLost: The connection was lost and nothing has told so yet.
        """
        options = ConnectOptions(
            api_key=api_key, model=model, url=url, call_id=call_id, initial_session_config=initial_session_config
        )
        attempt = self._begin(options)
        failure: BaseException | None = None
        lost: list[Exception] = []
        async with anyio.create_task_group() as tasks:
            # The exceptions of the block and of the run leave this group by hand: it would wrap them.
            try:
                async with _subscription(attempt.hub, _of(self._ready_event), self._settings.limits) as setup:
                    await tasks.start(self._run_beside, attempt, lost, name="realtime connection")
                    if wait_for_session:
                        await self._wait_for_session(setup, attempt)
                attempt.settled = True
                yield self
            except GeneratorExit:
                raise
            except BaseException as exc:  # noqa: BLE001 - raised again below
                failure = exc
            attempt.close(discard=failure is not None)
        if not attempt.settled:
            self._model = attempt.old_model
        if failure is not None:
            raise failure
        if lost and not attempt.told:
            raise lost[0]

    async def _run_beside(self, attempt: Attempt, lost: list[Exception], *, task_status: TaskStatus[None]) -> None:
        opened = anyio.Event()

        def tell() -> None:
            opened.set()
            task_status.started()

        try:
            await self._drive(attempt, tell)
        except Exception as exc:
            if not opened.is_set():
                raise
            lost.append(exc)

    async def run(
        self, options: ConnectOptions | None = None, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Open a connection and run it until it is closed: ``await task_group.start(transport.run)``.

        ``start`` returns at the upgrade. If cancelled, what is queued is discarded, and it ends within
        ``close_timeout``.

        Raises:
            ConnectError: The connection could not be opened.
            ConnectionLost: It was lost.
        """
        await self._drive(self._begin(options or ConnectOptions()), task_status.started)

    async def _drive(self, attempt: Attempt, opened: Callable[[], None]) -> None:
        try:
            end = await attempt.run(opened)
        finally:
            self._hub = Hub()
            if attempt.connection is None:
                self._model = attempt.old_model
        if end.error is not None:
            raise end.error

    def _begin(self, options: ConnectOptions) -> Attempt:
        if self._attempt is not None and not self._attempt.done.is_set():
            raise LocalProtocolError(
                "the transport is already connected or connecting; use another transport for a second connection"
            )
        settings = self._settings
        model = options.model or self._model
        ends = {"input": settings.audio_source, "output": settings.audio_sink}
        policy = attrs.evolve(
            self._policy,
            playback_reported=self._policy.playback_reported or settings.audio_sink is not None,
            fixed_formats=frozenset(side for side, end in ends.items() if end is not None),
        )
        engine = Engine(
            new_id=_new_id,
            model=model,
            session_config=options.initial_session_config,
            policy=policy,
            create_timeout=settings.create_timeout,
            profile=self._profile,
        )
        hub = self._hub
        hub.on_change(lambda: engine.wants(hub.wants))

        async def prepare() -> ConnectRequest:
            variable = "OPENAI_API_KEY" if self._profile is None else self._profile.key_variable
            key = await resolve_api_key(options.api_key, self._api_key, variable=variable)
            request = self._request(options, key)
            self._state = ConnectionState(
                status="connecting", url=redact_url(request.url, key), call_id=options.call_id
            )
            return request

        async def send_captured(audio: bytes) -> None:
            connection, _ = self._open_connection()
            await connection.send(audio_size(audio), lambda now: engine.send_audio(audio, False, now))

        session = self.build_session_payload(options.initial_session_config or {})
        media = self._make_media(session, engine, send_captured)
        attempt = Attempt(
            settings=settings,
            hub=hub,
            prepare=prepare,
            connector=self._connector,
            engine=engine,
            media=media,
            old_model=self._model,
            connected_at=self._connected_at,
        )
        tap = media.tap()
        if tap is not None:
            hub.add_tap(tap)
        self._stream = hub.subscribe(self._by_default, settings.limits)
        self._model, self._attempt = model, attempt
        return attempt

    def _make_media(
        self, session: Mapping[str, Any], engine: Engine, send: Callable[[bytes], Awaitable[None]]
    ) -> Media:
        """The audio ends of a connection whose session begins as *session*; *send* takes audio for the server."""
        return Media.build(self._settings, session, engine, send, muted=bool(self._muted))

    def _request(self, options: ConnectOptions, key: str) -> ConnectRequest:
        url = build_url(
            connect_url=options.url,
            own_url=self._url,
            model=self._model,
            call_id=options.call_id,
            query=self._query,
        )
        return ConnectRequest(
            url=url,
            headers={**self._headers, "Authorization": f"Bearer {key}"},
            max_message_bytes=self._settings.max_message_bytes,
            api_key=key,
            model=self._model,
            call_id=options.call_id,
            allow_insecure=self._settings.allow_insecure,
        )

    async def _wait_for_session(self, setup: Subscription[Event], attempt: Attempt) -> None:
        timeout, clock = self._settings.session_timeout, self._settings.clock
        try:
            with clock.move_on_at(None if timeout is None else clock.now() + timeout):
                async for _ in setup:
                    return
                raise ConnectError("the server closed the connection before the session was ready")
        except ConnectionLost as exc:
            said = attempt.engine.last_error
            code = said.code if said is not None and said.code else exc.reason or None
            what = f": {said.message}" if said is not None else ""
            raise ConnectError(f"{exc} before the session was ready{what}", code=code) from exc
        raise SetupTimeout(
            f"the server accepted the connection but did not send {self._ready_event.type} within {timeout:g} s; "
            "is this a Realtime endpoint? wait_for_session=False does not wait",
            phase="session",
            timeout=timeout or 0.0,
        )

    async def aclose(self) -> None:
        """Send what is queued, close the connection, and wait until it is closed. Idempotent.

        It takes ``close_timeout`` at most. A connect that is under way fails with `ConnectError`. If cancelled, the
        connection closes all the same.
        """
        attempt = self._attempt
        if attempt is None or attempt.done.is_set():
            await anyio.lowlevel.checkpoint()
            return
        attempt.close()
        await attempt.done.wait()

    def close_nowait(self, *, discard: bool = False) -> None:
        """Begin to close, and return at once; `aclose` waits until it is done. Idempotent.

        Args:
            discard: Do not send what is queued.
        """
        if self._attempt is not None:
            self._attempt.close(discard=discard)

    # Events

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of the connection, from before the handshake on; see `Subscription`.

        Raises:
            NotConnectedError: The transport was never connected.
        """
        if self._stream is None:
            raise NotConnectedError("there are no events before connect(); iterate inside of its block")
        return self._stream

    @asynccontextmanager
    async def subscribe(self, *types: type[Event]) -> AsyncGenerator[Subscription[Event]]:
        """A stream of the events of *types* (and their subclasses), from now on.

        Without types it gives what iterating the transport gives: everything but the typed audio delta. Opened
        before a connect, it belongs to that connection.
        """
        accepts = _of(*types) if types else self._by_default
        async with _subscription(self._hub, accepts, self._settings.limits) as subscription:
            yield subscription

    def _by_default(self, cls: type[Any]) -> bool:
        if issubclass(cls, AudioEvent):
            wanted = self._settings.audio_events
            return self._settings.audio_sink is None if wanted is None else wanted
        # AudioEvent holds the content of the typed delta, and can give it.
        return not issubclass(cls, ResponseOutputAudioDelta)

    # Control: plain functions, which never wait

    def _open_connection(self) -> tuple[Connection, Engine]:
        attempt = self._attempt
        if attempt is None or attempt.connection is None:
            raise NotConnectedError("there is no connection; send inside of `async with transport.connect(...)`")
        return attempt.connection, attempt.engine

    def interrupt(self, *, cancel_ongoing_response: bool = True) -> None:
        """Stop the model: cancel a running response, and tell the server how much of its audio was heard.

        Undelivered audio is withdrawn and `AudioInterruptedEvent` overtakes it. Goes out before waiting audio. Does
        nothing without a connection.

        Args:
            cancel_ongoing_response: ``False`` only truncates, where the server cancels by itself.
        """
        attempt = self._attempt
        if attempt is None or attempt.connection is None or attempt.connection.end is not None:
            return
        engine = attempt.engine
        attempt.media.refresh()
        attempt.connection.perform(lambda now: engine.interrupt(cancel_ongoing_response, now))

    def cancel_response(self) -> None:
        """Cancel the running response, if there is one; what was heard of it stays.

        Raises:
            NotConnectedError: There is no connection.
        """
        connection, engine = self._open_connection()
        connection.perform(engine.cancel_response)

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how much of an item has been played, for those who play the audio themselves.

        Args:
            item_id: The item, as `AudioEvent.item_id`.
            content_index: The content part, as `AudioEvent.content_index`.
            samples: Samples played so far, counted from the start of the part. Never goes back.

        Raises:
            NotConnectedError: There is no connection.
        """
        connection, engine = self._open_connection()
        connection.perform(lambda now: engine.audio_played(item_id, content_index, samples, now))

    def mute(self, muted: bool) -> None:
        """Mute or unmute the audio source; without a connection it holds for the next one.

        Raises:
            UnsupportedOperation: The transport has no source: do not call `send_audio` instead.
        """
        if self._muted is None:
            raise UnsupportedOperation(
                "there is no audio source to mute; pass audio_source= to the transport, or do not call send_audio()"
            )
        self._muted = muted
        if self._attempt is not None and self._attempt.media.capture is not None:
            self._attempt.media.capture.muted = muted

    def build_session_payload(self, config: SessionConfig) -> dict[str, Any]:
        """The ``session`` object that *config* makes, defaults included; nothing is sent.

        Raises:
            ConfigError: A setting has a wrong name, type or value.
        """
        return SessionSettings(self._model, self._policy.default_format).preview(config)


def _of(*types: type[Event]) -> Callable[[type[Any]], bool]:
    return lambda cls: issubclass(cls, types)


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"


@asynccontextmanager
async def _subscription(
    hub: Hub, accepts: Callable[[type[Any]], bool], limits: SubscriptionLimits
) -> AsyncGenerator[Subscription[Any]]:
    subscription = hub.subscribe(accepts, limits)
    try:
        yield subscription
    finally:
        with anyio.CancelScope(shield=True):
            await subscription.aclose()
