"""The tasks of a connection, with an engine that knows no protocol."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport.connection.connection import Connection, ConnectionEnd, Timeouts
from realtime_transport.connection.hub import Hub
from realtime_transport.connection.subscription import SubscriptionLimits
from realtime_transport.errors import ConnectionLost, ConsumerTooSlow, NotConnectedError
from realtime_transport.testing import ManualClock

from .toys import Note, ToyEngine, ToyLink, everything, rig

pytestmark = pytest.mark.anyio


async def test_what_the_engine_says_at_the_opening_goes_first() -> None:
    async with rig() as it:
        await it.connection.send(1, it.engine.say("then"))
        await wait_all_tasks_blocked()
        assert it.sent() == ["hello", "then"]


async def test_messages_of_one_read_are_told_in_order() -> None:
    async with rig() as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits())
        it.link.arrive("a", "b")
        assert [await stream.receive(), await stream.receive()] == [Note("a"), Note("b")]
        statistics = it.connection.statistics()
        assert (statistics.messages_received, statistics.characters_received) == (2, 2)
        assert (statistics.messages_sent, statistics.characters_sent) == (1, 5)


async def test_a_control_message_is_on_the_wire_before_a_consumer_runs() -> None:
    async with rig() as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits())

        async def consume() -> None:
            async for event in stream:
                it.link.log.append(f"consumer {event.text}")  # type: ignore[attr-defined]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consume)
            await wait_all_tasks_blocked()
            for _ in range(20):
                it.link.log.clear()
                it.link.arrive("stop")
                await wait_all_tasks_blocked()
                assert it.link.log == ["wire stopped", "consumer stop"]
            tasks.cancel_scope.cancel()


async def test_the_reader_does_not_wait_for_a_peer_that_does_not_read() -> None:
    async with rig() as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits())
        it.link.stuck = True
        await it.connection.send(1, it.engine.say("never taken"))
        it.link.arrive("stop")
        assert await stream.receive() == Note("stop")


async def test_the_timer_is_woken_by_an_earlier_deadline_only() -> None:
    async with rig() as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits())
        await it.connection.send(1, lambda now: setattr(it.engine, "timer", now + 30))
        await it.connection.send(1, lambda now: setattr(it.engine, "timer", now + 5))
        start = it.clock.now()
        await it.clock.advance(4.9)
        with pytest.raises(anyio.WouldBlock):
            stream.receive_nowait()
        await it.clock.advance(0.1)
        assert await stream.receive() == Note(f"timer at {start + 5:g}")


async def test_a_send_that_does_not_fit_waits_and_can_be_cancelled() -> None:
    async with rig() as it:
        it.link.stuck = True
        await it.connection.send(50, it.engine.say("x" * 50))
        await wait_all_tasks_blocked()  # The writer took it and is stuck.
        await it.connection.send(100, it.engine.say("y" * 100))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await it.connection.send(1, it.engine.say("cancelled"))
        with pytest.raises(anyio.WouldBlock):
            it.connection.send_nowait(1, it.engine.say("no room"))
        assert it.connection.statistics().outbox.bytes == 100
        it.connection.perform(it.engine.say("control does not wait"))
        assert it.connection.statistics().outbox.messages == 2


async def test_closing_sends_what_waits_and_then_says_goodbye() -> None:
    async with rig() as it:
        it.connection.perform(it.engine.say("last"))
        it.connection.close()
        await wait_all_tasks_blocked()
        assert it.link.log == ["wire hello", "wire last", "close 1000"]
        assert it.ends == [ConnectionEnd(code=1000, reason="", error=None)]
        assert it.engine.ended
        with pytest.raises(NotConnectedError):
            await it.connection.send(1, it.engine.say("late"))


async def test_closing_with_discard_sends_nothing_more() -> None:
    async with rig() as it:
        it.connection.perform(it.engine.say("dropped"))
        it.connection.close(discard=True)
        await wait_all_tasks_blocked()
        assert it.link.log == ["wire hello", "close 1000"]


@pytest.mark.parametrize("trouble", ["stuck", "silent"])
async def test_leaving_ends_within_the_close_timeout(trouble: str) -> None:
    link = ToyLink(answers_close=trouble != "silent")
    async with rig(link, timeouts={"close": 2.0}) as it:
        link.stuck = trouble == "stuck"
        it.connection.perform(it.engine.say("last"))
        it.connection.close()
        await wait_all_tasks_blocked()
        assert not it.ends
        await it.clock.advance(2.0)
        assert it.ends


async def test_cancelling_the_run_lets_go_within_the_close_timeout() -> None:
    clock, link, done = ManualClock(), ToyLink(answers_close=False), []
    connection = Connection(
        link, ToyEngine(), Hub(), clock=clock, timeouts=Timeouts(ping_interval=None), max_outbox_bytes=10
    )
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            try:
                await connection.run()
            finally:
                done.append(True)

        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            assert not done
            await clock.advance(2.0)
            assert done
    link._inbox[0].close()
    link._inbox[1].close()


async def test_a_loss_is_told_to_senders_waiting_and_later() -> None:
    async with rig() as it:
        it.link.stuck = True
        it.connection.perform(it.engine.say("x" * 100))
        await wait_all_tasks_blocked()
        it.connection.perform(it.engine.say("y" * 100))
        told: list[ConnectionLost] = []

        async def send() -> None:
            try:
                await it.connection.send(50, it.engine.say("z"))
            except ConnectionLost as exc:
                told.append(exc)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await wait_all_tasks_blocked()
            it.link.end(1011, "oops")
            await it.clock.advance(2.0)
        assert [(exc.code, exc.reason) for exc in told] == [(1011, "oops")]
        assert it.connection.life.take_unreported_loss() is None
        with pytest.raises(ConnectionLost, match="1011"):
            it.connection.send_nowait(1, it.engine.say("late"))


async def test_a_close_of_the_peer_with_1000_is_clean() -> None:
    async with rig() as it:
        it.link.end(1000, "bye")
        await wait_all_tasks_blocked()
        assert it.ends == [ConnectionEnd(code=1000, reason="bye", error=None)]
        assert it.connection.life.error_for_caller() is None


async def test_a_bug_in_the_engine_ends_the_connection_and_is_kept() -> None:
    async with rig() as it:
        it.link.arrive("fail")
        await wait_all_tasks_blocked()
        assert isinstance(it.ends[0].error, ZeroDivisionError)


async def test_a_consumer_that_is_too_slow_ends_the_connection() -> None:
    async with rig() as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits(max_events=2))
        it.link.arrive("a")
        await stream.receive()
        it.link.arrive("b", "c", "d")
        await wait_all_tasks_blocked()
        assert isinstance(it.ends[0].error, ConsumerTooSlow)


async def test_pings_go_out_and_silence_after_one_is_a_loss() -> None:
    async with rig(timeouts={"ping_interval": 20.0, "ping_timeout": 20.0}) as it:
        await it.clock.advance(20.0)
        assert it.link.pings == 1
        it.link.bytes_received += 6
        await it.clock.advance(20.0)
        assert it.link.pings == 2
        await it.clock.advance(19.9)
        assert not it.ends
        await it.clock.advance(0.2)
        assert isinstance(it.ends[0].error, ConnectionLost)
        assert it.ends[0].error.code is None
        assert "blocked" not in str(it.ends[0].error)


async def test_any_bytes_are_a_sign_of_life_however_late_the_pong() -> None:
    async with rig(timeouts={"ping_interval": 5.0, "ping_timeout": 20.0}) as it:
        await it.clock.advance(5.0)
        assert it.link.pings == 1
        await it.clock.advance(19.9)
        assert it.link.pings == 1  # One at a time.
        it.link.bytes_received += 1300
        await it.clock.advance(0.1)
        assert it.link.pings == 2
        assert not it.ends


async def test_pings_keep_their_interval_where_the_timeout_is_shorter() -> None:
    async with rig(timeouts={"ping_interval": 20.0, "ping_timeout": 5.0}) as it:
        await it.clock.advance(20.0)
        it.link.bytes_received += 6
        await it.clock.advance(19.9)
        assert it.link.pings == 1
        await it.clock.advance(0.1)
        assert it.link.pings == 2


async def test_the_socket_is_read_once_more_before_a_peer_is_given_up() -> None:
    @attrs.define(eq=False)
    class LateLink(ToyLink):
        """Its reader gets a turn between the first look after the deadline and the second."""

        looks: int = 0
        clock: ManualClock | None = None

        def __getattribute__(self, name: str) -> Any:
            if name == "bytes_received" and self.clock is not None and self.clock.now() == 40.0:
                self.looks += 1
                return 6 if self.looks > 1 else 0
            return super().__getattribute__(name)

    link = LateLink()
    async with rig(link=link, timeouts={"ping_interval": 20.0, "ping_timeout": 20.0}) as it:
        link.clock = it.clock
        await it.clock.advance(40.0)
        assert it.link.pings == 2
        assert not it.ends


async def test_a_pump_that_fails_ends_the_connection_with_its_error() -> None:
    async def pump() -> None:
        raise OSError("the device is gone")

    async with rig(pumps=[("pump", pump)]) as it:
        await wait_all_tasks_blocked()
        assert isinstance(it.ends[0].error, OSError)
