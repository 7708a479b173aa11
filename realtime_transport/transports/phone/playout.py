"""From the model to the caller: what is sent, what was heard, and when the next piece is due. Without I/O."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import attrs

from realtime_transport.errors import ConsumerTooSlow
from realtime_transport.late_classes import define, frozen

from .codec import MediaLimits, limits_of

if TYPE_CHECKING:
    from .codec import MediaCodec

__all__ = ["Heard", "Playout"]

LEAD = 0.2
"""Seconds by which paced audio is sent ahead of its playback: more than the delays of the network and of a busy
machine, and a small error for a provider without ``clear``."""

MAX_MARKS = 10_000
"""The number of unreturned marks before the oldest is forgotten: three minutes of frames. It bounds the memory if a
provider never returns any."""

MAX_PARTS = 256
"""The number of content parts that may be playing before the oldest is forgotten."""


@frozen()
class Heard:
    """The position of playback at a returned mark.

    Attributes:
        item_id: The item that was playing.
        content_index: Its content part.
        samples: How much of the part has been played, in samples of the model.
        finished: Whether the whole part has been played.
    """

    item_id: str
    content_index: int
    samples: int
    finished: bool


@define()
class _Part:
    item_id: str
    content_index: int
    rate: int  # Of the model's audio.
    sent: int = 0  # bytes
    done: bool = False


@frozen(kw_only=False)
class _Mark:
    part: _Part
    samples: int
    finished: bool


@define()
class Playout:
    """Turns the model's audio, in the format that the provider plays, into messages, each piece followed by a mark.

    Pieces respect the provider's limits: shorter ones are collected, and padded at the end of a part. A playout
    outlives the connection to the model, since the provider's stream goes on. Marks are named
    ``<item>:<ms sent of it>:g<generation>:m<number>`` and ``done:<item>:g…:m…``; the generation counts starts of the
    stream and clears, so that a mark from before a clear is not mistaken for a later one.

    Args:
        codec: The wire format.
        frame_ms: Split audio into frames of this length, or the provider's shortest, and pace them; ``None`` sends
            audio as it arrives.
        max_bytes: How many bytes may wait.

    Attributes:
        stream_id: The stream, once it has started. Audio waits for it.
    """

    _codec: MediaCodec
    _frame_ms: float | None = None
    _max_bytes: int = 64 * 1024 * 1024
    stream_id: str | None = attrs.field(default=None, init=False)
    _limits: MediaLimits = attrs.field(init=False)
    _generation: int = attrs.field(default=0, init=False)
    _marks_made: int = attrs.field(default=0, init=False)
    _parts: dict[tuple[str, str, int], _Part] = attrs.field(factory=dict[tuple[str, str, int], _Part], init=False)
    _marks: dict[str, _Mark] = attrs.field(factory=dict[str, _Mark], init=False)
    # Pieces wait with their part; ``None`` stands for the end of one. The tail is less than a frame.
    _waiting: deque[tuple[_Part, bytes | None]] = attrs.field(factory=deque["tuple[_Part, bytes | None]"], init=False)
    _waiting_bytes: int = attrs.field(default=0, init=False)
    _tail: tuple[_Part, bytearray] | None = attrs.field(default=None, init=False)
    _texts: deque[str] = attrs.field(factory=deque[str], init=False)
    _played_until: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._limits = limits_of(self._codec)

    # From the model

    def play(self, response_id: str, item_id: str, content_index: int, audio: bytes, rate: int | None = None) -> None:
        """Queue audio.

        Args:
            response_id: The response.
            item_id: Its item.
            content_index: The content part of the item.
            audio: Samples in the format that the provider plays.
            rate: The sample rate of the model's audio, if it differs.

        Raises:
            ConsumerTooSlow: More than ``max_bytes`` would wait; nothing was queued.
        """
        if self._waiting_bytes + len(audio) > self._max_bytes:
            raise ConsumerTooSlow(
                f"more than {self._max_bytes} bytes of audio wait for the telephone",
                limit=self._max_bytes,
                unit="bytes",
            )
        key = (response_id, item_id, content_index)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(item_id, content_index, rate or self._codec.audio_format.rate)
            if len(self._parts) > MAX_PARTS:
                del self._parts[next(iter(self._parts))]
        self._collect(part, audio)

    def finish(self, response_id: str, item_id: str, content_index: int) -> None:
        """Note that all audio of a part has arrived."""
        part = self._parts.get((response_id, item_id, content_index))
        if part is None or part.done:
            return
        part.done = True
        self._flush_tail()
        self._waiting.append((part, None))

    def _collect(self, part: _Part, audio: bytes) -> None:
        """Queue audio that is long enough, and keep the rest until more arrives."""
        if self._tail is not None and self._tail[0] is not part:
            self._flush_tail()
        tail = bytearray() if self._tail is None else self._tail[1]
        tail += audio
        least = self._size(self._limits.min_ms)
        if self._frame_ms is None:
            whole = len(tail) if len(tail) >= least else 0
            self._queue(part, bytes(tail[:whole]))
        else:
            size = max(1, least, self._size(self._frame_ms))
            whole = len(tail) // size * size
            for start in range(0, whole, size):
                self._queue(part, bytes(tail[start : start + size]))
        del tail[:whole]
        self._tail = (part, tail) if tail else None

    def _flush_tail(self) -> None:
        if self._tail is not None:
            (part, tail), self._tail = self._tail, None
            self._queue(part, bytes(tail))

    def _queue(self, part: _Part, audio: bytes) -> None:
        most = len(audio) if self._limits.max_ms is None else self._size(self._limits.max_ms)
        # Equal pieces: after full ones, the last could be shorter than the provider accepts.
        pieces = -(-len(audio) // most) if audio else 0
        for number in range(pieces):
            piece = audio[len(audio) * number // pieces : len(audio) * (number + 1) // pieces]
            self._waiting.append((part, piece))
            self._waiting_bytes += len(piece)

    def _size(self, ms: float) -> int:
        return int(ms * self._codec.audio_format.bytes_per_second / 1000)

    def clear(self) -> None:
        """Drop what has not been played, here and at the provider, and forget the marks."""
        self.forget()
        if self.stream_id is not None:
            self._texts.append(self._codec.clear(self.stream_id))

    def forget(self) -> None:
        """Drop unsent audio; what the provider has is still played, but no longer reported."""
        self._generation += 1
        self._parts.clear()
        self._marks.clear()
        self._waiting.clear()
        self._texts.clear()
        self._waiting_bytes, self._tail, self._played_until = 0, None, -math.inf

    # From the provider

    def start(self, stream_id: str) -> list[Heard]:
        """Begin a stream: audio that waits for it can be sent. Returns what an earlier stream has played.

        Nothing changes if it is the current stream.
        """
        if stream_id == self.stream_id:
            return []
        over = {id(mark.part): mark.part for mark in self._marks.values()}
        self.stream_id = stream_id
        self._generation += 1
        self._marks_made = 0
        self._marks.clear()
        self._texts.clear()
        self._played_until = -math.inf
        return [_heard(part, self._samples(part), True) for part in over.values()]

    def reach(self, name: str) -> Heard | None:
        """Take a returned mark. Returns the position; ``None`` for a mark of the application or before a clear."""
        mark = self._marks.pop(name, None)
        if mark is None:
            return None
        if mark.finished:
            self._parts = {key: part for key, part in self._parts.items() if part is not mark.part}
        return _heard(mark.part, mark.samples, mark.finished)

    # To the provider

    def ask(self) -> None:
        """Send a mark, which a live provider returns."""
        if self.stream_id is not None:
            self._texts.append(self._codec.mark(self.stream_id, "alive"))

    @property
    def waits_for_start(self) -> bool:
        """Whether audio waits for a stream to start."""
        return self.stream_id is None and bool(self._waiting or self._tail)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and everything that was sent has been played."""
        return not (self._waiting or self._tail or self._texts or self._marks)

    def get_timer(self) -> float | None:
        """When the next paced frame is due; ``None`` if none waits."""
        if self.stream_id is None or not self._waiting or self._frame_ms is None:
            return None
        return self._played_until - LEAD

    def take(self, now: float) -> str | None:
        """The next message that is due; send it before the next call. ``None`` if none is due."""
        if self._texts:
            return self._texts.popleft()
        if self.stream_id is None or not self._waiting:
            return None
        part, audio = self._waiting[0]
        if audio is None:
            self._waiting.popleft()
            return self._mark(self.stream_id, part, finished=True)
        missing = max(0, self._size(self._limits.min_ms) - len(audio))
        if self._frame_ms is not None and not self._is_due(len(audio) + missing, now):
            return None
        self._waiting.popleft()
        self._waiting_bytes -= len(audio)
        part.sent += len(audio)
        self._texts.append(self._mark(self.stream_id, part, finished=False))
        audio_format = self._codec.audio_format
        return self._codec.media(self.stream_id, audio + audio_format.silence(audio_format.samples_in(missing)))

    def _is_due(self, size: int, now: float) -> bool:
        if now < self._played_until - LEAD:
            return False
        # If audio was late, the provider has run out of it: the next piece plays on arrival.
        self._played_until = max(self._played_until, now) + size / self._codec.audio_format.bytes_per_second
        return True

    def _mark(self, stream_id: str, part: _Part, *, finished: bool) -> str:
        self._marks_made += 1
        place = f"g{self._generation}:m{self._marks_made}"
        sent_ms = part.sent * 1000 // self._codec.audio_format.bytes_per_second
        name = f"done:{part.item_id}:{place}" if finished else f"{part.item_id}:{sent_ms}:{place}"
        self._marks[name] = _Mark(part, self._samples(part), finished)
        if len(self._marks) > MAX_MARKS:
            del self._marks[next(iter(self._marks))]
        return self._codec.mark(stream_id, name)

    def _samples(self, part: _Part) -> int:
        """How much of a part was sent, in samples of the model."""
        audio_format = self._codec.audio_format
        return audio_format.samples_in(part.sent) * part.rate // audio_format.rate


def _heard(part: _Part, samples: int, finished: bool) -> Heard:
    return Heard(item_id=part.item_id, content_index=part.content_index, samples=samples, finished=finished)
