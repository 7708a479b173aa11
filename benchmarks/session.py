"""What an agent session costs on top of its transport.

Audio: 20,000 audio events come from a link in memory, 100 at a time; the processor time of a consumer of the transport
is subtracted from that of a consumer of the session. Barge-in: the time from the server's word to
a task that waits for `AudioInterruptedEvent`, on the transport and on the session, which meanwhile runs 8 tools and 3
guardrails.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import orjson

from benchmarks.report import Table, quartiles
from benchmarks.session_server import server_process
from realtime_transport import (
    FunctionTool,
    GuardrailResult,
    OpenAIRealtimeWebSocket,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
)
from realtime_transport.events import AudioEvent, AudioInterruptedEvent, Event
from realtime_transport.testing.links import MemoryServer

EVENTS, BATCH, ROUNDS = 20_000, 100, 7
AUDIO_LIMIT_US = 3.0

SAMPLES = 25
LATER_LIMIT = 0.10


async def audio_cost(with_session: bool) -> float:
    """Processor time per audio event, in seconds, from the link to the consumer."""
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector)
    delta = {"type": "response.output_audio.delta", "event_id": "e", "response_id": "r1", "item_id": "i1"}
    message = orjson.dumps({**delta, "output_index": 0, "content_index": 0, "delta": "AAAA" * 320}).decode()
    source: Any = transport
    if with_session:
        source = RealtimeSession(RealtimeAgent[None](name="A"), transport=transport)
    async with source.connect(api_key="sk-benchmark", wait_for_session=False), source.subscribe(AudioEvent) as events:
        server.send({"type": "response.created", "event_id": "e", "response": {"id": "r1"}})
        await anyio.lowlevel.checkpoint()
        begun = time.process_time()
        for _ in range(EVENTS // BATCH):
            server.send(*[message] * BATCH)
            for _ in range(BATCH):
                await events.receive()
        return (time.process_time() - begun) / EVENTS


async def _wait(ctx: Any, arguments: Any) -> None:
    await anyio.sleep_forever()


async def _watch(ctx: Any, agent: Any, text: str) -> GuardrailResult:
    await anyio.sleep_forever()
    raise AssertionError


async def interruption(url: str, with_session: bool) -> float:
    """Seconds from the server's word to a task that waits for the interruption."""
    transport = OpenAIRealtimeWebSocket(url=f"{url}/v1/realtime?barge_in=100&calls=8", session_timeout=None)
    source: Any = transport
    if with_session:
        agent = RealtimeAgent[None](name="A", tools=[FunctionTool(name="wait", invoke=_wait)])
        guards = [OutputGuardrail(name=f"g{number}", run=_watch) for number in range(3)]
        source = RealtimeSession(agent, transport=transport, output_guardrails=guards)
    heard = 0.0
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(source.connect(api_key="sk-benchmark"))
        reports = await stack.enter_async_context(transport.subscribe(Event))
        interruptions = await stack.enter_async_context(source.subscribe(AudioInterruptedEvent))
        await transport.send_event({"type": "input_audio_buffer.clear"})
        await interruptions.receive()
        heard = time.monotonic()
        async for event in reports:
            if getattr(event, "type", "") == "benchmark.report":
                return heard - float(event.extra["said"])  # type: ignore[attr-defined]
    raise AssertionError("the server did not report")


def main() -> bool:
    """Print the tables; whether the limits hold."""
    good = True
    costs = Table(
        "An audio event, from the link to the consumer (medians)", ("", "transport, us", "session, us", "more")
    )
    delays = Table(
        "From the server's word to a task that waits for the interruption (medians; 8 tools, 3 guardrails)",
        ("", "transport, ms", "session, ms", "later"),
    )
    for backend in ("asyncio", "trio"):
        plain, session = _alternating(ROUNDS, partial(_run, backend, audio_cost))
        good = good and session - plain <= AUDIO_LIMIT_US / 1e6
        costs.row(backend, f"{plain * 1e6:.2f}", f"{session * 1e6:.2f}", f"{(session - plain) * 1e6:.2f}")
    costs.show()
    with server_process() as url:
        for backend in ("asyncio", "trio"):
            plain, session = _alternating(SAMPLES, partial(_run, backend, partial(interruption, url)))
            good = good and session <= plain * (1 + LATER_LIMIT)
            delays.row(backend, f"{plain * 1e3:.3f}", f"{session * 1e3:.3f}", f"{(session / plain - 1) * 100:.0f} %")
    delays.show()
    return good


def _run(backend: str, measure: Callable[[bool], Awaitable[float]], own: bool) -> float:
    return anyio.run(measure, own, backend=backend)


def _alternating(rounds: int, measure: Callable[[bool], float]) -> tuple[float, float]:
    """Medians without and with a session, measured in turn: both see the same machine."""
    seen: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for own in (False, True):
            seen[own].append(measure(own))
    return quartiles(seen[0])[1], quartiles(seen[1])[1]


if __name__ == "__main__":
    raise SystemExit(not main())
