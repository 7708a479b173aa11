"""The connect deadline, by the clock of the event loop: it needs no task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio.testing

from realtime_transport import ConnectRequest, Link, OpenAIRealtimeWebSocket, SetupTimeout
from realtime_transport.testing.links import MemoryServer


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time can be moved."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def jump(seconds: float) -> None:
    """Let *seconds* pass, on either loop of `run`."""
    loop = asyncio.get_running_loop() if trio_is_off() else None
    if isinstance(loop, JumpingLoop):
        loop.ahead += seconds
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
    else:
        await anyio.sleep(seconds)  # Of a mock clock, which jumps.


def trio_is_off() -> bool:
    return not trio.lowlevel.in_trio_task()


def run(backend: str, main: Callable[[], Any]) -> None:
    options: dict[str, Any] = (
        {"clock": trio.testing.MockClock(autojump_threshold=0)} if backend == "trio" else {"loop_factory": JumpingLoop}
    )
    anyio.run(main, backend=backend, backend_options=options)


@asynccontextmanager
async def silent(request: ConnectRequest) -> AsyncGenerator[Link]:
    await anyio.sleep_forever()
    async with MemoryServer().connector(request) as link:
        yield link


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_server_that_does_not_answer_is_given_up(backend: str) -> None:
    async def main() -> None:
        transport = OpenAIRealtimeWebSocket(connector=silent, api_key="sk", connect_timeout=3.0)
        async with anyio.create_task_group() as tasks:

            async def connect() -> None:
                with pytest.raises(SetupTimeout, match=r"3 s .*upgrade") as caught:
                    async with transport.connect():
                        pytest.fail("the block was entered")
                assert caught.value.phase == "upgrade"
                assert caught.value.timeout == 3.0
                assert transport.status == "disconnected"

            tasks.start_soon(connect)
            await anyio.wait_all_tasks_blocked()
            assert transport.status == "connecting"
            await jump(3.1)

    run(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_key_that_does_not_come_is_given_up(backend: str) -> None:
    async def key() -> str:
        await anyio.sleep_forever()
        return ""

    async def main() -> None:
        transport = OpenAIRealtimeWebSocket(connector=silent, api_key=key, connect_timeout=3.0)
        async with anyio.create_task_group() as tasks:

            async def connect() -> None:
                with pytest.raises(SetupTimeout) as caught:
                    async with transport.connect():
                        pytest.fail("the block was entered")
                assert caught.value.phase == "key"

            tasks.start_soon(connect)
            await anyio.wait_all_tasks_blocked()
            await jump(3.1)

    run(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_open_connection_has_no_deadline(backend: str) -> None:
    async def main() -> None:
        server = MemoryServer()
        transport = OpenAIRealtimeWebSocket(
            connector=server.connector, api_key="sk", connect_timeout=3.0, ping_interval=None
        )
        async with transport.connect(wait_for_session=False):
            await jump(10.0)
            assert transport.status == "connected"
            server.send({"type": "session.created", "event_id": "e", "session": {"type": "realtime"}})
            await anyio.wait_all_tasks_blocked()
            assert transport.status == "connected"

    run(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_deadline_that_passes_while_the_link_opens_counts(backend: str) -> None:
    async def main() -> None:
        closed: list[str] = []

        @asynccontextmanager
        async def late(request: ConnectRequest) -> AsyncGenerator[Link]:
            with anyio.CancelScope(shield=True):  # It opens all the same.
                await jump(3.1)
            async with MemoryServer().connector(request) as link:
                try:
                    yield link
                finally:
                    closed.append("link")

        transport = OpenAIRealtimeWebSocket(connector=late, api_key="sk", connect_timeout=3.0)
        with pytest.raises(SetupTimeout):
            async with transport.connect():
                pytest.fail("the block was entered")
        assert closed == ["link"]
        assert transport.status == "disconnected"

    run(backend, main)
