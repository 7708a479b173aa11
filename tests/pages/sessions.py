"""A recorded session made by hand: a spoken turn, a reply that is cut off, a tool call, an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pybase64

from realtime_transport.recording import Close, Entry, Frame, Header, Media, Note, Open, Recording

RATE = 24_000


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    times = np.arange(round(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * hertz * times) * 12_000).astype("<i2").tobytes()


def _base64(data: bytes) -> str:
    return pybase64.b64encode(data).decode()


def sent(t: float, kind: str, **fields: Any) -> Frame:
    return Frame(t=t, direction="sent", message={"type": kind, **fields})


def received(t: float, kind: str, **fields: Any) -> Frame:
    return Frame(t=t, direction="received", message={"type": kind, "event_id": f"e{t}", **fields})


def delta(t: float, data: bytes, item: str = "a1") -> Frame:
    return received(
        t, "response.output_audio.delta", response_id="r1", item_id=item, content_index=0, delta=_base64(data)
    )


def session(seconds: float = 1.0) -> Recording:
    """The user speaks from 0.2 to 0.7 s (and the detector waits 0.3 s), the reply of 2 s is heard from 1.2 to 2.0."""
    detection = {"type": "server_vad", "silence_duration_ms": 300}
    frames = round(seconds / 0.02)
    entries: list[Entry] = [
        Open(t=0.0, url="wss://host/v1/realtime?model=m"),
        received(0.0, "session.created", session={"audio": {"input": {"turn_detection": detection}}}),
        *(sent(0.2 + (n + 1) * 0.02, "input_audio_buffer.append", audio=_base64(tone(0.02))) for n in range(frames)),
        received(0.4, "input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0),
        received(1.1, "input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=800),
        received(1.12, "response.created", response={"id": "r1", "status": "in_progress"}),
        received(1.15, "response.output_audio_transcript.delta", response_id="r1", delta="</script><b>Hello"),
        *(delta(1.2 + n * 0.001, tone(0.5, 880.0)) for n in range(4)),
        sent(2.0, "conversation.item.truncate", item_id="a1", content_index=0, audio_end_ms=800),
        received(2.1, "response.done", response={"id": "r1", "status": "cancelled"}),
        received(2.2, "conversation.item.input_audio_transcription.completed", item_id="u1", transcript="Hi there"),
        received(
            2.3, "response.output_item.done", item={"type": "function_call", "call_id": "c1", "name": "get_weather"}
        ),
        sent(2.8, "conversation.item.create", item={"type": "function_call_output", "call_id": "c1", "output": "{}"}),
        Note(t=2.9, text="a note"),
        received(3.0, "error", error={"type": "invalid_request_error", "message": "no"}),
        Close(t=4.0, code=1000, by="client"),
    ]
    return Recording(path=Path("made.rtrec"), header=Header(started="2026-11-26T18:00:00Z"), entries=tuple(entries))


def media_session() -> Recording:
    """Sound beside the messages, as over WebRTC."""
    entries: list[Entry] = [
        Open(t=0.0),
        *(Media(t=0.02 * (n + 1), direction="sent", data=tone(0.02), size=960) for n in range(50)),
        *(Media(t=1.0 + 0.02 * n, direction="received", data=tone(0.02, 880.0), size=960) for n in range(50)),
        Close(t=2.0, code=1000, by="client"),
    ]
    return Recording(path=Path("media.rtrec"), header=Header(started="", wire="webrtc"), entries=tuple(entries))
