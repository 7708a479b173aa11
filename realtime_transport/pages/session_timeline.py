"""The contents of a recorded session on one time axis: voices, turns, replies, tool calls. No drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import attrs
import numpy as np
import pybase64

from realtime_transport.audio import g711
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError
from realtime_transport.recording.format import Close, Frame, Lost, Media, Note, Open, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from realtime_transport.recording.format import Entry
    from realtime_transport.recording.reader import Recording

__all__ = ["Mark", "Piece", "Reply", "Segment", "SessionTimeline", "ToolCall", "read_timeline"]

GAP = 0.2
"""Seconds: audio that arrives with a gap longer than this starts a new piece; a shorter gap is jitter."""

Lane: TypeAlias = Literal["client", "server", "connection", "note"]

_DELTAS = ("response.output_audio.delta", "response.audio.delta", "session.output_audio.delta")


@attrs.frozen(kw_only=True)
class Piece:
    """Audio without a gap.

    Attributes:
        start: When it is heard, in seconds of the recording.
        samples: The samples, between -1 and 1.
        rate: Samples per second.
        heard: Seconds of it that were heard; the rest was cut off.
    """

    start: float
    samples: NDArray[np.float32] = attrs.field(eq=False, repr=False)
    rate: int
    heard: float

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.samples) / self.rate


@attrs.frozen(kw_only=True)
class Mark:
    """A message or another event of the recording.

    Attributes:
        t: When, in seconds of the recording.
        lane: Its origin.
        type: The type of the message or event.
        detail: The message without sound.
    """

    t: float
    lane: Lane
    type: str
    detail: Mapping[str, Any]


@attrs.define(kw_only=True)
class Segment:
    """Speech of the user, as the server's turn detection found it."""

    item_id: str
    start: float
    end: float | None = None
    transcript: str = ""


@attrs.define(kw_only=True)
class Reply:
    """One response: its times, its status, and how much of it was heard."""

    response_id: str
    created: float
    first_audio: float | None = None
    done: float | None = None
    status: str = ""
    transcript: str = ""
    cut_off_after: float | None = None
    """Seconds of it that were heard, if it was cut off."""
    asked_at: float | None = None
    """When the speech of the turn before it ended. The user's wait, which the latency measures, begins here."""

    @property
    def latency(self) -> float | None:
        """Seconds from the end of the turn to the first sound."""
        if self.asked_at is None or self.first_audio is None:
            return None
        return self.first_audio - self.asked_at


@attrs.define(kw_only=True)
class ToolCall:
    """A function that the model called, until its output was sent."""

    call_id: str
    name: str
    asked: float
    answered: float | None = None


@attrs.frozen(kw_only=True)
class SessionTimeline:
    """Everything that a page shows of one session; all times are seconds of the recording."""

    seconds: float
    user: tuple[Piece, ...]
    model: tuple[Piece, ...]
    segments: tuple[Segment, ...]
    replies: tuple[Reply, ...]
    tools: tuple[ToolCall, ...]
    marks: tuple[Mark, ...]


def read_timeline(recording: Recording) -> SessionTimeline:
    """Read *recording* into a timeline."""
    reader = _Reader()
    for entry in recording.entries:
        reader.entry(entry)
    user, model = reader.user.pieces(), reader.model.pieces()
    ends = [piece.start + piece.seconds for piece in (*user, *model)]
    return SessionTimeline(
        seconds=max([recording.seconds, *ends], default=0.0),
        user=user,
        model=model,
        segments=tuple(reader.segments.values()),
        replies=tuple(reader.replies.values()),
        tools=tuple(reader.tools.values()),
        marks=tuple(reader.marks),
    )


_Chunk: TypeAlias = tuple[float, bytes, AudioFormat, str]
"""When it is heard, its bytes, their format, and the item it belongs to."""


