"""What a replay has sent. No I/O; time is an argument."""

from __future__ import annotations

import bisect
import hashlib
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.replay.report import RecordingReport
from realtime_transport.replay.timeline import whole_text

if TYPE_CHECKING:
    from realtime_transport.audio.capture import CaptureStatistics
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["SentAudio"]


@attrs.define(eq=False)
class SentAudio:
    """The audio that was sent, when which sample was, and which recording it is of.

    Times are seconds since the replay began.

    Args:
        format: Of the audio.
        keeps: Keep it, for `digest`.
    """

    _format: AudioFormat
    keeps: bool = attrs.field(kw_only=True, default=False)
    samples: int = attrs.field(init=False, default=0)
    recording: str = attrs.field(init=False, default="")
    """The name of the one that is played, or was played last."""
    _starts_at_ms: int = attrs.field(init=False, default=0)
    _reports: list[RecordingReport] = attrs.field(init=False, factory=list[RecordingReport])
    _kept: bytearray = attrs.field(init=False, factory=bytearray)
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256)
    _ends: list[int] = attrs.field(init=False, factory=list[int])  # Samples up to and with each frame.
    _times: list[float] = attrs.field(init=False, factory=list[float])

    @property
    def sha256(self) -> str:
        """Of all of it."""
        return self._digest.hexdigest()

    @property
    def first_at(self) -> float | None:
        """When the first frame was sent; ``None`` before."""
        return self._times[0] if self._times else None

    @property
    def size(self) -> int:
        """The length of all of it."""
        return self._format.bytes_for(self.samples)

    @property
    def recordings(self) -> tuple[RecordingReport, ...]:
        """Those that were played, in order."""
        return tuple(self._reports)

    def begin(self, name: str) -> None:
        """The recording *name* is about to be played."""
        # The name of a file may hold bytes that are no text.
        self.recording, self._starts_at_ms = whole_text(name), self._format.ms(self.samples)

    def end(self, statistics: CaptureStatistics, samples: int) -> None:
        """The recording was played: so many *samples*, and the silence behind it."""
        self._reports.append(
            RecordingReport(
                name=self.recording,
                starts_at_ms=self._starts_at_ms,
                seconds=self._format.seconds(samples),
                sha256=statistics.recording_sha256,
                frames=statistics.frames,
                stalls=statistics.stalls,
                late_p50_ms=statistics.late_p50_ms,
                late_p99_ms=statistics.late_p99_ms,
                late_max_ms=statistics.late_max_ms,
            )
        )

    def add(self, frame: bytes, seconds: float) -> None:
        """A frame was sent."""
        self._digest.update(frame)
        if self.keeps:
            self._kept += frame
        self.samples += self._format.samples_in(len(frame))
        self._ends.append(self.samples)
        self._times.append(seconds)

    def digest(self, start_ms: int | None, end_ms: int | None) -> str | None:
        """SHA-256 of the audio between two moments; ``None`` where that is not known or was not kept."""
        if not self.keeps or start_ms is None or end_ms is None:
            return None
        first, last = (self._format.bytes_for(self._format.samples_for_ms(ms)) for ms in (start_ms, end_ms))
        return hashlib.sha256(self._kept[first:last]).hexdigest()

    def when(self, ms: int) -> float | None:
        """When the audio up to *ms* had been sent; ``None`` before any was."""
        if not self._times:
            return None
        frame = bisect.bisect_left(self._ends, self._format.samples_for_ms(ms))
        return self._times[min(frame, len(self._times) - 1)]
