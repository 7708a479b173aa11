"""WebRTC against plain aiortc in the same run: connect time, round trip on the data channel, CPU per session."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from typing import Any

SECONDS = float(os.environ.get("WEBRTC_BENCH_SECONDS", "10"))
CONNECTS = 15
PINGS = 300

SERVER = "server"


def sine(samples: int) -> bytes:
    import numpy as np

    return np.rint(np.sin(2 * np.pi * 440 * np.arange(samples) / 24_000) * 8000).astype("<i2").tobytes()


# The other end, in a process of its own: plain aiortc, with a tone.


async def serve() -> None:
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaBlackhole

    calls: list[Any] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split()[1]
        )
        offer = (await reader.readexactly(length)).decode()
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        calls.append(pc)
        configured: list[bool] = []
        sink = MediaBlackhole()

        @pc.on("track")
        async def _(track: Any) -> None:
            sink.addTrack(track)
            await sink.start()

        @pc.on("datachannel")
        def _(channel: Any) -> None:
            @channel.on("message")
            def _(message: str) -> None:
                event = json.loads(message)
                if event["type"] == "session.update" and configured:
                    return  # A second one (tracing) needs no answer here.
                if event["type"] == "session.update":
                    configured.append(True)
                    channel.send(json.dumps({"type": "session.created", "event_id": "a", "session": {}}))
                    channel.send(json.dumps({"type": "session.updated", "event_id": "b", "session": {}}))
                else:
                    channel.send(message)

        await pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        pc.addTrack(tone_track())
        await pc.setLocalDescription(await pc.createAnswer())
        body = pc.localDescription.sdp.encode()
        writer.write(b"HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def tone_track() -> Any:
    """20 ms of a tone each 20 ms, mono at 24 kHz: what an application gives to plain aiortc."""
    import av
    from aiortc import MediaStreamTrack

    class Tone(MediaStreamTrack):
        kind = "audio"

        def __init__(self) -> None:
            super().__init__()
            self.pcm, self.sent, self.began = sine(480), 0, 0.0

        async def recv(self) -> Any:
            loop = asyncio.get_running_loop()
            self.began = self.began or loop.time()
            await asyncio.sleep(max(0.0, self.began + self.sent / 24_000 - loop.time()))
            frame = av.AudioFrame(format="s16", layout="mono", samples=480)
            frame.planes[0].update(self.pcm)
            frame.sample_rate, frame.pts, frame.time_base = 24_000, self.sent, Fraction(1, 24_000)
            self.sent += 480
            return frame

    return Tone()


# Clients


async def plain(url: str) -> dict[str, Any]:
    """What an application would write with aiortc alone: both ways, to 24 kHz mono."""
    import av
    import httpx
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

    async def connect() -> tuple[Any, Any, asyncio.Queue[str], asyncio.Task[None]]:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTrack(tone_track())
        channel, inbox, opened = pc.createDataChannel("oai-events"), asyncio.Queue[str](), asyncio.Event()
        channel.on("open", opened.set)
        channel.on("message", inbox.put_nowait)
        tasks: list[asyncio.Task[None]] = []

        async def listen(track: Any) -> None:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=24_000)
            while True:
                for part in resampler.resample(await track.recv()):
                    bytes(part.planes[0])

        pc.on("track", lambda track: tasks.append(asyncio.ensure_future(listen(track))))
        await pc.setLocalDescription(await pc.createOffer())
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = (await client.post(url, content=pc.localDescription.sdp)).text
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        await opened.wait()
        channel.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
        await inbox.get()
        await inbox.get()
        return pc, channel, inbox, tasks[0]

    times: list[float] = []
    for _ in range(CONNECTS):
        began = time.perf_counter()
        pc, _channel, _inbox, task = await connect()
        times.append(time.perf_counter() - began)
        task.cancel()
        await pc.close()
    pc, channel, inbox, task = await connect()
    cpu = time.process_time()
    await asyncio.sleep(SECONDS)
    cpu = time.process_time() - cpu
    trips: list[float] = []
    for number in range(PINGS):
        began = time.perf_counter()
        channel.send(json.dumps({"type": "echo", "event_id": str(number)}))
        await inbox.get()
        trips.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    task.cancel()
    await pc.close()
    return figures(times, trips, cpu)


async def ours(url: str) -> dict[str, Any]:
    import anyio

    from realtime_transport import AudioFormat, BytesSource, OpenAIRealtimeWebRTC
    from realtime_transport.audio.sinks import BufferSink
    from realtime_transport.server_events import UnknownServerEvent

    def transport() -> OpenAIRealtimeWebRTC:
        source = BytesSource(sine(480) * 50 * 600, AudioFormat.PCM24K)
        return OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=source, audio_sink=BufferSink())

    times: list[float] = []
    for _ in range(CONNECTS):
        began = time.perf_counter()
        async with transport().connect():
            times.append(time.perf_counter() - began)
    async with transport().connect() as session:
        cpu = time.process_time()
        await anyio.sleep(SECONDS)
        cpu = time.process_time() - cpu
        trips: list[float] = []
        async with session.subscribe(UnknownServerEvent) as events:
            for number in range(PINGS):
                began = time.perf_counter()
                await session.send_event({"type": "echo", "event_id": str(number)})
                await events.receive()
                trips.append(time.perf_counter() - began)
                await anyio.sleep(0.002)
    return figures(times, trips, cpu)


def figures(times: list[float], trips: list[float], cpu: float) -> dict[str, Any]:
    trips.sort()
    return {
        "connect_ms": statistics.median(times[1:]) * 1000,
        "p50_ms": trips[len(trips) // 2] * 1000,
        "p99_ms": trips[int(len(trips) * 0.99)] * 1000,
        "cpu_percent": cpu / SECONDS * 100,
    }


LIMITS = {"asyncio": 1.3, "trio": 1.6}
"""CPU against plain aiortc."""


def main() -> int:
    """Print the table: median of three rounds, taken in turns, each in a process of its own."""
    server = subprocess.Popen([sys.executable, __file__, SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/calls"
        rows: dict[str, list[dict[str, Any]]] = {"aiortc": [], "asyncio": [], "trio": []}
        for _ in range(3):
            for name, rounds in rows.items():
                done = subprocess.run([sys.executable, __file__, name, url], capture_output=True, text=True, check=True)
                rounds.append(json.loads(done.stdout))
    finally:
        server.kill()
        server.wait()
    base, broken = 0.0, False
    print("client                        connect    RTT p50    RTT p99   CPU of a core   against aiortc")
    for name, rounds in rows.items():
        row = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        base = base or row["cpu_percent"]
        broken = broken or row["cpu_percent"] / base > LIMITS.get(name, 1.0)
        label = "plain aiortc" if name == "aiortc" else f"this package, {name}"
        print(
            f"{label:<26} {row['connect_ms']:>7.0f} ms {row['p50_ms']:>7.2f} ms {row['p99_ms']:>7.2f} ms "
            f"{row['cpu_percent']:>13.1f} % {row['cpu_percent'] / base:>15.2f}"
        )
    return int(broken)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server"]:
            asyncio.run(serve())
        case ["aiortc", url]:
            print(json.dumps(asyncio.run(plain(url))))
        case [backend, url]:
            import anyio

            print(json.dumps(anyio.run(ours, url, backend=backend)))
        case _:
            raise SystemExit(main())
