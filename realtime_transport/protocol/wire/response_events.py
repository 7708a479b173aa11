"""The events of a response from its creation to its end, each class named after its wire type.

All of them are in `server_events` too. The ``done`` events are also sent for what was cancelled or cut short. Indexes
count from zero: ``output_index`` in the output of the response, ``content_index`` in the content of the item.
"""

from __future__ import annotations

from typing import ClassVar

from .items import ContentPart, Item  # noqa: TC001 - the codec resolves annotations
from .json_types import UNSET, Unset
from .model import ServerEvent, wire_model
from .responses import Response  # noqa: TC001

__all__ = [
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
]


@wire_model
class ResponseCreated(ServerEvent):
    """A response began."""

    type: ClassVar[str] = "response.created"

    response: Response | Unset | None = UNSET


@wire_model
class ResponseDone(ServerEvent):
    """A response ended, with whatever status; there is one for every ``response.created``.

    Attributes:
        response: With status, output without audio, and usage.
    """

    type: ClassVar[str] = "response.done"

    response: Response | Unset | None = UNSET


@wire_model
class ResponseOutputItemAdded(ServerEvent):
    """The model began an item of the output.

    Attributes:
        item: In progress, its content empty.
    """

    type: ClassVar[str] = "response.output_item.added"

    response_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ResponseOutputItemDone(ServerEvent):
    """An item of the output is final.

    Attributes:
        item: Completed or incomplete.
    """

    type: ClassVar[str] = "response.output_item.done"

    response_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ResponseContentPartAdded(ServerEvent):
    """The model began a part of an assistant message.

    Attributes:
        part: Empty so far; its type is ``text`` or ``audio``.
    """

    type: ClassVar[str] = "response.content_part.added"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    part: ContentPart | Unset | None = UNSET


@wire_model
class ResponseContentPartDone(ServerEvent):
    """A part of an assistant message is final.

    Attributes:
        part: Without audio; its type is ``text`` or ``audio``.
    """

    type: ClassVar[str] = "response.content_part.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    part: ContentPart | Unset | None = UNSET


@wire_model
class ResponseOutputTextDelta(ServerEvent):
    """A piece of the model's text."""

    type: ClassVar[str] = "response.output_text.delta"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    delta: str | Unset | None = UNSET


@wire_model
class ResponseOutputTextDone(ServerEvent):
    """The model's text is complete."""

    type: ClassVar[str] = "response.output_text.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    text: str | Unset | None = UNSET


@wire_model
class ResponseOutputAudioTranscriptDelta(ServerEvent):
    """A piece of the transcript of the model's speech; may run ahead of the audio."""

    type: ClassVar[str] = "response.output_audio_transcript.delta"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    delta: str | Unset | None = UNSET


@wire_model
class ResponseOutputAudioTranscriptDone(ServerEvent):
    """The transcript of the model's speech is complete."""

    type: ClassVar[str] = "response.output_audio_transcript.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    transcript: str | Unset | None = UNSET


@wire_model
class ResponseOutputAudioDelta(ServerEvent):
    """A piece of the model's speech; not sent over WebRTC and SIP, where a media track carries it.

    Attributes:
        delta: Base64 in the session's output format, of any length.
    """

    type: ClassVar[str] = "response.output_audio.delta"
    is_audio: ClassVar[bool] = True

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    delta: str | Unset | None = UNSET

    @property
    def audio_bytes(self) -> int:
        """About how much audio ``delta`` holds, in bytes."""
        return len(self.delta) * 3 // 4 if isinstance(self.delta, str) else 0


@wire_model
class ResponseOutputAudioDone(ServerEvent):
    """The model's speech is complete, though rarely played by then."""

    type: ClassVar[str] = "response.output_audio.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    content_index: int | Unset | None = UNSET


@wire_model
class ResponseFunctionCallArgumentsDelta(ServerEvent):
    """A piece of the arguments of a function call.

    Attributes:
        delta: JSON text, not parseable alone.
    """

    type: ClassVar[str] = "response.function_call_arguments.delta"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    call_id: str | Unset | None = UNSET
    delta: str | Unset | None = UNSET


@wire_model
class ResponseFunctionCallArgumentsDone(ServerEvent):
    """The arguments of a function call are complete, or were cut short: the item's status says which.

    Attributes:
        arguments: JSON as text.
    """

    type: ClassVar[str] = "response.function_call_arguments.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    call_id: str | Unset | None = UNSET
    name: str | Unset | None = UNSET
    arguments: str | Unset | None = UNSET


@wire_model
class ResponseMcpCallArgumentsDelta(ServerEvent):
    """A piece of the arguments of an MCP call.

    Attributes:
        delta: JSON text, not parseable alone.
        obfuscation: Padding that hides the length of the delta.
    """

    type: ClassVar[str] = "response.mcp_call_arguments.delta"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    delta: str | Unset | None = UNSET
    obfuscation: str | Unset | None = UNSET


@wire_model
class ResponseMcpCallArgumentsDone(ServerEvent):
    """The arguments of an MCP call are complete.

    Attributes:
        arguments: JSON as text.
    """

    type: ClassVar[str] = "response.mcp_call_arguments.done"

    response_id: str | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
    output_index: int | Unset | None = UNSET
    arguments: str | Unset | None = UNSET


@wire_model
class ResponseMcpCallInProgress(ServerEvent):
    """The server began to run an MCP call."""

    type: ClassVar[str] = "response.mcp_call.in_progress"

    output_index: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class ResponseMcpCallCompleted(ServerEvent):
    """An MCP call succeeded; its item holds the output."""

    type: ClassVar[str] = "response.mcp_call.completed"

    output_index: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET


@wire_model
class ResponseMcpCallFailed(ServerEvent):
    """An MCP call failed; its item holds the error."""

    type: ClassVar[str] = "response.mcp_call.failed"

    output_index: int | Unset | None = UNSET
    item_id: str | Unset | None = UNSET
