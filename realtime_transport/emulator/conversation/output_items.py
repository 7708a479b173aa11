"""The output items of a response while they are made: the events of each, in the order of the service."""

from __future__ import annotations

import abc
import math
import re
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs
import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.replies import FunctionCall, McpApprovalRequest, McpCall, Output, Speech
from realtime_transport.emulator.sound import AudioClip
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.items import (
    AssistantMessageItem,
    FunctionCallItem,
    Item,
    McpApprovalRequestItem,
    McpCallItem,
    McpError,
    OutputAudioPart,
    OutputTextPart,
)

from . import usage
from .history import Entry
from .voice import VOICE_RATE, seconds_for, speech_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["DELTA_MS", "Host", "OutputItem", "ResponseSettings", "RunningResponse", "open_output_item"]

DELTA_MS = 100
"""Audio in one delta."""

_VOICE_FORMAT = AudioFormat(encoding="audio/pcm", rate=VOICE_RATE)
_LEADING_WORDS = 3  # The transcript leads the audio, as it does live.
_ARGUMENT_PIECE = 12


class Host(Protocol):
    """What a response calls on its conversation for."""

    def emit(self, event: ServerEvent) -> None:
        """Send *event*; an id is added."""
        ...

    def new_id(self, prefix: str) -> str:
        """A fresh identifier."""
        ...

    def padding(self, text: str) -> dict[str, str]:
        """The ``obfuscation`` of a delta with this text."""
        ...

    def add_output(self, entry: Entry) -> str | None:
        """Put an item that is in progress into the conversation; the id of the item before."""
        ...


@attrs.frozen(kw_only=True)
class ResponseSettings:
    """What holds for one response: the session's settings with those of ``response.create`` over them.

    Attributes:
        conversation_id: ``None`` out of band.
        modality: ``audio`` or ``text``.
        max_output_tokens: A number, or ``"inf"``.
        input_tokens: What the context costs.
    """

    conversation_id: str | None
    modality: str
    audio_format: AudioFormat
    voice: str
    max_output_tokens: int | str
    metadata: Mapping[str, Any] | None
    input_tokens: usage.Tokens


class RunningResponse(Protocol):
    """What an output item reads of its response.

    Attributes:
        tokens: What the response has cost so far.
        audio_seconds: What it has spoken so far.
    """

    tokens: usage.Tokens
    audio_seconds: float

    @property
    def id(self) -> str:
        """Id of the response."""
        ...

    @property
    def settings(self) -> ResponseSettings:
        """What holds for it."""
        ...

    @property
    def host(self) -> Host:
        """The conversation."""
        ...

    def seconds_per_delta(self, deltas: int, *, is_audio: bool) -> float:
        """Seconds between two deltas of a message."""
        ...

    def tokens_left(self) -> float:
        """Tokens that ``max_output_tokens`` still allows."""
        ...


def open_output_item(run: RunningResponse, index: int, output: Output) -> OutputItem:
    """The item that *output* becomes, number *index* of its response."""
    match output:
        case Speech() if run.settings.modality == "audio":
            return _SpokenMessage(run, index, output)
        case Speech():
            return _WrittenMessage(run, index, output)
        case FunctionCall():
            return _Call(run, index, output)
        case McpApprovalRequest():
            return _ApprovalRequest(run, index, output)
        case McpCall():
            return _McpRun(run, index, output)


@attrs.define(eq=False)
class OutputItem(abc.ABC):
    """One output item while it is made: `begin`, then the steps of `play`, then `end`; or `end` at any time."""

    run: RunningResponse
    index: int
    entry: Entry = attrs.field(init=False)
    previous_id: str | None = attrs.field(init=False, default=None)
    seconds: float = attrs.field(init=False, default=0.0)
    is_over_limit: bool = attrs.field(init=False, default=False)

    @property
    def item_id(self) -> str:
        """Id of the item."""
        return self.entry.id

    @property
    def _is_in_conversation(self) -> bool:
        return self.run.settings.conversation_id is not None

    @property
    def at(self) -> dict[str, Any]:
        """The fields that every event of this item holds: its response, its id, its index."""
        return {"response_id": self.run.id, "item_id": self.item_id, "output_index": self.index}

    def emit(self, event: ServerEvent) -> None:
        """Send *event*."""
        self.run.host.emit(event)

    def announce(self, item: Item) -> None:
        """Emit the events by which *item* begins."""
        self.entry = Entry(item)
        self.emit(ev.ResponseOutputItemAdded(response_id=self.run.id, output_index=self.index, item=item))
        if self._is_in_conversation:
            self.previous_id = self.run.host.add_output(self.entry)
            self.emit(ev.ConversationItemAdded(previous_item_id=self.previous_id, item=item))

    def conclude(self, item: Item) -> Item:
        """Emit the events by which the item ends, as *item*."""
        self.entry.item = item
        if self._is_in_conversation:
            self.emit(ev.ConversationItemDone(previous_item_id=self.previous_id, item=item))
        self.emit(ev.ResponseOutputItemDone(response_id=self.run.id, output_index=self.index, item=item))
        return item

    @abc.abstractmethod
    def begin(self) -> None:
        """Announce the item."""

    @abc.abstractmethod
    def play(self) -> Iterator[float]:
        """Send its content step by step; yields when the next step is due, in seconds from `begin`."""

    @abc.abstractmethod
    def end(self, status: str) -> Item:
        """Close what is open and conclude the item, at any time after `begin`."""


