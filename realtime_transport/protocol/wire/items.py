"""Conversation items and the parts of their content, as they are on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - the codec resolves annotations
from typing import Any, ClassVar, TypeAlias

from .json_types import UNSET, Unset
from .model import WireObject, wire_model

__all__ = [
    "AssistantMessageItem",
    "ContentPart",
    "FunctionCallItem",
    "FunctionCallOutputItem",
    "InputAudioPart",
    "InputImagePart",
    "InputTextPart",
    "Item",
    "ItemReference",
    "McpApprovalRequestItem",
    "McpApprovalResponseItem",
    "McpCallItem",
    "McpError",
    "McpListToolsItem",
    "McpListedTool",
    "MessageItem",
    "OutputAudioPart",
    "OutputTextPart",
    "SystemMessageItem",
    "UnknownItem",
    "UnknownPart",
    "UserMessageItem",
    "WireItem",
]


# Content parts


@wire_model
class InputTextPart(WireObject):
    """Text of the user or the system."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("input_text",)

    type: str | Unset | None = "input_text"
    text: str | Unset | None = UNSET


@wire_model
class InputAudioPart(WireObject):
    """Speech of the user.

    Attributes:
        audio: Base64 in the session's input format; from the server only in ``conversation.item.retrieved``.
        transcript: Written by the input transcription; the model does not see it. Null until then.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("input_audio",)

    type: str | Unset | None = "input_audio"
    audio: str | Unset | None = UNSET
    transcript: str | Unset | None = UNSET


@wire_model
class InputImagePart(WireObject):
    """A picture shown by the user.

    Attributes:
        image_url: A ``data:`` URI of a PNG or JPEG file.
        detail: ``auto`` (the same as ``high``), ``low`` or ``high``.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("input_image",)

    type: str | Unset | None = "input_image"
    image_url: str | Unset | None = UNSET
    detail: str | Unset | None = UNSET


@wire_model
class OutputTextPart(WireObject):
    """Text of the model.

    Attributes:
        type: ``output_text`` in items, ``text`` in the ``response.content_part`` events.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("output_text", "text")

    type: str | Unset | None = "output_text"
    text: str | Unset | None = UNSET


@wire_model
class OutputAudioPart(WireObject):
    """Speech of the model.

    Attributes:
        type: ``output_audio`` in items, ``audio`` in the ``response.content_part`` events.
        audio: Base64 in the session's output format; from the server only in ``conversation.item.retrieved``.
        transcript: What was said. A truncation deletes it.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("output_audio", "audio")

    type: str | Unset | None = "output_audio"
    audio: str | Unset | None = UNSET
    transcript: str | Unset | None = UNSET


@wire_model
class UnknownPart(WireObject):
    """A part of a type that is not known here; its other fields are in ``extra``."""

    type: str | Unset | None = UNSET


ContentPart: TypeAlias = (
    InputTextPart | InputAudioPart | InputImagePart | OutputTextPart | OutputAudioPart | UnknownPart
)


# Items


@wire_model
class WireItem(WireObject):
    """The fields that every item has.

    Attributes:
        type: The kind of item.
        id: Chosen by the client or, with the prefix ``item_``, by the server.
        object: Always ``realtime.item``; some events leave it out.
        status: ``in_progress``, ``completed`` or ``incomplete``. Has no effect when a client sends it.
    """

    type: str | Unset | None = UNSET
    id: str | Unset | None = UNSET
    object: str | Unset | None = UNSET
    status: str | Unset | None = UNSET


@wire_model
class MessageItem(WireItem):
    """A message; this class itself only for a role other than the three known ones."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("message",)

    type: str | Unset | None = "message"
    role: str | Unset | None = UNSET
    content: Sequence[ContentPart] | Unset | None = UNSET


@wire_model
class SystemMessageItem(MessageItem):
    """Guidance to the model in the middle of a conversation. Content: text."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("message/system",)

    role: str | Unset | None = "system"


