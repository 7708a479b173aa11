"""What a replay does next: frames to release, frames to expect, identifiers to translate. No I/O, no clock."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import attrs
import orjson

from realtime_transport.errors import DecodeError, RealtimeError
from realtime_transport.protocol.wire.codec import dumps, loads

from .format import Close, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .format import Entry

__all__ = ["Match", "ReplayMismatch", "ReplayScript"]

Match: TypeAlias = Literal["strict", "types", "none"]
"""How a sent frame must be like the recorded one: whole (but for identifiers), by type, or not at all."""

_IDENTIFIERS = frozenset(
    {"id", "event_id", "item_id", "previous_item_id", "call_id", "response_id", "approval_request_id"}
)
"""Fields whose text a client may make up: compared as variables, bound where they are first seen."""

_SHORTEST_TEXT = 120
"""Longer texts are cut in a diff: a sound is no reading matter."""


class ReplayMismatch(RealtimeError, AssertionError):
    """A client sent something else than the recording says, or not all of it.

    Attributes:
        expected: The frame of the recording that was due; ``None`` if there was none left.
        sent: What was sent; ``None`` if the connection ended instead.
    """

    def __init__(
        self, message: str, *, expected: Mapping[str, Any] | None = None, sent: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.sent = sent


@attrs.define(eq=False)
class ReplayScript:
    """Plays the server of one recorded connection.

    Feed it what the client sends (`receive`), ask it when the next frame is due (`due`), and take that (`take`).

    Args:
        entries: The entries of the connection.
        match: How closely sent frames are held against the recording. With ``"none"`` they hold nothing up.
        pace: How many times faster than recorded; ``None``: as fast as possible.
    """

    entries: Sequence[Entry]
    match: Match = "strict"
    pace: float | None = 1.0
    _steps: list[Frame | Close] = attrs.field(init=False)
    _next: int = attrs.field(default=0, init=False)
    _sent: int = attrs.field(default=0, init=False)
    _expected: list[Frame] = attrs.field(init=False)
    _behind: float = attrs.field(default=0.0, init=False)
    _bound: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _served: set[str] = attrs.field(factory=set[str], init=False)

    def __attrs_post_init__(self) -> None:
        steps = [entry for entry in self.entries if isinstance(entry, Frame | Close)]
        self._expected = [step for step in steps if isinstance(step, Frame) and step.direction == "sent"]
        self._steps = steps if self.match != "none" else [step for step in steps if step not in self._expected]

    # The client's half

    def receive(self, text: str, now: float) -> None:
        """The client has sent *text* at *now*, in seconds since the connection opened.

        Raises:
            ReplayMismatch: It is not what the recording says.
        """
        if self.match == "none":
            return
        sent = _message_of(text)
        if self._sent >= len(self._expected):
            raise ReplayMismatch(
                f"the client sent {_type_of(sent)}, but the recording has no further sent frame", sent=sent
            )
        step = self._expected[self._sent]
        expected = step.message or {}
        if self.match == "types":
            same = _type_of(sent) == _type_of(expected)
            self._bind_all(expected, sent)
        else:
            same = self._same(expected, sent, "") if step.message is not None else text == step.text
        if not same:
            raise ReplayMismatch(
                f"sent frame {self._sent + 1} is not as recorded (line {step.n} of the recording):\n"
                + _diff(self._translated(expected), sent)
                + f"\nThe frame after it in the recording: {self._after()}",
                expected=expected,
                sent=sent,
            )
        self._sent += 1
        if self.pace is not None:
            self._behind = max(self._behind, now - step.t / self.pace)
        self._skip_sent()

    def _after(self) -> str:
        rest = self._expected[self._sent + 1 :]
        return _type_of(rest[0].message or {}) if rest else "none"

    def _skip_sent(self) -> None:
        passed = {id(step) for step in self._expected[: self._sent]}
        while self._next < len(self._steps) and id(self._steps[self._next]) in passed:
            self._next += 1

    # The server's half

    @property
    def due(self) -> float | None:
        """When the next frame is due, in seconds since the connection opened; ``None``: not before more is sent."""
        self._skip_sent()
        if self._next >= len(self._steps):
            return None
        step = self._steps[self._next]
        if isinstance(step, Frame) and step.direction == "sent":
            return None
        if isinstance(step, Close) and step.by == "client":
            return None
        return 0.0 if self.pace is None else step.t / self.pace + self._behind

    @property
    def closes_next(self) -> bool:
        """Whether what is due is the end of the connection."""
        return self._next < len(self._steps) and isinstance(self._steps[self._next], Close)

    def take(self) -> str | bytes | Close:
        """Take the frame that is due, with the client's identifiers in place of the recorded ones."""
        step = self._steps[self._next]
        self._next += 1
        if isinstance(step, Close):
            return step
        if step.binary is not None:
            return step.binary
        if step.message is None:
            return step.text or ""
        self._served |= set(_identifiers(step.message))
        translated = self._translated(step.message)
        if translated == step.message and step.text is not None:
            return step.text
        return dumps(translated)

    def left(self) -> str | None:
        """What of the recording has not happened; ``None`` if nothing is left."""
        self._skip_sent()
        if self.match != "none" and self._sent < len(self._expected):
            count = len(self._expected) - self._sent
            kind = _type_of(self._expected[self._sent].message or {})
            return f"{count} sent frame{'s' * (count > 1)} of the recording, the next one {kind}, did not happen"
        rest = [step for step in self._steps[self._next :] if isinstance(step, Frame)]
        if rest:
            return (
                f"{len(rest)} received frame{'s' * (len(rest) > 1)} of the recording, the next one "
                f"{_type_of(rest[0].message or {})}, were not delivered: the client closed before"
            )
        return None

    # Identifiers

    def _translated(self, value: Any) -> Any:
        match value:
            case str():
                return self._bound.get(value, value)
            case Mapping():
                return {key: self._translated(item) for key, item in cast("Mapping[str, Any]", value).items()}
            case list():
                return [self._translated(item) for item in cast("list[Any]", value)]
            case _:
                return value

    def _bind(self, recorded: str, sent: str) -> bool:
        if recorded in self._served and recorded not in self._bound:
            return recorded == sent  # The server made it up.
        return self._bound.setdefault(recorded, sent) == sent

    def _bind_all(self, recorded: Any, sent: Any) -> None:
        if isinstance(recorded, Mapping) and isinstance(sent, Mapping):
            other = cast("Mapping[str, Any]", sent)
            for key, value in cast("Mapping[str, Any]", recorded).items():
                if key in _IDENTIFIERS and isinstance(value, str) and isinstance(other.get(key), str):
                    self._bind(value, other[key])
                else:
                    self._bind_all(value, other.get(key))

    def _same(self, recorded: Any, sent: Any, key: str) -> bool:
        if key in _IDENTIFIERS and isinstance(recorded, str) and isinstance(sent, str):
            return self._bind(recorded, sent)
        if isinstance(recorded, Mapping) and isinstance(sent, Mapping):
            one, other = cast("Mapping[str, Any]", recorded), cast("Mapping[str, Any]", sent)
            return one.keys() == other.keys() and all(self._same(one[name], other[name], name) for name in one)
        if isinstance(recorded, list) and isinstance(sent, list):
            ours, theirs = cast("list[Any]", recorded), cast("list[Any]", sent)
            return len(ours) == len(theirs) and all(self._same(a, b, key) for a, b in zip(ours, theirs, strict=True))
        return recorded == sent and isinstance(recorded, bool) == isinstance(sent, bool)


