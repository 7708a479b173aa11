"""The bench over WebRTC through a bad network: lost packets and late audio are seen, and a good one shows none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import soundfile
import soxr

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.bench import Bench, BenchPlan, BenchResults, Line, Place, figures_of, load_corpus
from realtime_transport.bench.results import Row, results_of
from realtime_transport.cli.webrtc import webrtc_transport
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.replies import Reply, Speech
from realtime_transport.emulator.sound import AudioClip

from .bad_network import Relay, harm

AUDIO = Path(__file__).parents[2] / "examples/audio"
CONFIG = {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}}


SECONDS = 15


def talk(_turn: object) -> Reply:
    speech, rate = soundfile.read(AUDIO / "conf-usermenu.wav", dtype="int16", always_2d=True)
    pcm = soxr.resample(speech[: SECONDS * rate, 0], rate, 24_000).astype("<i2").tobytes()
    return Reply(outputs=[Speech(text="Speech", audio=AudioClip(pcm, AudioFormat.PCM24K))])


async def bench(loss: float, backend: str, question: Path) -> tuple[BenchResults, Relay]:
    """One session over a network that loses *loss* of the packets of the model's voice."""
    relay = Relay(loss, 0.0)
    rows: list[Row] = []
    async with RealtimeEmulator(responder=talk) as emulator:

        @asynccontextmanager
        async def connect(_place: Place) -> AsyncGenerator[Line]:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
                transport, send = webrtc_transport("gpt-realtime-2.1", client, 30.0, stack, allow_insecure=False)
                url = f"{emulator.base_url}/realtime/calls"
                await stack.enter_async_context(transport.connect(api_key="x", url=url, initial_session_config=CONFIG))
                harm(transport.connection_state.peer_connection, relay)
                yield Line(transport=transport, send=send, sound=transport.audio_statistics)

        plan = BenchPlan(transports=("webrtc",), backends=(backend,), utterances=1, warm_up=0)
        await Bench(plan=plan, corpus=load_corpus([question]), connect=connect, found=rows.append).run()
    return results_of({}, rows), relay


@pytest.mark.anyio
async def test_the_losses_of_a_network_are_figures(anyio_backend: str, tmp_path: Path) -> None:
    speech, rate = soundfile.read(AUDIO / "vm-options.wav", dtype="int16")
    soundfile.write(tmp_path / "question.wav", speech[: 2 * rate], rate)
    shares: dict[float, float] = {}
    for loss in (0.0, 0.02):
        results, relay = await bench(loss, anyio_backend, tmp_path / "question.wav")
        found = {figure.name: figure for figure in figures_of(results)}
        lost = 100 * relay.lost / (relay.lost + relay.passed)
        print(f"\n{anyio_backend}, {relay.lost} of {relay.lost + relay.passed} packets lost ({lost:.2f} %)")
        for name in ("lost_packets", "made_up", "late_frames", "gap", "drift", "turn_latency", "turn_latency_heard"):
            if name in found:
                one = found[name]
                print(f"  {name:<20} n {one.count:3}, p50 {one.p50:8.3f}, max {one.maximum:8.3f} {one.unit}")
        assert results.turns[0].heard is not None
        assert results.turns[0].reply_seconds > SECONDS / 2
        shares[loss] = found["lost_packets"].maximum
        assert shares[loss] >= lost / 2
        assert found["made_up"].maximum >= 20 * relay.lost / 2
    assert shares[0.02] > shares[0.0]
