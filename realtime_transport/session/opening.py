"""The transport of a session, and the ``session`` object that opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from realtime_transport.errors import ConfigError, brief
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, SessionSettings
from realtime_transport.transports.interface.layer import RealtimeTransportLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TransportName", "initial_payload", "make_transport"]

TransportName: TypeAlias = Literal["websocket", "webrtc"]


def make_transport(transport: TransportName | RealtimeTransportLayer) -> RealtimeTransportLayer:
    """The transport of that name, or the given transport.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(transport, RealtimeTransportLayer):
        return transport
    if transport == "websocket":
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        return OpenAIRealtimeWebSocket()
    if transport == "webrtc":
        from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

        return OpenAIRealtimeWebRTC()
    raise ConfigError(
        f"transport: 'websocket', 'webrtc' or a transport expected, not {brief(transport)}", key="transport"
    )


def initial_payload(transport: RealtimeTransportLayer, config: Mapping[str, Any]) -> dict[str, Any]:
    """The whole ``session`` object for *config*, as *transport* would open with it.

    Raises:
        ConfigError: A setting has a wrong type or value, or the transport cannot use it.
    """
    for name in ("build_initial_config", "build_session_payload"):
        build = getattr(transport, name, None)
        if build is not None:
            return build(config)
    return SessionSettings(DEFAULT_MODEL).preview(config)
