"""An agent of openai-agents on a Twilio number: ``uvicorn phone_agent:app``, behind the webhook of the gateway example.

Twilio opens the media stream on ``/media``; see ``examples/phone_gateway`` for the webhook, its signature and limits.
The transport carries the caller's voice in both directions, and takes back what the caller talks over.
"""

import os
from typing import Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from realtime_transport import TwilioRealtimeTransportLayer
from realtime_transport.adapters.openai_agents import TransportRealtimeModel

ORDERS = {"1001": "on its way", "1002": "waiting for payment"}


@function_tool
def order_status(number: str) -> str:
    """The status of an order."""
    return f"order {number} is {ORDERS.get(number, 'unknown')}."


agent = RealtimeAgent[None](name="Shop", instructions="Answer callers of a shop. Be brief.", tools=[order_status])


async def answer(socket: Any, url: str | None = None) -> None:
    """Talk to the caller until one of both hangs up."""
    model = TransportRealtimeModel(TwilioRealtimeTransportLayer(socket, url=url))
    async with await RealtimeRunner(agent, model=model).run() as session:
        await session.send_message("A caller is on the line. Greet them.")
        async for event in session:
            if event.type == "error":
                print(event.error)


async def media(socket: WebSocket) -> None:
    await socket.accept()
    await answer(socket, os.environ.get("REALTIME_URL"))


app = Starlette(routes=[WebSocketRoute("/media", media)])
