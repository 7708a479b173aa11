"""The tasks of one connection.

```
link ──► reader ──► engine ──► hub ──► subscriptions          caller ── send ──► outbox ──► writer ──► link
```
`Connection.run` handles the deadlines of the engine and the pings. It runs the audio pumps as tasks of one group, and
also a reader and a writer, unless the link is a `DirectLink`, which hands over what it reads and takes from the outbox
in the task or callback that reads the socket. The reading side never waits for a consumer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from realtime_transport.clock import EventLoopClock
from realtime_transport.errors import ConnectionLost, ConsumerTooSlow, RealtimeError
from realtime_transport.late_classes import frozen
from realtime_transport.task_groups import open_task_group

from .keepalive import KeepAlive
from .life_cycle import ConnectionEnd, LifeCycle, State
from .link import CountingLink, LinkClosed, LinkEnds, is_direct, is_limited, keeps_alive
from .link_tasks import LinkTasks
from .outbox import Outbox
from .statistics import ConnectionStatistics, Traffic
from .wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from realtime_transport.clock import Clock

    from .hub import Hub
    from .interface import Engine, Outgoing
    from .link import Link

__all__ = ["Connection", "ConnectionEnd", "Timeouts"]

SENDS_PER_TURN = 32
"""A task that sends in a tight loop lets the writer run after this many messages."""

LAST_LOOK_TURNS = 8
"""Scheduler turns in which the socket can still be read before a silent peer is given up."""


@frozen()
class Timeouts:
    """Deadlines of an open connection, in seconds; ``None`` switches one off.

    Attributes:
        ping_interval: Pause between pings.
        ping_timeout: How long to wait for a pong.
        close: The longest time for closing, whatever the peer does.
    """

    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    close: float | None = 2.0


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
        before_receive: Callable[[], None] | None = None,
        life: LifeCycle | None = None,
    ) -> None:
        self._link = link
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._now = clock.now
        self._timeouts = timeouts
        self._pumps = pumps
        self._before_receive = before_receive
        self._check_size = link.check_size if is_limited(link) else _any_size
        self._outbox = Outbox(max_outbox_bytes)
        self._timer_deadline: float | None = None
        self._sends = 0
        self._traffic = Traffic()
        self._change = Wakeup()
        self._ending = False
        self._leaving = False
        self._may_write = False
        self._direct = link if is_direct(link) else None
        self._takes_audio = self._direct is not None
        self._audio_sent = engine.audio_sent if engine.is_observed else None
        self._tasks: LinkTasks | None = None  # Of a link that is not direct.
        self._keepalive: KeepAlive | None = None
        self.life: LifeCycle = life or LifeCycle.of_open_link()

    # Life

    async def run(self) -> ConnectionEnd:
        """Run the tasks until the connection ends, and return how. If cancelled, what was queued is discarded.

        Returns or ends within ``timeouts.close`` of the end of the connection, whatever the peer does.
        """
        if isinstance(self._clock, EventLoopClock):
            self._now = self._clock.of_running_loop()
        self._engine.connection_opened(self._clock.now())
        self._start_keepalive()
        jobs = [*self._start_link(), *self._pumps]
        self.flush()
        if not jobs:
            await self._run_until_end()
        else:
            async with open_task_group() as tasks:
                for name, job in jobs:
                    tasks.start_soon(self._guard, job, name=f"realtime {name}")
                try:
                    await self._run_until_end()
                finally:
                    tasks.cancel_scope.cancel()
        assert self.life.end is not None
        return self.life.end

    async def _run_until_end(self) -> None:
        try:
            # A listener of the opening may close at once: then nothing has been sent.
            await anyio.lowlevel.checkpoint()
            self._may_write = True
            self._poke_link()
            await self._keep_time()
        except BaseException:
            self.close(discard=True)
            raise
        finally:
            await self._finish()

    def close(self, *, discard: bool = False) -> None:
        """Begin to close; `run` then ends. Idempotent. With *discard*, what was queued is not sent.

        Otherwise the engine sends its own closing messages, if any, and the peer's answers to them are read.
        """
        self._leaving = not discard and (self._leaving or self.life.is_open)
        if self._leaving and not self._ending:
            self._engine.begin_close(self._now())
            messages = self._engine.take_messages()
            if messages:
                self._queue(messages)
        self.life.close()
        self._outbox.close(discard=discard)
        self._end_running()

    def _end_running(self) -> None:
        self._ending = True
        self._change.wake()

    async def _finish(self) -> None:
        timeout = self._timeouts.close
        deadline = None if timeout is None else self._clock.now() + timeout
        self._may_write = True
        with self._clock.move_on_at(deadline) as scope:
            scope.shield = True
            try:
                await self._send_rest()
            finally:  # After the deadline this closes the socket at once.
                await self._link.aclose(1000)
        self._engine.receive_eof(self._clock.now())
        self.flush()

    async def _send_rest(self) -> None:
        tasks = self._tasks
        try:
            if self._direct is not None:
                self._direct.poke()
                await self._direct.drain()
            elif tasks is not None:
                await tasks.drain()
            while self._leaving and not self._engine.finished:
                await self._change.wait()
        finally:
            if tasks is not None:
                await tasks.stop_reading()

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
        self._leaving = False
        self.life.finish(end)
        self._outbox.close(discard=True)  # The peer is gone.
        self._end_running()

    # Receiving

    def _start_link(self) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        if self._direct is not None:
            ends = LinkEnds(received=self._receive, ended=self._link_closed, take=self._take)
            return self._direct.attach(ends)
        link, outbox = self._link, self._outbox
        self._tasks = LinkTasks(link, outbox, self._traffic, received=self._receive_and_queue, publish=self.flush)
        if keeps_alive(link):
            link.on_control(outbox.poke)
        return self._tasks.jobs()

    def _receive(self, messages: list[str | bytes], *, flush: bool = True) -> None:
        try:
            engine, traffic, now = self._engine, self._traffic, self._now()
            if self._before_receive is not None:
                self._before_receive()
            for message in messages:
                engine.receive_message(message, now)
                traffic.characters_received += len(message)
            traffic.messages_received += len(messages)
            if self._leaving:
                self._change.wake()
            if flush:
                self.flush()
        except Exception as exc:  # noqa: BLE001 - `run` reports it as the end of the connection
            self._fail(exc)

    def _receive_and_queue(self, messages: list[str | bytes]) -> bool:
        """As `_receive`, without publishing events; whether one of the answers may not wait."""
        self._receive(messages, flush=False)
        answers = self._engine.take_messages()
        return bool(answers) and self._queue(answers)

    # Writing

    def _take(self) -> list[str]:
        if not self._may_write:
            return []
        batch, traffic = self._outbox.take(), self._traffic
        traffic.messages_sent += len(batch)
        traffic.characters_sent += sum(map(len, batch))
        return batch

    def _poke_link(self) -> None:
        if self._direct is not None:
            self._direct.poke()
        else:
            self._outbox.poke()

    # Time

    def _start_keepalive(self) -> None:
        interval, link = self._timeouts.ping_interval, self._link
        if interval is not None and keeps_alive(link):
            self._keepalive = KeepAlive.starting(link, interval, self._timeouts.ping_timeout, self._clock.now())

    async def _keep_time(self) -> None:
        clock = self._clock
        while not self._ending:
            deadline = self._timer_deadline = self._next_deadline()
            with clock.move_on_at(deadline):
                await self._change.wait()
            if deadline is not None and not self._ending:
                try:
                    await self._handle_timers()
                except Exception as exc:  # noqa: BLE001 - as in `_guard`
                    self._fail(exc)

    def _next_deadline(self) -> float | None:
        engine = self._engine.get_timer()
        ping = None if self._keepalive is None else self._keepalive.deadline
        return engine if ping is None else ping if engine is None else min(engine, ping)

    async def _handle_timers(self) -> None:
        engine, keepalive, now = self._engine, self._keepalive, self._clock.now()
        deadline = engine.get_timer()
        if deadline is not None and deadline <= now:
            engine.handle_timer(now)
            self.flush()
        if keepalive is None:
            return
        pinged = keepalive.handle_timer(now)
        if keepalive.last_chance:
            for _ in range(LAST_LOOK_TURNS):
                await anyio.lowlevel.checkpoint()
            pinged = keepalive.give_up(self._clock.now())
        if pinged:
            self._poke_link()

    # Sending

    async def send(self, size: int, operation: Callable[[float], None]) -> None:
        """Wait for room for *size* characters, then run *operation* on the engine and queue its messages.

        If cancelled, *operation* was not called.

        Raises:
            ConnectionLost: The connection was lost.
            NotConnectedError: The connection was closed.
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

    def takes_audio(self, size: int) -> bool:
        """Whether *size* characters of audio can take the short path, `send_audio`: nothing is refused or waits."""
        return (
            self.life.state is State.READY
            and self._takes_audio
            and self._may_write
            and self._sends < SENDS_PER_TURN
            and self._outbox.has_room(size)
        )

    def send_audio(self, text: str) -> None:
        """The short path of `send` for a message of audio, without the engine; only if `takes_audio`."""
        self._sends += 1
        outbox, traffic = self._outbox, self._traffic
        if not outbox.bytes and self._direct is not None and self._direct.offer(text):
            traffic.messages_sent += 1
            traffic.characters_sent += len(text)
        else:
            outbox.put_audio(text)
        if self._audio_sent is not None:
            self._audio_sent(text)

    def send_nowait(self, size: int, operation: Callable[[float], None]) -> None:
        """As `send`, without waiting.

        Raises:
            anyio.WouldBlock: There is no room now; *operation* was not called.
        """
        self._check_size(size)
        if self.life.is_open and not self._outbox.has_room(size):
            raise anyio.WouldBlock(
                "the outbox is full (max_outbox_bytes), and nothing was queued: drop this, or await the call "
                "that waits for room"
            )
        self.perform(operation)

    def perform(self, operation: Callable[[float], None]) -> None:
        """Run *operation* on the engine, and queue its messages regardless of the outbox's bound."""
        self.life.require_open()
        operation(self._now())
        self.flush()

    def flush(self) -> None:
        """Queue the engine's messages, publish its events, set the timer. Never waits."""
        engine = self._engine
        messages = engine.take_messages()
        if messages:
            self._queue(messages)
        events = engine.take_events()
        if events:
            try:
                self._hub.publish(events)
            except ConsumerTooSlow as exc:
                self._fail(exc)
        deadline = engine.get_timer()
        if deadline is not None and (self._timer_deadline is None or deadline < self._timer_deadline):
            self._timer_deadline = deadline
            self._change.wake()

    def _queue(self, messages: Sequence[Outgoing]) -> bool:
        """Queue *messages*; whether one of them may not wait."""
        first = messages[0]
        if len(messages) == 1 and not self._outbox.bytes and self._offer(first.text):
            return first.lane.overtakes
        urgent = self._outbox.put(messages)
        if self._direct is not None:
            # A truncation is sent before consumers get the interruption.
            self._direct.poke(at_once=urgent)
        return urgent

    def _offer(self, text: str) -> bool:
        """The short path, where nothing waits that *text* could overtake or follow: whether it is written."""
        if self._direct is None or not self._may_write or self._ending or not self._direct.offer(text):
            return False
        self._traffic.messages_sent += 1
        self._traffic.characters_sent += len(text)
        return True

    def statistics(self) -> ConnectionStatistics:
        """The counters right now."""
        dropped_events, dropped_audio_bytes = self._hub.losses()
        return ConnectionStatistics(
            messages_received=self._traffic.messages_received,
            characters_received=self._traffic.characters_received,
            messages_sent=self._traffic.messages_sent,
            characters_sent=self._traffic.characters_sent,
            link=self._link.statistics() if isinstance(self._link, CountingLink) else None,
            outbox=self._outbox.statistics(),
            subscriptions=self._hub.statistics(),
            dropped_events=dropped_events,
            dropped_audio_bytes=dropped_audio_bytes,
        )


def _any_size(_size: int, /) -> None:
    """Accept any size: the link has no limit."""


def _describe(closed: LinkClosed) -> str:
    if isinstance(closed.__cause__, RealtimeError):
        return f"the connection was closed: {closed.__cause__}"
    if closed.code == 1006:
        return "the connection was lost" + (f": {closed.reason}" if closed.reason else " without a close frame")
    return f"the server closed the connection with code {closed.code}" + (f": {closed.reason}" if closed.reason else "")
