"""Converts the message history of pydantic-ai to the items that a conversation begins with."""

from __future__ import annotations

import base64
import hashlib
import io
import wave
from typing import TYPE_CHECKING, Any, Literal

import attrs
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    CompactionPart,
    FilePart,
    InstructionPart,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    SpeechPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_ai.messages import ModelMessage, UserContent
    from pydantic_ai.models import ModelRequestParameters

__all__ = ["History", "content_item", "instructions_of"]

MAX_CALL_ID = 32
"""The longest ``call_id`` that the service accepts, in characters."""

UNTRANSCRIBED = "[The user spoke; no transcript is available.]"
"""The text that replaces speech without a transcript."""


def instructions_of(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> str:
    """The instructions of a session: the system prompts that the history begins with, then the agent's instructions."""
    blocks = [part.content for part in _standing(messages) if part.content]
    joined = InstructionPart.join(parameters.instruction_parts or [])
    return "\n\n".join([*blocks, joined] if joined else blocks)


def _standing(messages: Sequence[ModelMessage]) -> list[SystemPromptPart]:
    """The system prompts at the beginning of the first request: they are instructions, not part of the conversation."""
    first = next((message for message in messages if isinstance(message, ModelRequest)), None)
    standing: list[SystemPromptPart] = []
    for part in () if first is None else first.parts:
        if not isinstance(part, SystemPromptPart) or getattr(part, "scope", "conversation") == "request":
            break
        standing.append(part)
    return standing


def content_item(content: Sequence[UserContent], item_id: str | None = None) -> dict[str, Any] | None:
    """A user message with *content*; ``None`` if that is empty.

    Raises:
        UserError: It holds content that this protocol cannot carry.
    """
    parts = [part for each in content for part in _content(each)]
    if not parts:
        return None
    return {**_message("user", parts), **({} if item_id is None else {"id": item_id})}


@attrs.define(eq=False)
class History:
    """Makes the items of one conversation.

    Args:
        rate: Samples per second of the session's input audio.
        with_media: Whether images and sound are included; not when a lost conversation is sent again.
    """

    _rate: int = 24000
    _with_media: bool = attrs.field(default=True, alias="with_media")
    _call_ids: dict[str, str] = attrs.field(factory=dict[str, str], init=False)

    def items(self, messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
        """The items of *messages*, for ``conversation.item.create``.

        Raises:
            UserError: The history holds something that cannot be sent.
        """
        standing = set(map(id, _standing(messages)))
        items: list[dict[str, Any]] = []
        for message in messages:
            if isinstance(message, ModelResponse):
                items += self._response(message)
            else:
                items += self._request(message, standing)
        return items

    # What the user and the tools said

    def _request(self, message: ModelRequest, standing: set[int]) -> Iterator[dict[str, Any]]:
        for part in message.parts:
            match part:
                case SystemPromptPart() if id(part) not in standing and part.content:
                    yield _message("system", [_text("input_text", part.content)])
                case UserPromptPart():
                    content = [part.content] if isinstance(part.content, str) else part.content
                    yield from self._user(content)
                case SpeechPart():
                    yield from self._speech(part)
                case ToolReturnPart():
                    yield from self._returned(part)
                case RetryFeedbackPart():
                    yield _message("user", [_text("input_text", part.model_response())])
                case CompactionPart() if part.content:
                    yield _message("user", [_text("input_text", f"Summary of what was said before: {part.content}")])
                case _:
                    pass  # Parts of earlier runs: this session has its own instructions and tools.

    def _user(self, content: Sequence[UserContent]) -> Iterator[dict[str, Any]]:
        item = content_item([each for each in content if self._with_media or isinstance(each, str | TextContent)])
        if item is not None:
            yield item

    def _speech(self, part: SpeechPart) -> Iterator[dict[str, Any]]:
        if part.transcript:
            yield _message("user", [_text("input_text", part.transcript)])
        elif part.audio is not None and self._with_media:
            audio = base64.b64encode(self._samples(part.audio)).decode()
            yield _message("user", [{"type": "input_audio", "audio": audio}])
        elif not self._with_media:
            yield _message("user", [_text("input_text", UNTRANSCRIBED)])

    def _samples(self, audio: BinaryContent) -> bytes:
        try:
            with wave.open(io.BytesIO(audio.data), "rb") as file:
                found = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                samples = file.readframes(file.getnframes())
        except (EOFError, wave.Error) as error:
            raise UserError(
                f"message_history: speech that is not a WAV file cannot be sent to the model: {error}"
            ) from error
        if found != (1, 2, self._rate):
            raise UserError(
                f"message_history: speech must be mono, of 16 bits and {self._rate} Hz, as the session's input, not of "
                f"{found[0]} channels, {found[1] * 8} bits and {found[2]} Hz"
            )
        return samples

    def _returned(self, part: ToolReturnPart) -> Iterator[dict[str, Any]]:
        call_id = self._call_ids.get(part.tool_call_id)
        if call_id is None:
            raise UserError(
                f"message_history: {part.tool_name!r} returned something for the call {part.tool_call_id!r}, which was "
                "not made before"
            )
        output, content = part.model_response_str_and_user_content()
        yield {"type": "function_call_output", "call_id": call_id, "output": output}
        if content and self._with_media:
            yield from self._user(content)

    # What the model said

    def _response(self, message: ModelResponse) -> Iterator[dict[str, Any]]:
        spoken = [part for part in message.parts if isinstance(part, SpeechPart)]
        for part in message.parts:
            match part:
                case TextPart() if part.content:
                    yield _message("assistant", [_text("output_text", part.content)])
                case ThinkingPart() if part.content:
                    yield _message("assistant", [_text("output_text", f"<think>\n{part.content}\n</think>")])
                case SpeechPart():
                    last = message.state == "interrupted" and part is spoken[-1]
                    yield from _said(part, cut_off=last)
                case ToolCallPart():
                    call_id = self._call_ids.setdefault(part.tool_call_id, _wire_id(part.tool_call_id))
                    arguments = part.args_as_json_str()
                    yield {"type": "function_call", "name": part.tool_name, "call_id": call_id, "arguments": arguments}
                case FilePart() if self._with_media:
                    raise UserError("message_history: a file that a model made cannot be sent to a realtime model")
                case _:
                    pass  # How the model arrived at an answer; only the answer is sent.


def _said(part: SpeechPart, *, cut_off: bool) -> Iterator[dict[str, Any]]:
    lines = [part.transcript] if part.transcript else []
    if part.interrupted_at_ms is not None:
        lines.append(f"[Interrupted after {part.interrupted_at_ms} ms]")
    elif cut_off:
        lines.append("[Interrupted]")
    elif not lines and part.audio is not None:
        raise UserError("message_history: speech of the model without a transcript cannot be sent to a realtime model")
    if lines:
        yield _message("assistant", [_text("output_text", "\n".join(lines))])


def _content(content: UserContent) -> Iterator[dict[str, Any]]:
    match content:
        case str():
            if content:
                yield _text("input_text", content)
        case TextContent():
            yield _text("input_text", content.content)
        case CachePoint():
            pass
        case BinaryContent() if content.is_image:
            yield {"type": "input_image", "image_url": content.data_uri}
        case _:
            raise UserError(
                f"{type(content).__name__} cannot be sent in a realtime session: text and images (`BinaryContent`) can"
            )


def _wire_id(call_id: str) -> str:
    return call_id if len(call_id) <= MAX_CALL_ID else hashlib.sha256(call_id.encode()).hexdigest()[:MAX_CALL_ID]


def _text(kind: Literal["input_text", "output_text"], text: str) -> dict[str, Any]:
    return {"type": kind, "text": text}


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def is_message_of_client(item: Mapping[str, Any]) -> bool:
    """Whether the server will acknowledge *item* as it acknowledges an input."""
    return item["type"] == "message" and item["role"] in ("user", "system")
