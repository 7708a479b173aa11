"""The settings that a ``session.update`` names where the caller did not."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.json_types import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_TRANSCRIPTION_MODEL",
    "ENDS_OF_LIFE",
    "NO_DEFAULTS",
    "SERVER_DEFAULTS",
    "VENDOR_DEFAULTS",
    "SessionDefaults",
    "end_of_life",
]

DEFAULT_MODEL = "gpt-realtime-2.1"
"""The model of a connection where the caller names none."""

DEFAULT_TRANSCRIPTION_MODEL = "gpt-4o-mini-transcribe"
"""The transcription model that the vendor's own SDK names by default."""

WARNING_DAYS = 90
"""A model that ends in fewer days than this is worth a warning."""

ENDS_OF_LIFE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("gpt-realtime", "gpt-realtime-2025-08-28"), ("2027-01-20", "gpt-realtime-2.1")),
    **dict.fromkeys(("gpt-realtime-mini", "gpt-audio-mini"), ("2027-01-20", "gpt-realtime-2.1-mini")),
    **dict.fromkeys(
        ("whisper-1", "gpt-4o-mini-transcribe", "gpt-4o-transcribe", "gpt-4o-transcribe-diarize"),
        ("2027-02-26", "gpt-transcribe"),
    ),
}
"""Models that the vendor will switch off: date and successor."""


def end_of_life(model: object, today: date) -> str | None:
    """A sentence about the end of *model*, if the vendor has announced one and it is near or past."""
    found = ENDS_OF_LIFE.get(model) if isinstance(model, str) else None
    if found is None or (date.fromisoformat(found[0]) - today).days >= WARNING_DAYS:
        return None
    return f"the model {model} ends on {found[0]}; its successor is {found[1]}"


@frozen()
class SessionDefaults:
    """The settings sent where the caller gave none.

    Attributes:
        transcription: Transcription of the user's speech; `UNSET`: the server decides.
        turn_detection: Turn detection; `UNSET`: the server decides.
        formats: Whether the usual audio formats are named.
        rest: Whether the model, the modalities, the speed and the noise reduction are named.
    """

    transcription: Mapping[str, Any] | Unset | None = attrs.field(
        factory=lambda: {"model": DEFAULT_TRANSCRIPTION_MODEL}
    )
    turn_detection: Mapping[str, Any] | Unset | None = attrs.field(factory=lambda: {"type": "semantic_vad"})
    formats: bool = True
    rest: bool = True


VENDOR_DEFAULTS = SessionDefaults()
"""The vendor's own service, with the defaults of its own SDK."""

SERVER_DEFAULTS = SessionDefaults(transcription=UNSET, turn_detection=UNSET, formats=False)
"""Other servers: they have models and detectors of their own."""

NO_DEFAULTS = SessionDefaults(transcription=UNSET, turn_detection=UNSET, formats=False, rest=False)
"""Calls that exist already: a setting that is not given stays as it was negotiated."""
