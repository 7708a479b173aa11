"""What the messages of the server mean: the events that an application reads.

For each message of the server the stream holds first the typed server event (one of
`realtime_transport.protocol.server_events`), then the events of this module. ``event_name`` is the name that the
JavaScript SDK uses for the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pybase64

from realtime_transport.connection_events import (
    ConnectedEvent,
    ConnectionChangeEvent,
    ConnectionStatus,
    DisconnectedEvent,
    ErrorEvent,
    SemanticEvent,
)
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.codec import decode_server_event, dumps
from realtime_transport.protocol.wire.json_types import UNSET, Unset
from realtime_transport.protocol.wire.model import Event, ServerEvent, wire_model
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.protocol.wire.response_events import ResponseOutputAudioDelta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.protocol.wire.items import Item
    from realtime_transport.protocol.wire.responses import Response

    from .playback.ledger import Truncation
    from .realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem, RealtimeMcpCallItem

__all__ = [
    "AudioDoneEvent",
    "AudioEvent",
    "AudioInterruptedEvent",
    "AudioTranscriptDeltaEvent",
    "ConnectedEvent",
    "ConnectionChangeEvent",
    "ConnectionStatus",
    "DisconnectedEvent",
    "ErrorEvent",
    "Event",
    "FunctionCallEvent",
    "FunctionCallRepeatedEvent",
    "ItemDeletedEvent",
    "ItemUpdateEvent",
    "McpApprovalRequestEvent",
    "McpToolCallCompletedEvent",
    "McpToolsListedEvent",
    "OutputTextDeltaEvent",
    "SemanticEvent",
    "ServerError",
    "TurnDoneEvent",
    "TurnStartedEvent",
    "Usage",
    "UsageUpdateEvent",
]


@frozen()
class AudioEvent(SemanticEvent):
    """Audio of the model.

    Attributes:
        data: Raw samples in the session's output format; for ``audio/pcm``, 16-bit little-endian mono.
        response_id: The response it belongs to; empty if the server did not say.
        item_id: The item it belongs to; empty if the server did not say.
        content_index: The content part of the item.
        output_index: The place of the item in the response.
    """

    event_name: ClassVar[str] = "audio"
    is_audio: ClassVar[bool] = True

    data: bytes = attrs.field(repr=False)
    response_id: str
    item_id: str
    content_index: int = 0
    output_index: int = 0
    _raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False, alias="raw")

    @property
    def raw(self) -> Mapping[str, Any]:
        """The message as it was received. Made anew: the text of the audio is not kept beside its bytes."""
        raw = self._raw
        if raw.get("delta", self) is None:
            return {**raw, "delta": pybase64.b64encode_as_string(self.data)}
        return raw

    @property
    def audio_bytes(self) -> int:
        """What it holds, in bytes: ``data``, and what a server has put beside it if that is out of the ordinary."""
        raw = self._raw
        return len(self.data) + (0 if raw.get("delta") is None else len(dumps(raw)))

    @property
    def server_event(self) -> ServerEvent:
        """The typed server event, built on demand."""
        return decode_server_event(dict(self.raw), self.sequence)[0]


@wire_model
class DeferredAudioDelta(ResponseOutputAudioDelta):
    """A `ResponseOutputAudioDelta` that is built when it is read. It is delivered as what `build` returns.

    Attributes:
        audio: What it is built from; it shares the bytes.
    """

    deferred: ClassVar[bool] = True

    audio: AudioEvent

    @property
    def audio_bytes(self) -> int:
        """As of the `AudioEvent`."""
        return self.audio.audio_bytes

    def build(self) -> ServerEvent:
        """The event."""
        return decode_server_event(dict(self.audio.raw), self.sequence)[0]


@frozen()
class AudioDoneEvent(SemanticEvent):
    """All audio of a content part has been received. It may still be playing."""

    event_name: ClassVar[str] = "audio_done"

    response_id: str = ""
    item_id: str = ""
    content_index: int = 0
    output_index: int = 0


@frozen()
class AudioInterruptedEvent(SemanticEvent):
    """The model was interrupted while a reply was playing: stop playing.

    The event carries the decision: what was cut off, how much of it was heard, and which audio is taken back. It is
    delivered ahead of everything that has not been delivered yet; the audio that it withdraws is never delivered.

    Attributes:
        response_id: The response that was playing; empty if the server gave it no id.
        item_id: The item that was playing; empty if the server did not say.
        content_index: The content part that was playing.
        samples_heard: How much of that part was heard, in samples of its format: reported by the sink, the provider
            or `audio_played`, otherwise estimated by the time since the part began.
        audio_end_ms: The same in milliseconds.
        truncations: What the server was told to cut, in the order of playback; empty where the server owns playback
            and where all was heard.
        withdraws: The responses whose undelivered audio is taken back.
        preceded_by: The server event that caused it, if one did; it is delivered just before this event.
    """

    event_name: ClassVar[str] = "audio_interrupted"

    response_id: str = ""
    item_id: str = ""
    content_index: int = 0
    samples_heard: int = 0
    audio_end_ms: int = 0
    truncations: tuple[Truncation, ...] = ()
    # The two are class attributes of all other events.
    withdraws: frozenset[str] | None = frozenset()  # pyright: ignore[reportIncompatibleVariableOverride]
    preceded_by: tuple[Event, ...] = attrs.field(default=(), eq=False, repr=False)  # pyright: ignore[reportIncompatibleVariableOverride]


@frozen()
class Withdrawal(Event):
    """Responses were stopped of which nothing had been heard: what is on its way to a listener is taken back.

    It reaches what plays audio for us (the taps of the hub). No stream of a transport delivers it: for the application
    nothing has happened.
    """

    for_taps_only: ClassVar[bool] = True

    withdraws: frozenset[str] | None = frozenset()  # pyright: ignore[reportIncompatibleVariableOverride]


@frozen()
class AudioTranscriptDeltaEvent(SemanticEvent):
    """More text of what the model is saying."""

    event_name: ClassVar[str] = "audio_transcript_delta"

    delta: str
    item_id: str = ""
    response_id: str = ""
    content_index: int = 0


@frozen()
class OutputTextDeltaEvent(SemanticEvent):
    """More text of what the model is writing."""

    event_name: ClassVar[str] = "output_text_delta"

    delta: str
    item_id: str = ""
    response_id: str = ""
    content_index: int = 0


@frozen()
class FunctionCallEvent(SemanticEvent):
    """The model calls a function. Answer it with ``send_function_call_output``.

    Told once for each call, however often the server repeats the item.

    Attributes:
        id: The item of the call.
        call_id: What the answer refers to.
        name: The function.
        arguments: JSON text, as the model wrote it; an `ErrorEvent` went before if it is not JSON.
        response_id: The response that the call belongs to.
        previous_item_id: The item before the call, where known.
    """

    event_name: ClassVar[str] = "function_call"

    id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    response_id: str = ""
    previous_item_id: str | Unset | None = UNSET


@frozen()
class FunctionCallRepeatedEvent(SemanticEvent):
    """The server repeats a call that was emitted before. Only for those who subscribe to it.

    Attributes:
        id: The item of the call.
        call_id: What the answer refers to.
        name: The function.
        arguments: JSON text, perhaps other than before.
        response_id: The response that the call belongs to.
        previous_item_id: The item before the call, where known.
    """

    event_name: ClassVar[str] = "function_call_repeated"

    id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    response_id: str = ""
    previous_item_id: str | Unset | None = UNSET


@frozen()
class ItemUpdateEvent(SemanticEvent):
    """An item of the conversation is new or has changed."""

    event_name: ClassVar[str] = "item_update"

    item: RealtimeItem


@frozen()
class ItemDeletedEvent(SemanticEvent):
    """An item has left the conversation."""

    event_name: ClassVar[str] = "item_deleted"

    item_id: str


@frozen()
class McpToolsListedEvent(SemanticEvent):
    """An MCP server has told its tools.

    Attributes:
        server_label: The MCP server; empty if the message did not say.
        tools: The tools, as they stand in the message.
    """

    event_name: ClassVar[str] = "mcp_tools_listed"

    server_label: str
    tools: Sequence[Any]


@frozen()
class McpApprovalRequestEvent(SemanticEvent):
    """An MCP call waits for approval. Answer it with ``send_mcp_response``."""

    event_name: ClassVar[str] = "mcp_approval_request"

    item: RealtimeMcpCallApprovalRequestItem


@frozen()
class McpToolCallCompletedEvent(SemanticEvent):
    """The server has finished an MCP call."""

    event_name: ClassVar[str] = "mcp_tool_call_completed"

    item: RealtimeMcpCallItem


@frozen()
class Usage:
    """Tokens of one response.

    Attributes:
        total_tokens: The server's own total; the sum of the other two where it gave none.
        input_tokens_details: What the input consists of, under the server's names.
        output_tokens_details: What the output consists of, under the server's names.
    """

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    output_tokens_details: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@frozen()
class UsageUpdateEvent(SemanticEvent):
    """A response has ended; its tokens."""

    event_name: ClassVar[str] = "usage_update"

    usage: Usage


@frozen()
class TurnStartedEvent(SemanticEvent):
    """The model starts a response.

    Attributes:
        response_id: Empty if the server did not say.
        raw: The message as it was received.
    """

    event_name: ClassVar[str] = "turn_started"

    response_id: str = ""
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)


@frozen()
class TurnDoneEvent(SemanticEvent):
    """A response has ended. Audio may still be playing.

    Attributes:
        response_id: Empty if the server did not say.
        status: ``"completed"``, ``"cancelled"``, ``"failed"`` or ``"incomplete"``; `UNSET` or ``None`` if not said.
        output: The items of the response.
        usage: Its tokens.
        response: The whole response, if the message held one.
        raw: The message as it was received.
    """

    event_name: ClassVar[str] = "turn_done"

    response_id: str = ""
    status: str | Unset | None = UNSET
    output: Sequence[Item] = ()
    usage: Usage = attrs.field(factory=Usage)
    response: Response | None = attrs.field(default=None, repr=False)
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)
