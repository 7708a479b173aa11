"""Subscriptions and the hub: order, bounds, withdrawal, ends."""

from __future__ import annotations

from typing import ClassVar

import anyio
import anyio.lowlevel
import attrs
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport.connection.hub import Hub
from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
from realtime_transport.errors import ConnectionLost, ConsumerTooSlow

pytestmark = pytest.mark.anyio


@attrs.frozen
class Control:
    name: str
    is_audio: ClassVar[bool] = False
    withdraws: ClassVar[frozenset[str] | None] = None
    preceded_by: ClassVar[tuple[Control, ...]] = ()
    brings: ClassVar[tuple[Control, ...]] = ()


@attrs.frozen
class Audio:
    data: bytes
    response_id: str = "r1"
    is_audio: ClassVar[bool] = True
    deferred: ClassVar[bool] = False
    withdraws: ClassVar[frozenset[str] | None] = None
    preceded_by: ClassVar[tuple[Control, ...]] = ()
    brings: ClassVar[tuple[Control, ...]] = ()

    @property
    def audio_bytes(self) -> int:
        return len(self.data)


@attrs.frozen
class Interrupted:
    withdraws: frozenset[str]
    preceded_by: tuple[Control, ...] = ()
    brings: tuple[Control, ...] = ()
    is_audio: ClassVar[bool] = False


def everything(cls: type) -> bool:
    return True


def open_all(hub: Hub, **limits: object) -> Subscription[object]:
    return hub.subscribe(everything, SubscriptionLimits(**limits))  # type: ignore[arg-type]


def rest(subscription: Subscription[object]) -> list[object]:
    events: list[object] = []
    try:
        while True:
            events.append(subscription.receive_nowait())
    except (anyio.WouldBlock, anyio.EndOfStream):
        return events


async def test_events_come_in_one_order() -> None:
    hub = Hub()
    stream = open_all(hub)
    events = [Control("a"), Audio(b"1"), Audio(b"2"), Control("b"), Audio(b"3")]
    hub.publish(events)
    assert [await stream.receive() for _ in events] == events


async def test_a_subscription_gets_its_classes_from_its_opening_on() -> None:
    hub = Hub()
    hub.publish([Control("before")])
    stream = hub.subscribe(lambda cls: cls is Audio, SubscriptionLimits())
    assert hub.wants(Audio)
    assert not hub.wants(Control)
    hub.publish([Control("a"), Audio(b"1")])
    assert rest(stream) == [Audio(b"1")]
    await stream.aclose()
    assert not hub.wants(Audio)


async def test_an_interruption_overtakes_and_takes_back() -> None:
    hub = Hub()
    stream = open_all(hub)
    hub.publish([Control("a"), Audio(b"1"), Audio(b"2", "other"), Control("b")])
    cause = Control("speech")
    stop = Interrupted(frozenset({"r1"}), (cause,))
    hub.publish([stop, Control("c")])
    assert rest(stream) == [cause, stop, Control("a"), Audio(b"2", "other"), Control("b"), Control("c")]
    assert stream.statistics().withdrawn_audio_bytes == 1


async def test_two_interruptions_keep_their_order() -> None:
    hub = Hub()
    stream = open_all(hub)
    first, second = Interrupted(frozenset({"r1"})), Interrupted(frozenset({"r2"}))
    hub.publish([Control("a"), first, second])
    assert rest(stream) == [first, second, Control("a")]


