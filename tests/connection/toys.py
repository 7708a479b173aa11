"""A link, an engine and an event that know no protocol, and a connection that joins them."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import attrs
from anyio import wait_all_tasks_blocked

from realtime_transport.connection.connection import Connection, ConnectionEnd, Timeouts
from realtime_transport.connection.hub import Hub
from realtime_transport.connection.link import LinkClosed
from realtime_transport.testing import ManualClock

from .messages import CONTROL, Message


@attrs.frozen
class Note:
    text: str
    is_audio: ClassVar[bool] = False
    withdraws: ClassVar[frozenset[str] | None] = None
    preceded_by: ClassVar[tuple[Any, ...]] = ()


@attrs.define(eq=False)
class ToyEngine:
    """Tells each message as a note; answers ``stop`` by a control message."""

    events: list[Note] = attrs.field(factory=list[Note])
    messages: list[Message] = attrs.field(factory=list[Message])
    timer: float | None = None
    ended: bool = False
    is_observed: bool = False

    def connection_opened(self, now: float, /) -> None:
        self.messages.append(Message("hello"))

    def receive_message(self, data: str | bytes, now: float, /) -> None:
        self.events.append(Note(str(data)))
        if data == "stop":
            self.messages.append(Message("stopped", CONTROL))
        elif data == "fail":
            raise ZeroDivisionError("a bug")

    def begin_close(self, now: float, /) -> None: ...

    def audio_sent(self, text: str) -> None: ...

    @property
    def finished(self) -> bool:
        return True

    def receive_eof(self, now: float, /) -> None:
        self.ended = True

    def get_timer(self) -> float | None:
        return self.timer

    def handle_timer(self, now: float, /) -> None:
        self.timer = None
        self.events.append(Note(f"timer at {now:g}"))

    def take_events(self) -> list[Note]:
        events, self.events = self.events, []
        return events

    def take_messages(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages

    def say(self, text: str) -> Callable[[float], None]:
        return lambda now: self.messages.append(Message(text))


@attrs.define(eq=False)
class LiveEngine(ToyEngine):
    """Starts a conversation, and ends it by asking the server, which has the last word."""

    over: bool = False
    last_error: Any = None
    sequence: int = 0

    def connection_opened(self, now: float, /) -> None:
        self.messages.append(Message("start"))

    def receive_message(self, data: str | bytes, now: float, /) -> None:
        super().receive_message(data, now)
        self.over = self.over or data == "ended"

    def begin_close(self, now: float, /) -> None:
        self.messages.append(Message("end"))

    @property
    def finished(self) -> bool:
        return self.over

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


@attrs.define(eq=False)
class ToyLink:
    """A link whose far end is the test."""

    writes: list[list[str]] = attrs.field(factory=list[list[str]])
    pings: int = 0
    bytes_received: int = 0
    log: list[str] = attrs.field(factory=list[str])
    stuck: bool = False
    answers_close: bool = True
    _inbox: Any = attrs.field(factory=lambda: anyio.create_memory_object_stream[list[str] | LinkClosed](math.inf))

    def arrive(self, *messages: str) -> None:
        self._inbox[0].send_nowait(list(messages))

    def end(self, code: int, reason: str = "") -> None:
        self._inbox[0].send_nowait(LinkClosed(code, reason))

    def forget(self) -> None:
        for end in self._inbox:
            end.close()

    async def receive(self) -> list[str | bytes]:
        got = await self._inbox[1].receive()
        if isinstance(got, LinkClosed):
            raise got
        return got

    async def send(self, messages: Any, /) -> None:
        if self.stuck:
            await anyio.sleep(math.inf)
        self.writes.append(list(messages))
        self.log += [f"wire {message}" for message in messages]

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self.log.append(f"close {code}")
        if not self.answers_close:
            await anyio.sleep(math.inf)

    def on_control(self, wake: Callable[[], None], /) -> None: ...

    def ping(self) -> bool:
        self.pings += 1
        return True


@attrs.define(eq=False)
class Rig:
    link: ToyLink
    engine: ToyEngine
    hub: Hub
    clock: ManualClock
    connection: Connection
    ends: list[ConnectionEnd] = attrs.field(factory=list[ConnectionEnd])

    def sent(self) -> list[str]:
        return [text for write in self.link.writes for text in write]


@asynccontextmanager
async def rig(link: ToyLink | None = None, engine: Any = None, **options: Any) -> AsyncGenerator[Rig]:
    link, engine, hub, clock = link or ToyLink(), engine or ToyEngine(), Hub(), ManualClock()
    timeouts = Timeouts(**{"ping_interval": None, **options.pop("timeouts", {})})
    connection = Connection(link, engine, hub, clock=clock, timeouts=timeouts, **{"max_outbox_bytes": 100, **options})
    it = Rig(link, engine, hub, clock, connection)

    async def run() -> None:
        it.ends.append(await connection.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        yield it
        tasks.cancel_scope.cancel()
    link.forget()


def everything(cls: type[Any]) -> bool:
    return True
