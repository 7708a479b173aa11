"""A session belongs to the event loop that connected it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from realtime_transport import LocalProtocolError, OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}

Session = RealtimeSession[Any]


async def first(session: Session) -> None:
    async for _ in session:
        return


WAITING: dict[str, Callable[[Session], Awaitable[object]]] = {
    "send_message": lambda session: session.send_message("Hello"),
    "send_audio": lambda session: session.send_audio(bytes(960)),
    "request_response": lambda session: session.request_response(),
    "iterate": first,
    "update_agent": lambda session: session.update_agent(RealtimeAgent(name="Other")),
    "approve": lambda session: session.approve("call_1"),
    "aclose": lambda session: session.aclose(),
}

PLAIN: dict[str, Callable[[Session], object]] = {
    "interrupt": lambda session: session.interrupt(),
    "cancel_tool": lambda session: session.cancel_tool("call_1"),
    "close_nowait": lambda session: session.close_nowait(),
}


@pytest.mark.parametrize("name", [*WAITING, *PLAIN])
async def test_another_loop_is_refused_and_the_conversation_goes_on(name: str, anyio_backend: str) -> None:
    server = MemoryServer()
    server.send(CREATED)
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None)
    session: Session = RealtimeSession(RealtimeAgent(name="Front"), transport=transport)

    def elsewhere() -> None:
        with pytest.raises(LocalProtocolError, match="owns the connection"):
            if name in PLAIN:
                PLAIN[name](session)
            else:
                anyio.run(WAITING[name], session, backend=anyio_backend)

    with anyio.fail_after(20):
        async with session.connect(wait_for_session=False):
            await anyio.to_thread.run_sync(elsewhere)
            assert session.status == "connected"
            assert session.current_agent.name == "Front"
            await session.send_message("Hello")
