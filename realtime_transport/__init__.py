"""Transports for speech-to-speech models that speak the OpenAI Realtime protocol, under trio and asyncio.

::

    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1")
    async with transport.connect(api_key=key):
        await transport.send_message("Hello")
        async for event in transport:
            ...

Names are loaded when they are first used, so importing the package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        client_events as client_events,
        errors as errors,
        events as events,
        server_events as server_events,
        session_events as session_events,
    )
    from .audio.devices import (
        Device as Device,
        Microphone as Microphone,
        Speaker as Speaker,
        list_devices as list_devices,
    )
    from .audio.formats import (
        AudioFormat as AudioFormat,
    )
    from .audio.sinks import (
        AudioSink as AudioSink,
        BufferSink as BufferSink,
        PacedSink as PacedSink,
        WavSink as WavSink,
    )
    from .audio.sources import (
        AudioSource as AudioSource,
        BytesSource as BytesSource,
        FileSource as FileSource,
        IterableSource as IterableSource,
    )
    from .clock import (
        Clock as Clock,
    )
    from .connection.link import (
        Link as Link,
        LinkClosed as LinkClosed,
        LinkStatistics as LinkStatistics,
        ObjectStreamLink as ObjectStreamLink,
    )
    from .connection.outbox import (
        OutboxStatistics as OutboxStatistics,
    )
    from .connection.statistics import (
        ConnectionStatistics as ConnectionStatistics,
    )
    from .connection.subscription import (
        Subscription as Subscription,
        SubscriptionLimits as SubscriptionLimits,
        SubscriptionStatistics as SubscriptionStatistics,
    )
    from .emitter import (
        RealtimeEmitter as RealtimeEmitter,
    )
    from .emitter.session import (
        RealtimeSessionEmitter as RealtimeSessionEmitter,
    )
    from .errors import (
        AuthenticationError as AuthenticationError,
        CallbackError as CallbackError,
        ConfigError as ConfigError,
        ConnectError as ConnectError,
        ConnectionLost as ConnectionLost,
        ConsumerTooSlow as ConsumerTooSlow,
        DecodeError as DecodeError,
        DeviceLost as DeviceLost,
        ListenerError as ListenerError,
        LocalProtocolError as LocalProtocolError,
        MessageTooBig as MessageTooBig,
        MissingExtraError as MissingExtraError,
        ModelBehaviorError as ModelBehaviorError,
        NegotiationError as NegotiationError,
        NotConnectedError as NotConnectedError,
        OutputGuardrailTripwireTriggered as OutputGuardrailTripwireTriggered,
        ProtocolError as ProtocolError,
        RealtimeError as RealtimeError,
        RemoteProtocolError as RemoteProtocolError,
        RequestError as RequestError,
        SetupTimeout as SetupTimeout,
        ToolError as ToolError,
        TransportError as TransportError,
        UnsupportedOperation as UnsupportedOperation,
        UpgradeRejected as UpgradeRejected,
        UpgradeUnauthorized as UpgradeUnauthorized,
        WebhookError as WebhookError,
    )
    from .keys import (
        ApiKey as ApiKey,
    )
    from .protocol.config.settings import DEFAULT_MODEL as DEFAULT_MODEL, RealtimeSessionConfig as RealtimeSessionConfig
    from .protocol.engine.events import (
        AudioDoneEvent as AudioDoneEvent,
        AudioEvent as AudioEvent,
        AudioInterruptedEvent as AudioInterruptedEvent,
        AudioTranscriptDeltaEvent as AudioTranscriptDeltaEvent,
        ConnectedEvent as ConnectedEvent,
        ConnectionChangeEvent as ConnectionChangeEvent,
        ConnectionStatus as ConnectionStatus,
        DisconnectedEvent as DisconnectedEvent,
        ErrorEvent as ErrorEvent,
        Event as Event,
        FunctionCallEvent as FunctionCallEvent,
        ItemDeletedEvent as ItemDeletedEvent,
        ItemUpdateEvent as ItemUpdateEvent,
        McpApprovalRequestEvent as McpApprovalRequestEvent,
        McpToolCallCompletedEvent as McpToolCallCompletedEvent,
        McpToolsListedEvent as McpToolsListedEvent,
        OutputTextDeltaEvent as OutputTextDeltaEvent,
        SemanticEvent as SemanticEvent,
        ServerError as ServerError,
        TurnDoneEvent as TurnDoneEvent,
        TurnStartedEvent as TurnStartedEvent,
        Usage as Usage,
        UsageUpdateEvent as UsageUpdateEvent,
    )
    from .protocol.engine.playback.ledger import PlaybackPosition as PlaybackPosition, Truncation as Truncation
    from .protocol.engine.realtime_items import (
        RealtimeItem as RealtimeItem,
        RealtimeMcpCallApprovalRequestItem as RealtimeMcpCallApprovalRequestItem,
        RealtimeMcpCallItem as RealtimeMcpCallItem,
        RealtimeMessageItem as RealtimeMessageItem,
        RealtimeToolCallItem as RealtimeToolCallItem,
        realtime_item as realtime_item,
    )
    from .protocol.vendors.profiles import PROFILES as PROFILES, EndpointProfile as EndpointProfile
    from .protocol.wire.json_types import UNSET as UNSET, Unset as Unset
    from .protocol.wire.model import ClientEvent as ClientEvent, ServerEvent as ServerEvent
    from .rest import (
        CallAnswer as CallAnswer,
        ClientSecret as ClientSecret,
        RealtimeRestClient as RealtimeRestClient,
    )
    from .rtc.jitter import (
        JitterStatistics as JitterStatistics,
    )
    from .rtc.settings import (
        IceServer as IceServer,
        OpusSettings as OpusSettings,
    )
    from .session.agents.agent import (
        RealtimeAgent as RealtimeAgent,
    )
    from .session.agents.guardrail import (
        GuardrailResult as GuardrailResult,
        GuardrailSettings as GuardrailSettings,
        OutputGuardrail as OutputGuardrail,
        ToolGuardrail as ToolGuardrail,
    )
    from .session.agents.handoff import (
        Handoff as Handoff,
        handoff as handoff,
    )
    from .session.agents.mcp import (
        HostedMcpTool as HostedMcpTool,
    )
    from .session.core.approval import (
        ToolApproval as ToolApproval,
    )
    from .session.core.settings import (
        ToolSettings as ToolSettings,
    )
    from .session.session import (
        RealtimeSession as RealtimeSession,
    )
    from .session.tools.context import (
        RunContext as RunContext,
        ToolContext as ToolContext,
    )
    from .session.tools.rendering import (
        background_result as background_result,
        tool_output as tool_output,
    )
    from .session.tools.tool import (
        FunctionTool as FunctionTool,
        function_tool as function_tool,
    )
    from .transports.base.realtime import (
        OpenAIRealtimeBase as OpenAIRealtimeBase,
    )
    from .transports.cloudflare import (
        CloudflareRealtimeTransportLayer as CloudflareRealtimeTransportLayer,
    )
    from .transports.endpoint.endpoint import (
        Endpoint as Endpoint,
    )
    from .transports.endpoint.observer import WireObserver as WireObserver
    from .transports.endpoint.options import (
        ConnectionOptions as ConnectionOptions,
        ConnectOptions as ConnectOptions,
        Connector as Connector,
        ConnectRequest as ConnectRequest,
        SessionConfig as SessionConfig,
        Settings as Settings,
        TransportOptions as TransportOptions,
    )
    from .transports.interface.batch import (
        Batch as Batch,
    )
    from .transports.interface.layer import (
        ConnectionState as ConnectionState,
        RealtimeTransportLayer as RealtimeTransportLayer,
    )
    from .transports.links.preloading import (
        preload as preload,
    )
    from .transports.links.websocket_link import (
        connect_websocket as connect_websocket,
    )
    from .transports.phone.codec import (
        MediaCodec as MediaCodec,
        MediaLimits as MediaLimits,
    )
    from .transports.phone.messages import (
        PhoneDtmf as PhoneDtmf,
        PhoneMark as PhoneMark,
        PhoneMedia as PhoneMedia,
        PhoneMessage as PhoneMessage,
        PhoneStarted as PhoneStarted,
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
        WebRTCConnectionState as WebRTCConnectionState,
    )
    from .transports.websocket import (
        OpenAIRealtimeWebSocket as OpenAIRealtimeWebSocket,
    )
    from .webhooks import (
        IncomingCall as IncomingCall,
        IncomingLiveSession as IncomingLiveSession,
        LiveSessionConnected as LiveSessionConnected,
        SipInvite as SipInvite,
        WebhookEvent as WebhookEvent,
        sign_webhook as sign_webhook,
        verify_webhook as verify_webhook,
    )

_SUBMODULES = ("client_events", "errors", "events", "server_events", "session_events")

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
    "connection.statistics": """
        ConnectionStatistics
    """,
    "connection.link": """
        Link LinkClosed LinkStatistics ObjectStreamLink
    """,
    "connection.outbox": """
        OutboxStatistics
    """,
    "connection.subscription": """
        Subscription SubscriptionLimits SubscriptionStatistics
    """,
    "emitter": """
        RealtimeEmitter
    """,
    "emitter.session": """
        RealtimeSessionEmitter
    """,
    "errors": """
        AuthenticationError CallbackError ConfigError ConnectError ConnectionLost ConsumerTooSlow DecodeError
        DeviceLost ListenerError
        LocalProtocolError MessageTooBig MissingExtraError ModelBehaviorError NegotiationError NotConnectedError
        OutputGuardrailTripwireTriggered ProtocolError RealtimeError RemoteProtocolError RequestError SetupTimeout
        ToolError TransportError UnsupportedOperation UpgradeRejected UpgradeUnauthorized WebhookError
    """,
    "keys": """
        ApiKey
    """,
    "protocol.config.settings": """
        DEFAULT_MODEL RealtimeSessionConfig
    """,
    "protocol.engine.events": """
        AudioDoneEvent AudioEvent AudioInterruptedEvent AudioTranscriptDeltaEvent ConnectedEvent
        ConnectionChangeEvent ConnectionStatus DisconnectedEvent ErrorEvent Event FunctionCallEvent
        ItemDeletedEvent ItemUpdateEvent McpApprovalRequestEvent McpToolCallCompletedEvent McpToolsListedEvent
        OutputTextDeltaEvent SemanticEvent ServerError TurnDoneEvent TurnStartedEvent Usage UsageUpdateEvent
    """,
    "protocol.engine.playback.ledger": """
        PlaybackPosition Truncation
    """,
    "protocol.vendors.profiles": """
        PROFILES EndpointProfile
    """,
    "protocol.engine.realtime_items": """
        RealtimeItem RealtimeMcpCallApprovalRequestItem RealtimeMcpCallItem RealtimeMessageItem
        RealtimeToolCallItem realtime_item
    """,
    "protocol.wire.json_types": """
        UNSET Unset
    """,
    "protocol.wire.model": """
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
    "session.agents.agent": """
        RealtimeAgent
    """,
    "session.core.approval": """
        ToolApproval
    """,
    "session.tools.context": """
        RunContext ToolContext
    """,
    "session.agents.guardrail": """
        GuardrailResult GuardrailSettings OutputGuardrail ToolGuardrail
    """,
    "session.agents.handoff": """
        Handoff handoff
    """,
    "session.agents.mcp": """
        HostedMcpTool
    """,
    "session.tools.rendering": """
        background_result tool_output
    """,
    "session.session": """
        RealtimeSession
    """,
    "session.core.settings": """
        ToolSettings
    """,
    "session.tools.tool": """
        FunctionTool function_tool
    """,
    "transports.base.realtime": """
        OpenAIRealtimeBase
    """,
    "transports.interface.batch": """
        Batch
    """,
    "transports.cloudflare": """
        CloudflareRealtimeTransportLayer
    """,
    "transports.endpoint.endpoint": """
        Endpoint
    """,
    "transports.interface.layer": """
        ConnectionState RealtimeTransportLayer
    """,
    "transports.endpoint.observer": """
        WireObserver
    """,
    "transports.endpoint.options": """
        ConnectOptions ConnectRequest ConnectionOptions Connector SessionConfig Settings TransportOptions
    """,
    "transports.phone.codec": """
        MediaCodec MediaLimits
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
    "transports.links.preloading": """
        preload
    """,
    "transports.websocket": """
        OpenAIRealtimeWebSocket
    """,
    "transports.links.websocket_link": """
        connect_websocket
    """,
    "webhooks": """
        IncomingCall IncomingLiveSession LiveSessionConnected SipInvite WebhookEvent sign_webhook verify_webhook
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
    return sorted({*__all__, *_SUBMODULES, *(name for name in globals() if name.startswith("__"))})
