from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import pytest

from realtime_transport.testing import ManualClock

if TYPE_CHECKING:
    from realtime_transport.clock import Clock

pytestmark = pytest.mark.anyio


async def test_is_a_clock() -> None:
    clock: Clock = ManualClock(start=5.0)
    assert clock.now() == 5.0


async def test_sleepers_wake_in_order_of_deadline_and_settle_in_between() -> None:
    clock = ManualClock()
    log: list[tuple[str, float]] = []
    send, receive = anyio.create_memory_object_stream[str](10)

    async def sleeper(name: str, deadline: float) -> None:
        await clock.sleep_until(deadline)
        log.append((name, clock.now()))
        await send.send(name)

    async def echo() -> None:
        async for name in receive:
            log.append(("echo " + name, clock.now()))

    async with anyio.create_task_group() as tg, send, receive:
        tg.start_soon(echo)
        for name, deadline in (("late", 2.0), ("early", 1.0), ("never", 9.0), ("early too", 1.0)):
            tg.start_soon(sleeper, name, deadline)
            await anyio.wait_all_tasks_blocked()  # Trio starts tasks in an order of its own.
        await clock.advance(3.0)
        assert clock.now() == 3.0
        assert clock.deadlines == (9.0,)
        tg.cancel_scope.cancel()
    assert log == [
        ("early", 1.0),
        ("echo early", 1.0),
        ("early too", 1.0),
        ("echo early too", 1.0),
        ("late", 2.0),
        ("echo late", 2.0),
    ]
    assert clock.deadlines == ()


async def test_waits_begun_on_the_way_count() -> None:
    clock = ManualClock()
    ticks: list[float] = []

    async def ticker() -> None:
        start = clock.now()
        while True:
            await clock.sleep_until(start + (len(ticks) + 1) * 0.02)
            ticks.append(clock.now())

    async with anyio.create_task_group() as tg:
        tg.start_soon(ticker)
        await clock.advance(0.5)
        assert len(ticks) == 25
        for _ in range(25):
            await clock.advance(0.02)
        assert len(ticks) == 50  # Fifty steps of 0.02 s are one second, rounding or not.
        tg.cancel_scope.cancel()
    assert ticks == sorted(ticks)


async def test_a_deadline_that_has_passed_is_a_checkpoint() -> None:
    clock = ManualClock(start=10.0)
    others = 0

    async def other() -> None:
        nonlocal others
        others += 1

    async with anyio.create_task_group() as tg:
        tg.start_soon(other)
        await clock.sleep_until(10.0)
        await anyio.wait_all_tasks_blocked()
        assert others == 1
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep_until(3.0)
    assert scope.cancelled_caught


async def test_move_on_at_cancels_when_time_reaches_it() -> None:
    clock = ManualClock()
    moved_on: list[float] = []

    async def waiter() -> None:
        with clock.move_on_at(1.0) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        moved_on.append(clock.now())

    async with anyio.create_task_group() as tg:
        tg.start_soon(waiter)
        await clock.advance(0.999)
        assert moved_on == []
        await clock.advance(5.0)
    assert moved_on == [1.0]


async def test_move_on_at_a_past_deadline_or_none() -> None:
    clock = ManualClock(start=1.0)
    with clock.move_on_at(1.0) as scope:
        await anyio.lowlevel.checkpoint()
        pytest.fail("not reached")
    assert scope.cancelled_caught
    with clock.move_on_at(None) as scope:
        await clock.advance(1e6)
    assert not scope.cancel_called
    with clock.move_on_at(math.inf) as scope:
        await clock.advance(1e6)
    assert not scope.cancel_called


async def test_a_scope_that_was_left_is_not_cancelled() -> None:
    clock = ManualClock()
    with clock.move_on_at(1.0) as scope:
        pass
    assert clock.deadlines == ()
    await clock.advance(2.0)
    assert not scope.cancel_called


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    with clock.move_on_at(1.0) as scope:
        async with anyio.create_task_group() as tg:
            tg.start_soon(clock.sleep_until, 7.0)
            tg.start_soon(clock.sleep_until, 0.5)
            await clock.advance(1.0)
    assert scope.cancelled_caught
    assert clock.deadlines == ()


async def test_going_back_and_two_drivers_are_refused() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="go back"):
        await clock.advance(-1)

    async def second() -> None:
        await clock.sleep_until(1.0)
        with pytest.raises(anyio.BusyResourceError):
            await clock.advance(1)

    async with anyio.create_task_group() as tg:
        tg.start_soon(second)
        await clock.advance(2)
    assert clock.now() == 2.0
