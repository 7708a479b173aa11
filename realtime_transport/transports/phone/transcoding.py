"""Converts between the formats of the telephone and of the session. Without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.errors import ConfigError
from realtime_transport.late_classes import define

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.server_events import ResponseCreated, SessionUpdated

__all__ = ["Transcoder", "format_at"]

MAX_RESPONSES = 16
"""The number of responses with their own format that are remembered; no more play at a time."""


@define()
class Transcoder:
    """Converts audio if the telephone and the session have different formats; usually they have the same.

    Args:
        played: The format that the provider plays.
        session_input: The input format of the session.
        session_output: The output format of the session.

    Raises:
        MissingExtraError: The rates differ, and numpy or soxr is not installed.

    Attributes:
        caller: The format of the caller's audio; ``None`` passes it on as it is.
    """

    played: AudioFormat
    session_input: AudioFormat
    session_output: AudioFormat
    caller: AudioFormat | None = attrs.field(init=False)
    _to_model: Converter = attrs.field(init=False)
    _to_caller: Converter = attrs.field(init=False)
    _responses: dict[str, AudioFormat] = attrs.field(factory=dict[str, AudioFormat], init=False)

    def __attrs_post_init__(self) -> None:
        self.caller = self.played
        self._to_model = Converter(self.played, self.session_input)
        self._to_caller = Converter(self.session_output, self.played)

    def session_updated(self, event: SessionUpdated) -> None:
        """Take the formats of an updated session."""
        session = event.raw.get("session")
        self.session_input = format_at(session, "audio", "input", "format") or self.session_input
        self.session_output = format_at(session, "audio", "output", "format") or self.session_output

    def response_created(self, event: ResponseCreated) -> None:
        """Take the format of a response, if it has its own."""
        response = event.raw.get("response")
        given, response_id = format_at(response, "audio", "output", "format"), _at(response, "id")
        if given is not None and isinstance(response_id, str):
            self._responses[response_id] = given
            while len(self._responses) > MAX_RESPONSES:
                del self._responses[next(iter(self._responses))]

    def to_model(self, audio: bytes) -> bytes:
        """Convert *audio* of the caller for the session; may return nothing yet."""
        if self.caller is None or self.caller == self.session_input:
            return audio
        if (self._to_model.source, self._to_model.target) != (self.caller, self.session_input):
            self._to_model = Converter(self.caller, self.session_input)
        return self._to_model.process(audio)

    def output_format(self, response_id: str) -> AudioFormat:
        """The format of a response's audio."""
        return self._responses.get(response_id, self.session_output)

    def to_caller(self, audio: bytes, response_id: str) -> bytes:
        """Convert *audio* of a response for the provider; may return nothing yet."""
        given = self.output_format(response_id)
        if given == self.played:
            return audio
        if self._to_caller.source != given:
            self._to_caller = Converter(given, self.played)
        return self._to_caller.process(audio)

    def end_of_part(self, response_id: str) -> bytes:
        """The rest of a response's audio that the converter holds."""
        return b"" if self.output_format(response_id) == self.played else self._to_caller.flush()

    def clear(self) -> None:
        """Drop the model's audio that the converter holds."""
        self._to_caller.reset()


def format_at(value: object, *path: str) -> AudioFormat | None:
    """The audio format under *path* in *value*; ``None`` if there is none, or an unknown one."""
    try:
        return AudioFormat.parse(_at(value, *path))
    except ConfigError:
        return None


def _at(value: object, *path: str) -> Any:
    for name in path:
        value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
    return value
