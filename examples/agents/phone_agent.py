"""An agent on a Twilio number, tools included: ``uvicorn phone_agent:app``, behind the webhook of the gateway example.

Twilio opens the media stream on ``/media``; see ``examples/phone_gateway`` for the webhook, its signature and limits.
"""

import os
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from realtime_transport import (
    RealtimeAgent,
    RealtimeSession,
    ToolContext,
    TwilioRealtimeTransportLayer,
    function_tool,
)
from realtime_transport.session_events import ToolErrorEvent

ORDERS = {"1001": "on its way", "1002": "waiting for payment"}


@function_tool(timeout=5, when_interrupted="cancel")
async def order_status(ctx: ToolContext[str], number: str) -> str:
    """The status of an order."""
    return f"{ctx.context}: order {number} is {ORDERS.get(number, 'unknown')}."


agent = RealtimeAgent[str](
    name="Shop", instructions="Answer callers of a shop. Be brief.", tools=[order_status], voice="marin"
)


async def answer(socket: Any, url: str | None = None) -> None:
    """Talk to the caller until one of both hangs up."""
    transport = TwilioRealtimeTransportLayer(socket)
    session = RealtimeSession(agent, transport=transport, model="gpt-realtime-2.1", context="shop")
    async with session.connect(url=url):
        await session.request_response({"instructions": "Greet the caller."})
        async for event in session:
            if isinstance(event, ToolErrorEvent):
                print(event.error)


async def media(socket: WebSocket) -> None:
    await socket.accept()
    await answer(socket, os.environ.get("REALTIME_URL"))


app = Starlette(routes=[WebSocketRoute("/media", media)])
