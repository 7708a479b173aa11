"""Subscriptions, which deliver events to the tasks that read them."""

from __future__ import annotations

from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import ObjectReceiveStream

from realtime_transport.argument_names import named_fields
from realtime_transport.argument_types import expect_number
from realtime_transport.errors import ConfigError, ConsumerTooSlow, brief
from realtime_transport.late_classes import frozen

from .wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .interface import AudioChunk, Event
    from .owner import Owner

__all__ = ["Subscription", "SubscriptionLimits", "SubscriptionStatistics"]

T_co = TypeVar("T_co", covariant=True)

EVENTS_PER_TURN = 32
"""A consumer that always finds an event lets other tasks run after this many (a checkpoint costs 3 to 5 µs)."""


def _busy() -> anyio.BusyResourceError:
    error = anyio.BusyResourceError("reading from")
    error.args = (
        f"{error}; open a stream for each reader by subscribe() of the transport, or of the session: "
        "async with transport.subscribe() as events",
    )
    return error


@named_fields
@frozen()
class SubscriptionLimits:
    """How much a subscription holds for its consumer.

    Attributes:
        max_audio_bytes: Bytes of undelivered audio: 64 MiB are 23 minutes of 24 kHz PCM.
        max_events: Undelivered events other than audio.
        on_overflow: ``"error"`` ends the connection with `ConsumerTooSlow`; ``"drop_audio"`` drops the oldest audio
            instead, counted in the statistics (events other than audio are never dropped).
    """

    max_audio_bytes: int = 64 * 1024 * 1024
    max_events: int = 10_000
    on_overflow: Literal["error", "drop_audio"] = "error"

    def __attrs_post_init__(self) -> None:
        for key in ("max_audio_bytes", "max_events"):
            expect_number(getattr(self, key), key, whole=True, optional=False)
        if self.on_overflow not in ("error", "drop_audio"):
            raise ConfigError(
                f"on_overflow: 'error' or 'drop_audio' expected, not {brief(self.on_overflow)}", key="on_overflow"
            )


@frozen()
class SubscriptionStatistics:
    """The state of a subscription.

    Attributes:
        events: Undelivered events other than audio.
        audio_events: Undelivered audio events.
        audio_bytes: Bytes in them.
        delivered: Events delivered so far.
        dropped_events: Events dropped because the stream was never read, or audio dropped by ``on_overflow``.
        dropped_audio_bytes: Audio bytes in them.
        withdrawn_audio_bytes: Audio bytes withdrawn by interruptions.
    """

    events: int
    audio_events: int
    audio_bytes: int
    delivered: int
    dropped_events: int
    dropped_audio_bytes: int
    withdrawn_audio_bytes: int


