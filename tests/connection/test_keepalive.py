"""Pings, without a loop."""

from __future__ import annotations

import attrs
import pytest

from realtime_transport.connection.keepalive import KeepAlive
from realtime_transport.errors import ConnectionLost


@attrs.define
class Link:
    bytes_received: int = 0
    pings: int = 0

    def on_control(self, _wake: object, /) -> None: ...

    def ping(self) -> bool:
        self.pings += 1
        return True


def test_a_loop_that_was_blocked_is_said_in_the_error() -> None:
    link = Link()
    keepalive = KeepAlive.starting(link, 20.0, 20.0, 0.0)
    assert keepalive.handle_timer(20.0)
    assert not keepalive.handle_timer(101.5)
    assert keepalive.last_chance
    with pytest.raises(ConnectionLost, match=r"within 20 s.*blocked for 61\.5 s"):
        keepalive.give_up(101.5)


def test_what_came_while_the_loop_was_blocked_saves_the_connection() -> None:
    link = Link()
    keepalive = KeepAlive.starting(link, 20.0, 20.0, 0.0)
    keepalive.handle_timer(20.0)
    keepalive.handle_timer(101.5)
    link.bytes_received = 1
    assert keepalive.give_up(101.5)
    assert link.pings == 2
    assert keepalive.deadline == 121.5


def test_without_a_timeout_it_only_pings() -> None:
    link = Link()
    keepalive = KeepAlive.starting(link, 5.0, None, 0.0)
    for number in range(1, 10):
        assert keepalive.handle_timer(5.0 * number)
    assert link.pings == 9