def _message_of(text: str) -> dict[str, Any]:
    try:
        return loads(text)
    except DecodeError:
        return {"type": text[:_SHORTEST_TEXT]}


def _type_of(message: Mapping[str, Any]) -> str:
    return str(message.get("type", "a frame that is not JSON"))


def _identifiers(value: Any) -> list[str]:
    match value:
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            own = [item for key, item in items if key in _IDENTIFIERS and isinstance(item, str)]
            return own + [found for _, item in items for found in _identifiers(item)]
        case list():
            return [found for item in cast("list[Any]", value) for found in _identifiers(item)]
        case _:
            return []


def _diff(expected: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    lines = difflib.unified_diff(_pretty(expected), _pretty(sent), "recorded", "sent", lineterm="", n=2)
    return "\n".join(lines)


def _pretty(value: Mapping[str, Any]) -> list[str]:
    text = orjson.dumps(_short(value), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    return text.splitlines()


def _short(value: Any) -> Any:
    match value:
        case str() if len(value) > _SHORTEST_TEXT:
            return f"{value[:_SHORTEST_TEXT]}… ({len(value)} characters)"
        case Mapping():
            return {key: _short(item) for key, item in cast("Mapping[str, Any]", value).items()}
        case list():
            return [_short(item) for item in cast("list[Any]", value)]
        case _:
            return value