class Subscription(ObjectReceiveStream[T_co], Generic[T_co]):
    """A stream of the events of one connection.

    Iterate it from one task. Breaking out of a loop loses nothing; a later loop continues. After a clean close the
    stream delivers what it holds and ends; after a loss it then raises `ConnectionLost`, each time.
    """

    # Two queues and a head share one order, so that audio can be withdrawn or dropped without scanning other events.
    def __init__(self, limits: SubscriptionLimits, on_aclose: Callable[[Subscription[T_co]], None]) -> None:
        self._limits = limits
        self._on_aclose = on_aclose
        self._head: list[Event] = []  # Rarely used; an empty deque would take ten times the memory.
        self._control: deque[tuple[int, Event]] = deque()
        self._audio: deque[tuple[int, AudioChunk, int]] = deque()  # Order, chunk, bytes.
        self._audio_bytes = 0
        self._audio_turn: str | None = None  # The turn of all the held audio; None: of several.
        self._forgotten: deque[tuple[int, AudioChunk, int]] | None = None  # Withdrawn audio, freed later.
        self._shared: AudioChunk | None = None
        self._count = 0
        self._delivered = self._dropped = self._dropped_bytes = self._withdrawn_bytes = 0
        self._turn = 0
        self._read = False
        self._consumer = Wakeup()
        self._waiting = False
        self._asleep = False  # A task waits and was not woken yet.
        self._end: Callable[[], BaseException] | None = None
        self._closed = False
        self._forward: Callable[[Any], None] | None = None
        self._forward_first: Callable[[Sequence[Any]], None] | None = None
        self._owner: Owner | None = None

    # For the consumer

    async def receive(self) -> T_co:
        """Wait for the next event. If cancelled, no event was lost.

        Raises:
            anyio.EndOfStream: The connection was closed and everything was delivered.
            ConnectionLost: The connection was lost and everything was delivered.
            anyio.BusyResourceError: Another task is waiting here.
            anyio.ClosedResourceError: The subscription was closed.
            LocalProtocolError: Another event loop or thread owns the connection.
        """
        if self._turn < EVENTS_PER_TURN:
            self._turn += 1
            event = self._pop()
            if event is not None:
                return event
        return await self._wait()

    async def _wait(self) -> T_co:
        if self._turn >= EVENTS_PER_TURN:
            self._turn = 0
            await anyio.lowlevel.checkpoint()
            self._turn = 1
            event = self._pop()
            if event is not None:
                return event
        if self._waiting:
            raise _busy()
        self._read = True
        while True:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._end is not None:
                raise self._end()
            if self._owner is not None and not self._owner.is_here():
                raise self._owner.refusal()
            self._turn = 0
            self._forgotten = None
            self._waiting = self._asleep = True
            try:
                await self._consumer.wait()
            finally:
                self._waiting = False
            event = self._pop()
            if event is not None:
                return event

    async def __anext__(self) -> T_co:
        """As `receive`; ends the loop after a clean close. If cancelled, no event was lost."""
        # Not by `receive`, which would be one more coroutine for each event.
        if self._turn < EVENTS_PER_TURN:
            self._turn += 1
            event = self._pop()
            if event is not None:
                return event
        try:
            return await self._wait()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    def forward_to(self, take: Callable[[Any], None], take_first: Callable[[Sequence[Any]], None]) -> None:
        """Pass events to *take* from now on when they are published, instead of holding them.

        An interruption is passed to *take_first*, with the events delivered directly before it. Neither may wait or
        raise. Held events are passed to *take* at once; `receive` then only waits for the end.
        """
        while (event := self._pop()) is not None:
            take(event)
        self._forward, self._forward_first = take, take_first

    def receive_nowait(self) -> T_co:
        """Take the next event without waiting.

        Raises:
            anyio.WouldBlock: There is none now.
        """
        event = self._pop()
        if event is not None:
            return event
        if self._closed:
            raise anyio.ClosedResourceError
        if self._end is not None:
            raise self._end()
        raise anyio.WouldBlock

    def _pop(self) -> T_co | None:
        owner = self._owner
        if owner is not None and get_ident() != owner.thread_id:
            raise owner.refusal()
        self._read = True
        if self._waiting:
            raise _busy()
        control, audio = self._control, self._audio
        event: Any
        if self._head:
            event = self._head.pop(0)
        elif audio and (not control or audio[0][0] < control[0][0]):
            _, event, size = audio.popleft()
            self._audio_bytes -= size
            if event.deferred:
                event = event.build()
        elif control:
            event = control.popleft()[1]
        else:
            return None
        self._delivered += 1
        return event

    async def aclose(self) -> None:
        """Stop receiving and drop undelivered events. Idempotent; a task that waits here is woken.

        If cancelled, it is closed all the same.
        """
        self._closed = True
        self._head.clear()
        self._control.clear()
        self._audio.clear()
        self._audio_bytes = 0
        self._forgotten = None
        self._on_aclose(self)
        self._consumer.wake()
        await anyio.lowlevel.checkpoint()

    def statistics(self) -> SubscriptionStatistics:
        """The state right now."""
        return SubscriptionStatistics(
            events=len(self._control) + len(self._head),
            audio_events=len(self._audio),
            audio_bytes=self._audio_bytes,
            delivered=self._delivered,
            dropped_events=self._dropped,
            dropped_audio_bytes=self._dropped_bytes,
            withdrawn_audio_bytes=self._withdrawn_bytes,
        )

    # For the hub

    def own(self, owner: Owner) -> None:
        """Let only *owner* receive from now on, until the end."""
        self._owner = owner

    def put(self, event: Event) -> None:
        """Append *event*.

        Raises:
            ConsumerTooSlow: A bound is exceeded, and ``on_overflow`` does not drop audio. The event is kept.
        """
        if self._forward is not None:
            self._delivered += 1
            self._forward(event)
            return
        self._count += 1
        if event.is_audio:
            chunk: Any = event  # An `AudioChunk`.
            size = chunk.audio_bytes
            if self._shared is not None:
                size, self._shared = 0 if self._shared is chunk else size, None
            if chunk.deferred:
                self._shared = chunk.audio  # Counted once, if it is the next event.
            if chunk.response_id != self._audio_turn:
                self._audio_turn = None if self._audio else chunk.response_id
                self._forgotten = None
            self._audio.append((self._count, chunk, size))
            self._audio_bytes += size
            if self._audio_bytes > self._limits.max_audio_bytes:
                self._audio_overflow()
        else:
            self._control.append((self._count, event))
            if len(self._control) > self._limits.max_events:
                self._control_overflow()
        if self._asleep:
            self._asleep = False
            self._consumer.wake()

    def put_first(self, events: Sequence[Event]) -> None:
        """Put *events* before everything else except earlier such events."""
        if self._forward_first is not None:
            self._delivered += len(events)
            self._forward_first(events)
            return
        self._head.extend(events)
        self._consumer.wake()

    def bring_forward(self, events: Sequence[Event]) -> None:
        """Put those of *events* that have not been delivered before everything else, in their order."""
        control = self._control
        if not control:
            return
        missing, found = set(map(id, events)), list["Event"]()
        passed = list["tuple[int, Event]"]()
        while control and missing:  # They are among the newest events.
            entry = control.pop()
            if id(entry[1]) in missing:
                missing.discard(id(entry[1]))
                found.append(entry[1])
            else:
                passed.append(entry)
        control.extend(reversed(passed))
        self._head.extend(reversed(found))

    def withdraw(self, turns: frozenset[str]) -> None:
        """Drop the undelivered audio of *turns*."""
        if not self._audio:
            return
        # Usually all audio is of one turn. Scanning or freeing it now would delay the delivery of the interruption:
        # 0.1 ms for two seconds of audio.
        if self._audio_turn is None:
            kept = deque(entry for entry in self._audio if entry[1].response_id not in turns)
        elif self._audio_turn in turns:
            self._forgotten, kept = self._audio, deque["tuple[int, AudioChunk, int]"]()
        else:
            return
        left = sum(size for _, _, size in kept)
        self._withdrawn_bytes += self._audio_bytes - left
        self._audio, self._audio_bytes = kept, left

    def end(self, error: Callable[[], BaseException]) -> None:
        """After the held events, raise the result of *error*."""
        self._end = error
        self._owner = None
        self._consumer.wake()

    def _audio_overflow(self) -> None:
        limits = self._limits
        if self._read and limits.on_overflow == "error":
            raise ConsumerTooSlow(
                f"a subscription holds more than {limits.max_audio_bytes} bytes of audio that its consumer "
                "did not take; read faster, raise max_audio_bytes, or choose on_overflow='drop_audio'",
                limit=limits.max_audio_bytes,
                unit="bytes",
            )
        while self._audio and self._audio_bytes > limits.max_audio_bytes:
            size = self._audio.popleft()[2]
            self._audio_bytes -= size
            self._dropped += 1
            self._dropped_bytes += size

    def _control_overflow(self) -> None:
        if self._read:
            raise ConsumerTooSlow(
                f"a subscription holds more than {self._limits.max_events} events that its consumer did not take; "
                "read faster or raise max_events",
                limit=self._limits.max_events,
                unit="events",
            )
        self._control.popleft()  # Never read: a default stream beside other subscriptions.
        self._dropped += 1
