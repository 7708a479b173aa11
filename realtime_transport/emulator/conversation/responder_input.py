"""Converts items of the client into the inputs of a responder."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, cast

import attrs
import pybase64

from realtime_transport.emulator.checks.validation import MAX_AUDIO_BYTES
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.replies import (
    ApprovalAnswer,
    FunctionOutput,
    Input,
    UserAudio,
    UserImage,
    UserText,
)
from realtime_transport.emulator.sound import AudioClip
from realtime_transport.protocol.wire.items import (
    ContentPart,
    FunctionCallOutputItem,
    InputAudioPart,
    InputImagePart,
    InputTextPart,
    Item,
    McpApprovalResponseItem,
    MessageItem,
    UserMessageItem,
)

from . import usage
from .history import Entry, History

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from realtime_transport.audio.formats import AudioFormat

__all__ = ["decode_audio", "inputs_of", "tokens_of", "user_entry"]

_IMAGE_TYPES = ("image/png", "image/jpeg")
_IMAGE_TOKENS = 500  # Nobody knows what a picture costs here.


def decode_audio(audio: str, path: str) -> bytes:
    """The bytes of base64 *audio*.

    Raises:
        Refusal: It is not base64, or too much.
    """
    if len(audio) > (MAX_AUDIO_BYTES + 2) // 3 * 4:
        raise Refusal(
            f"Invalid '{path}': audio too long. At most {MAX_AUDIO_BYTES} bytes are accepted in one event.",
            code="string_above_max_length",
            param=path,
        )
    try:
        return pybase64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            f"Invalid '{path}'. Expected base64-encoded audio bytes but got an invalid value.",
            code="invalid_value",
            param=path,
        ) from None


def _image(url: str, path: str) -> UserImage:
    head, _, data = url.partition(",")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    if not head.startswith("data:") or not head.endswith(";base64") or media_type not in _IMAGE_TYPES:
        raise Refusal(
            f"Invalid '{path}'. Expected a base64-encoded data URI of a PNG or JPEG image.",
            code="invalid_value",
            param=path,
        )
    try:
        return UserImage(media_type, len(pybase64.b64decode(data, validate=True)))
    except (binascii.Error, ValueError):
        raise Refusal(f"Invalid '{path}': not base64.", code="invalid_value", param=path) from None


def user_entry(item: Item, audio_format: AudioFormat) -> Entry:
    """The entry for an item that the client created: its audio moves out of the item.

    Raises:
        Refusal: Its audio or an image cannot be read.
    """
    if not isinstance(item, UserMessageItem):
        return Entry(item)
    sound = b""
    parts: list[ContentPart] = []
    for index, part in enumerate(_parts(item)):
        path = f"item.content[{index}]"
        if isinstance(part, InputAudioPart):
            sound += decode_audio(cast("str", part.audio), f"{path}.audio")
            part = InputAudioPart(transcript=part.transcript or None)
        elif isinstance(part, InputImagePart):
            _image(cast("str", part.image_url), f"{path}.image_url")
        parts.append(part)
    return Entry(attrs.evolve(item, content=parts), AudioClip(sound, audio_format) if sound else None)


def inputs_of(entries: Iterable[Entry], history: History) -> list[Input]:
    """What *entries* mean to a responder."""
    return [found for entry in entries for found in _inputs_of_entry(entry, history)]


def _inputs_of_entry(entry: Entry, history: History) -> list[Input]:
    match entry.item:
        case UserMessageItem() as item:
            return _inputs_of_message(item, entry)
        case FunctionCallOutputItem(call_id=str(call_id)) as item:
            call = history.function_call(call_id)
            return [FunctionOutput(cast("str", call.name) if call else None, cast("str", item.output))]
        case McpApprovalResponseItem(approval_request_id=str(request_id)) as item:
            request = history.approval_request(request_id)
            if request is None:
                return []
            answer = ApprovalAnswer(
                request_id=request_id,
                server_label=cast("str", request.server_label),
                name=cast("str", request.name),
                arguments=cast("str", request.arguments),
                approve=bool(item.approve),
                reason=item.reason or None,
            )
            return [answer]
        case _:
            return []


def _inputs_of_message(item: MessageItem, entry: Entry) -> list[Input]:
    found: list[Input] = []
    for part in _parts(item):
        match part:
            case InputTextPart(text=str(text)):
                found.append(UserText(text))
            case InputImagePart(image_url=str(url)):
                found.append(_image(url, "image_url"))
            case InputAudioPart(transcript=transcript) if entry.audio is not None:
                found.append(UserAudio(entry.audio, entry.heard or transcript or None))
            case _:
                pass
    return found


def tokens_of(inputs: Iterable[Input]) -> usage.Tokens:
    """What *inputs* cost."""
    total = usage.Tokens()
    for entry in inputs:
        match entry:
            case UserText(text) | FunctionOutput(_, text):
                total += usage.Tokens(text=usage.text_tokens(text))
            case UserAudio(clip):
                total += usage.Tokens(audio=usage.input_audio_tokens(clip.seconds))
            case UserImage():
                total += usage.Tokens(image=_IMAGE_TOKENS)
            case ApprovalAnswer():
                total += usage.Tokens(text=1)
    return total


def _parts(item: MessageItem) -> Sequence[ContentPart]:
    return cast("Sequence[ContentPart]", item.content or ())
