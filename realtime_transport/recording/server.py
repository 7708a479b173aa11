"""A recording as a server: what a client of any language hears is what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from realtime_transport.emulator.conversation.effects import AbortConnection, CloseWith, SendFrame
from realtime_transport.errors import ConfigError, DecodeError
from realtime_transport.protocol.wire.codec import dumps, loads

from .format import Close
from .reader import Recording, load_recording
from .replay import match_of, pace_factor
from .script import ReplayMismatch, ReplayScript

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_transport.emulator.conversation.effects import Effect
    from realtime_transport.emulator.records import SessionRecord

    from .script import Match

__all__ = ["RecordedServer"]


class RecordedServer:
    """The server half of a recording, for ``RealtimeEmulator(peers=…)``.

    The first WebSocket plays the first connection of the recording, the next one the next, and after the last the first
    again. A message comes when its time has come and what was sent before it in the recording has been sent. Whoever
    sends something else gets an ``error`` event that shows the difference, with the code ``recording_mismatch``, and is
    closed with 1008; the other connections go on.

    ::

        async with RealtimeEmulator(peers=RecordedServer("weather.rtrec", pace="asap")) as emulator:
            ...

    Args:
        recording: A `Recording`, or the path of one.
        pace: ``"recorded"``, ``"asap"``, or how many times faster than recorded.
        match: ``"types"``: each message of the client must have the recorded type; ``"strict"``: it must be as
            recorded; ``"none"``: messages are not looked at and hold nothing up.

    Raises:
        ConfigError: There is no recording there, nothing was received in it, or an argument has no such value.
    """

    def __init__(
        self,
        recording: Recording | str | Path,
        *,
        pace: Literal["recorded", "asap"] | float = "recorded",
        match: Match = "types",
    ) -> None:
        self.recording: Recording = recording if isinstance(recording, Recording) else load_recording(recording)
        self._connections = self.recording.connections()
        if not any(frame.direction == "received" for frame in self.recording.frames):
            raise ConfigError("recording: it holds nothing that a server said", key="recording")
        self._pace = pace_factor(pace)
        self._match: Match = match_of(match)
        self._opened = 0

    def __call__(self, record: SessionRecord) -> _RecordedPeer:
        """The peer of one more WebSocket, as the emulator asks for it."""
        entries = self._connections[self._opened % len(self._connections)]
        self._opened += 1
        return _RecordedPeer(ReplayScript(entries, match=self._match, pace=self._pace), record)


@attrs.define(eq=False)
class _RecordedPeer:
    _script: ReplayScript
    _record: SessionRecord
    _opened: float = attrs.field(default=0.0, init=False)
    _effects: list[Effect] = attrs.field(factory=list["Effect"], init=False)
    _is_over: bool = attrs.field(default=False, init=False)

    def open(self, now: float) -> None:
        self._opened = now
        self.handle_timer(now)

    def receive(self, data: str | bytes, now: float) -> None:
        if self._is_over:
            return
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        self._record.received[_type_of(text)] += 1
        try:
            self._script.receive(text, now - self._opened)
        except ReplayMismatch as exc:
            error = {"type": "invalid_request_error", "code": "recording_mismatch", "message": str(exc)}
            self._record.errors.append("recording_mismatch")
            self._send(dumps({"type": "error", "event_id": "event_mismatch", "error": error}))
            self._end(CloseWith(1008, "not as recorded"))
            return
        self.handle_timer(now)

    def get_timer(self) -> float | None:
        due = None if self._is_over else self._script.due
        return None if due is None else self._opened + due

    def handle_timer(self, now: float) -> None:
        while (timer := self.get_timer()) is not None and timer <= now:
            step = self._script.take()
            if isinstance(step, Close):
                lost = step.code is None or step.code in _NEVER_SENT
                self._end(AbortConnection() if lost else CloseWith(step.code or 1000, step.reason))
            else:
                self._send(step if isinstance(step, str) else step.decode("utf-8", "replace"))

    def take_effects(self) -> list[Effect]:
        taken, self._effects = self._effects, []
        return taken

    def _send(self, text: str) -> None:
        self._record.sent[_type_of(text)] += 1
        self._effects.append(SendFrame(text))

    def _end(self, effect: Effect) -> None:
        self._is_over = True
        self._effects.append(effect)


_NEVER_SENT = (1005, 1006, 1015)
"""Close codes that stand for the lack of one (RFC 6455, 7.4.1)."""


def _type_of(text: str) -> str:
    try:
        message: dict[str, Any] = loads(text)
    except DecodeError:
        return "(invalid)"
    return str(message.get("type", "(invalid)"))
