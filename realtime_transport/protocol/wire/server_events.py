"""The events that a server sends, each class named after its wire type.

Sources: the vendor's OpenAPI description and SDKs for the fields, recordings of live sessions for the order and for
what may be null. Those about the conversation and about a response are defined in `conversation_events` and
`response_events`.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the codec resolves annotations
from typing import ClassVar

from .conversation_events import (
    ConversationCreated,
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemInputAudioTranscriptionSegment,
    ConversationItemRetrieved,
    ConversationItemTruncated,
)
from .json_types import UNSET, Unset
from .model import ServerEvent, wire_model
from .objects import RateLimit, ServerError  # noqa: TC001
from .response_events import (
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDelta,
    ResponseMcpCallArgumentsDone,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)
from .session import Session  # noqa: TC001

__all__ = [
    "SERVER_EVENTS",
    "VENDOR_EVENTS",
    "ConversationCreated",
    "ConversationItemAdded",
    "ConversationItemCreated",
    "ConversationItemDeleted",
    "ConversationItemDone",
    "ConversationItemInputAudioTranscriptionCompleted",
    "ConversationItemInputAudioTranscriptionDelta",
    "ConversationItemInputAudioTranscriptionFailed",
    "ConversationItemInputAudioTranscriptionSegment",
    "ConversationItemRetrieved",
    "ConversationItemTruncated",
    "Error",
    "InputAudioBufferCleared",
    "InputAudioBufferCommitted",
    "InputAudioBufferDtmfEventReceived",
    "InputAudioBufferSpeechStarted",
    "InputAudioBufferSpeechStopped",
    "InputAudioBufferTimeoutTriggered",
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "OutputAudioBufferCleared",
    "OutputAudioBufferStarted",
    "OutputAudioBufferStopped",
    "Ping",
    "RateLimitsUpdated",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseCreated",
    "ResponseDone",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
    "ResponseMcpCallInProgress",
    "ResponseOutputAudioDelta",
    "ResponseOutputAudioDone",
    "ResponseOutputAudioTranscriptDelta",
    "ResponseOutputAudioTranscriptDone",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseOutputTextDelta",
    "ResponseOutputTextDone",
    "SessionClosed",
    "SessionCreated",
    "SessionInputTranscriptDelta",
    "SessionOutputAudioDelta",
    "SessionOutputTranscriptDelta",
    "SessionUpdated",
    "UnknownServerEvent",
]


@wire_model
class Error(ServerEvent):
    """Something went wrong; not fatal unless the server closes the connection at once."""

    type: ClassVar[str] = "error"

    error: ServerError | Unset | None = UNSET


@wire_model
class SessionCreated(ServerEvent):
    """The first event of a healthy connection, with the settings in force."""

    type: ClassVar[str] = "session.created"

    session: Session | Unset | None = UNSET


@wire_model
class SessionUpdated(ServerEvent):
    """Answer to ``session.update``, with all settings in force."""

    type: ClassVar[str] = "session.updated"

    session: Session | Unset | None = UNSET


@wire_model
class InputAudioBufferCommitted(ServerEvent):
    """The input buffer became a user message, by ``input_audio_buffer.commit`` or by turn detection.

    Attributes:
        previous_item_id: The item before it; null for the first.
        item_id: The id that the message will have.
    """

    type: ClassVar[str] = "input_audio_buffer.committed"

    previous_item_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class InputAudioBufferCleared(ServerEvent):
    """Answer to ``input_audio_buffer.clear``."""

    type: ClassVar[str] = "input_audio_buffer.cleared"


@wire_model
class InputAudioBufferSpeechStarted(ServerEvent):
    """Turn detection heard the user begin: the signal of a barge-in.

    Attributes:
        audio_start_ms: Milliseconds of input audio since the session began, less the prefix padding.
        item_id: The id that the user's message will have.
    """

    type: ClassVar[str] = "input_audio_buffer.speech_started"

    audio_start_ms: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class InputAudioBufferSpeechStopped(ServerEvent):
    """Turn detection heard the user end.

    Attributes:
        audio_end_ms: Milliseconds of input audio since the session began, the silence included.
    """

    type: ClassVar[str] = "input_audio_buffer.speech_stopped"

    audio_end_ms: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class InputAudioBufferTimeoutTriggered(ServerEvent):
    """Nobody spoke for ``idle_timeout_ms``; the server commits the silence and answers it.

    Attributes:
        audio_start_ms: Milliseconds of input audio when the model's last words had been played.
        audio_end_ms: Milliseconds of input audio when the time was up.
        item_id: The message that holds the silence.
    """

    type: ClassVar[str] = "input_audio_buffer.timeout_triggered"

    audio_start_ms: int | Unset | None = UNSET
    audio_end_ms: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class InputAudioBufferDtmfEventReceived(ServerEvent):
    """The caller pressed a key of the telephone; SIP only, and without an ``event_id``.

    Attributes:
        event: One of ``0`` to ``9``, ``*``, ``#``, ``A`` to ``D``.
        received_at: Unix time in seconds.
    """

    type: ClassVar[str] = "input_audio_buffer.dtmf_event_received"

    event: str | Unset | None = UNSET
    received_at: int | Unset | None = UNSET


@wire_model
class OutputAudioBufferStarted(ServerEvent):
    """The server began to play the model's audio to the peer; WebRTC and SIP only."""

    type: ClassVar[str] = "output_audio_buffer.started"

    response_id: str | Unset | None = UNSET


