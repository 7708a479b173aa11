"""What connect() waits for, and what it says when a session does not open as it was asked for."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from realtime_transport import (
    AuthenticationError,
    ConnectError,
    ConnectRequest,
    OpenAIRealtimeSIP,
    OpenAIRealtimeWebSocket,
    SetupTimeout,
    UpgradeRejected,
)
from realtime_transport.errors import upgrade_rejected
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryLink, MemoryServer

pytestmark = pytest.mark.anyio

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}
UPDATED = {"type": "session.updated", "event_id": "e2", "session": {"type": "realtime", "id": "s1"}}


def error(code: str, message: str = "No.", **fields: Any) -> Mapping[str, Any]:
    return {"type": "error", "event_id": "e3", "error": {"code": code, "message": message, **fields}}


async def connect(server: MemoryServer, **options: Any) -> None:
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None, **options)
    async with transport.connect():
        pass


async def test_a_refused_first_update_is_raised_at_once() -> None:
    server = MemoryServer()
    server.send(CREATED, error("invalid_value", "Rates below 24000 are not supported.", param="session.audio"))
    with pytest.raises(ConnectError, match="Rates below 24000") as caught:
        await connect(server, clock=ManualClock())
    assert caught.value.code == "invalid_value"
    assert server.closed_with == 1000


async def test_the_answer_to_a_later_update_is_no_answer_to_the_first() -> None:
    server = MemoryServer()
    server.send(CREATED, error("invalid_value", "There is no such voice."), UPDATED)  # The update for tracing.
    with pytest.raises(ConnectError, match="There is no such voice"):
        await connect(server, clock=ManualClock())


async def test_the_answer_to_the_first_update_is_waited_for() -> None:
    server, clock, entered = MemoryServer(), ManualClock(), anyio.Event()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None, clock=clock)

    async def run() -> None:
        async with transport.connect():
            entered.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        server.send(CREATED)
        await clock.advance(1.9)
        assert not entered.is_set()
        server.send(UPDATED)
        await clock.advance(0)
        assert entered.is_set()


async def test_a_server_that_answers_neither_way_costs_a_moment_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    server, clock, entered = MemoryServer(), ManualClock(), anyio.Event()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None, clock=clock)

    async def run() -> None:
        async with transport.connect():
            entered.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        server.send(CREATED)
        with caplog.at_level(logging.WARNING, "realtime_transport"):
            await clock.advance(2.1)
        assert entered.is_set()
    assert [record.message for record in caplog.records if "did not answer the session.update" in record.message]


async def test_an_error_that_names_another_event_is_no_answer() -> None:
    server = MemoryServer()
    server.send(CREATED, error("invalid_value", event_id="mine"), UPDATED)
    await connect(server, clock=ManualClock())


async def test_who_does_not_wait_hears_of_a_refusal_as_an_event() -> None:
    server = MemoryServer()
    server.send(CREATED, error("invalid_value"))
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None)
    async with transport.connect(wait_for_session=False):
        pass


@pytest.mark.parametrize("code", [1000, 1008, 3000])
async def test_an_error_and_a_close_keep_code_and_message_whatever_the_close_code(code: int) -> None:
    server = MemoryServer()
    server.send(error("insufficient_quota", "You have no quota."))
    server.close(code)
    with pytest.raises(ConnectError, match="You have no quota") as caught:
        await connect(server)
    assert caught.value.code == "insufficient_quota"


async def test_an_error_event_about_the_key_is_an_authentication_error() -> None:
    server = MemoryServer()
    server.send(error("invalid_api_key", "Incorrect API key."))
    server.close(3000, "invalid_request_error")
    with pytest.raises(AuthenticationError, match="Incorrect API key"):
        await connect(server)


async def test_a_time_out_says_what_the_server_has_reported() -> None:
    server, clock = MemoryServer(), ManualClock()
    server.send(error("server_error", "Try again."))
    with pytest.raises(ConnectError, match="Try again") as caught:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.advance, 11.0)
            failure: list[ConnectError] = []
            try:
                await connect(server, clock=clock)
            except ConnectError as exc:
                failure.append(exc)
        raise failure[0]
    assert not isinstance(caught.value, SetupTimeout)


@pytest.mark.parametrize("greeting", [CREATED, UPDATED], ids=["created", "updated"])
async def test_on_a_call_the_first_of_created_and_updated_is_ready(greeting: Mapping[str, Any]) -> None:
    server = MemoryServer()
    server.send(greeting, UPDATED)
    transport = OpenAIRealtimeSIP(connector=server.connector, api_key="sk", clock=ManualClock(), ping_interval=None)
    async with transport.connect(call_id="rtc_1"):
        assert transport.status == "connected"


class LateCall:
    """A server that does not know a call before it was asked some times."""

    def __init__(self, refusals: int, server: MemoryServer) -> None:
        self.refusals, self.server, self.asked = refusals, server, 0

    @asynccontextmanager
    async def connector(self, request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        self.asked += 1
        if self.asked <= self.refusals:
            raise upgrade_rejected("no session found", status=404, body="", headers={"Retry-After": "1"})
        async with self.server.connector(request) as link:
            yield link


async def attach(late: LateCall, clock: ManualClock, failures: list[UpgradeRejected], call_id: str | None) -> None:
    transport = OpenAIRealtimeWebSocket(connector=late.connector, api_key="sk", clock=clock, ping_interval=None)
    try:
        async with transport.connect(call_id=call_id, wait_for_session=False):
            assert transport.status == "connected"
    except UpgradeRejected as exc:
        failures.append(exc)


@pytest.mark.parametrize(("refusals", "call_id", "asked"), [(3, "rtc_1", 4), (99, "rtc_1", 7), (99, None, 1)])
async def test_a_call_that_is_not_there_yet_is_asked_for_again(refusals: int, call_id: str | None, asked: int) -> None:
    late, clock, failures = LateCall(refusals, MemoryServer()), ManualClock(), list[UpgradeRejected]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attach, late, clock, failures, call_id)
        for _ in range(110):
            await clock.advance(0.1)
    assert late.asked == asked
    assert [failure.headers["retry-after"] for failure in failures] == (["1"] if refusals == 99 else [])