async def test_a_waiting_task_is_woken() -> None:
    hub = Hub()
    stream = open_all(hub)
    got: list[object] = []

    async def consume() -> None:
        got.append(await stream.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        hub.publish([Control("a")])
    assert got == [Control("a")]


async def test_a_cancelled_receive_loses_nothing() -> None:
    hub = Hub()
    stream = open_all(hub)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stream.receive()
    hub.publish([Control("a")])
    assert await stream.receive() == Control("a")


async def test_two_tasks_at_once_are_told() -> None:
    stream = open_all(Hub())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await stream.receive()
        tasks.cancel_scope.cancel()


async def test_a_ready_consumer_lets_others_run() -> None:
    hub = Hub()
    stream = open_all(hub)
    hub.publish([Control(str(number)) for number in range(100)])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(100):
            await stream.receive()
        tasks.cancel_scope.cancel()
    assert 2 <= turns <= 10


async def test_a_read_stream_over_its_bound_fails_and_keeps_everything() -> None:
    hub = Hub()
    stream = open_all(hub, max_audio_bytes=3)
    witness = open_all(hub)
    hub.publish([Control("a")])
    await stream.receive()
    with pytest.raises(ConsumerTooSlow) as caught:
        hub.publish([Audio(b"12"), Audio(b"34"), Control("b")])
    assert (caught.value.limit, caught.value.unit) == (3, "bytes")
    assert rest(stream) == [Audio(b"12"), Audio(b"34"), Control("b")]
    assert len(rest(witness)) == 4


async def test_too_many_control_events_fail_as_well() -> None:
    hub = Hub()
    stream = open_all(hub, max_events=2, on_overflow="drop_audio")
    hub.publish([Control("a")])
    await stream.receive()
    with pytest.raises(ConsumerTooSlow) as caught:
        hub.publish([Control("b"), Control("c"), Control("d")])
    assert caught.value.unit == "events"


async def test_the_oldest_audio_is_dropped_by_choice() -> None:
    hub = Hub()
    stream = open_all(hub, max_audio_bytes=3, on_overflow="drop_audio")
    hub.publish([Control("a")])
    await stream.receive()
    hub.publish([Audio(b"12"), Control("b"), Audio(b"34"), Audio(b"5")])
    assert rest(stream) == [Control("b"), Audio(b"34"), Audio(b"5")]
    statistics = stream.statistics()
    assert (statistics.dropped_events, statistics.dropped_audio_bytes) == (1, 2)


async def test_a_stream_that_nobody_has_read_is_never_an_error() -> None:
    hub = Hub()
    stream = open_all(hub, max_audio_bytes=3, max_events=2)
    hub.publish([Audio(b"12"), Control("a"), Control("b"), Control("c"), Audio(b"34")])
    assert rest(stream) == [Control("b"), Control("c"), Audio(b"34")]
    assert stream.statistics().dropped_events == 2


async def test_after_the_end_the_rest_comes_and_then_the_error_each_time() -> None:
    hub = Hub()
    stream = open_all(hub)
    hub.publish([Control("a")])
    hub.end(lambda: ConnectionLost("gone"))
    late = open_all(hub)
    assert await stream.receive() == Control("a")
    for source in (stream, stream, late):
        with pytest.raises(ConnectionLost):
            await source.receive()


async def test_after_a_clean_end_the_loop_ends() -> None:
    hub = Hub()
    stream = open_all(hub)
    hub.publish([Control("a"), Control("b")])
    async for event in stream:
        assert event == Control("a")
        break
    hub.end(anyio.EndOfStream)
    assert [event async for event in stream] == [Control("b")]


async def test_closing_wakes_the_task_that_waits() -> None:
    stream = open_all(Hub())

    async def consume() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        await stream.aclose()


async def test_an_interruption_brings_what_caused_it_unless_it_was_delivered() -> None:
    hub = Hub()
    early = hub.subscribe(lambda cls: True, SubscriptionLimits())
    late = hub.subscribe(lambda cls: True, SubscriptionLimits())
    waiting, cause = Control("waiting"), Control("cause")
    hub.publish([waiting, cause])
    assert [await early.receive(), await early.receive()] == [waiting, cause]
    event = Interrupted(frozenset(), brings=(cause,))
    hub.publish([event])
    assert await early.receive() is event
    assert [await late.receive(), await late.receive(), await late.receive()] == [cause, event, waiting]
