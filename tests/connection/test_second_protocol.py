"""A protocol that is not Realtime on the same connection: the client speaks first, and a conversation has an end."""

from __future__ import annotations

import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport.connection.connection import ConnectionEnd
from realtime_transport.connection.subscription import SubscriptionLimits

from .toys import LiveEngine, Note, everything, rig

pytestmark = pytest.mark.anyio

GOODBYE = ConnectionEnd(code=1000, reason="", error=None)


async def test_what_the_peer_says_after_our_goodbye_is_read() -> None:
    async with rig(engine=LiveEngine()) as it:
        stream = it.hub.subscribe(everything, SubscriptionLimits())
        it.connection.perform(it.engine.say("last"))
        it.connection.close()
        it.connection.close()
        await wait_all_tasks_blocked()
        assert it.link.log == ["wire start", "wire last", "wire end"]
        it.link.arrive("usage")
        await wait_all_tasks_blocked()
        assert it.ends == []
        it.link.arrive("ended")
        await wait_all_tasks_blocked()
        assert it.link.log[-1] == "close 1000"
        assert it.ends == [GOODBYE]
        assert [stream.receive_nowait(), stream.receive_nowait()] == [Note("usage"), Note("ended")]


async def test_a_peer_that_never_has_its_last_word_is_waited_for_until_the_deadline() -> None:
    async with rig(engine=LiveEngine(), timeouts={"close": 2.0}) as it:
        it.connection.close()
        await it.clock.advance(1.9)
        assert it.ends == []
        await it.clock.advance(0.1)
        assert it.ends == [GOODBYE]


async def test_a_link_that_drops_after_our_goodbye_has_ended_well() -> None:
    async with rig(engine=LiveEngine()) as it:
        it.connection.close()
        await wait_all_tasks_blocked()
        it.link.end(1006)
        await wait_all_tasks_blocked()
        assert it.ends == [GOODBYE]


async def test_no_goodbye_is_said_where_what_is_queued_is_dropped() -> None:
    async with rig(engine=LiveEngine()) as it:
        it.connection.close(discard=True)
        await wait_all_tasks_blocked()
        assert it.link.log == ["wire start", "close 1000"]
        assert it.ends == [GOODBYE]


async def test_dropping_what_is_queued_ends_the_wait_for_the_last_word() -> None:
    async with rig(engine=LiveEngine()) as it:
        it.connection.close()
        await wait_all_tasks_blocked()
        it.connection.close(discard=True)
        await wait_all_tasks_blocked()
        assert it.ends == [GOODBYE]


async def test_no_goodbye_is_said_to_a_peer_that_has_left() -> None:
    async with rig(engine=LiveEngine()) as it:
        it.link.end(1000)
        await wait_all_tasks_blocked()
        assert it.link.log == ["wire start", "close 1000"]
