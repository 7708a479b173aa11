"""How replies stop when the user talks over them: the moments of each barge-in. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from realtime_transport.replay.report import BargeIn
from realtime_transport.replay.timeline import whole_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime_transport.protocol.engine.events import AudioInterruptedEvent

__all__ = ["BargeIns"]


@attrs.define(eq=False)
class BargeIns:
    """Puts together what happens at different ends; all times are seconds since the replay began."""

    interruptions: int = attrs.field(init=False, default=0)
    """Replies that were interrupted, by speech or by the application."""
    _onset: _Onset | None = attrs.field(init=False, default=None)
    _found: list[_Stop] = attrs.field(init=False, factory=lambda: list[_Stop]())
    _written: dict[str, float] = attrs.field(init=False, factory=dict[str, float])
    _confirmed: dict[str, float] = attrs.field(init=False, factory=dict[str, float])

    def speech(self, item_id: str, recording: str, onset_at: float | None) -> None:
        """The server heard speech that began in audio sent at *onset_at*."""
        self._onset = None if onset_at is None else _Onset(item_id, recording, onset_at)

    def stopped(self, event: AudioInterruptedEvent, silent_at: float | None) -> None:
        """A reply was interrupted; without speech before it was the application that did it."""
        self.interruptions += 1
        if self._onset is not None:
            items = frozenset(cut.item_id for cut in event.truncations)
            self._found.append(_Stop(self._onset, event.response_id, items, event.audio_end_ms, silent_at))

    def sent(self, message: str, seconds: float) -> None:
        """*message* goes to the wire now."""
        if len(message) < MAX_TRUNCATION and '"conversation.item.truncate"' in message:
            item_id = json.loads(message).get("item_id")
            self._written.setdefault(str(item_id), seconds)

    def confirmed(self, name: str, seconds: float) -> None:
        """The server has truncated the item *name*, or cleared its buffer of the response *name*."""
        self._confirmed.setdefault(name, seconds)

    def freeze(self) -> Iterator[BargeIn]:
        """All of them so far."""
        for stop in self._found:
            yield BargeIn(
                item_id=whole_text(stop.onset.item_id),
                response_id=whole_text(stop.response_id),
                recording=stop.onset.recording,
                onset_at=stop.onset.at,
                heard_ms=stop.heard_ms,
                silent_at=stop.silent_at,
                truncated_at=_first(self._written, stop.items),
                acknowledged_at=_first(self._confirmed, stop.items | {stop.response_id}),
            )


MAX_TRUNCATION = 2000
"""Characters: what is longer holds audio."""


def _first(times: dict[str, float], names: frozenset[str]) -> float | None:
    return min((times[name] for name in names if name in times), default=None)


@attrs.frozen
class _Onset:
    item_id: str
    recording: str
    at: float


@attrs.frozen
class _Stop:
    onset: _Onset
    response_id: str
    items: frozenset[str]
    heard_ms: int
    silent_at: float | None
