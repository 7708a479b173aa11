"""Entering, leaving and what waits in between never hold the caller's loop for long."""

from __future__ import annotations

import anyio
import pytest

from tests.transports.test_webrtc_leaks import answer_never_came, make, normal, peer_gone_unnoticed, warm
from tests.transports.webrtc_server import call_server

__all__ = ["warm"]  # A fixture.

pytestmark = pytest.mark.anyio

LIMIT = 0.5
"""Seconds: far above what a busy machine does, far below the 1.9 s that leaving a portal may block."""


async def test_the_callers_loop_goes_on_meanwhile(warm: None) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        last = anyio.current_time()
        while True:
            await anyio.sleep(0.005)
            now = anyio.current_time()
            gaps.append(now - last)
            last = now

    async with call_server() as server, anyio.create_task_group() as group:
        group.start_soon(tick)
        for way in (normal, peer_gone_unnoticed, answer_never_came):
            server.received.clear()
            await way(server, make(server))
        group.cancel_scope.cancel()
    assert max(gaps) < LIMIT
