"""The outbox: call order, bounds, turns, overtaking."""

from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from realtime_transport.connection.outbox import OVERTAKE_BYTES, Outbox

from .messages import AUDIO, CONTROL, Message

pytestmark = pytest.mark.anyio


def audio(size: int) -> Message:
    return Message("a" * size, AUDIO)


async def drain(outbox: Outbox) -> list[str]:
    outbox.close()
    taken: list[str] = []
    try:
        while True:
            taken += await outbox.receive()
    except anyio.EndOfStream:
        return taken


async def test_messages_leave_in_call_order() -> None:
    outbox = Outbox(1000)
    outbox.put([Message("1"), audio(2)])
    outbox.put([Message("3", CONTROL)])
    assert await drain(outbox) == ["1", "aa", "3"]


async def test_control_overtakes_audio_only_when_much_of_it_waits() -> None:
    outbox = Outbox(10**9)
    outbox.put([audio(OVERTAKE_BYTES), Message("cancel", CONTROL)])
    assert (await drain(outbox))[-1] == "cancel"

    outbox = Outbox(10**9)
    outbox.put([audio(OVERTAKE_BYTES), audio(1), Message("cancel", CONTROL), audio(2)])
    assert [len(text) for text in await drain(outbox)] == [6, OVERTAKE_BYTES, 1, 2]


async def test_control_never_overtakes_another_message() -> None:
    outbox = Outbox(10**9)
    outbox.put([Message("create"), audio(OVERTAKE_BYTES + 1)])
    outbox.put([Message("cancel", CONTROL)])
    outbox.put([Message("truncate", CONTROL)])
    assert [text for text in await drain(outbox) if len(text) < 99] == ["create", "cancel", "truncate"]


async def test_one_write_takes_all_that_waits_up_to_a_bound() -> None:
    outbox = Outbox(10**9)
    outbox.put([audio(40_000), audio(20_000), audio(10_000), audio(200_000), audio(1)])
    assert [len(text) for text in await outbox.receive()] == [40_000, 20_000]
    assert [len(text) for text in await outbox.receive()] == [10_000]
    assert [len(text) for text in await outbox.receive()] == [200_000]
    assert [len(text) for text in await outbox.receive()] == [1]


async def test_senders_wait_for_room_and_are_admitted_in_turn() -> None:
    outbox = Outbox(10)
    order: list[str] = []

    async def send(text: str) -> None:
        def queue() -> None:
            order.append(text)
            outbox.put([Message(text)])

        if outbox.has_room(len(text)):
            queue()
        else:
            await outbox.wait_and(len(text), queue)

    async with anyio.create_task_group() as tasks:
        outbox.put([Message("x" * 8)])
        tasks.start_soon(send, "second" * 2)
        await wait_all_tasks_blocked()
        tasks.start_soon(send, "3")  # Would fit, but its turn has not come.
        await wait_all_tasks_blocked()
        assert order == []
        assert outbox.statistics().waiting_senders == 2
        assert await outbox.receive() == ["x" * 8]
        await wait_all_tasks_blocked()
        assert order == ["second" * 2]  # Larger than the bound: admitted when nothing waits.
        assert await outbox.receive() == ["second" * 2]
        await wait_all_tasks_blocked()
        assert order == ["second" * 2, "3"]


async def test_a_room_that_was_granted_cannot_be_taken_by_another() -> None:
    outbox = Outbox(10)
    outbox.put([Message("x" * 10)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outbox.wait_and, 8, lambda: outbox.put([Message("y" * 8)]))
        await wait_all_tasks_blocked()
        await outbox.receive()
        assert not outbox.has_room(8)
    assert await outbox.receive() == ["y" * 8]


async def test_a_cancelled_sender_queues_nothing_and_lets_the_next_one_in() -> None:
    outbox = Outbox(10)
    outbox.put([Message("x" * 10)])
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(outbox.wait_and, 1, lambda: outbox.put([Message("next")]))
            scope.cancel()
            await outbox.wait_and(10, lambda: outbox.put([Message("never")]))
        await wait_all_tasks_blocked()
        await outbox.receive()
        await wait_all_tasks_blocked()
        assert await outbox.receive() == ["next"]


async def test_a_sender_cancelled_after_its_turn_came_gives_it_back() -> None:
    outbox = Outbox(10)
    outbox.put([Message("x" * 10)])
    async with anyio.create_task_group() as tasks:
        first = anyio.CancelScope()

        async def cancelled() -> None:
            with first:
                await outbox.wait_and(10, lambda: outbox.put([Message("never")]))

        tasks.start_soon(cancelled)
        await wait_all_tasks_blocked()
        await outbox.receive()  # Grants the room...
        first.cancel()  # ...to a task that will not run on.
        await wait_all_tasks_blocked()
    # On some schedulers the granted task wins the race: either way the outbox is usable.
    await checkpoint()
    if not outbox.has_room(10):
        assert await outbox.receive() == ["never"]
    assert outbox.has_room(10)


async def test_poke_wakes_the_writer_without_a_message() -> None:
    outbox = Outbox(10)
    outbox.poke()
    assert await outbox.receive() == []


async def test_close_gives_out_what_waits_unless_discarded() -> None:
    outbox = Outbox(10)
    outbox.put([Message("kept")])
    outbox.close()
    outbox.put([Message("too late")])
    assert await outbox.receive() == ["kept"]
    with pytest.raises(anyio.EndOfStream):
        await outbox.receive()

    outbox = Outbox(10)
    outbox.put([Message("dropped")])
    outbox.close(discard=True)
    with pytest.raises(anyio.EndOfStream):
        await outbox.receive()


async def test_close_wakes_everyone_who_waits() -> None:
    outbox = Outbox(1)
    outbox.put([Message("x")])
    woken: list[int] = []
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(outbox.wait_and, 5, lambda number=number: woken.append(number))
        await wait_all_tasks_blocked()
        outbox.close()
    assert sorted(woken) == [0, 1, 2]
