"""Who may use a connection: the event loop that opened it. Others are told so, and how to call into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from realtime_transport import LocalProtocolError, OpenAIRealtimeWebSocket, RealtimeEmitter
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sources import BytesSource
from realtime_transport.events import ConnectedEvent, Event
from realtime_transport.testing.links import MemoryServer

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}

Transport = OpenAIRealtimeWebSocket


async def first(transport: Transport) -> None:
    async for _ in transport:
        return


async def subscribe(transport: Transport) -> None:
    async with transport.subscribe():
        pass


async def batch(transport: Transport) -> None:
    async with transport.batch():
        pass


WAITING: dict[str, Callable[[Transport], Awaitable[object]]] = {
    "send_message": lambda transport: transport.send_message("Hello"),
    "send_event": lambda transport: transport.send_event({"type": "response.cancel"}),
    "request_response": lambda transport: transport.request_response(),
    "update_session_config": lambda transport: transport.update_session_config({}),
    "batch": batch,
    "iterate": first,
    "subscribe": subscribe,
    "aclose": lambda transport: transport.aclose(),
}

PLAIN: dict[str, Callable[[Transport], object]] = {
    "send_message_nowait": lambda transport: transport.send_message_nowait("Hello"),
    "interrupt": lambda transport: transport.interrupt(),
    "cancel_response": lambda transport: transport.cancel_response(),
    "audio_played": lambda transport: transport.audio_played("i1", 0, 1),
    "mute": lambda transport: transport.mute(True),
    "close_nowait": lambda transport: transport.close_nowait(),
}


@asynccontextmanager
async def connected() -> AsyncGenerator[Transport]:
    server = MemoryServer()
    server.send(CREATED)
    source = BytesSource(bytes(960), AudioFormat.PCM24K)
    transport = Transport(connector=server.connector, api_key="sk", ping_interval=None, audio_source=source)
    async with transport.connect(wait_for_session=False):
        await anyio.wait_all_tasks_blocked()
        yield transport


@contextmanager
def another_thread_refused() -> Generator[None]:
    with pytest.raises(LocalProtocolError, match=r"owns the connection, in the thread .*from_thread\.run"):
        yield


class TestFromAnotherThread:
    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("name", WAITING)
    async def test_what_waits(self, name: str, anyio_backend: str) -> None:
        async with connected() as transport:

            def elsewhere() -> None:
                with another_thread_refused():
                    anyio.run(WAITING[name], transport, backend=anyio_backend)

            await anyio.to_thread.run_sync(elsewhere)
            assert transport.status == "connected"
            await transport.send_message("Hello")

    @pytest.mark.parametrize("name", PLAIN)
    async def test_what_does_not_wait(self, name: str) -> None:
        async with connected() as transport:

            def elsewhere() -> None:
                with another_thread_refused():
                    PLAIN[name](transport)

            await anyio.to_thread.run_sync(elsewhere)
            assert transport.status == "connected"
            assert transport.muted is False

    async def test_a_stream_that_was_opened_here(self, anyio_backend: str) -> None:
        async with connected() as transport, transport.subscribe() as events:

            def elsewhere() -> None:
                with another_thread_refused():
                    anyio.run(events.receive, backend=anyio_backend)
                with another_thread_refused():
                    events.receive_nowait()

            await anyio.to_thread.run_sync(elsewhere)

    async def test_a_stream_that_was_opened_before(self, anyio_backend: str) -> None:
        server = MemoryServer()
        server.send(CREATED)
        transport = Transport(connector=server.connector, api_key="sk", ping_interval=None)
        async with transport.subscribe(ConnectedEvent) as events, transport.connect(wait_for_session=False):

            def elsewhere() -> None:
                with another_thread_refused():
                    anyio.run(events.receive, backend=anyio_backend)

            await anyio.to_thread.run_sync(elsewhere)
            assert isinstance(await events.receive(), ConnectedEvent)

    async def test_an_emitter(self) -> None:
        server, told = MemoryServer(), list[Event]()
        server.send(CREATED)
        transport = Transport(connector=server.connector, api_key="sk", ping_interval=None)
        async with RealtimeEmitter(transport) as emitter:
            emitter.on("disconnected", told.append)

            def before() -> None:
                with another_thread_refused():
                    _ = emitter.connect()

            def after() -> None:
                for use in (emitter.close, lambda: emitter.send_message("Hello"), emitter.interrupt):
                    with another_thread_refused():
                        use()

            await anyio.to_thread.run_sync(before)
            await emitter.connect()
            await anyio.to_thread.run_sync(after)
            assert emitter.status == "connected"
            assert not told

    async def test_the_ways_that_the_error_names(self) -> None:
        async with connected() as transport:
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(transport.send_message, "Hello"))
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run_sync(transport.mute, True))
            assert transport.muted is True

    async def test_a_closed_connection_belongs_to_nobody(self, anyio_backend: str) -> None:
        async with connected() as transport:
            await transport.aclose()

            def elsewhere() -> None:
                anyio.run(transport.aclose, backend=anyio_backend)
                transport.close_nowait()
                transport.interrupt()

            await anyio.to_thread.run_sync(elsewhere)


@contextmanager
def left_alone(block: AbstractAsyncContextManager[Transport]) -> Generator[asyncio.AbstractEventLoop]:
    """A loop that has entered *block* and stands still, until it leaves it."""
    loop, entered, leave = asyncio.new_event_loop(), asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with block:
            entered.set()
            await leave.wait()

    task = loop.create_task(hold())
    loop.run_until_complete(entered.wait())
    try:
        yield loop
    finally:
        leave.set()
        loop.run_until_complete(task)
        loop.close()


class TestFromAnotherLoopOfThisThread:
    """Only asyncio has loops that can be left and gone on with."""

    @pytest.mark.parametrize("name", [*WAITING, "send_message_nowait", "interrupt", "leave"])
    def test_it_is_refused(self, name: str) -> None:
        server = MemoryServer()
        server.send(CREATED)
        transport = Transport(connector=server.connector, api_key="sk", ping_interval=None)
        block = transport.connect(wait_for_session=False)

        async def use() -> None:
            if name == "leave":
                await block.__aexit__(None, None, None)
            elif name in PLAIN:
                PLAIN[name](transport)
            else:
                while True:  # A stream gives what it holds, and is refused where it would wait.
                    await WAITING[name](transport)

        with left_alone(block):
            with pytest.raises(LocalProtocolError, match="another event loop of this thread owns the connection"):
                asyncio.run(use())
            assert transport.status == "connected"
        assert transport.status == "disconnected"

    def test_what_needs_no_loop_works_between_two_runs_of_it(self) -> None:
        server = MemoryServer()
        source = BytesSource(bytes(960), AudioFormat.PCM24K)
        transport = Transport(connector=server.connector, api_key="sk", ping_interval=None, audio_source=source)
        with left_alone(transport.connect(wait_for_session=False)):
            transport.mute(True)
            with pytest.raises(LocalProtocolError, match="owns the connection"):
                transport.interrupt()
            transport.close_nowait()
        assert transport.muted is True
