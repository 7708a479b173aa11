"""Agents of openai-agents over our WebSocket, beside the framework's own model, in turn on one machine.

CPU: 2,000 pieces of audio of 100 ms go from the socket through a session to a task that takes them; the processor time
of the client for each. Barge-in: from the server's word that the user speaks to the truncation's arrival at the server,
and to a listener of the model; and the same while the listener takes 10 ms for each of the 100 pieces before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agents.realtime import (
    OpenAIRealtimeWebSocketModel,
    RealtimeAgent,
    RealtimeModel,
    RealtimeModelEvent,
    RealtimeModelListener,
    RealtimeModelSendRawMessage,
    RealtimeRunner,
)

from benchmarks.report import Table, quartiles
from benchmarks.session_server import server_process
from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.adapters.openai_agents import TransportRealtimeModel

PIECES, ROUNDS = 2000, 9
INTERRUPTIONS, SLOW_INTERRUPTIONS = 25, 5
BEGIN = RealtimeModelSendRawMessage(message={"type": "input_audio_buffer.clear"})


def theirs() -> RealtimeModel:
    return OpenAIRealtimeWebSocketModel()


def ours() -> RealtimeModel:
    return TransportRealtimeModel(OpenAIRealtimeWebSocket(update_timeout=0))


async def cost(url: str, model: RealtimeModel) -> float:
    """Processor seconds for a piece of audio."""
    runner = RealtimeRunner(RealtimeAgent(name="A"), model=model)
    config: Any = {"api_key": "sk", "url": f"{url}/v1/realtime?barge_in={PIECES}"}
    async with await runner.run(model_config=config) as session:
        await model.send_event(BEGIN)
        begun, heard = time.process_time(), 0
        async for event in session:
            heard += event.type == "audio"
            if heard == PIECES:
                break
        return (time.process_time() - begun) / PIECES


class Watch(RealtimeModelListener):
    """Notes when the interruption is told of, and what the server reports."""

    def __init__(self, busy: float) -> None:
        self.busy = busy
        self.told = 0.0
        self.report: dict[str, float] = {}
        self.done = asyncio.Event()

    async def on_event(self, event: RealtimeModelEvent) -> None:
        if event.type == "audio" and self.busy:
            await asyncio.sleep(self.busy)
        elif event.type == "audio_interrupted":
            self.told = self.told or time.monotonic()
        elif event.type == "raw_server_event" and event.data["type"] == "benchmark.report":
            self.report = event.data
        if self.told and self.report:
            self.done.set()


async def interruption(url: str, busy: float, model: RealtimeModel) -> tuple[float, float]:
    """Seconds until the truncation is at the server, and until the listener is told."""
    watch = Watch(busy)
    model.add_listener(watch)
    await model.connect({"api_key": "sk", "url": f"{url}/v1/realtime?barge_in=100"})
    await model.send_event(BEGIN)
    await watch.done.wait()
    await model.close()
    return watch.report["on_wire"] - watch.report["said"], watch.told - watch.report["said"]


def in_turn(rounds: int, measure: Callable[[RealtimeModel], Awaitable[Any]]) -> tuple[list[Any], list[Any]]:
    """What each model needs, measured in turn: both see the same machine."""
    seen: tuple[list[Any], list[Any]] = ([], [])
    for _ in range(rounds):
        for values, make in zip(seen, (theirs, ours), strict=True):
            values.append(asyncio.run(_made(make, measure)))
    return seen


async def _made(make: Callable[[], RealtimeModel], measure: Callable[[RealtimeModel], Awaitable[Any]]) -> Any:
    return await measure(make())


def main() -> bool:
    """Print the table; whether the limits hold."""
    for name in ("openai.agents", "realtime_transport"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # The bare server leaves out much.
    table = Table("openai-agents over its own model and over ours (medians)", ("", "theirs", "ours", "ours / theirs"))
    good = True

    def row(title: str, values: tuple[list[float], list[float]], factor: float, limit: float) -> None:
        nonlocal good
        before, after = (quartiles(each)[1] for each in values)
        good = good and after <= before * limit
        table.row(title, f"{before * factor:.2f}", f"{after * factor:.2f}", f"{after / before:.2f}")

    with server_process() as url:
        row("CPU for a piece of audio, us", in_turn(ROUNDS, partial(cost, url)), 1e6, 1.0)
        for busy, rounds, when in ((0.0, INTERRUPTIONS, ""), (0.01, SLOW_INTERRUPTIONS, " (listener busy)")):
            own, over = in_turn(rounds, partial(interruption, url, busy))
            limit = 0.1 if busy else 1.5  # Theirs tells the listener first, and then the server.
            for index, what in enumerate(("speech to truncation", "speech to listener")):
                values = [pair[index] for pair in own], [pair[index] for pair in over]
                row(f"{what}{when}, ms", values, 1e3, limit)
    table.show()
    return good


if __name__ == "__main__":
    raise SystemExit(not main())
