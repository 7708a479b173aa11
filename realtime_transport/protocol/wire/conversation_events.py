"""The events about the conversation and its items, each class named after its wire type.

All of them are in `server_events` too.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the codec resolves annotations
from typing import ClassVar

from .items import Item  # noqa: TC001
from .json_types import UNSET, Unset
from .model import ServerEvent, wire_model
from .objects import (  # noqa: TC001
    Conversation,
    LogProb,
    ServerError,
    TranscriptionDurationUsage,
    TranscriptionLanguage,
    TranscriptionTokensUsage,
    UnknownObject,
)

__all__ = [
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
]


@wire_model
class ConversationCreated(ServerEvent):
    """Announces the default conversation. Many servers leave it out: never wait for it."""

    type: ClassVar[str] = "conversation.created"

    conversation: Conversation | Unset | None = UNSET


@wire_model
class ConversationItemCreated(ServerEvent):
    """An item joined the conversation; the beta protocol's name for ``conversation.item.added``.

    Attributes:
        previous_item_id: The item before it; null for the first.
    """

    type: ClassVar[str] = "conversation.item.created"

    previous_item_id: str | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ConversationItemAdded(ServerEvent):
    """An item joined the default conversation: created, committed, or begun by the model.

    Attributes:
        previous_item_id: The item before it; null for the first.
        item: Without audio. An item of the model is in progress and empty.
    """

    type: ClassVar[str] = "conversation.item.added"

    previous_item_id: str | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ConversationItemDone(ServerEvent):
    """An item of the conversation is final.

    Attributes:
        previous_item_id: The item before it; null for the first.
    """

    type: ClassVar[str] = "conversation.item.done"

    previous_item_id: str | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ConversationItemRetrieved(ServerEvent):
    """Answer to ``conversation.item.retrieve``: the item together with its audio."""

    type: ClassVar[str] = "conversation.item.retrieved"

    item: Item | Unset | None = UNSET


@wire_model
class ConversationItemTruncated(ServerEvent):
    """Answer to ``conversation.item.truncate``.

    Attributes:
        audio_end_ms: Milliseconds that were kept.
    """

    type: ClassVar[str] = "conversation.item.truncated"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    audio_end_ms: int | Unset | None = UNSET


@wire_model
class ConversationItemDeleted(ServerEvent):
    """Answer to ``conversation.item.delete``."""

    type: ClassVar[str] = "conversation.item.deleted"

    item_id: str | Unset | None = UNSET


@wire_model
class ConversationItemInputAudioTranscriptionDelta(ServerEvent):
    """A piece of the transcript of what the user says.

    Attributes:
        item_id: The user's item; streaming transcription models send deltas before it exists.
        delta: Text to append to the earlier deltas.
        logprobs: Present if the session's ``include`` asks for them.
    """

    type: ClassVar[str] = "conversation.item.input_audio_transcription.delta"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    delta: str | Unset | None = UNSET
    logprobs: Sequence[LogProb] | Unset | None = UNSET


@wire_model
class ConversationItemInputAudioTranscriptionCompleted(ServerEvent):
    """The transcript of what the user said; may come at any time after the audio was committed.

    Attributes:
        transcript: Empty for silence.
        languages: The languages heard, from models that report them.
        logprobs: Present if the session's ``include`` asks for them.
    """

    type: ClassVar[str] = "conversation.item.input_audio_transcription.completed"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    transcript: str | Unset | None = UNSET
    languages: Sequence[TranscriptionLanguage] | Unset | None = UNSET
    logprobs: Sequence[LogProb] | Unset | None = UNSET
    usage: TranscriptionTokensUsage | TranscriptionDurationUsage | UnknownObject | Unset | None = UNSET


@wire_model
class ConversationItemInputAudioTranscriptionSegment(ServerEvent):
    """A piece of the transcript with its speaker, from models that tell speakers apart.

    Attributes:
        start: Seconds from the beginning of the item's audio.
        end: Seconds from the beginning of the item's audio.
    """

    type: ClassVar[str] = "conversation.item.input_audio_transcription.segment"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    text: str | Unset | None = UNSET
    id: str | Unset | None = UNSET
    speaker: str | Unset | None = UNSET
    start: float | Unset | None = UNSET
    end: float | Unset | None = UNSET


@wire_model
class ConversationItemInputAudioTranscriptionFailed(ServerEvent):
    """The transcription of one item failed; the session goes on."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.failed"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    error: ServerError | Unset | None = UNSET