@attrs.define(eq=False)
class _Voice:
    """Places audio on the time axis: each chunk follows the previous one, or begins when it arrives, if that is later.

    Args:
        leads: Whether a chunk arrives before it is heard (a reply), or after it was spoken (a microphone).
    """

    leads: bool
    format: AudioFormat = AudioFormat.PCM24K
    _chunks: list[_Chunk] = attrs.field(factory=list["_Chunk"], init=False)
    _end: float = attrs.field(default=-1e9, init=False)
    _cut: dict[str, float] = attrs.field(factory=dict[str, float], init=False)
    _starts: dict[str, float] = attrs.field(factory=dict[str, float], init=False)

    def add(self, t: float, data: bytes, key: str) -> float:
        """Add a chunk that arrived at *t*. Returns when it is heard."""
        length = self.format.seconds(self.format.samples_in(len(data)))
        earliest = t if self.leads else t - length
        start = earliest if earliest > self._end + (0.0 if self.leads else GAP) else self._end
        self._starts.setdefault(key, start)
        self._chunks.append((start, data, self.format, key))
        self._end = start + length
        return start

    def cut(self, t: float, key: str, heard: float) -> None:
        """Note that *heard* seconds of *key* were heard, and that it stopped playing at *t*."""
        self._cut[key] = heard
        self._end = min(self._end, max(t, self._starts.get(key, t)))

    def time_of(self, position: float) -> float | None:
        """When the sound at *position*, in seconds of sound, is heard; ``None`` if there is none."""
        passed = 0.0
        for start, data, form, _ in self._chunks:
            length = form.seconds(form.samples_in(len(data)))
            if passed <= position <= passed + length:
                return start + position - passed
            passed += length
        return None

    def pieces(self) -> tuple[Piece, ...]:
        """The audio, joined where there is no gap."""
        runs: list[list[_Chunk]] = []
        end = -1e9
        for chunk in self._chunks:
            start, data, form, key = chunk
            if runs and abs(start - end) < 1e-6 and runs[-1][-1][2:] == (form, key):
                runs[-1].append(chunk)
            else:
                runs.append([chunk])
            end = start + form.seconds(form.samples_in(len(data)))
        return tuple(self._piece(run) for run in runs)

    def _piece(self, run: list[_Chunk]) -> Piece:
        start, _, form, key = run[0]
        samples = _floats(b"".join(data for _, data, _, _ in run), form)
        length = len(samples) / form.rate
        heard = length
        if key in self._cut:
            heard = min(length, max(0.0, self._cut[key] - (start - self._starts[key])))
        return Piece(start=start, samples=samples, rate=form.rate, heard=heard)


def _floats(data: bytes, form: AudioFormat) -> NDArray[np.float32]:
    match form.encoding:
        case "audio/pcmu":
            data = g711.ulaw_decode(data)
        case "audio/pcma":
            data = g711.alaw_decode(data)
        case "audio/pcm":
            pass
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)


