"""The events that a client sends, each class named after its wire type."""

from __future__ import annotations

from typing import ClassVar

from .items import Item  # noqa: TC001 - the codec resolves annotations
from .json_types import UNSET, Unset
from .model import ClientEvent, wire_model
from .responses import ResponseCreateParams  # noqa: TC001
from .session import Session  # noqa: TC001

__all__ = [
    "CLIENT_EVENTS",
    "ConversationItemCreate",
    "ConversationItemDelete",
    "ConversationItemRetrieve",
    "ConversationItemTruncate",
    "InputAudioBufferAppend",
    "InputAudioBufferClear",
    "InputAudioBufferCommit",
    "OutputAudioBufferClear",
    "ResponseCancel",
    "ResponseCreate",
    "SessionClose",
    "SessionInputAudioBufferAppend",
    "SessionUpdate",
    "UnknownClientEvent",
]


@wire_model
class SessionUpdate(ClientEvent):
    """Change the settings that are present; the others keep their values. Answer: ``session.updated``.

    A refused update changes nothing.
    """

    type: ClassVar[str] = "session.update"

    session: Session | Unset | None = UNSET


@wire_model
class InputAudioBufferAppend(ClientEvent):
    """Add audio to the input buffer. No answer.

    Attributes:
        audio: Base64 in the session's input format, at most 15 MiB.
    """

    type: ClassVar[str] = "input_audio_buffer.append"

    audio: str | Unset | None = UNSET


@wire_model
class InputAudioBufferCommit(ClientEvent):
    """Turn the input buffer into a user message. Answer: ``input_audio_buffer.committed``.

    Never starts a response. Less than 100 ms of audio is the error ``input_audio_buffer_commit_empty``.
    """

    type: ClassVar[str] = "input_audio_buffer.commit"


@wire_model
class InputAudioBufferClear(ClientEvent):
    """Drop what is in the input buffer. Answer: ``input_audio_buffer.cleared``."""

    type: ClassVar[str] = "input_audio_buffer.clear"


@wire_model
class OutputAudioBufferClear(ClientEvent):
    """Drop audio that the server has yet to play; WebRTC and SIP only. Answer: ``output_audio_buffer.cleared``.

    Send it after a ``response.cancel``, which stops the generation.
    """

    type: ClassVar[str] = "output_audio_buffer.clear"


@wire_model
class ConversationItemCreate(ClientEvent):
    """Add an item to the conversation. Answer: ``conversation.item.added``, then ``.done``.

    Attributes:
        previous_item_id: The item to insert it after; ``"root"`` for the beginning, absent for the end.
    """

    type: ClassVar[str] = "conversation.item.create"

    previous_item_id: str | Unset | None = UNSET
    item: Item | Unset | None = UNSET


@wire_model
class ConversationItemRetrieve(ClientEvent):
    """Ask for an item together with its audio. Answer: ``conversation.item.retrieved``."""

    type: ClassVar[str] = "conversation.item.retrieve"

    item_id: str | Unset | None = UNSET


@wire_model
class ConversationItemTruncate(ClientEvent):
    """Cut the model's audio to what was heard; deletes its transcript. Answer: ``conversation.item.truncated``.

    Attributes:
        content_index: Index of the audio part, nearly always 0.
        audio_end_ms: Milliseconds to keep. More than the item holds is an error.
    """

    type: ClassVar[str] = "conversation.item.truncate"

    item_id: str | Unset | None = UNSET
    content_index: int | Unset | None = UNSET
    audio_end_ms: int | Unset | None = UNSET


@wire_model
class ConversationItemDelete(ClientEvent):
    """Remove an item from the conversation. Answer: ``conversation.item.deleted``."""

    type: ClassVar[str] = "conversation.item.delete"

    item_id: str | Unset | None = UNSET


@wire_model
class ResponseCreate(ClientEvent):
    """Ask for a response. Answer: ``response.created``, or an error if a response is active.

    Attributes:
        response: Settings for this response only.
    """

    type: ClassVar[str] = "response.create"

    response: ResponseCreateParams | Unset | None = UNSET


@wire_model
class ResponseCancel(ClientEvent):
    """Stop a response. Answer: ``response.done`` with the status ``cancelled``.

    Attributes:
        response_id: Absent for the active response of the default conversation.
    """

    type: ClassVar[str] = "response.cancel"

    response_id: str | Unset | None = UNSET


@wire_model
class SessionInputAudioBufferAppend(ClientEvent):
    """Add audio to a translation. No answer.

    Attributes:
        audio: Base64 of 24 kHz mono PCM. Silence must be sent too: the server counts only the audio that it receives.
    """

    type: ClassVar[str] = "session.input_audio_buffer.append"

    audio: str | Unset | None = UNSET


@wire_model
class SessionClose(ClientEvent):
    """End a translation. Answer: the rest of the output, for some seconds, then ``session.closed``."""

    type: ClassVar[str] = "session.close"


@wire_model
class UnknownClientEvent(ClientEvent):
    """An event of a type that is not known here; its fields are in ``extra``."""

    type: str = ""  # pyright: ignore[reportIncompatibleVariableOverride] - the one event whose type is data


CLIENT_EVENTS: tuple[type[ClientEvent], ...] = (
    SessionUpdate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    OutputAudioBufferClear,
    ConversationItemCreate,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    ConversationItemDelete,
    ResponseCreate,
    ResponseCancel,
    SessionInputAudioBufferAppend,
    SessionClose,
)
"""Every client event of the protocol."""