@wire_model
class OutputAudioBufferStopped(ServerEvent):
    """The server has played all of the model's audio, after ``response.done``; WebRTC and SIP only."""

    type: ClassVar[str] = "output_audio_buffer.stopped"

    response_id: str | Unset | None = UNSET


@wire_model
class OutputAudioBufferCleared(ServerEvent):
    """Audio not yet played was dropped, by a barge-in or by ``output_audio_buffer.clear``; WebRTC and SIP only."""

    type: ClassVar[str] = "output_audio_buffer.cleared"

    response_id: str | Unset | None = UNSET


@wire_model
class RateLimitsUpdated(ServerEvent):
    """What is left of the quotas; comes at the beginning of a response or after its end."""

    type: ClassVar[str] = "rate_limits.updated"

    rate_limits: Sequence[RateLimit] | Unset | None = UNSET


@wire_model
class McpListToolsInProgress(ServerEvent):
    """The server asks an MCP server for its tools."""

    type: ClassVar[str] = "mcp_list_tools.in_progress"

    item_id: str | Unset | None = UNSET


@wire_model
class McpListToolsCompleted(ServerEvent):
    """The tools of an MCP server are known; the item holds them."""

    type: ClassVar[str] = "mcp_list_tools.completed"

    item_id: str | Unset | None = UNSET


@wire_model
class McpListToolsFailed(ServerEvent):
    """The tools of an MCP server could not be listed and are not available."""

    type: ClassVar[str] = "mcp_list_tools.failed"

    item_id: str | Unset | None = UNSET


@wire_model
class SessionClosed(ServerEvent):
    """A translation has ended, after ``session.close``."""

    type: ClassVar[str] = "session.closed"


@wire_model
class SessionInputTranscriptDelta(ServerEvent):
    """A piece of the transcript in the language that was spoken; translations only.

    Attributes:
        delta: Text to append as it is, without a space.
        elapsed_ms: Milliseconds of audio to which it belongs, in steps of 200; may repeat.
    """

    type: ClassVar[str] = "session.input_transcript.delta"

    delta: str | Unset | None = UNSET
    elapsed_ms: int | Unset | None = UNSET


@wire_model
class SessionOutputTranscriptDelta(ServerEvent):
    """A piece of the translated transcript; translations only.

    Attributes:
        delta: Text to append as it is, without a space.
        elapsed_ms: Milliseconds of audio to which it belongs, in steps of 200; may repeat.
    """

    type: ClassVar[str] = "session.output_transcript.delta"

    delta: str | Unset | None = UNSET
    elapsed_ms: int | Unset | None = UNSET


@wire_model
class SessionOutputAudioDelta(ServerEvent):
    """A piece of the translated speech; translations only.

    Attributes:
        delta: Base64 PCM of any length.
        sample_rate: Hertz.
        format: ``pcm16``.
        elapsed_ms: Milliseconds of audio to which it belongs, in steps of 200; may repeat.
    """

    type: ClassVar[str] = "session.output_audio.delta"

    delta: str | Unset | None = UNSET
    sample_rate: int | Unset | None = UNSET
    channels: int | Unset | None = UNSET
    format: str | Unset | None = UNSET
    elapsed_ms: int | Unset | None = UNSET


@wire_model
class UnknownServerEvent(ServerEvent):
    """An event of a type that is not known here; its fields are in ``extra``."""

    type: str = ""  # pyright: ignore[reportIncompatibleVariableOverride] - the one event whose type is data


@wire_model
class Ping(ServerEvent):
    """A keepalive message of xAI's servers. No answer is expected.

    Attributes:
        timestamp: Unix time in milliseconds.
    """

    type: ClassVar[str] = "ping"

    timestamp: int | Unset | None = UNSET
    previous_item_id: str | Unset | None = UNSET


SERVER_EVENTS: tuple[type[ServerEvent], ...] = (
    Error,
    SessionCreated,
    SessionUpdated,
    ConversationCreated,
    ConversationItemCreated,
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ConversationItemDeleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionSegment,
    ConversationItemInputAudioTranscriptionFailed,
    InputAudioBufferCommitted,
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    InputAudioBufferDtmfEventReceived,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    OutputAudioBufferCleared,
    RateLimitsUpdated,
    ResponseCreated,
    ResponseDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDelta,
    ResponseMcpCallArgumentsDone,
    ResponseMcpCallInProgress,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    McpListToolsInProgress,
    McpListToolsCompleted,
    McpListToolsFailed,
    SessionClosed,
    SessionInputTranscriptDelta,
    SessionOutputTranscriptDelta,
    SessionOutputAudioDelta,
)
"""Every server event of the protocol."""

VENDOR_EVENTS: tuple[type[ServerEvent], ...] = (Ping,)
"""Further server events of other vendors. Source: live sessions of 2026."""
