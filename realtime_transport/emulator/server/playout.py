"""The output audio buffer of a WebRTC call, which the server plays in real time."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.protocol.wire import server_events as ev

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["Playout"]

MEDIA = AudioFormat.PCM24K
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""More than twenty minutes of unplayed speech."""

FRAME_BYTES = MEDIA.bytes_for(MEDIA.samples_for_ms(20))


@attrs.define(eq=False)
class _Entry:
    response_id: str
    converter: Converter
    sound: bytearray = attrs.field(factory=bytearray)
    started: bool = False
    complete: bool = False


@attrs.define(eq=False)
class Playout:
    """The output audio buffer: filled faster than real time, emptied 20 ms at a time.

    `pull` is called in the thread of the audio track; everything else by the conversation.

    Args:
        emit: Takes ``output_audio_buffer`` events, from either thread. It must not wait.
    """

    _emit: Callable[[ServerEvent], None]
    _entries: deque[_Entry] = attrs.field(init=False, factory=lambda: deque[_Entry]())
    dropped_bytes: int = attrs.field(init=False, default=0)
    """Bytes of audio that were dropped for lack of room, in the session's format."""
    _lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)

    def add(self, response_id: str, audio: bytes, audio_format: AudioFormat) -> None:
        """Queue *audio*; beyond `MAX_WAITING_BYTES` it is dropped."""
        with self._lock:
            waiting = sum(len(entry.sound) for entry in self._entries)
            if waiting > MAX_WAITING_BYTES:
                self.dropped_bytes += len(audio)
                return
            if not self._entries or self._entries[-1].response_id != response_id:
                self._entries.append(_Entry(response_id, Converter(audio_format, MEDIA)))
            entry = self._entries[-1]
            entry.sound += entry.converter.process(audio)

    def finish(self, response_id: str) -> None:
        """Note that no more audio follows for that response."""
        with self._lock:
            for entry in self._entries:
                if entry.response_id == response_id and not entry.complete:
                    entry.sound += entry.converter.flush()
                    entry.complete = True

    def clear(self) -> bool:
        """Drop everything, and emit ``cleared`` for what was playing; returns whether anything was."""
        with self._lock:
            playing = [entry for entry in self._entries if entry.started]
            self._entries.clear()
        for entry in playing:
            self._emit(ev.OutputAudioBufferCleared(response_id=entry.response_id))
        return bool(playing)

    def pull(self) -> bytes | None:
        """The next 20 ms, or ``None`` if there is nothing to play now."""
        emitted: list[ServerEvent] = []
        frame = None
        with self._lock:
            while self._entries:
                entry = self._entries[0]
                if len(entry.sound) >= FRAME_BYTES or (entry.complete and entry.sound):
                    if not entry.started:
                        entry.started = True
                        emitted.append(ev.OutputAudioBufferStarted(response_id=entry.response_id))
                    frame = bytes(entry.sound[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
                    del entry.sound[:FRAME_BYTES]
                    break
                if not entry.complete:
                    break
                self._entries.popleft()
                if entry.started:
                    emitted.append(ev.OutputAudioBufferStopped(response_id=entry.response_id))
        for event in emitted:
            self._emit(event)
        return frame
