"""The interface that a connection requires of a protocol engine and of its events.

A connection moves text between a link and an engine, and delivers the engine's events to subscriptions. It knows
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
    """Turns (`AudioChunk.response_id`) whose undelivered audio is withdrawn; ``None`` for most events."""

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
        """The size of its audio in bytes."""
        ...

    @property
    def response_id(self) -> Any:
        """The turn it belongs to."""
        ...


class DeferredChunk(AudioChunk, Protocol):
    """A chunk from which an event is built on delivery; shares its audio with the next chunk if that is ``audio``."""

    @property
    def audio(self) -> AudioChunk:
        """The chunk that it is built from."""
        ...

    def build(self) -> Event:
        """The event that is delivered."""
        ...


class Lane(Protocol):
    """How a message is queued."""

    @property
    def is_audio(self) -> bool:
        """Whether it may be overtaken."""
        ...

    @property
    def overtakes(self) -> bool:
        """Whether it may overtake waiting audio; it never overtakes anything else."""
        ...


class Outgoing(Protocol):
    """A message to send."""

    @property
    def text(self) -> str:
        """The message, encoded."""
        ...

    @property
    def lane(self) -> Lane:
        """How it is queued."""
        ...


class Engine(Protocol):
    """A protocol without I/O: inputs change its state and fill two queues, which the connection empties."""

    def connection_opened(self, now: float, /) -> None:
        """Note that the link is open."""
        ...

    def receive_message(self, data: str | bytes, now: float, /) -> None:
        """Take a message."""
        ...

    def begin_close(self, now: float, /) -> None:
        """Queue the protocol's closing messages, if it has any: the connection is about to close.

        Not called if the link has ended, or if what is queued is discarded.
        """
        ...

    @property
    def finished(self) -> bool:
        """Whether the peer has completed the closing after `begin_close`; until then the connection reads on."""
        ...

    def receive_eof(self, now: float, /) -> None:
        """Note that the link has ended."""
        ...

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
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
    """An error that a server reported. Its fields may hold anything."""

    @property
    def code(self) -> Any:
        """The machine-readable code, if it is text."""
        ...

    @property
    def message(self) -> Any:
        """The message for people, if it is text."""
        ...


class AttemptEngine(Engine, Protocol):
    """The interface that a connect attempt requires of an engine."""

    @property
    def last_error(self) -> Reported | None:
        """The last error that the server reported on this connection: the reason, if it closes now."""
        ...

    def next_sequence(self) -> int:
        """The next sequence number, for an event that the connection itself emits."""
        ...


class Opening(Protocol):
    """Follows the beginning of a session by its events: whether it is ready, and whether it has failed."""

    @property
    def ready(self) -> bool:
        """Whether the session is ready."""
        ...

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to wait for."""
        ...

    @property
    def refusal(self) -> Reported | None:
        """The failure of the opening, if the protocol reports one: the attempt ends, although the link is open."""
        ...

    @property
    def error(self) -> Reported | None:
        """The last error during the opening: the reason, if the session does not become ready."""
        ...

    def concerns(self, kind: Any, /) -> bool:
        """Whether `receive` takes events of the class *kind*."""
        ...

    def receive(self, event: Any, /) -> None:
        """Take an event."""
        ...
