"""Where the engine puts what follows from its inputs, until the connection takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from realtime_transport.late_classes import define
from realtime_transport.protocol.wire.codec import dumps
from realtime_transport.protocol.wire.model import Event
from realtime_transport.protocol.wire.old_events import ResponseAudioDelta
from realtime_transport.protocol.wire.server_events import ResponseOutputAudioDelta

from .events import AudioEvent, FunctionCallRepeatedEvent, Withdrawal
from .lanes import AUDIO, Lane, Outgoing, lane_of
from .responses.in_flight import InFlight

if TYPE_CHECKING:
    from realtime_transport.protocol.config.settings import SentUpdate

__all__ = ["LEFT_OUT", "Interest", "ObservedOutput", "Output", "SendObserver"]

Interest = Callable[[type[Event]], bool]
"""Says whether anybody wants events of a class."""


LEFT_OUT: tuple[type[Event], ...] = (
    ResponseOutputAudioDelta,
    ResponseAudioDelta,
    FunctionCallRepeatedEvent,
)
"""What only those get who subscribe to it: `AudioEvent` holds what the typed audio delta does, and is cheaper."""


def _default_interest(kind: type[Event]) -> bool:
    return kind not in LEFT_OUT


@define()
class Output:
    """Events for the application and messages for the server, each in order.

    Attributes:
        in_flight: What was sent and not answered.
        wants_audio: Whether `AudioEvent` is `wanted`; most of what comes asks.
        wants_audio_delta: Likewise of the typed audio delta.
        events: What has been emitted and not been taken.
        messages: What has been sent and not been taken.
        sequence: The last place that was given.
    """

    _translate: Callable[[dict[str, Any]], Sequence[Mapping[str, Any]]] | None = None
    in_flight: InFlight = attrs.field(factory=InFlight, init=False)
    wants_audio: bool = attrs.field(default=True, init=False)
    wants_audio_delta: bool = attrs.field(default=False, init=False)
    _interest: Interest = attrs.field(default=_default_interest, init=False)
    _answers: dict[type[Event], bool] = attrs.field(factory=dict[type[Event], bool], init=False)
    events: list[Event] = attrs.field(factory=list[Event], init=False)
    messages: list[Outgoing] = attrs.field(factory=list[Outgoing], init=False)
    sequence: int = attrs.field(default=0, init=False)

    def set_interest(self, interest: Interest) -> None:
        """Ask *interest* from now on. Its answers are remembered."""
        self._interest = interest
        self._answers.clear()
        self.wants_audio, self.wants_audio_delta = self.wanted(AudioEvent), self.wanted(ResponseOutputAudioDelta)

    def wanted(self, kind: type[Event]) -> bool:
        """Whether anybody wants events of the class *kind*; nothing else is built."""
        answer = self._answers.get(kind)
        if answer is None:
            answer = self._answers[kind] = self._interest(kind)
        return answer

    def next_sequence(self) -> int:
        """The place of the next event in the true order. A place whose event is not wanted stays empty."""
        self.sequence += 1
        return self.sequence

    def emit(self, event: Event) -> None:
        """Emit *event*, which was made with the next place, if it is wanted."""
        if self.wanted(type(event)):
            self.events.append(event)

    def emit_always(self, event: Event) -> None:
        """Emit *event*, which was made with the next place, for what it does on its way even if nobody wants it."""
        self.events.append(event)

    def withdraw(self, response_ids: frozenset[str]) -> None:
        """Take the audio of responses back from what plays it."""
        self.emit_always(Withdrawal(sequence=self.next_sequence(), withdraws=response_ids))

    def encode(self, message: Mapping[str, Any]) -> list[str]:
        """*message* as texts, in the words of the server: none if it has none for it, some need two."""
        if self._translate is None:
            return [dumps(message)]
        return [dumps(translated) for translated in self._translate(dict(message))]

    def send(self, message: Mapping[str, Any], update: SentUpdate | None = None) -> None:
        """Send *message*, for a ``session.update`` made of settings with its *update*."""
        self.send_encoded(self.encode(message), message, update)

    def send_encoded(self, texts: Sequence[str], message: Mapping[str, Any], update: SentUpdate | None = None) -> None:
        """Send *message*, which `encode` has made *texts* of."""
        if not texts:
            return
        self.in_flight.sent(message, update)
        lane = lane_of(message)
        for text in texts:
            self.messages.append(Outgoing(text, lane))

    def send_text(self, text: str, lane: Lane) -> None:
        """Send *text*, which is a message already."""
        self.messages.append(Outgoing(text, lane))

    def send_audio(self, text: str) -> None:
        """Send *text*, an ``input_audio_buffer.append``."""
        self.messages.append(Outgoing(text, AUDIO))

    def audio_sent(self, text: str) -> None:
        """Note *text*, an ``input_audio_buffer.append`` that the connection has sent by itself."""


class SendObserver(Protocol):
    """Sees the messages of the client when they are queued. Neither call may raise."""

    def sent(self, message: Mapping[str, Any]) -> None:
        """Take a message, in the words of the current protocol."""
        ...

    def sent_audio(self, text: str) -> None:
        """Take an ``input_audio_buffer.append``, encoded."""
        ...


@define()
class ObservedOutput(Output):
    """An `Output` that tells what is sent. A class of its own: one that nobody observes asks nobody."""

    _observer: SendObserver = attrs.field(kw_only=True, alias="observer")

    def send_encoded(self, texts: Sequence[str], message: Mapping[str, Any], update: SentUpdate | None = None) -> None:
        """As of an `Output`."""
        Output.send_encoded(self, texts, message, update)
        self._observer.sent(message)

    def send_audio(self, text: str) -> None:
        """As of an `Output`."""
        Output.send_audio(self, text)
        self._observer.sent_audio(text)

    def audio_sent(self, text: str) -> None:
        """As of an `Output`."""
        self._observer.sent_audio(text)
