"""An agent in a browser: ``python server.py``, then open http://127.0.0.1:8000.

The page sends its microphone over a WebSocket and plays what comes back; the key stays here. Audio is PCM of 16 bits
with 24,000 samples a second, both ways. ``REALTIME_URL`` names another endpoint than the service.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_transport import RealtimeAgent, RealtimeError, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent, AudioEvent, AudioInterruptedEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

PAGE = Path(__file__).with_name("page.html")


@function_tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Snow in {city}."


agent = RealtimeAgent(name="Greeter", instructions="Greet the user with cheer. Be brief.", tools=[get_weather])


async def hear(socket: WebSocket, session: RealtimeSession[None]) -> None:
    """Pass on what the page records."""
    while True:
        await session.send_audio(await socket.receive_bytes())


async def say(socket: WebSocket, session: RealtimeSession[None]) -> None:
    """Pass on what the agent says, and that the user interrupted it."""
    async for event in session:
        match event:
            case AudioEvent(data=pcm):
                await socket.send_bytes(pcm)
            case AudioInterruptedEvent():
                await socket.send_text(json.dumps({"type": "interrupted"}))
            case AgentEndEvent(output=text) if text:
                await socket.send_text(json.dumps({"type": "said", "text": text}))
            case _:
                pass


async def talk(socket: WebSocket) -> None:
    """One page, one session: it ends when either side does."""
    # Any page of the web could open this socket and talk at our cost: only our own may.
    if socket.headers.get("origin", "").partition("//")[2] != socket.headers.get("host"):
        await socket.close(1008)
        return
    await socket.accept()
    session: RealtimeSession[None] = RealtimeSession(agent)
    try:
        async with session.connect(url=os.environ.get("REALTIME_URL")), anyio.create_task_group() as tasks:

            async def end_with(half: Callable[[WebSocket, RealtimeSession[None]], Awaitable[None]]) -> None:
                with suppress(WebSocketDisconnect):
                    await half(socket, session)
                tasks.cancel_scope.cancel()

            tasks.start_soon(end_with, hear)
            tasks.start_soon(end_with, say)
    except* RealtimeError as failures:
        print("the session failed:", *failures.exceptions)
    with suppress(RuntimeError, WebSocketDisconnect):  # The page may have gone first.
        await socket.close()


async def page(_request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page), WebSocketRoute("/talk", talk)])

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
