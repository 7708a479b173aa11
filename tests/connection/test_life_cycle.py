"""The life cycle of a connect attempt: its table, and what is read from it."""

from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport.connection.life_cycle import (
    STATUS,
    TRANSITIONS,
    ConnectionEnd,
    LifeCycle,
    Notice,
    Signal,
    State,
)
from realtime_transport.errors import ConnectError, ConnectionLost, NotConnectedError, SetupTimeout
from tests import drawings

pytestmark = pytest.mark.anyio

LOST = ConnectionEnd(code=1011, reason="oops", error=ConnectionLost("gone", code=1011))
LATE = ConnectionEnd(code=None, reason="", error=SetupTimeout("late", phase="key", timeout=1.0))
CLEAN = ConnectionEnd(code=1000, reason="bye", error=None)


async def test_every_state_has_a_status_and_a_way_to_the_end() -> None:
    assert set(STATUS) == set(State)
    for state in set(State) - {State.CLOSED}:
        reached = {state}
        while reached != (reached := reached | {row.to for (came, _), row in TRANSITIONS.items() if came in reached}):
            pass
        assert State.CLOSED in reached


@pytest.mark.parametrize(("state", "signal"), TRANSITIONS, ids=lambda part: part.name)
async def test_a_signal_changes_the_state_and_then_emits(state: State, signal: Signal) -> None:
    seen: list[tuple[State, tuple[Notice, ...]]] = []
    life = LifeCycle(lambda notices: seen.append((life.state, notices)), state)
    row = TRANSITIONS[state, signal]
    assert life.signal(signal)
    assert life.state is row.to
    assert seen == ([(row.to, row.emits)] if row.emits else [])


async def test_a_signal_without_a_row_changes_nothing() -> None:
    for state in State:
        for signal in Signal:
            if (state, signal) not in TRANSITIONS:
                life = LifeCycle(state=state)
                assert not life.signal(signal)
                assert life.state is state


async def test_nobody_hears_of_an_attempt_before_its_request() -> None:
    seen: list[object] = []
    for end in (LifeCycle.close, lambda life: life.finish(LATE)):
        life = LifeCycle(seen.append)
        end(life)
        life.signal(Signal.GONE)
        assert life.is_over
    assert not seen


async def test_the_first_cause_of_the_end_stays() -> None:
    life = LifeCycle.of_open_link()
    life.finish(LOST)
    assert not life.close()
    life.finish(CLEAN)
    assert life.end is LOST
    assert life.state is State.LOST


async def test_closing_says_what_was_closed() -> None:
    opening, opened = LifeCycle(state=State.OPENING), LifeCycle.of_open_link()
    assert opening.close()
    assert opened.close()
    assert opening.end is not None
    assert opened.end is not None
    assert isinstance(opening.end.error, ConnectError)
    assert opened.end == ConnectionEnd(code=1000, reason="", error=None)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
async def test_what_a_call_raises_is_read_from_the_state(state: State) -> None:
    life = LifeCycle(state=state)
    if life.is_open:
        life.require_open()
    else:
        with pytest.raises(NotConnectedError):
            life.require_open()


async def test_a_loss_is_raised_by_each_call_and_reported_once() -> None:
    life = LifeCycle.of_open_link()
    life.finish(LOST)
    assert life.take_unreported_loss() is LOST.error
    assert life.take_unreported_loss() is None
    for _ in range(2):
        with pytest.raises(ConnectionLost) as caught:
            life.require_open()
        assert caught.value is not LOST.error
        assert caught.value.code == 1011


async def test_a_link_that_never_opened_is_no_loss() -> None:
    life = LifeCycle(state=State.OPENING)
    life.finish(LATE)
    assert life.state is State.REFUSED
    assert life.error_for_caller() is None
    assert life.take_unreported_loss() is None


async def test_waiting_for_a_state() -> None:
    life = LifeCycle()
    order: list[str] = []

    async def wait() -> None:
        await life.wait_while(State.RESOLVING_KEY, State.OPENING)
        order.append(life.state.name)
        await life.wait_closed()
        order.append("closed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        life.signal(Signal.REQUESTED)
        await wait_all_tasks_blocked()
        assert not order
        life.signal(Signal.OPENED)
        await wait_all_tasks_blocked()
        life.close()
        life.signal(Signal.GONE)
    assert order == ["OPEN", "closed"]


async def test_the_drawing_in_the_documentation_is_that_of_the_table() -> None:
    text = drawings.PAGE.read_text()
    assert drawings.page(text) == text, "run python -m tests.drawings"