@wire_model
class UserMessageItem(MessageItem):
    """What the user said, wrote or showed. Content: text, audio, images."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("message/user",)

    role: str | Unset | None = "user"


@wire_model
class AssistantMessageItem(MessageItem):
    """What the model said or wrote. A client may create it with text only."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("message/assistant",)

    role: str | Unset | None = "assistant"


@wire_model
class FunctionCallItem(WireItem):
    """The model asks for a function to be run.

    Attributes:
        call_id: Pairs the call with its output.
        arguments: JSON as text, possibly incomplete unless ``status`` is ``completed``.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("function_call",)

    type: str | Unset | None = "function_call"
    name: str | Unset | None = UNSET
    call_id: str | Unset | None = UNSET
    arguments: str | Unset | None = UNSET


@wire_model
class FunctionCallOutputItem(WireItem):
    """What a function returned, as free text, possibly empty."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("function_call_output",)

    type: str | Unset | None = "function_call_output"
    call_id: str | Unset | None = UNSET
    output: str | Unset | None = UNSET


@wire_model
class McpListedTool(WireObject):
    """A tool as its MCP server describes it.

    Attributes:
        input_schema: JSON Schema of the arguments.
    """

    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    input_schema: Mapping[str, Any] | Unset | None = UNSET
    annotations: Mapping[str, Any] | Unset | None = UNSET


@wire_model
class McpListToolsItem(WireItem):
    """The tools that the server imported from an MCP server."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp_list_tools",)

    type: str | Unset | None = "mcp_list_tools"
    server_label: str | Unset | None = UNSET
    tools: Sequence[McpListedTool] | Unset | None = UNSET


@wire_model
class McpError(WireObject):
    """Why an MCP call failed.

    Attributes:
        type: ``protocol_error``, ``tool_execution_error`` (without a code) or ``http_error``.
        code: Number of the JSON-RPC error or the HTTP status.
    """

    type: str | Unset | None = UNSET
    code: int | Unset | None = UNSET
    message: str | Unset | None = UNSET


@wire_model
class McpCallItem(WireItem):
    """A call of an MCP tool, which the Realtime server makes itself.

    Attributes:
        type: ``mcp_call``, in older servers ``mcp_tool_call``.
        arguments: JSON as text.
        approval_request_id: The approval request that allowed it.
        output: What the tool returned.
        error: Why it failed.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp_call", "mcp_tool_call")

    type: str | Unset | None = "mcp_call"
    server_label: str | Unset | None = UNSET
    name: str | Unset | None = UNSET
    arguments: str | Unset | None = UNSET
    approval_request_id: str | Unset | None = UNSET
    output: str | Unset | None = UNSET
    error: McpError | Unset | None = UNSET


@wire_model
class McpApprovalRequestItem(WireItem):
    """The server asks whether it may run an MCP tool; the answer refers to ``id``."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp_approval_request",)

    type: str | Unset | None = "mcp_approval_request"
    server_label: str | Unset | None = UNSET
    name: str | Unset | None = UNSET
    arguments: str | Unset | None = UNSET


@wire_model
class McpApprovalResponseItem(WireItem):
    """The answer to an approval request."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp_approval_response",)

    type: str | Unset | None = "mcp_approval_response"
    approval_request_id: str | Unset | None = UNSET
    approve: bool | Unset | None = UNSET
    reason: str | Unset | None = UNSET


@wire_model
class ItemReference(WireItem):
    """A reference to an item of the session; only in the ``input`` of a ``response.create``."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("item_reference",)

    type: str | Unset | None = "item_reference"


@wire_model
class UnknownItem(WireItem):
    """An item of a type that is not known here; its other fields are in ``extra``."""


Item: TypeAlias = (
    SystemMessageItem
    | UserMessageItem
    | AssistantMessageItem
    | MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
    | ItemReference
    | UnknownItem
)
