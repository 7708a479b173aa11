"""Several messages at once, and the calls for the input buffer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from realtime_transport import ConfigError, LocalProtocolError, NotConnectedError, OpenAIRealtimeWebSocket
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.interface.batch import Batch

pytestmark = pytest.mark.anyio

DEEP: dict[str, Any] = {}
for _ in range(3000):
    DEEP = {"deeper": DEEP}


@asynccontextmanager
async def connected(server: MemoryServer, **options: Any) -> AsyncGenerator[OpenAIRealtimeWebSocket]:
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None, **options)
    async with transport.connect(wait_for_session=False):
        await settle()
        server.received.clear()
        server.writes.clear()
        yield transport


async def settle() -> None:
    await ManualClock().advance(0)


async def test_the_messages_of_a_batch_go_out_together() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        async with transport.batch() as batch:
            batch.update_session_config({"instructions": "x"})
            batch.send_function_call_output({"call_id": "c"}, "done")
            batch.commit_audio()
            await settle()
            assert not server.received
        await settle()
    expected = ["session.update", "conversation.item.create", "response.create", "input_audio_buffer.commit"]
    assert [[message["type"] for message in write] for write in server.writes] == [expected]


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (lambda batch: batch.update_session_config({"audio": 5}), ConfigError),
        (lambda batch: batch.send_event({}), LocalProtocolError),
        (lambda batch: batch.send_event({"type": "x", "deep": DEEP}), LocalProtocolError),
        (lambda batch: batch.send_function_call_output({}, "x"), LocalProtocolError),
    ],
)
async def test_a_batch_with_a_call_that_is_refused_sends_nothing(
    refused: Callable[[Batch], None], error: type[Exception]
) -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        with pytest.raises(error):
            async with transport.batch() as batch:
                batch.update_session_config({"instructions": "lost"})
                batch.request_response()
                refused(batch)
        await settle()
        assert not server.received
        await transport.update_session_config({"voice": "marin"})
        await transport.request_response()
        await settle()
        [update, create] = server.received
        assert "instructions" not in update["session"]
        assert create["type"] == "response.create"


async def test_a_batch_that_is_left_by_an_exception_sends_nothing() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        with pytest.raises(ZeroDivisionError):
            async with transport.batch() as batch:
                batch.send_message("x")
                raise ZeroDivisionError
        await settle()
        assert not server.received


async def test_a_batch_that_is_cancelled_while_it_waits_for_room_sends_nothing() -> None:
    server = MemoryServer()
    async with connected(server, max_outbox_bytes=1000) as transport:
        server.pause_writes()
        for _ in range(2):
            await transport.send_event({"type": "y", "big": "x" * 2000})
            await settle()
        with anyio.move_on_after(0) as scope:
            async with transport.batch() as batch:
                batch.send_message("a")
                batch.send_message("b")
        assert scope.cancelled_caught
        server.resume_writes()
        await settle()
        assert {message["type"] for message in server.received} == {"y"}


async def test_without_a_connection_there_is_no_batch() -> None:
    transport = OpenAIRealtimeWebSocket(connector=MemoryServer().connector)
    with pytest.raises(NotConnectedError):
        async with transport.batch():
            pytest.fail("the block was entered")


async def test_committing_and_clearing_the_input_buffer() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        await transport.send_audio(b"\0\0")
        await transport.commit_audio()
        await transport.clear_audio()
        transport.commit_audio_nowait()
        transport.clear_audio_nowait()
        await settle()
        assert [kind.rpartition(".")[2] for kind in server.types()] == ["append", "commit", "clear", "commit", "clear"]


async def test_a_batch_asks_its_condition_in_the_step_that_queues() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        for allowed in (True, False):
            async with transport.batch(only_if=lambda allowed=allowed: allowed) as batch:  # type: ignore[misc]
                batch.send_message(str(allowed))
            assert batch.queued is allowed
        await settle()
        assert server.types() == ["conversation.item.create", "response.create"]


async def test_a_batch_that_waits_for_room_asks_its_condition_when_there_is_room() -> None:
    server = MemoryServer()
    allowed = True
    async with connected(server, max_outbox_bytes=1000) as transport:
        server.pause_writes()
        for _ in range(2):
            await transport.send_event({"type": "y", "big": "x" * 2000})
            await settle()
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                async with transport.batch(only_if=lambda: allowed) as batch:
                    batch.send_message("too late")
                assert not batch.queued

            tasks.start_soon(send)
            await settle()
            allowed = False
            server.resume_writes()
        await settle()
        assert {message["type"] for message in server.received} == {"y"}
