"""One failure is no group, whatever it is and wherever it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import (
    ConfigError,
    ConnectError,
    OpenAIRealtimeWebSocket,
    RealtimeEmitter,
    RealtimeError,
    RealtimeRestClient,
)
from realtime_transport.audio import AudioFormat, IterableSource
from realtime_transport.clock import EventLoopClock
from realtime_transport.task_groups import open_task_group
from realtime_transport.testing.links import MemoryServer


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError("x"), OSError("y")], ids=repr)
@pytest.mark.anyio
async def test_one_failure_leaves_as_it_is(error: BaseException) -> None:
    for body in (False, True):
        with pytest.raises(type(error)) as caught:
            async with open_task_group() as outer:
                async with open_task_group() as tasks:
                    if body:
                        raise error
                    tasks.start_soon(fail, error)
                    outer.start_soon(anyio.sleep_forever)
        assert caught.value is error


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interrupt_goes_before_other_failures(backend: str) -> None:
    async def main() -> None:
        async with open_task_group() as tasks:
            tasks.start_soon(fail, ValueError("x"))
            tasks.start_soon(fail, KeyboardInterrupt())
            await wait_all_tasks_blocked()

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=backend)


@pytest.mark.anyio
async def test_several_failures_are_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_task_group() as tasks:
            tasks.start_soon(fail, ValueError("x"))
            tasks.start_soon(fail, KeyError("y"))
            await wait_all_tasks_blocked()
    assert {type(error) for error in caught.value.exceptions} == {ValueError, KeyError}


@pytest.mark.anyio
async def test_a_cancellation_is_no_failure() -> None:
    with anyio.CancelScope() as scope:
        async with open_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            scope.cancel()
    assert scope.cancelled_caught


class InterruptedClock(EventLoopClock):
    """Ctrl-C arrives in the first task that asks for the time."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def now(self) -> float:
        raise self._error


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("where", ["body", "key", "pump", "clock", "listener"])
def test_an_interrupt_leaves_a_connection_as_it_is(backend: str, error: BaseException, where: str) -> None:
    def interrupt(*_: object) -> str:
        raise error

    async def samples() -> AsyncGenerator[bytes]:
        interrupt()
        yield b""

    async def main() -> None:
        server, options = MemoryServer(), dict[str, Any](api_key="sk", ping_interval=None)
        if where == "key":
            options["api_key"] = interrupt
        if where == "pump":
            options["audio_source"] = IterableSource(samples(), AudioFormat.PCM24K)
        if where == "clock":
            options["clock"] = InterruptedClock(error)
        transport = OpenAIRealtimeWebSocket(connector=server.connector, **options)
        if where == "listener":
            async with RealtimeEmitter(transport) as emitter:
                emitter.on("*", interrupt)
                await emitter.connect()
                server.send({"type": "vendor.x"})
                await anyio.sleep_forever()
        async with transport.connect(wait_for_session=False):
            if where == "body":
                raise error
            await anyio.sleep_forever()

    with pytest.raises(type(error)) as caught:
        anyio.run(main, backend=backend)
    assert caught.value is error


@pytest.mark.parametrize("client", [False, True], ids=["direct", "httpx"])
@pytest.mark.anyio
async def test_a_port_that_no_socket_has(client: bool) -> None:
    async with httpx.AsyncClient() as given:
        transport = OpenAIRealtimeWebSocket(
            url="ws://127.0.0.1:70000/v1/realtime", api_key="sk", client=given if client else None
        )
        with pytest.raises((ConnectError, ConfigError)):
            async with transport.connect():
                pytest.fail("the block was entered")


@pytest.mark.anyio
async def test_a_port_that_no_socket_has_over_http() -> None:
    with pytest.raises(RealtimeError):
        async with RealtimeRestClient(base_url="http://127.0.0.1:70000/v1", api_key="sk") as rest:
            await rest.hang_up_call("rtc_1")


@pytest.mark.anyio
async def test_a_rest_call_that_is_cancelled_while_it_connects() -> None:
    # 192.0.2.0/24 is for documentation: nobody answers, and nothing leaves this machine before the cancellation.
    with anyio.CancelScope() as scope:
        async with RealtimeRestClient(base_url="https://192.0.2.1/v1", api_key="sk") as rest:
            scope.cancel()
            await rest.hang_up_call("rtc_1")
    assert scope.cancelled_caught