@attrs.define(eq=False)
class _WrittenMessage(OutputItem):
    speech: Speech
    text: str = attrs.field(init=False, default="")

    def begin(self) -> None:
        self.announce(AssistantMessageItem(id=self.run.host.new_id("item"), status="in_progress", content=[]))
        self.emit(ev.ResponseContentPartAdded(**self.at, content_index=0, part=OutputTextPart(type="text", text="")))

    def play(self) -> Iterator[float]:
        words = _words(self.speech.text)
        step = self.run.seconds_per_delta(len(words), is_audio=False)
        for word in words:
            if self.run.tokens_left() < usage.text_tokens(word):
                self.is_over_limit = True
                return
            self.text += word
            self.run.tokens += usage.Tokens(text=usage.text_tokens(word))
            self.emit(
                ev.ResponseOutputTextDelta(**self.at, content_index=0, delta=word, extra=self.run.host.padding(word))
            )
            self.seconds += step
            yield self.seconds

    def end(self, status: str) -> Item:
        self.emit(ev.ResponseOutputTextDone(**self.at, content_index=0, text=self.text))
        part = OutputTextPart(type="text", text=self.text)
        self.emit(ev.ResponseContentPartDone(**self.at, content_index=0, part=part))
        status = "incomplete" if self.is_over_limit else status
        item = cast("AssistantMessageItem", self.entry.item)
        return self.conclude(attrs.evolve(item, status=status, content=[OutputTextPart(text=self.text)]))


@attrs.define(eq=False)
class _SpokenMessage(OutputItem):
    speech: Speech
    transcript: str = attrs.field(init=False, default="")
    _said: int = attrs.field(init=False, default=0)

    def begin(self) -> None:
        item = AssistantMessageItem(id=self.run.host.new_id("item"), status="in_progress", content=[])
        self.announce(item)
        clip = self.speech.audio
        if clip is None:
            seconds = self.speech.seconds if self.speech.seconds is not None else seconds_for(self.speech.text)
            clip = AudioClip(speech_like(seconds), _VOICE_FORMAT)
        self.entry.sound, self.entry.sent = clip.converted(self.run.settings.audio_format), 0
        part = OutputAudioPart(type="audio", transcript="")
        self.emit(ev.ResponseContentPartAdded(**self.at, content_index=0, part=part))

    def play(self) -> Iterator[float]:
        pieces = list(_pieces(cast("AudioClip", self.entry.sound)))
        words = _words(self.speech.text)
        step = self.run.seconds_per_delta(len(pieces), is_audio=True)
        self._say(words, _LEADING_WORDS)
        for number, piece in enumerate(pieces, start=1):
            if self.run.tokens_left() < 1:
                self.is_over_limit = True
                return
            self._send(piece)
            self._say(words, _LEADING_WORDS + math.ceil(len(words) * number / len(pieces)))
            self.seconds += step
            yield self.seconds
        self._say(words, len(words))

    def _say(self, words: list[str], upto: int) -> None:
        """Send the transcript up to that word."""
        for word in words[self._said : upto]:
            self._said += 1
            self.transcript += word
            self.run.tokens += usage.Tokens(text=usage.text_tokens(word))
            extra = self.run.host.padding(word)
            self.emit(ev.ResponseOutputAudioTranscriptDelta(**self.at, content_index=0, delta=word, extra=extra))

    def _send(self, piece: bytes) -> None:
        if not self.entry.is_cut:
            self.entry.sent = (self.entry.sent or 0) + len(piece)
        seconds = len(piece) / self.run.settings.audio_format.bytes_per_second
        self.run.audio_seconds += seconds
        self.run.tokens += usage.Tokens(audio=usage.output_audio_tokens(seconds))
        delta = pybase64.b64encode(piece).decode()
        self.emit(ev.ResponseOutputAudioDelta(**self.at, content_index=0, delta=delta))

    def end(self, status: str) -> Item:
        if self.entry.sent is not None:
            self.entry.sound, self.entry.sent = self.entry.audio, None
        self.emit(ev.ResponseOutputAudioDone(**self.at, content_index=0))
        self.emit(ev.ResponseOutputAudioTranscriptDone(**self.at, content_index=0, transcript=self.transcript))
        part = OutputAudioPart(type="audio", transcript=self.transcript)
        self.emit(ev.ResponseContentPartDone(**self.at, content_index=0, part=part))
        status = "incomplete" if self.is_over_limit else status
        content = OutputAudioPart() if self.entry.is_cut else OutputAudioPart(transcript=self.transcript)
        item = cast("AssistantMessageItem", self.entry.item)
        return self.conclude(attrs.evolve(item, status=status, content=[content]))


