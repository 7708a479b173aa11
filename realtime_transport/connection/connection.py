"""The tasks of one connection.

```
link ──► reader ──► engine ──► hub ──► subscriptions          caller ── send ──► outbox ──► writer ──► link
```
A reader, a writer, a timer, a keepalive and the audio pumps run as separate tasks of one group, which is born and ends
in `Connection.run`. Only the writer sends on the link. The reader never waits for a consumer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.errors import ConnectionLost, ConsumerTooSlow, RealtimeError

from .keepalive import KeepAlive
from .life_cycle import ConnectionEnd, LifeCycle
from .link import KeepAliveLink, LimitedLink, LinkClosed
from .outbox import Outbox, OutboxStatistics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from realtime_transport.clock import Clock

    from .interface import Engine, Outgoing
    from .link import Link
    from .subscription import Hub, SubscriptionStatistics

__all__ = ["Connection", "ConnectionEnd", "ConnectionStatistics", "Timeouts"]

SENDS_PER_TURN = 32
"""A task that sends in a tight loop lets the writer run after this many messages."""

HAND_OVER_TURNS = 8
"""How many scheduler turns the reader grants the writer to put a truncation on the wire before consumers hear of it."""


@attrs.frozen(kw_only=True)
class Timeouts:
    """Deadlines of an open connection, in seconds; ``None`` switches one off.

    Attributes:
        ping_interval: Pause between pings.
        ping_timeout: How long to wait for a pong.
        close: How long leaving may take, whatever the peer does.
    """

    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    close: float | None = 2.0


@attrs.frozen(kw_only=True)
class ConnectionStatistics:
    """Counters of one connection.

    Attributes:
        messages_received: Messages that the link brought.
        characters_received: Their length.
        messages_sent: Messages handed to the link.
        characters_sent: Their length.
        outbox: What waits to be sent.
        subscriptions: What waits for consumers, the default stream first.
    """

    messages_received: int
    characters_received: int
    messages_sent: int
    characters_sent: int
    outbox: OutboxStatistics
    subscriptions: tuple[SubscriptionStatistics, ...]


class Connection:
    """One open link with its engine, from the upgrade to the end. Used once."""

    def __init__(
        self,
        link: Link,
        engine: Engine,
        hub: Hub,
        *,
        clock: Clock,
        timeouts: Timeouts,
        max_outbox_bytes: int,
        pumps: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (),
        before_receive: Callable[[], None] = lambda: None,
        life: LifeCycle | None = None,
    ) -> None:
        self._link = link
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._timeouts = timeouts
        self._pumps = pumps
        self._before_receive = before_receive
        self._check_size = link.check_size if isinstance(link, LimitedLink) else _any_size
        self._outbox = Outbox(max_outbox_bytes)
        self._timer_deadline: float | None = None
        self._timer_wake = anyio.Event()
        self._sends = 0
        self._received = [0, 0]
        self._sent = [0, 0]
        self._ending = anyio.Event()
        self._reader_scope = anyio.CancelScope()
        self._reader_done = anyio.Event()
        self._writer_done = anyio.Event()
        self.life: LifeCycle = life or LifeCycle.of_open_link()

    # Life

    async def run(self) -> ConnectionEnd:
        """Run the tasks until the connection ends; say how. If cancelled, what was queued is discarded.

        Returns or ends within ``timeouts.close`` of the end of the connection, whatever the peer does.
        """
        async with anyio.create_task_group() as tasks:
            self._engine.connection_opened(self._clock.now())
            self.flush()
            tasks.start_soon(self._guard, self._read, name="realtime reader")
            tasks.start_soon(self._guard, self._write, name="realtime writer")
            tasks.start_soon(self._guard, self._time, name="realtime timer")
            keepalive = self._keepalive()
            if keepalive is not None:
                tasks.start_soon(self._guard, keepalive.run, name="realtime keepalive")
            for name, pump in self._pumps:
                tasks.start_soon(self._guard, pump, name=f"realtime {name}")
            try:
                await self._ending.wait()
            except BaseException:
                self.close(discard=True)
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await self._finish()
                tasks.cancel_scope.cancel()
        assert self.life.end is not None
        return self.life.end

    def close(self, *, discard: bool = False) -> None:
        """Begin to close; `run` then ends. Idempotent. With *discard*, what was queued is not sent."""
        self.life.close()
        self._outbox.close(discard=discard)
        self._ending.set()

    async def _finish(self) -> None:
        timeout = self._timeouts.close
        deadline = None if timeout is None else self._clock.now() + timeout
        with self._clock.move_on_at(deadline):
            await self._writer_done.wait()
        self._reader_scope.cancel()
        await self._reader_done.wait()
        with self._clock.move_on_at(deadline):
            await self._link.aclose(1000)
        self._engine.receive_eof(self._clock.now())
        self.flush()

    async def _guard(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except LinkClosed as exc:
            self._link_closed(exc)
        except Exception as exc:  # noqa: BLE001 - `run` reports it as the end of the connection
            self._fail(exc)

    def _link_closed(self, closed: LinkClosed) -> None:
        if closed.code == 1000:
            self._set_end(ConnectionEnd(code=closed.code, reason=closed.reason, error=None))
            return
        lost = ConnectionLost(_describe(closed), code=closed.code, reason=closed.reason)
        lost.__cause__ = closed.__cause__ if isinstance(closed.__cause__, RealtimeError) else closed
        self._set_end(ConnectionEnd(code=closed.code, reason=closed.reason, error=lost))

    def _fail(self, error: Exception) -> None:
        code = error.code if isinstance(error, ConnectionLost) else None
        self._set_end(ConnectionEnd(code=code, reason="", error=error))

    def _set_end(self, end: ConnectionEnd) -> None:
        self.life.finish(end)
        self._outbox.close(discard=True)  # There is nobody left to send it to.
        self._ending.set()

    # Tasks

    async def _read(self) -> None:
        link, engine, clock, received = self._link, self._engine, self._clock, self._received
        try:
            with self._reader_scope:
                while True:
                    messages = await link.receive()
                    now = clock.now()
                    self._before_receive()
                    for message in messages:
                        engine.receive_message(message, now)
                        received[1] += len(message)
                    received[0] += len(messages)
                    replies = engine.take_messages()
                    if replies:
                        self._outbox.put(replies)
                        if any(reply.lane.name == "CONTROL" for reply in replies):
                            await self._hand_over()
                    self.flush()
        finally:
            self._reader_done.set()

    async def _hand_over(self) -> None:
        # Bounded: a peer that does not read must not keep us from reading.
        for _ in range(HAND_OVER_TURNS):
            if self._outbox.idle:
                return
            await anyio.lowlevel.checkpoint()

    async def _write(self) -> None:
        link, outbox, sent = self._link, self._outbox, self._sent
        if isinstance(link, KeepAliveLink):
            link.on_control(outbox.poke)
        try:
            # Who hears of the opening may close at once: then nothing has been sent.
            await anyio.lowlevel.checkpoint()
            while True:
                batch = await outbox.receive()
                await link.send(batch)
                sent[0] += len(batch)
                sent[1] += sum(map(len, batch))
        except anyio.EndOfStream:
            pass  # Closed and all sent.
        finally:
            self._writer_done.set()

    async def _time(self) -> None:
        engine, clock = self._engine, self._clock
        while True:
            self._timer_wake = anyio.Event()
            self._timer_deadline = engine.get_timer()
            with clock.move_on_at(self._timer_deadline):
                await self._timer_wake.wait()
            now = clock.now()
            deadline = engine.get_timer()
            if deadline is not None and deadline <= now:
                engine.handle_timer(now)
                self.flush()

    def _keepalive(self) -> KeepAlive | None:
        interval = self._timeouts.ping_interval
        if interval is None or not isinstance(self._link, KeepAliveLink):
            return None
        return KeepAlive(self._link, self._clock, interval, self._timeouts.ping_timeout, self._outbox.poke)

    # Sending

    async def send(self, size: int, operation: Callable[[float], None]) -> None:
        """Wait for room for *size* characters, then let *operation* fill the engine and queue what it has to say.

        If cancelled, *operation* was not called.

        Raises:
            ConnectionLost: The connection was lost.
            NotConnectedError: It was closed.
            LocalProtocolError: The link does not carry messages of this size.
        """
        self._check_size(size)
        if self._sends >= SENDS_PER_TURN:
            self._sends = 0
            await anyio.lowlevel.checkpoint()
        self._sends += 1
        if self._outbox.has_room(size):
            self.perform(operation)
        else:
            await self._outbox.wait_and(size, lambda: self.perform(operation))

    def send_nowait(self, size: int, operation: Callable[[float], None]) -> None:
        """As `send`, without waiting.

        Raises:
            anyio.WouldBlock: There is no room now; *operation* was not called.
        """
        self._check_size(size)
        if self.life.is_open and not self._outbox.has_room(size):
            raise anyio.WouldBlock
        self.perform(operation)

    def perform(self, operation: Callable[[float], None]) -> None:
        """Let *operation* fill the engine, and queue what it has to say without regard to the bound."""
        self.life.require_open()
        operation(self._clock.now())
        self.flush()

    def flush(self) -> None:
        """Queue the engine's messages, publish its events, set the timer. Never waits."""
        messages: Sequence[Outgoing] = self._engine.take_messages()
        if messages:
            self._outbox.put(messages)
        events = self._engine.take_events()
        if events:
            try:
                self._hub.publish(events)
            except ConsumerTooSlow as exc:
                self._fail(exc)
        deadline = self._engine.get_timer()
        if deadline is not None and (self._timer_deadline is None or deadline < self._timer_deadline):
            self._timer_deadline = deadline
            self._timer_wake.set()

    def statistics(self) -> ConnectionStatistics:
        """The counters right now."""
        return ConnectionStatistics(
            messages_received=self._received[0],
            characters_received=self._received[1],
            messages_sent=self._sent[0],
            characters_sent=self._sent[1],
            outbox=self._outbox.statistics(),
            subscriptions=self._hub.statistics(),
        )


def _any_size(_size: int, /) -> None:
    """A link without a limit of its own."""


def _describe(closed: LinkClosed) -> str:
    if isinstance(closed.__cause__, RealtimeError):
        return f"the connection was closed: {closed.__cause__}"
    if closed.code == 1006:
        return "the connection was lost" + (f": {closed.reason}" if closed.reason else " without a close frame")
    return f"the server closed the connection with code {closed.code}" + (f": {closed.reason}" if closed.reason else "")
