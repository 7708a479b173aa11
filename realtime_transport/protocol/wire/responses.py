"""Responses: their parameters, their status and output, their usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - the codec resolves annotations
from typing import Any

from .items import Item  # noqa: TC001
from .json_types import UNSET, Unset
from .model import WireObject, wire_model
from .objects import ServerError, TokenDetails  # noqa: TC001
from .session import AudioOutput, PromptReference, Reasoning, Tool, ToolChoice  # noqa: TC001

__all__ = ["Response", "ResponseAudio", "ResponseCreateParams", "ResponseStatusDetails", "Usage"]


@wire_model
class ResponseAudio(WireObject):
    """Audio settings of one response."""

    output: AudioOutput | Unset | None = UNSET


@wire_model
class ResponseCreateParams(WireObject):
    """Settings for one response, in place of those of the session.

    Attributes:
        conversation: ``auto`` for the default conversation, ``none`` for a response out of band.
        input: Items to answer in place of the conversation; ``[]`` for no context at all.
        max_output_tokens: 1 to 4096, or ``"inf"``.
        metadata: Up to 16 pairs, which come back with the response; keys up to 64 and values up to 512 characters.
    """

    conversation: str | Unset | None = UNSET
    input: Sequence[Item] | Unset | None = UNSET
    instructions: str | Unset | None = UNSET
    output_modalities: Sequence[str] | Unset | None = UNSET
    audio: ResponseAudio | Unset | None = UNSET
    tools: Sequence[Tool] | Unset | None = UNSET
    tool_choice: ToolChoice | Unset | None = UNSET
    parallel_tool_calls: bool | Unset | None = UNSET
    reasoning: Reasoning | Unset | None = UNSET
    max_output_tokens: int | str | Unset | None = UNSET
    metadata: Mapping[str, Any] | Unset | None = UNSET
    prompt: PromptReference | Unset | None = UNSET


@wire_model
class ResponseStatusDetails(WireObject):
    """Why a response did not complete.

    Attributes:
        type: The status again.
        reason: For a cancelled response ``turn_detected`` or ``client_cancelled``, for an incomplete one
            ``max_output_tokens`` or ``content_filter``.
        error: For a failed response.
    """

    type: str | Unset | None = UNSET
    reason: str | Unset | None = UNSET
    error: ServerError | Unset | None = UNSET


@wire_model
class Usage(WireObject):
    """Tokens that a response used."""

    total_tokens: int | Unset | None = UNSET
    input_tokens: int | Unset | None = UNSET
    output_tokens: int | Unset | None = UNSET
    input_token_details: TokenDetails | Unset | None = UNSET
    output_token_details: TokenDetails | Unset | None = UNSET


@wire_model
class Response(WireObject):
    """A response of the model.

    Attributes:
        status: ``in_progress``, ``completed``, ``cancelled``, ``failed`` or ``incomplete``.
        status_details: Null unless the status is one of the last three; xAI sends text.
        output: Empty when the response is created; the final items, without audio, when it is done.
        conversation_id: Null for a response out of band.
        usage: Null until the response is done.
    """

    object: str | Unset | None = UNSET
    id: str | Unset | None = UNSET
    status: str | Unset | None = UNSET
    status_details: ResponseStatusDetails | str | Unset | None = UNSET
    output: Sequence[Item] | Unset | None = UNSET
    conversation_id: str | Unset | None = UNSET
    output_modalities: Sequence[str] | Unset | None = UNSET
    max_output_tokens: int | str | Unset | None = UNSET
    audio: ResponseAudio | Unset | None = UNSET
    usage: Usage | Unset | None = UNSET
    metadata: Mapping[str, Any] | Unset | None = UNSET