@attrs.define(eq=False)
class _Reader:
    user: _Voice = attrs.field(factory=lambda: _Voice(leads=False))
    model: _Voice = attrs.field(factory=lambda: _Voice(leads=True))
    segments: dict[str, Segment] = attrs.field(factory=dict[str, Segment])
    replies: dict[str, Reply] = attrs.field(factory=dict[str, Reply])
    tools: dict[str, ToolCall] = attrs.field(factory=dict[str, ToolCall])
    marks: list[Mark] = attrs.field(factory=list[Mark])
    _turn_ended: float | None = None
    _silence_ms: float = 0.0
    """The silence that turn detection waits for; subtracted from the end of speech that it reports."""
    _reply_of_item: dict[str, str] = attrs.field(factory=dict[str, str])

    def entry(self, entry: Entry) -> None:
        """Read the next line."""
        match entry:
            case Frame(message=None):
                self._mark(entry.t, "client" if entry.direction == "sent" else "server", "not a message", {})
            case Frame(message=message) if message is not None:
                self._frame(entry, message)
            case Media():
                voice = self.user if entry.direction == "sent" else self.model
                voice.format = _format({"type": entry.encoding, "rate": entry.rate}) or voice.format
                voice.add(entry.t, entry.data, "media")
            case Open(url=url):
                self._mark(entry.t, "connection", "open", {"url": url})
            case Close(code=code, reason=reason, by=by):
                self._mark(entry.t, "connection", "close", {"code": code, "reason": reason, "by": by})
            case Note(text=text):
                self._mark(entry.t, "note", "note", {"text": text})
            case Tool(name=name, call_id=call_id, outcome=outcome):
                self._mark(entry.t, "note", "tool", {"name": name, "call_id": call_id, "outcome": outcome})
            case Lost(frames=frames):
                self._mark(entry.t, "note", "lost", {"frames": frames})
            case _:
                pass

    def _mark(self, t: float, lane: Lane, kind: str, detail: Mapping[str, Any]) -> None:
        self.marks.append(Mark(t=t, lane=lane, type=kind, detail=detail))

    def _frame(self, entry: Frame, message: Mapping[str, Any]) -> None:
        kind, t = str(message["type"]), entry.t
        lane: Lane = "client" if entry.direction == "sent" else "server"
        self._mark(t, lane, kind, cast("Mapping[str, Any]", _without_sound(message)))
        if entry.direction == "sent":
            self._sent(kind, t, message)
        else:
            self._received(kind, t, message)

    def _sent(self, kind: str, t: float, message: Mapping[str, Any]) -> None:
        match kind:
            case "input_audio_buffer.append" | "session.input_audio_buffer.append":
                self.user.add(t, _sound(message.get("audio")), "user")
            case "input_audio_buffer.commit":
                self._turn_ended = t
            case "conversation.item.truncate":
                self._cut(t, message)
            case "conversation.item.create":
                self._item_made(t, message.get("item"))
            case "session.update":
                self._formats(message.get("session"))
            case _:
                pass

    def _item_made(self, t: float, item: Any) -> None:
        match item:
            case {"type": "function_call_output", "call_id": str(call_id)} if call_id in self.tools:
                self.tools[call_id].answered = t
            case {"type": "message"}:
                self._turn_ended = t
            case _:
                pass

    def _received(self, kind: str, t: float, message: Mapping[str, Any]) -> None:
        match kind:
            case "session.created" | "session.updated":
                self._formats(message.get("session"))
            case "input_audio_buffer.speech_started":
                item = str(message.get("item_id"))
                self.segments[item] = Segment(item_id=item, start=self._spoken(message.get("audio_start_ms"), t))
            case "input_audio_buffer.speech_stopped":
                segment = self.segments.get(str(message.get("item_id")))
                if segment is not None:
                    segment.end = self._spoken(message.get("audio_end_ms"), t)
                self._turn_ended = self._spoken(_minus(message.get("audio_end_ms"), self._silence_ms), t)
            case "conversation.item.input_audio_transcription.completed":
                segment = self.segments.get(str(message.get("item_id")))
                if segment is not None:
                    segment.transcript = str(message.get("transcript") or "")
            case "response.created" | "response.done":
                self._response(kind, t, message.get("response"))
            case _ if kind in _DELTAS:
                self._heard(t, message)
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                self._said(message)
            case "response.output_text.delta" | "response.text.delta":
                self._said(message)
            case "response.output_item.done":
                self._output_item(t, message.get("item"))
            case _:
                pass

    def _spoken(self, position_ms: Any, otherwise: float) -> float:
        found = self.user.time_of(position_ms / 1000) if isinstance(position_ms, int | float) else None
        return otherwise if found is None else found

    def _response(self, kind: str, t: float, response: Any) -> None:
        if not isinstance(response, dict):
            return
        fields = cast("Mapping[str, Any]", response)
        key = str(fields.get("id"))
        reply = self.replies.get(key)
        if reply is None:
            reply = self.replies[key] = Reply(response_id=key, created=t, asked_at=self._turn_ended)
            self._turn_ended = None
        if kind == "response.done":
            reply.done = t
            reply.status = str(fields.get("status") or "")

    def _heard(self, t: float, message: Mapping[str, Any]) -> None:
        item = str(message.get("item_id"))
        start = self.model.add(t, _sound(message.get("delta")), item)
        key = str(message.get("response_id"))
        self._reply_of_item[item] = key
        reply = self.replies.get(key)
        if reply is not None and reply.first_audio is None:
            reply.first_audio = start

    def _said(self, message: Mapping[str, Any]) -> None:
        reply = self.replies.get(str(message.get("response_id")))
        if reply is not None and isinstance(message.get("delta"), str):
            reply.transcript += message["delta"]

    def _output_item(self, t: float, item: Any) -> None:
        match item:
            case {"type": "function_call", "call_id": str(call_id)}:
                name = cast("Mapping[str, Any]", item).get("name")
                self.tools.setdefault(call_id, ToolCall(call_id=call_id, name=str(name), asked=t))
            case _:
                pass

    def _cut(self, t: float, message: Mapping[str, Any]) -> None:
        item, end_ms = str(message.get("item_id")), message.get("audio_end_ms")
        if not isinstance(end_ms, int | float):
            return
        self.model.cut(t, item, end_ms / 1000)
        reply = self.replies.get(self._reply_of_item.get(item, ""))
        if reply is not None:
            reply.cut_off_after = end_ms / 1000

    def _formats(self, session: Any) -> None:
        audio = cast("Mapping[str, Any]", session).get("audio") if isinstance(session, dict) else None
        if not isinstance(audio, dict):
            return
        ends = cast("Mapping[str, Any]", audio)
        match ends.get("input"):
            case {"turn_detection": {"silence_duration_ms": int(silence)}}:
                self._silence_ms = silence
            case _:
                pass
        for voice, side in ((self.user, "input"), (self.model, "output")):
            end = ends.get(side)
            found = cast("Mapping[str, Any]", end).get("format") if isinstance(end, dict) else None
            if isinstance(found, dict):
                voice.format = _format(cast("Mapping[str, Any]", found)) or voice.format


def _minus(position: Any, less: float) -> Any:
    return position - less if isinstance(position, int | float) else position


def _format(found: Mapping[str, Any]) -> AudioFormat | None:
    try:
        return AudioFormat.parse(found)
    except ConfigError:
        return None


def _sound(value: Any) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return pybase64.b64decode(value, validate=True)
    except ValueError:
        return b""


def _without_sound(value: Any, key: str = "") -> Any:
    """*value* with sound and pictures replaced by their length."""
    match value:
        case dict():
            return {name: _without_sound(item, name) for name, item in cast("dict[str, Any]", value).items()}
        case list():
            return [_without_sound(item) for item in cast("list[Any]", value)]
        case str() if len(value) > 400 and " " not in value[:400]:
            return f"… {len(value)} characters"
        case _:
            return value