@attrs.define(eq=False)
class _Call(OutputItem):
    call: FunctionCall
    call_id: str = attrs.field(init=False, default="")
    arguments: str = attrs.field(init=False, default="")

    def begin(self) -> None:
        self.call_id = self.call.call_id or self.run.host.new_id("call")
        self.announce(
            FunctionCallItem(
                id=self.run.host.new_id("item"),
                status="in_progress",
                name=self.call.name,
                call_id=self.call_id,
                arguments="",
            )
        )

    def play(self) -> Iterator[float]:
        for piece in _argument_pieces(self.call.arguments):
            self.arguments += piece
            self.run.tokens += usage.Tokens(text=usage.text_tokens(piece))
            extra = self.run.host.padding(piece)
            self.emit(ev.ResponseFunctionCallArgumentsDelta(**self.at, call_id=self.call_id, delta=piece, extra=extra))
            yield self.seconds

    def end(self, status: str) -> Item:
        self.emit(
            ev.ResponseFunctionCallArgumentsDone(
                **self.at, call_id=self.call_id, name=self.call.name, arguments=self.arguments
            )
        )
        item = cast("FunctionCallItem", self.entry.item)
        return self.conclude(attrs.evolve(item, status=status, arguments=self.arguments))


@attrs.define(eq=False)
class _ApprovalRequest(OutputItem):
    request: McpApprovalRequest

    def begin(self) -> None:
        self.announce(
            McpApprovalRequestItem(
                id=self.run.host.new_id("mcpr"),
                server_label=self.request.server_label,
                name=self.request.name,
                arguments=self.request.arguments,
            )
        )

    def play(self) -> Iterator[float]:
        yield from ()

    def end(self, status: str) -> Item:
        return self.conclude(self.entry.item)


@attrs.define(eq=False)
class _McpRun(OutputItem):
    call: McpCall
    arguments: str = attrs.field(init=False, default="")

    def begin(self) -> None:
        self.announce(
            McpCallItem(
                id=self.run.host.new_id("mcp"),
                server_label=self.call.server_label,
                name=self.call.name,
                arguments="",
                approval_request_id=self.call.approval_request_id,
                output=None,
                error=None,
            )
        )

    def play(self) -> Iterator[float]:
        for piece in _argument_pieces(self.call.arguments):
            self.arguments += piece
            extra = self.run.host.padding(piece)
            self.emit(ev.ResponseMcpCallArgumentsDelta(**self.at, delta=piece, extra=extra))
            yield self.seconds

    def end(self, status: str) -> Item:
        self.emit(ev.ResponseMcpCallArgumentsDone(**self.at, arguments=self.arguments))
        where: dict[str, Any] = {"item_id": self.item_id, "output_index": self.index}
        self.emit(ev.ResponseMcpCallInProgress(**where))
        is_error = self.call.error is not None or status != "completed"
        self.emit(ev.ResponseMcpCallFailed(**where) if is_error else ev.ResponseMcpCallCompleted(**where))
        error = McpError(type="tool_execution_error", message=self.call.error or "cancelled") if is_error else None
        output = None if is_error else self.call.output
        item = cast("McpCallItem", self.entry.item)
        return self.conclude(attrs.evolve(item, arguments=self.arguments, output=output, error=error))


def _words(text: str) -> list[str]:
    """*text* in pieces that each hold a word and the space before it; together they are *text*."""
    return re.findall(r"\s*\S+|\s+$", text)


def _argument_pieces(text: str) -> list[str]:
    return [text[at : at + _ARGUMENT_PIECE] for at in range(0, len(text), _ARGUMENT_PIECE)]


def _pieces(clip: AudioClip) -> Iterator[bytes]:
    size = clip.format.bytes_for(clip.format.samples_for_ms(DELTA_MS))
    for at in range(0, len(clip.data), size):
        yield clip.data[at : at + size]
