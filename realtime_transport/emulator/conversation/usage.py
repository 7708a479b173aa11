"""Estimated token counts; only their order of magnitude is meaningful."""

from __future__ import annotations

import math

import attrs

from realtime_transport.protocol.wire.objects import (
    CachedTokenDetails,
    TokenDetails,
    TranscriptionDurationUsage,
    TranscriptionTokensUsage,
)
from realtime_transport.protocol.wire.responses import Usage

__all__ = ["Tokens", "input_audio_tokens", "of_response", "of_transcription", "output_audio_tokens", "text_tokens"]

_CHARACTERS_PER_TOKEN = 4
_INPUT_AUDIO_TOKENS_PER_SECOND = 10  # The service documents one token per 100 ms of input
_OUTPUT_AUDIO_TOKENS_PER_SECOND = 20  # and one per 50 ms of output.


@attrs.frozen(kw_only=True)
class Tokens:
    """A number of tokens by kind."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(text=self.text + other.text, audio=self.audio + other.audio, image=self.image + other.image)


def text_tokens(text: str) -> int:
    """Tokens of a text."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def input_audio_tokens(seconds: float) -> int:
    """Tokens of what the user says."""
    return math.ceil(seconds * _INPUT_AUDIO_TOKENS_PER_SECOND)


def output_audio_tokens(seconds: float) -> int:
    """Tokens of what the assistant says."""
    return math.ceil(seconds * _OUTPUT_AUDIO_TOKENS_PER_SECOND)


def of_response(taken: Tokens, given: Tokens) -> Usage:
    """The ``usage`` of a response."""
    cached = CachedTokenDetails(text_tokens=0, audio_tokens=0, image_tokens=0)
    return Usage(
        total_tokens=taken.total + given.total,
        input_tokens=taken.total,
        output_tokens=given.total,
        input_token_details=TokenDetails(
            text_tokens=taken.text,
            audio_tokens=taken.audio,
            image_tokens=taken.image,
            cached_tokens=0,
            cached_tokens_details=cached,
        ),
        output_token_details=TokenDetails(text_tokens=given.text, audio_tokens=given.audio),
    )


def of_transcription(
    model: str, seconds: float, transcript: str
) -> TranscriptionTokensUsage | TranscriptionDurationUsage:
    """The ``usage`` of an input transcription: tokens for the gpt-4o family, whole seconds for the others."""
    if not model.startswith("gpt-4o"):
        return TranscriptionDurationUsage(seconds=math.ceil(seconds))
    audio, text = input_audio_tokens(seconds), text_tokens(transcript)
    return TranscriptionTokensUsage(
        total_tokens=audio + text,
        input_tokens=audio,
        input_token_details=TokenDetails(text_tokens=0, audio_tokens=audio),
        output_tokens=text,
    )
