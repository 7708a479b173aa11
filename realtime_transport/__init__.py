"""Transports for speech-to-speech models that speak the OpenAI Realtime protocol, under trio and asyncio.

::

    transport = OpenAIRealtimeWebSocket(model="gpt-realtime")
    async with transport.connect(api_key=key):
        await transport.send_message("Hello")
        async for event in transport:
            ...

Names are loaded when they are first used: importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import client_events as client_events
    from . import errors as errors
    from . import events as events
    from . import server_events as server_events
    from .audio.devices import (
        Device as Device,
    )
    from .audio.devices import (
        Microphone as Microphone,
    )
    from .audio.devices import (
        Speaker as Speaker,
    )
    from .audio.devices import (
        list_devices as list_devices,
    )
    from .audio.formats import (
        AudioFormat as AudioFormat,
    )
    from .audio.sinks import (
        AudioSink as AudioSink,
    )
    from .audio.sinks import (
        BufferSink as BufferSink,
    )
    from .audio.sinks import (
        PacedSink as PacedSink,
    )
    from .audio.sinks import (
        WavSink as WavSink,
    )
    from .audio.sources import (
        AudioSource as AudioSource,
    )
    from .audio.sources import (
        BytesSource as BytesSource,
    )
    from .audio.sources import (
        FileSource as FileSource,
    )
    from .audio.sources import (
        IterableSource as IterableSource,
    )
    from .clock import (
        Clock as Clock,
    )
    from .connection.connection import (
        ConnectionStatistics as ConnectionStatistics,
    )
    from .connection.link import (
        Link as Link,
    )
    from .connection.link import (
        LinkClosed as LinkClosed,
    )
    from .connection.link import (
        ObjectStreamLink as ObjectStreamLink,
    )
    from .connection.outbox import (
        OutboxStatistics as OutboxStatistics,
    )
    from .connection.subscription import (
        Subscription as Subscription,
    )
    from .connection.subscription import (
        SubscriptionStatistics as SubscriptionStatistics,
    )
    from .emitter import (
        RealtimeEmitter as RealtimeEmitter,
    )
    from .errors import (
        ConfigError as ConfigError,
    )
    from .errors import (
        ConnectError as ConnectError,
    )
    from .errors import (
        ConnectionLost as ConnectionLost,
    )
    from .errors import (
        ConsumerTooSlow as ConsumerTooSlow,
    )
    from .errors import (
        DecodeError as DecodeError,
    )
    from .errors import (
        ListenerError as ListenerError,
    )
    from .errors import (
        LocalProtocolError as LocalProtocolError,
    )
    from .errors import (
        MessageTooBig as MessageTooBig,
    )
    from .errors import (
        MissingExtraError as MissingExtraError,
    )
    from .errors import (
        NegotiationError as NegotiationError,
    )
    from .errors import (
        NotConnectedError as NotConnectedError,
    )
    from .errors import (
        ProtocolError as ProtocolError,
    )
    from .errors import (
        RealtimeError as RealtimeError,
    )
    from .errors import (
        RemoteProtocolError as RemoteProtocolError,
    )
    from .errors import (
        RequestError as RequestError,
    )
    from .errors import (
        SetupTimeout as SetupTimeout,
    )
    from .errors import (
        TransportError as TransportError,
    )
    from .errors import (
        UnsupportedOperation as UnsupportedOperation,
    )
    from .errors import (
        UpgradeRejected as UpgradeRejected,
    )
    from .errors import (
        WebhookError as WebhookError,
    )
    from .keys import (
        ApiKey as ApiKey,
    )
    from .protocol.config import (
        DEFAULT_MODEL as DEFAULT_MODEL,
    )
    from .protocol.config import (
        RealtimeSessionConfig as RealtimeSessionConfig,
    )
    from .protocol.events import (
        AudioDoneEvent as AudioDoneEvent,
    )
    from .protocol.events import (
        AudioEvent as AudioEvent,
    )
    from .protocol.events import (
        AudioInterruptedEvent as AudioInterruptedEvent,
    )
    from .protocol.events import (
        AudioTranscriptDeltaEvent as AudioTranscriptDeltaEvent,
    )
    from .protocol.events import (
        ConnectedEvent as ConnectedEvent,
    )
    from .protocol.events import (
        ConnectionChangeEvent as ConnectionChangeEvent,
    )
    from .protocol.events import (
        ConnectionStatus as ConnectionStatus,
    )
    from .protocol.events import (
        DisconnectedEvent as DisconnectedEvent,
    )
    from .protocol.events import (
        ErrorEvent as ErrorEvent,
    )
    from .protocol.events import (
        Event as Event,
    )
    from .protocol.events import (
        FunctionCallEvent as FunctionCallEvent,
    )
    from .protocol.events import (
        ItemDeletedEvent as ItemDeletedEvent,
    )
    from .protocol.events import (
        ItemUpdateEvent as ItemUpdateEvent,
    )
    from .protocol.events import (
        McpApprovalRequestEvent as McpApprovalRequestEvent,
    )
    from .protocol.events import (
        McpToolCallCompletedEvent as McpToolCallCompletedEvent,
    )
    from .protocol.events import (
        McpToolsListedEvent as McpToolsListedEvent,
    )
    from .protocol.events import (
        OutputTextDeltaEvent as OutputTextDeltaEvent,
    )
    from .protocol.events import (
        SemanticEvent as SemanticEvent,
    )
    from .protocol.events import (
        ServerError as ServerError,
    )
    from .protocol.events import (
        TurnDoneEvent as TurnDoneEvent,
    )
    from .protocol.events import (
        TurnStartedEvent as TurnStartedEvent,
    )
    from .protocol.events import (
        Usage as Usage,
    )
    from .protocol.events import (
        UsageUpdateEvent as UsageUpdateEvent,
    )
    from .protocol.profiles import (
        PROFILES as PROFILES,
    )
    from .protocol.profiles import (
        EndpointProfile as EndpointProfile,
    )
    from .protocol.realtime_items import (
        RealtimeItem as RealtimeItem,
    )
    from .protocol.realtime_items import (
        RealtimeMcpCallApprovalRequestItem as RealtimeMcpCallApprovalRequestItem,
    )
    from .protocol.realtime_items import (
        RealtimeMcpCallItem as RealtimeMcpCallItem,
    )
    from .protocol.realtime_items import (
        RealtimeMessageItem as RealtimeMessageItem,
    )
    from .protocol.realtime_items import (
        RealtimeToolCallItem as RealtimeToolCallItem,
    )
    from .protocol.realtime_items import (
        realtime_item as realtime_item,
    )
    from .protocol.values import (
        UNSET as UNSET,
    )
    from .protocol.values import (
        Unset as Unset,
    )
    from .protocol.wire import (
        ClientEvent as ClientEvent,
    )
    from .protocol.wire import (
        ServerEvent as ServerEvent,
    )
    from .rest import (
        CallAnswer as CallAnswer,
    )
    from .rest import (
        ClientSecret as ClientSecret,
    )
    from .rest import (
        RealtimeRestClient as RealtimeRestClient,
    )
    from .rtc.jitter import (
        JitterStatistics as JitterStatistics,
    )
    from .rtc.settings import (
        IceServer as IceServer,
    )
    from .rtc.settings import (
        OpusSettings as OpusSettings,
    )
    from .transports.base import (
        ConnectionState as ConnectionState,
    )
    from .transports.base import (
        OpenAIRealtimeBase as OpenAIRealtimeBase,
    )
    from .transports.cloudflare import (
        CloudflareRealtimeTransportLayer as CloudflareRealtimeTransportLayer,
    )
    from .transports.layer import (
        RealtimeTransportLayer as RealtimeTransportLayer,
    )
    from .transports.options import (
        ConnectionOptions as ConnectionOptions,
    )
    from .transports.options import (
        ConnectOptions as ConnectOptions,
    )
    from .transports.options import (
        Connector as Connector,
    )
    from .transports.options import (
        ConnectRequest as ConnectRequest,
    )
    from .transports.options import (
        SessionConfig as SessionConfig,
    )
    from .transports.options import (
        TransportOptions as TransportOptions,
    )
    from .transports.phone.codec import (
        MediaCodec as MediaCodec,
    )
    from .transports.phone.messages import (
        PhoneDtmf as PhoneDtmf,
    )
    from .transports.phone.messages import (
        PhoneMark as PhoneMark,
    )
    from .transports.phone.messages import (
        PhoneMedia as PhoneMedia,
    )
    from .transports.phone.messages import (
        PhoneMessage as PhoneMessage,
    )
    from .transports.phone.messages import (
        PhoneStarted as PhoneStarted,
    )
    from .transports.phone.messages import (
        PhoneStopped as PhoneStopped,
    )
    from .transports.phone.telnyx import (
        TelnyxCodec as TelnyxCodec,
    )
    from .transports.phone.twilio import (
        TwilioCodec as TwilioCodec,
    )
    from .transports.sip import (
        OpenAIRealtimeSIP as OpenAIRealtimeSIP,
    )
    from .transports.twilio import (
        TwilioRealtimeTransportLayer as TwilioRealtimeTransportLayer,
    )
    from .transports.webrtc import (
        OpenAIRealtimeWebRTC as OpenAIRealtimeWebRTC,
    )
    from .transports.webrtc import (
        WebRTCConnectionState as WebRTCConnectionState,
    )
    from .transports.websocket import (
        OpenAIRealtimeWebSocket as OpenAIRealtimeWebSocket,
    )
    from .transports.websocket_link import (
        connect_websocket as connect_websocket,
    )
    from .webhooks import (
        IncomingCall as IncomingCall,
    )
    from .webhooks import (
        WebhookEvent as WebhookEvent,
    )
    from .webhooks import (
        sign_webhook as sign_webhook,
    )
    from .webhooks import (
        verify_webhook as verify_webhook,
    )

_SUBMODULES = ("client_events", "errors", "events", "server_events")

_HOMES = {
    "audio.devices": """
        Device Microphone Speaker list_devices
    """,
    "audio.formats": """
        AudioFormat
    """,
    "audio.sinks": """
        AudioSink BufferSink PacedSink WavSink
    """,
    "audio.sources": """
        AudioSource BytesSource FileSource IterableSource
    """,
    "clock": """
        Clock
    """,
    "connection.connection": """
        ConnectionStatistics
    """,
    "connection.link": """
        Link LinkClosed ObjectStreamLink
    """,
    "connection.outbox": """
        OutboxStatistics
    """,
    "connection.subscription": """
        Subscription SubscriptionStatistics
    """,
    "emitter": """
        RealtimeEmitter
    """,
    "errors": """
        ConfigError ConnectError ConnectionLost ConsumerTooSlow DecodeError ListenerError LocalProtocolError
        MessageTooBig MissingExtraError NegotiationError NotConnectedError ProtocolError RealtimeError
        RemoteProtocolError RequestError SetupTimeout TransportError UnsupportedOperation UpgradeRejected
        WebhookError
    """,
    "keys": """
        ApiKey
    """,
    "protocol.config": """
        DEFAULT_MODEL RealtimeSessionConfig
    """,
    "protocol.events": """
        AudioDoneEvent AudioEvent AudioInterruptedEvent AudioTranscriptDeltaEvent ConnectedEvent
        ConnectionChangeEvent ConnectionStatus DisconnectedEvent ErrorEvent Event FunctionCallEvent
        ItemDeletedEvent ItemUpdateEvent McpApprovalRequestEvent McpToolCallCompletedEvent McpToolsListedEvent
        OutputTextDeltaEvent SemanticEvent ServerError TurnDoneEvent TurnStartedEvent Usage UsageUpdateEvent
    """,
    "protocol.profiles": """
        PROFILES EndpointProfile
    """,
    "protocol.realtime_items": """
        RealtimeItem RealtimeMcpCallApprovalRequestItem RealtimeMcpCallItem RealtimeMessageItem
        RealtimeToolCallItem realtime_item
    """,
    "protocol.values": """
        UNSET Unset
    """,
    "protocol.wire": """
        ClientEvent ServerEvent
    """,
    "rest": """
        CallAnswer ClientSecret RealtimeRestClient
    """,
    "rtc.jitter": """
        JitterStatistics
    """,
    "rtc.settings": """
        IceServer OpusSettings
    """,
    "transports.base": """
        ConnectionState OpenAIRealtimeBase
    """,
    "transports.cloudflare": """
        CloudflareRealtimeTransportLayer
    """,
    "transports.layer": """
        RealtimeTransportLayer
    """,
    "transports.options": """
        ConnectOptions ConnectRequest ConnectionOptions Connector SessionConfig TransportOptions
    """,
    "transports.phone.codec": """
        MediaCodec
    """,
    "transports.phone.messages": """
        PhoneDtmf PhoneMark PhoneMedia PhoneMessage PhoneStarted PhoneStopped
    """,
    "transports.phone.telnyx": """
        TelnyxCodec
    """,
    "transports.phone.twilio": """
        TwilioCodec
    """,
    "transports.sip": """
        OpenAIRealtimeSIP
    """,
    "transports.twilio": """
        TwilioRealtimeTransportLayer
    """,
    "transports.webrtc": """
        OpenAIRealtimeWebRTC WebRTCConnectionState
    """,
    "transports.websocket": """
        OpenAIRealtimeWebSocket
    """,
    "transports.websocket_link": """
        connect_websocket
    """,
    "webhooks": """
        IncomingCall WebhookEvent sign_webhook verify_webhook
    """,
}
"""Where each name is defined."""

_MODULES = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted({*_MODULES, *_SUBMODULES})  # pyright: ignore[reportUnsupportedDunderAll] - the imports above say it


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
