"""One response: which events it consists of, in which order, and when each is due.

A `ResponseRun` plays a `Reply`. It does not know time: `ResponseRun.advance` does one step and says how long after the
start of the response the next one is due. It can be stopped between two steps; then what is open is closed first.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

import attrs

from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.items import Item
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.protocol.wire.responses import Response, ResponseAudio, ResponseStatusDetails
from realtime_transport.protocol.wire.session import AudioFormatConfig, AudioOutput

from . import usage
from .output_items import DELTA_MS, open_output_item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime_transport.emulator.replies import Failure, Reply

    from .output_items import Host, OutputItem, ResponseSettings

__all__ = ["ResponseRun"]


@attrs.define(eq=False)
class ResponseRun:
    """One response.

    Args:
        host: The conversation.
        settings: What holds for it.
        reply: What it is to be.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
    """

    _host: Host
    settings: ResponseSettings
    reply: Reply
    _audio_speed: float | None
    id: str = attrs.field(init=False, default="")
    is_done: bool = attrs.field(init=False, default=False)
    audio_seconds: float = attrs.field(init=False, default=0.0)
    tokens: usage.Tokens = attrs.field(init=False, factory=usage.Tokens)
    _items: dict[int, Item] = attrs.field(init=False, factory=dict[int, Item])
    """The finished items by output index."""
    _open: list[OutputItem] = attrs.field(init=False, factory=list["OutputItem"])
    _steps: Iterator[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.id = self._host.new_id("resp")
        self._steps = self._play()

    def begin(self) -> None:
        """Send ``response.created``."""
        self._host.emit(ev.ResponseCreated(response=self._response("in_progress")))

    def advance(self) -> float | None:
        """Do one step; seconds from the start of the response to the next one, or ``None`` if it is done."""
        return next(self._steps, None)

    def stop(self, reason: str) -> None:
        """Cancel it: close what is open, then ``response.done`` with ``cancelled`` and *reason*."""
        if not self.is_done:
            self._finish("cancelled", ResponseStatusDetails(type="cancelled", reason=reason))

    def _play(self) -> Iterator[float]:
        start = self.reply.delay
        if start:
            yield start
        parts = [open_output_item(self, index, output) for index, output in enumerate(self.reply.outputs or ())]
        groups = [parts] if self.reply.interleaved else [[part] for part in parts]
        for group in groups:
            yield from self._play_together(group, start)
            if self.is_done:
                return
            start += max((part.seconds for part in group), default=0.0)
        self._end()

    def _play_together(self, parts: list[OutputItem], start: float) -> Iterator[float]:
        """Play *parts* side by side, the step that is due first before the others."""
        for part in parts:
            self._open.append(part)
            part.begin()
        order = itertools.count()
        steps = [(0.0, next(order), part, part.play()) for part in parts]
        while steps:
            _, _, part, play = heapq.heappop(steps)
            at = next(play, None)
            if at is not None:
                heapq.heappush(steps, (at, next(order), part, play))
                yield start + steps[0][0]
                continue
            self._open.remove(part)
            self._items[part.index] = part.end("completed")
            if part.is_over_limit:
                self._finish("incomplete", ResponseStatusDetails(type="incomplete", reason="max_output_tokens"))
                return

    def _end(self) -> None:
        if self.reply.failure is not None:
            self._finish("failed", ResponseStatusDetails(type="failed", error=_error_of(self.reply.failure)))
        elif self.reply.incomplete is not None:
            self._finish("incomplete", ResponseStatusDetails(type="incomplete", reason=self.reply.incomplete))
        else:
            self._finish("completed", None)

    def _finish(self, status: str, details: ResponseStatusDetails | None) -> None:
        while self._open:
            part = self._open.pop(0)
            self._items[part.index] = part.end("incomplete")
        self.is_done = True
        self._steps = iter(())
        self._host.emit(ev.ResponseDone(response=self._response(status, details)))

    def _response(self, status: str, details: ResponseStatusDetails | None = None) -> Response:
        settings = self.settings
        wire = settings.audio_format
        rate = wire.rate if wire.encoding == "audio/pcm" else UNSET
        audio_format = AudioFormatConfig(type=wire.encoding, rate=rate)
        return Response(
            object="realtime.response",
            id=self.id,
            status=status,
            status_details=details,
            output=[self._items[index] for index in sorted(self._items)],
            conversation_id=settings.conversation_id,
            output_modalities=[settings.modality],
            max_output_tokens=settings.max_output_tokens,
            audio=ResponseAudio(output=AudioOutput(format=audio_format, voice=settings.voice)),
            usage=usage.of_response(settings.input_tokens, self.tokens) if self.is_done else None,
            metadata=settings.metadata,
        )

    # For the parts

    @property
    def host(self) -> Host:
        """The conversation."""
        return self._host

    def seconds_per_delta(self, deltas: int, *, is_audio: bool) -> float:
        """Seconds between two deltas of a message."""
        if self.reply.pace is not None:
            return self.reply.pace / max(deltas, 1)
        if is_audio and self._audio_speed is not None:
            return DELTA_MS / 1000 / self._audio_speed
        return 0.0

    def tokens_left(self) -> float:
        """Tokens that ``max_output_tokens`` still allows."""
        limit = self.settings.max_output_tokens
        return math.inf if isinstance(limit, str) else limit - self.tokens.total


def _error_of(failure: Failure) -> ServerError:
    message = failure.message or f"The emulator was asked to fail with '{failure.code}'."
    return ServerError(type=failure.type, code=failure.code, message=message)
