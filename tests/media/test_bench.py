"""The bench over WebRTC through a bad network: lost packets and late audio are seen, and a good one shows none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from realtime_transport.bench import Bench, BenchPlan, BenchResults, Line, Place, figures_of, load_corpus
from realtime_transport.bench.results import Row, results_of
from realtime_transport.cli.webrtc import webrtc_transport
from realtime_transport.emulator import RealtimeEmulator

from .bad_network import Relay, harm

AUDIO = Path(__file__).parents[2] / "examples/audio"
CONFIG = {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}}


async def bench(loss: float, backend: str) -> tuple[BenchResults, Relay]:
    """Two sessions over a network that loses *loss* of the packets of the model's voice."""
    relay = Relay(loss, 0.0)
    rows: list[Row] = []
    async with RealtimeEmulator() as emulator:

        @asynccontextmanager
        async def connect(_place: Place) -> AsyncGenerator[Line]:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
                transport, send = webrtc_transport("gpt-realtime-2.1", client, 30.0, stack, allow_insecure=False)
                url = f"{emulator.base_url}/realtime/calls"
                await stack.enter_async_context(transport.connect(api_key="x", url=url, initial_session_config=CONFIG))
                harm(transport.connection_state.peer_connection, relay)
                yield Line(transport=transport, send=send, sound=transport.audio_statistics)

        plan = BenchPlan(sessions=(2,), transports=("webrtc",), backends=(backend,), utterances=2, warm_up=0)
        corpus = load_corpus([AUDIO / "vm-options.wav", AUDIO / "conf-usermenu.wav"])
        await Bench(plan=plan, corpus=corpus, connect=connect, found=rows.append).run()
    return results_of({}, rows), relay


@pytest.mark.anyio
async def test_the_losses_of_a_network_are_figures(anyio_backend: str) -> None:
    for loss in (0.0, 0.02):
        results, relay = await bench(loss, anyio_backend)
        found = {figure.name: figure for figure in figures_of(results)}
        print(f"\n{anyio_backend}, loss {loss:.0%}: {relay.lost} of {relay.lost + relay.passed} packets lost")
        for name in ("lost_packets", "made_up", "late_frames", "gap", "drift", "turn_latency", "turn_latency_heard"):
            if name in found:
                one = found[name]
                print(f"  {name:<20} n {one.count:3}, p50 {one.p50:8.3f}, max {one.maximum:8.3f} {one.unit}")
        assert all(session.finished for session in results.sessions)
        assert found["turn_latency_heard"].count > 0
        share = found["lost_packets"].p50
        assert share < 0.5 if loss == 0 else 0.5 < share < 6
        assert found["made_up"].maximum > 0 or loss == 0
