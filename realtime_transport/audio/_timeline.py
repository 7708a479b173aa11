"""The arithmetic of `PlaybackPump`: which samples of the sink are which samples of which item."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["PlaybackKey", "Position", "Run", "Timeline"]

_KEPT_POSITIONS = 1024
"""Items whose position is remembered in case more of their audio comes: far more than ever play at a time."""


class PlaybackKey(NamedTuple):
    """What a piece of audio belongs to."""

    response_id: str
    item_id: str
    content_index: int


@attrs.define(eq=False)
class Position:
    """How far one content part of an item has got, in samples of the input.

    Attributes:
        begun: Where its next run begins.
        played: Where playback is known to be.
        reported: Where it was last said to be.
    """

    item_id: str
    content_index: int
    begun: int = 0
    played: int = 0
    reported: int = 0


@attrs.define(eq=False)
class Run:
    """Audio of one key that went through the converter in one go, so that both sides of it correspond."""

    key: PlaybackKey
    position: Position
    first_sample: int  # Of the item, in input samples.
    sink_start: int
    sink_end: int
    bytes_in: int = 0
    complete: bool = False


@attrs.define(eq=False)
class Timeline:
    """Which samples of the sink are which samples of which item."""

    source: AudioFormat
    target: AudioFormat
    _sink_end: int  # Where the next sample goes, counted as the sink counts.
    current: Run | None = None  # The run that the converter is in.
    _runs: deque[Run] = attrs.field(init=False, factory=deque[Run])  # Not known to have been played in full.
    _positions: dict[tuple[str, int], Position] = attrs.field(init=False, factory=dict[tuple[str, int], Position])

    def begin(self, key: PlaybackKey) -> Run:
        name = (key.item_id, key.content_index)
        position = self._positions.setdefault(name, Position(*name))
        while len(self._positions) > _KEPT_POSITIONS:
            del self._positions[next(iter(self._positions))]
        self.current = Run(key, position, position.begun, self._sink_end, self._sink_end)
        self._runs.append(self.current)
        return self.current

    def sent(self, run: Run, sink_samples: int, *, completes: bool) -> None:
        self._sink_end += sink_samples
        run.sink_end += sink_samples
        if completes:
            self._complete(run, self.source.samples_in(run.bytes_in))

    def abandon_current(self) -> None:
        """What the converter holds of the current run will never come out."""
        run = self.current
        if run is not None:
            self._complete(
                run, min(self.source.samples_in(run.bytes_in), self._to_source(run.sink_end - run.sink_start))
            )

    def left(self, played: int) -> int:
        """How many samples the sink holds."""
        return max(0, self._sink_end - played)

    def unplayed(self, played: int) -> list[Run]:
        """The runs of which the sink holds something."""
        return [run for run in self._runs if run.sink_end > max(played, run.sink_start)]

    def advance(self, played: int) -> list[Position]:
        """Take note that the sink has played *played* samples; return the positions that moved."""
        moved: list[Position] = []
        while self._runs:
            run = self._runs[0]
            samples = self.source.samples_in(run.bytes_in)
            over = run.complete and played >= run.sink_end
            if not over:
                samples = min(samples, self._to_source(max(0, min(played, run.sink_end) - run.sink_start)))
            if run.first_sample + samples > run.position.played:
                run.position.played = run.first_sample + samples
                moved.append(run.position)
            if not over:
                break
            self._runs.popleft()
        return moved

    def cut(self, played: int) -> None:
        """The sink was cleared after *played* samples: all runs end where they are."""
        for run in self._runs:
            run.position.begun = run.position.played
        self._runs.clear()
        self.current = None
        self._sink_end = played

    def _complete(self, run: Run, samples: int) -> None:
        run.complete = True
        run.bytes_in = self.source.bytes_for(samples)
        run.position.begun = run.first_sample + samples
        self.current = None

    def _to_source(self, sink_samples: int) -> int:
        return sink_samples * self.source.rate // self.target.rate
