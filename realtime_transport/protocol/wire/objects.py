"""Small objects that several events and items share."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the codec resolves annotations
from typing import ClassVar

from .json_types import UNSET, Unset
from .model import WireObject, wire_model

__all__ = [
    "CachedTokenDetails",
    "Conversation",
    "LogProb",
    "RateLimit",
    "ServerError",
    "TokenDetails",
    "TranscriptionDurationUsage",
    "TranscriptionLanguage",
    "TranscriptionTokensUsage",
    "UnknownObject",
]


@wire_model
class UnknownObject(WireObject):
    """An object whose ``type`` is not known here; all its other fields are in ``extra``."""

    type: str | Unset | None = UNSET


@wire_model
class ServerError(WireObject):
    """An error as the server describes it.

    Attributes:
        type: The family: ``invalid_request_error``, ``server_error``, ...
        code: Machine-readable code. Some errors have none.
        message: Text for people. For an invalid key it holds the key's last characters: redact it before logging.
        param: Path of the offending field.
        event_id: ``event_id`` of the client event at fault. Null if it had none, sometimes also if it had.
    """

    type: str | Unset | None = UNSET
    code: str | Unset | None = UNSET
    message: str | Unset | None = UNSET
    param: str | Unset | None = UNSET
    event_id: str | Unset | None = UNSET

    def __str__(self) -> str:
        """The message, and the code if there is one."""
        code = self.code or self.type
        known = [str(self.message or ""), f"({code})" if code else ""]
        return " ".join(filter(None, known)) or repr(self)


@wire_model
class Conversation(WireObject):
    """The default conversation of a session."""

    id: str | Unset | None = UNSET
    object: str | Unset | None = UNSET


@wire_model
class RateLimit(WireObject):
    """One quota.

    Attributes:
        name: ``requests`` or ``tokens``.
        reset_seconds: Seconds until the quota is full again.
    """

    name: str | Unset | None = UNSET
    limit: int | Unset | None = UNSET
    remaining: int | Unset | None = UNSET
    reset_seconds: float | Unset | None = UNSET


@wire_model
class LogProb(WireObject):
    """How sure the transcription is of one token.

    Attributes:
        logprob: Natural logarithm of the probability.
        bytes: The token in UTF-8, byte by byte: a token may end inside a character.
    """

    token: str | Unset | None = UNSET
    logprob: float | Unset | None = UNSET
    bytes: Sequence[int] | Unset | None = UNSET


@wire_model
class TranscriptionLanguage(WireObject):
    """A language that was heard."""

    code: str | Unset | None = UNSET


@wire_model
class TokenDetails(WireObject):
    """How tokens divide among text, audio and images.

    Attributes:
        cached_tokens: How many of them came from the prompt cache.
        cached_tokens_details: How the cached ones divide.
    """

    text_tokens: int | Unset | None = UNSET
    audio_tokens: int | Unset | None = UNSET
    image_tokens: int | Unset | None = UNSET
    cached_tokens: int | Unset | None = UNSET
    cached_tokens_details: CachedTokenDetails | Unset | None = UNSET


@wire_model
class CachedTokenDetails(WireObject):
    """How cached tokens divide among text, audio and images."""

    text_tokens: int | Unset | None = UNSET
    audio_tokens: int | Unset | None = UNSET
    image_tokens: int | Unset | None = UNSET


@wire_model
class TranscriptionTokensUsage(WireObject):
    """Cost of a transcription that is billed by tokens."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("tokens", UNSET)

    type: str | Unset | None = "tokens"
    total_tokens: int | Unset | None = UNSET
    input_tokens: int | Unset | None = UNSET
    input_token_details: TokenDetails | Unset | None = UNSET
    output_tokens: int | Unset | None = UNSET


@wire_model
class TranscriptionDurationUsage(WireObject):
    """Cost of a transcription that is billed by time.

    Attributes:
        seconds: Length of the committed audio, which servers round up to whole seconds.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("duration",)

    type: str | Unset | None = "duration"
    seconds: float | Unset | None = UNSET
