"""Many connections at once, each with its own turn: ``python many_connections.py URL``.

An ``AsyncExitStack`` holds them open together and closes all of them in the end, also when one does not open.
"""

import os
import sys
from contextlib import AsyncExitStack

import anyio

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import TurnDoneEvent

CONNECTIONS = 8


async def ask(transport: OpenAIRealtimeWebSocket, number: int, done: list[int]) -> None:
    await transport.send_message(f"Hello from {number}")
    async for event in transport:
        if isinstance(event, TurnDoneEvent):
            break
    done.append(number)


async def main() -> None:
    done: list[int] = []
    async with AsyncExitStack() as stack:
        transports = [OpenAIRealtimeWebSocket(url=sys.argv[1]) for _ in range(CONNECTIONS)]
        for transport in transports:
            await stack.enter_async_context(transport.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")))
        async with anyio.create_task_group() as tasks:
            for number, transport in enumerate(transports):
                tasks.start_soon(ask, transport, number, done)
    print(f"{len(done)} turns on {CONNECTIONS} connections")


if len(sys.argv) != 2:
    sys.exit("usage: python many_connections.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main)
