"""The transport that attaches to a telephone call which the vendor's SIP interface has accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, cast

import attrs

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect_callable
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.defaults import NO_DEFAULTS
from realtime_transport.protocol.config.settings import SessionSettings
from realtime_transport.protocol.engine.policy import SERVER_PLAYBACK

from .base.realtime import OpenAIRealtimeBase
from .endpoint.endpoint import Endpoint
from .endpoint.opening import require_no_audio_ends
from .websocket import websocket_connector

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from .endpoint.options import ApiKey, ConnectOptions, Connector, SessionConfig, TransportOptions

__all__ = ["OpenAIRealtimeSIP"]

_POLICY = attrs.evolve(
    SERVER_PLAYBACK,
    audio_refused="OpenAIRealtimeSIP cannot send audio: the audio of the call goes from the telephone to the server",
)

_REFUSED_BY_CALLS = ("threshold", "prefix_padding_ms", "silence_duration_ms")
"""Fields of the turn detection for which the calls API answers 400 ``unknown_parameter``."""


class OpenAIRealtimeSIP(OpenAIRealtimeBase):
    """Controls a SIP call: text, tools and interruptions over a WebSocket, audio between telephone and server.

    ::

        transport = OpenAIRealtimeSIP()
        async with transport.connect(api_key=key, call_id=call.call_id):
            await transport.request_response({"instructions": "Greet the caller."})
            async for event in transport:
                ...

    For a WebRTC call, a sideband `OpenAIRealtimeWebSocket` with a ``call_id`` gets the same events.

    Args:
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key, or a function or coroutine function that is called at each connect; ``OPENAI_API_KEY`` if not
            given.
        url: Used as written, except that the call id becomes its query; the default host if not given.
        client: An ``httpx.AsyncClient`` to connect with. It stays open.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        connector: Opens the link instead of `connect_websocket`.
        options: Deadlines, bounds and clock; see `Settings`.

    Raises:
        ConfigError: ``audio_source`` or ``audio_sink`` was given: the telephone carries the audio.
    """

    @named
    def __init__(
        self,
        *,
        model: str | None = None,
        api_key: ApiKey | None = None,
        url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        connector: Connector | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        expect_callable(connector, "connector")
        require_no_audio_ends(options, "the audio of a SIP call belongs to the telephone")
        super().__init__(
            endpoint=Endpoint(
                wire="sip", connector=connector or websocket_connector(client), policy=_POLICY, check=_require_call_id
            ),
            model=model,
            api_key=api_key,
            url=url,
            headers=headers,
            query=query,
            **options,
        )

    @staticmethod
    def build_initial_config(config: SessionConfig | None = None, *, model: str | None = None) -> dict[str, Any]:
        """The session to accept a call with: the body of ``POST /realtime/calls/{call_id}/accept``.

        It holds only the given settings; the others stay as the call was negotiated. `connect` sends the same as the
        first ``session.update``. Nothing is sent here.

        Args:
            config: Settings of the session.
            model: The model, if *config* names none.

        Raises:
            ConfigError: A setting has a wrong name, type or value, or the calls API refuses it.
        """
        session = SessionSettings(session_defaults=NO_DEFAULTS).preview(config or {})
        if model is not None:
            session.setdefault("model", model)
        _check_turn_detection(session.get("audio", {}).get("input", {}).get("turn_detection"))
        return session


def _require_call_id(options: ConnectOptions) -> None:
    if not options.call_id:
        raise ConfigError(
            "call_id: a SIP transport attaches to a call; pass the call_id of the realtime.call.incoming webhook "
            "to connect()",
            key="call_id",
        )


def _check_turn_detection(turn_detection: object) -> None:
    if not isinstance(turn_detection, dict):
        return
    refused = [name for name in _REFUSED_BY_CALLS if name in cast("dict[str, Any]", turn_detection)]
    if refused:
        raise ConfigError(
            f"audio.input.turn_detection: the calls API refuses {', '.join(refused)}; leave them out to accept a call",
            key=f"audio.input.turn_detection.{refused[0]}",
        )
