"""A realtime model of pydantic-ai on a transport of this package."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import attrs
from pydantic_ai.exceptions import UserError
from pydantic_ai.profiles.openai import openai_realtime_model_profile
from pydantic_ai.realtime import RealtimeClientSecret, RealtimeModel, RealtimeModelProfile, WebRTCAnswer, WebRTCSession
from pydantic_ai.realtime.codec import merge_realtime_profile

from realtime_transport.errors import RequestError
from realtime_transport.task_groups import open_task_group

from .connection import ConnectionTraits, TransportRealtimeConnection
from .failures import as_of_a_model
from .history import History, instructions_of, is_message_of_client
from .line import Line
from .session_config import session_config, stops_at_speech, transcribes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.realtime import RealtimeModelSettings, RealtimeProviderSession
    from pydantic_ai.realtime.codec import RealtimeConnection
    from pydantic_ai.tools import ToolDefinition

    from realtime_transport import ApiKey, OpenAIRealtimeBase, RealtimeRestClient

    from .session_config import TransportRealtimeModelSettings

__all__ = ["TransportRealtimeModel"]

ENDED_CALL = "call_id_not_found"
"""The service's code for a call that is over."""


class TransportRealtimeModel(RealtimeModel):
    """Runs realtime agents of pydantic-ai on a transport of this package.

    ::

        model = TransportRealtimeModel(OpenAIRealtimeWebSocket(model="gpt-realtime-2.1"))
        async with Agent(instructions="Be brief.").realtime(model).session() as session:
            await session.send("Hello")
            async for event in session:
                ...

    Runs under asyncio, as the sessions of pydantic-ai do.

    Args:
        transport: Any transport of this package: WebSocket, WebRTC, SIP, a telephone provider's. Or a function that
            makes one for each session: a transport carries one session at a time. The function is also called once at
            the beginning, for the name of the model and the abilities of the wire.
        api_key: A key, or a function or coroutine function that is called at each connect; that of the transport if not
            given.
        call_id: The call that sessions attach to, as SIP needs it.
        rest: Makes client secrets and calls: for `create_client_secret`, `answer_webrtc_offer` and `hang_up`.
        provider_name: The vendor, as pydantic-ai names it in histories and traces.
        settings: Settings of all sessions; see `TransportRealtimeModelSettings`.
        profile: The abilities of the model, where they differ from those known by its name.
    """

    def __init__(
        self,
        transport: OpenAIRealtimeBase | Callable[[], OpenAIRealtimeBase],
        *,
        api_key: ApiKey | None = None,
        call_id: str | None = None,
        rest: RealtimeRestClient | None = None,
        provider_name: str = "openai",
        settings: RealtimeModelSettings | None = None,
        profile: RealtimeModelProfile | Callable[[RealtimeModelProfile], RealtimeModelProfile] | None = None,
    ) -> None:
        super().__init__(settings=settings, profile=profile)
        self._make = transport if callable(transport) else lambda: transport
        self._shown = self._make()
        self._api_key = api_key
        self._call_id = call_id
        self._rest = rest
        self._provider_name = provider_name
        self._url: str | None = None

    @property
    def model_name(self) -> str:
        """The model that the transport asks for."""
        return self._shown.current_model

    @property
    def system(self) -> str:
        """The vendor."""
        return self._provider_name

    @property
    def base_url(self) -> str | None:
        """The base URL of the last connection, without path and query of the endpoint; ``None`` before the first."""
        return None if self._url is None else _base_of(self._url)

    def _adjust_provider_profile(self, profile: RealtimeModelProfile) -> RealtimeModelProfile:
        of_wire = RealtimeModelProfile(
            # Any other player truncates by itself; the application says where to truncate.
            supports_output_truncation=self._shown.playback == "application",
            supports_webrtc=self._rest is not None,
        )
        return merge_realtime_profile(
            profile, merge_realtime_profile(openai_realtime_model_profile(self.model_name), of_wire)
        )

    # Connecting

    def connect(
        self,
        *,
        messages: Sequence[ModelMessage],
        model_settings: RealtimeModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AbstractAsyncContextManager[TransportRealtimeConnection]:
        """Open a connection for the time of a block.

        Leaving the block normally sends what is queued; leaving it otherwise discards that. All tasks
        have ended.

        Raises:
            ModelHTTPError: The server refused with an HTTP status.
            RealtimeError: The connection could not be opened.
            UserError: A setting, the history or the use of the transport is wrong.
        """
        return self._open(messages, model_settings, model_request_parameters, self._call_id)

    def connect_webrtc(
        self,
        session: RealtimeProviderSession,
        *,
        messages: Sequence[ModelMessage],
        model_settings: RealtimeModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Attach to a call that a browser has with the model; the transport must be a WebSocket.

        Raises:
            UserError: The call is with another vendor.
            Exception: As `connect`.
        """
        self._check_webrtc_session_provider(session)
        return self._open(messages, model_settings, model_request_parameters, session.session_id)

    @asynccontextmanager
    async def _open(
        self,
        messages: Sequence[ModelMessage],
        model_settings: RealtimeModelSettings | None,
        parameters: ModelRequestParameters,
        call_id: str | None,
    ) -> AsyncGenerator[TransportRealtimeConnection]:
        settings = self._settings(model_settings)
        transport = self._make()
        traits = self._traits(transport, settings, attached=call_id is not None)
        # A call has negotiated its formats, and WebRTC has only one.
        with_formats = transport.wire == "websocket" and call_id is None
        config = session_config(
            instructions_of(messages, parameters),
            parameters.function_tools,
            settings,
            self.profile,
            with_formats=with_formats,
        )
        traits = attrs.evolve(traits, stops_at_speech=stops_at_speech(config))
        items = History(traits.rate).items(messages)

        def connect() -> AbstractAsyncContextManager[object]:
            return transport.connect(
                api_key=self._api_key,
                call_id=call_id,
                initial_session_config=config,
                # An application that plays the audio truncates it itself, at the position that was heard.
                interrupt_on_speech=False if traits.application_plays else None,
            )

        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(open_task_group())
            line = Line(tasks, transport, connect, settings.get("handshake_timeout"), traits.hears)
            stack.callback(line.leave)
            with as_of_a_model(self.model_name):
                events = await line.dial(items)
            self._url = transport.connection_state.url
            foreign = sum(map(is_message_of_client, items))
            prefix = f"in_{secrets.token_hex(4)}_"
            yield TransportRealtimeConnection(line, events, traits, prefix=prefix, foreign=foreign)

    def _settings(self, given: RealtimeModelSettings | None) -> TransportRealtimeModelSettings:
        return cast("TransportRealtimeModelSettings", self._merge_model_settings(given) or {})

    def _traits(
        self, transport: OpenAIRealtimeBase, settings: TransportRealtimeModelSettings, *, attached: bool
    ) -> ConnectionTraits:
        playback = transport.playback
        return ConnectionTraits(
            transcribes=transcribes(settings),
            application_plays=playback == "application" and not attached,
            server_plays=playback == "server" or (attached and playback == "application"),
            # The audio of a telephone call goes to the telephone, in its format.
            hears=transport.audio_events and playback != "provider" and not attached,
            attached=attached,
            of_call=attached or playback == "provider",
            rate=self.audio_input_sample_rate,
            output_rate=self.audio_output_sample_rate,
            reconnect=settings.get("reconnect"),
        )

    # Calls and secrets

    async def create_client_secret(
        self,
        *,
        instructions: str | None = None,
        tools: Sequence[ToolDefinition] | None = None,
        model_settings: RealtimeModelSettings | None = None,
        expires_after_seconds: int | None = None,
    ) -> RealtimeClientSecret:
        """Create a secret with which a browser opens a session of that configuration.

        If cancelled, the server may have done it all the same.

        Raises:
            ModelHTTPError: The server refused.
            RealtimeError: There was no answer.
            UserError: The model was made without ``rest``.
        """
        rest = self._require_rest("create_client_secret")
        session = self._session_of_call(instructions, tools, model_settings)
        with as_of_a_model(self.model_name):
            secret = await rest.create_client_secret(session, expires_after=expires_after_seconds)
        details = {name: value for name, value in secret.raw.items() if name != "value"}
        expires_at = datetime.fromtimestamp(secret.expires_at, tz=UTC)
        return RealtimeClientSecret(secret.value, expires_at=expires_at, provider_details=details or None)

    async def answer_webrtc_offer(
        self,
        sdp_offer: str,
        *,
        instructions: str | None = None,
        tools: Sequence[ToolDefinition] | None = None,
        model_settings: RealtimeModelSettings | None = None,
        message_history: Sequence[ModelMessage] | None = None,
    ) -> WebRTCAnswer:
        """Pass the offer of a browser on to the server; the connection that attaches sends the history.

        If cancelled, the server may have done it all the same.

        Raises:
            ModelHTTPError: The server refused.
            RealtimeError: There was no answer.
            UserError: The model was made without ``rest``.
        """
        rest = self._require_rest("answer_webrtc_offer")
        session = self._session_of_call(instructions, tools, model_settings)
        with as_of_a_model(self.model_name):
            answer = await rest.create_call(sdp_offer, session)
        return WebRTCAnswer(answer.sdp, session=WebRTCSession(self.system, session_id=answer.call_id))

    def _check_hang_up(self, session: RealtimeProviderSession) -> None:
        self._require_rest("hang_up")
        self._check_webrtc_session_provider(session)

    async def hang_up(self, session: RealtimeProviderSession) -> None:
        """End a call; that it has already ended is not an error.

        If cancelled, the server may have done it all the same.

        Raises:
            ModelHTTPError: The server refused.
            RealtimeError: There was no answer.
            UserError: The model was made without ``rest``, or the call is with another vendor.
        """
        self._check_hang_up(session)
        rest = self._require_rest("hang_up")
        with as_of_a_model(self.model_name):
            try:
                await rest.hang_up_call(session.session_id)
            except RequestError as error:
                if error.code != ENDED_CALL:
                    raise

    def _session_of_call(
        self,
        instructions: str | None,
        tools: Sequence[ToolDefinition] | None,
        model_settings: RealtimeModelSettings | None,
    ) -> dict[str, Any]:
        config = session_config(
            instructions or "", tools or (), self._settings(model_settings), self.profile, with_formats=True
        )
        return {"model": self.model_name, **{name: value for name, value in config.items() if value is not None}}

    def _require_rest(self, method: str) -> RealtimeRestClient:
        if self._rest is None:
            raise UserError(
                f"{method}() makes requests: pass rest=RealtimeRestClient(...) to TransportRealtimeModel, within its "
                "`async with` block"
            )
        return self._rest


def _base_of(url: str) -> str:
    """The base URL of the API with the endpoint *url*, as an HTTP client needs it."""
    base = url.partition("?")[0].removesuffix("/calls").removesuffix("/realtime")
    return f"http{base.removeprefix('ws')}" if base.startswith("ws") else base
