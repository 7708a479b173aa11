"""What a connection asks of a protocol engine and of its events.

A connection moves text between a link and an engine and hands the engine's events to subscriptions. It knows
nothing else of the protocol, so that another protocol can use the same wires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AttemptEngine", "AudioChunk", "DeferredChunk", "Engine", "Event", "Lane", "Opening", "Outgoing", "Reported"]


class Event(Protocol):
    """Something that happened, as a subscription delivers it."""

    is_audio: ClassVar[bool]
    """Whether this is audio: counted in bytes, and withdrawn when its turn is interrupted."""

    withdraws: ClassVar[frozenset[str] | None]
    """Turns (`AudioChunk.response_id`) whose undelivered audio is taken back; ``None`` for most events."""

    preceded_by: ClassVar[tuple[Any, ...]]
    """For an event that withdraws: the events that caused it. They are delivered just before it."""

    brings: ClassVar[tuple[Any, ...]]
    """For an event that withdraws: events published before it. Those not yet delivered are delivered just before it."""


class AudioChunk(Event, Protocol):
    """An event that carries audio (`Event.is_audio`)."""

    deferred: ClassVar[bool]
    """Whether it is a `DeferredChunk`."""

    @property
    def audio_bytes(self) -> int:
        """How much it holds."""
        ...

    @property
    def response_id(self) -> Any:
        """The turn it belongs to."""
        ...


class DeferredChunk(AudioChunk, Protocol):
    """A chunk that stands for an event, and shares its audio with the chunk behind it if that is ``audio``."""

    @property
    def audio(self) -> AudioChunk:
        """The chunk that it is built from."""
        ...

    def build(self) -> Event:
        """The event that is delivered."""
        ...


class Lane(Protocol):
    """What a message may overtake."""

    @property
    def is_audio(self) -> bool:
        """Whether it may be overtaken."""
        ...

    @property
    def overtakes(self) -> bool:
        """Whether it may overtake audio that waits; never anything else."""
        ...


class Outgoing(Protocol):
    """A message to send."""

    @property
    def text(self) -> str:
        """The message, encoded."""
        ...

    @property
    def lane(self) -> Lane:
        """What it may overtake."""
        ...


class Engine(Protocol):
    """A protocol without I/O: inputs change its state and fill two queues, which the connection empties."""

    def connection_opened(self, now: float, /) -> None:
        """The link is open."""
        ...

    def receive_message(self, data: str | bytes, now: float, /) -> None:
        """A message has come."""
        ...

    def begin_close(self, now: float, /) -> None:
        """We are about to close: the last chance to say something, if the protocol has a way to say goodbye.

        It is not called where the link has ended, nor where what is queued is discarded.
        """
        ...

    @property
    def finished(self) -> bool:
        """Whether the peer has said, after `begin_close`, what it had to say. Until then the connection reads on."""
        ...

    def receive_eof(self, now: float, /) -> None:
        """The link has ended."""
        ...

    def get_timer(self) -> float | None:
        """When `handle_timer` is to be called; ``None``: not at all."""
        ...

    def handle_timer(self, now: float, /) -> None:
        """Do what is due."""
        ...

    @property
    def is_observed(self) -> bool:
        """Whether somebody sees what is sent: then the engine is told of messages that it has no part in."""
        ...

    def audio_sent(self, text: str) -> None:
        """Take note of a message of audio that the connection has sent by itself."""
        ...

    def take_events(self) -> Sequence[Event]:
        """The events since the last call."""
        ...

    def take_messages(self) -> Sequence[Outgoing]:
        """The messages to send since the last call."""
        ...


class Reported(Protocol):
    """What a server has reported. Fields of the wire may hold anything."""

    @property
    def code(self) -> Any:
        """A word for programs, if it is text."""
        ...

    @property
    def message(self) -> Any:
        """A sentence for people, if it is text."""
        ...


class AttemptEngine(Engine, Protocol):
    """An engine as a connect attempt knows it."""

    @property
    def last_error(self) -> Reported | None:
        """What the server last reported on this connection: the reason, if it closes now."""
        ...

    def next_sequence(self) -> int:
        """A place in the order of events, for an event that the connection itself emits."""
        ...


class Opening(Protocol):
    """Follows the beginning of a session by its events: whether it is ready, and whether it has failed."""

    @property
    def ready(self) -> bool:
        """Whether the session is ready."""
        ...

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for."""
        ...

    @property
    def refusal(self) -> Reported | None:
        """What the protocol counts as a failure: the attempt gives up at it, although the link is open."""
        ...

    @property
    def error(self) -> Reported | None:
        """What the server has reported meanwhile: the reason, if the session does not become ready."""
        ...

    def concerns(self, kind: Any, /) -> bool:
        """Whether `receive` has to be given events of the class *kind*."""
        ...

    def receive(self, event: Any, /) -> None:
        """*event* has come."""
        ...
