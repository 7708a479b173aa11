"""Agents of pydantic-ai over our WebSocket, beside pydantic-ai's own model, in turn on one machine.

CPU: a reply of 2,000 pieces of audio goes through a session to a task that takes them; the processor time of the client
for each. Barge-in: from the server's word that the user speaks to the truncation's arrival at the server, while a task
plays the reply.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from benchmarks.adapter_server import server_process
from benchmarks.report import Table, quartiles
from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel

PIECES, ROUNDS = 2000, 9
INTERRUPTIONS = 61
CPU_LIMIT, LATENCY_LIMIT = 1.0, 1.5


def models(url: str, query: str) -> dict[str, Any]:
    theirs = OpenAIRealtimeModel("gpt-realtime-2.1", provider=OpenAIProvider(api_key="k", base_url=f"{url}?{query}"))
    transport = OpenAIRealtimeWebSocket(
        model="gpt-realtime-2.1", url=f"{url.replace('http', 'ws', 1)}/realtime?model=gpt-realtime-2.1&{query}"
    )
    return {"theirs": theirs, "ours": TransportRealtimeModel(transport, api_key="k")}


async def cost(model: Any) -> float:
    """Processor seconds for a piece of audio, from the socket to the application."""
    async with Agent().realtime(model).session() as session:
        heard = session.stream_audio()
        begun = time.process_time()
        await session.send("Hello")
        for _ in range(PIECES):
            await anext(heard)
        return (time.process_time() - begun) / PIECES


async def interruption(model: Any) -> float:
    """Seconds from speech to the truncation."""
    async with Agent().realtime(model).session(handle_barge_in=True) as session:
        heard = session.stream_audio()
        await session.send("Hello")
        await anext(heard)
        await anext(heard)
        async for event in session:
            if event.event_kind == "realtime_session_error" and event.code == "report":
                return float(event.message)
    raise AssertionError("the server did not report")


def in_turn(rounds: int, measure: Any, url: str, query: str) -> dict[str, list[float]]:
    """What each model needs, measured in turn: both see the same machine."""
    seen: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(rounds):
        for name, model in models(url, query).items():
            seen[name].append(asyncio.run(measure(model)))
    return seen


def main() -> bool:
    """Print the table; whether the limits hold."""
    table = Table(
        "pydantic-ai over its own model and over ours (first quartiles)", ("", "theirs", "ours", "ours / theirs")
    )
    good = True
    with server_process() as url:
        for title, measure, rounds, query, unit, factor, limit in (
            ("CPU for a piece of audio, us", cost, ROUNDS, f"deltas={PIECES}", "{:.1f}", 1e6, CPU_LIMIT),
            (
                "speech to truncation, ms",
                interruption,
                INTERRUPTIONS,
                "deltas=100&speech=1",
                "{:.2f}",
                1e3,
                LATENCY_LIMIT,
            ),
        ):
            seen = in_turn(rounds, measure, url, query)
            # The faster quarter: what the rest of the machine does is in neither.
            theirs, ours = quartiles(seen["theirs"])[0], quartiles(seen["ours"])[0]
            good = good and ours <= theirs * limit
            table.row(title, unit.format(theirs * factor), unit.format(ours * factor), f"{ours / theirs:.2f}")
    table.show()
    return good


if __name__ == "__main__":
    raise SystemExit(not main())
