"""Telephone calls through the gateway example, in real time, and what they measure.

    python -m tests.telephony [--calls 30] [--port 0]

Nothing is faked but Twilio: the gateway runs under its ASGI server in a process of its own, the model is the emulator,
and the telephones (`realtime_transport.testing.twilio`) keep real time. Exits with 1 if something is out of bounds.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np

from realtime_transport.audio.g711 import ulaw_decode, ulaw_encode
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing.twilio import TwilioPhone
from realtime_transport.transports.endpoint.options import ConnectRequest
from realtime_transport.transports.links.websocket_link import connect_websocket
from tests.processes import cpu_seconds, environment, serving

ROOT = Path(__file__).parents[2]
GATEWAY = ROOT / "examples" / "phone_gateway" / "gateway.py"
RECORDING = ROOT / "examples" / "audio" / "demo-echotest.wav"

MAX_GAP = 0.040
MAX_TRUNCATION_ERROR_MS = 60
JITTER = 0.015
LATENCY = 0.010

SENTENCE = (0.2, 2.25)
PARAGRAPH = (2.5, 9.65)
"""Parts of the recording without a pause that a turn detector would take for the end of a turn."""


def speech(begin: float, end: float) -> bytes:
    """A part of the recording, in seconds, as a telephone sends it."""
    with wave.open(str(RECORDING)) as file:
        pcm = file.readframes(file.getnframes())
    return ulaw_encode(pcm[int(begin * 8000) * 2 : int(end * 8000) * 2])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def gateway(realtime_url: str, *arguments: str, cpu: list[float] | None = None) -> AsyncIterator[str]:
    """The example under its server; gives its host. In the end it is told to drain, and does."""
    port = free_port()
    command = [sys.executable, str(GATEWAY), "--port", str(port), "--grace", "20", *arguments]
    more = {"REALTIME_URL": realtime_url, "OPENAI_API_KEY": "sk-emulated", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment(**more), stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    host = f"127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            with anyio.fail_after(20):
                while True:
                    try:
                        assert (await client.get(f"http://{host}/ready")).json() == {"calls": 0, "draining": False}
                        break
                    except httpx.ConnectError:
                        await anyio.sleep(0.05)
            answer = await client.post(f"http://{host}/incoming", data={"From": "+15550100", "CallSid": "CA1"})
            assert f'<Stream url="wss://{host}/media">' in answer.text, answer.text
        yield host
        if cpu is not None:
            cpu.append(cpu_seconds(process.pid))
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(25):
            while process.poll() is None:
                await anyio.sleep(0.05)
    finally:
        process.kill()


@asynccontextmanager
async def call(host: str, **options: Any) -> AsyncIterator[TwilioPhone]:
    """A call, from the start of the stream to hanging up."""
    request = ConnectRequest(url=f"ws://{host}/media")
    async with (
        httpx.AsyncClient(trust_env=False, timeout=None) as client,
        connect_websocket(request, client=client) as link,
    ):
        phone = TwilioPhone(link, jitter=JITTER, latency=LATENCY, **options)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(phone.run)
            yield phone
            await phone.hang_up()
            tasks.cancel_scope.cancel()


async def converse(phone: TwilioPhone, words: bytes, turns: int) -> list[float]:
    """Speak, and hear the reply to its end; how long each began after the words, in seconds."""
    waits: list[float] = []
    for _ in range(turns):
        phone.say(words)
        with anyio.fail_after(60):
            await phone.until(lambda: phone.first_heard_at is not None and phone.spoken_at is not None)
            await phone.until(lambda: phone.replied)
        assert phone.spoken_at is not None
        assert phone.first_heard_at is not None
        waits.append(phone.first_heard_at - phone.spoken_at)
        await anyio.sleep(0.3)
    return waits


def likeness(words: bytes, heard: bytes) -> float:
    """The highest correlation of what was said with any part of what was heard: 1 is the same."""
    a, b = (np.frombuffer(ulaw_decode(data), "<i2").astype(float) for data in (words, heard))
    if len(b) < len(a):
        a = a[: len(b)]
    size = len(a) + len(b)
    product = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    energy = np.concatenate([[0.0], np.cumsum(b * b)])
    starts = np.arange(len(b) - len(a) + 1)
    norms = np.sqrt((energy[starts + len(a)] - energy[starts]) * float(a @ a))
    return float(np.max(product[starts] / np.maximum(norms, 1.0)))


async def one_call() -> list[str]:
    """The words reach the model, and the reply the caller."""
    words, problems = speech(*SENTENCE), []
    async with RealtimeEmulator() as emulator, gateway(emulator.websocket_url) as host:
        async with call(host) as phone:
            waits = await converse(phone, words, 1)
        record = emulator.sessions[0]
        alike = likeness(words[4000:-4000], bytes(phone.heard))
        gap = max(phone.gaps, default=0.0)
        print(f"one call: {record.input_audio_bytes} bytes reached the emulator, which heard {record.segments} ms;")
        ms = waits[0] * 1000
        print(f"  the reply began {ms:.0f} ms after the words, likeness {alike:.2f}, longest gap {gap * 1000:.0f} ms")
        problems += [] if record.segments else ["the emulator heard nothing"]
        problems += [] if alike > 0.9 else ["the reply is not what was said"]
        problems += [] if gap <= MAX_GAP else [f"a gap of {gap * 1000:.0f} ms"]
        problems += [] if "invalid_value" not in record.errors else [f"errors {record.errors}"]
    return problems


async def barge_ins(frame_ms: float | None, times: int) -> list[str]:
    """Interrupt replies, and compare the truncation with what the telephone had played."""
    words, interruption = speech(*PARAGRAPH), speech(0.4, 1.4)
    arguments = [] if frame_ms is None else ["--frame-ms", str(frame_ms)]
    errors: list[float] = []

    async def caller(number: int) -> None:
        await anyio.sleep(number * 0.25)
        async with call(host, seed=number) as phone:
            phone.say(words)
            with anyio.fail_after(60):
                await phone.until(lambda: phone.first_heard_at is not None and phone.spoken_at is not None)
                await anyio.sleep(0.7 + 0.333 * number)
                phone.say(interruption)
                await phone.until(lambda: any(clearing.item_id for clearing in phone.clearings))
                await anyio.sleep(0.2)
            cleared = next(clearing for clearing in phone.clearings if clearing.item_id)
            events = [event for session in emulator.sessions for who, event in session.transcript if who == "client"]
            (cut,) = (
                event["audio_end_ms"]
                for event in events
                if event["type"] == "conversation.item.truncate" and event["item_id"] == cleared.item_id
            )
            errors.append(cut - cleared.played_ms)

    async with RealtimeEmulator(keep_transcripts=True) as emulator, gateway(emulator.websocket_url, *arguments) as host:
        async with anyio.create_task_group() as tasks:
            for number in range(times):
                tasks.start_soon(caller, number)
    worst = max(map(abs, errors))
    listed = ", ".join(f"{error:+.0f}" for error in errors)
    print(f"barge-in, frame_ms={frame_ms}: truncations off by {listed} ms; worst {worst:.0f} ms")
    return [f"a truncation is off by {worst:.0f} ms"] if frame_ms and worst > MAX_TRUNCATION_ERROR_MS else []


async def many_calls(count: int, frame_ms: float | None) -> list[str]:
    """Many calls at once."""
    words = speech(*SENTENCE)
    waits: list[float] = []
    gaps: list[float] = []
    done: list[float] = []
    lengths: list[float] = []
    cpu: list[float] = []
    arguments = [] if frame_ms is None else ["--frame-ms", str(frame_ms)]

    async def caller(host: str, number: int) -> None:
        await anyio.sleep(number * 0.1)
        begun = anyio.current_time()
        async with call(host, seed=number) as phone:
            waits.extend(await converse(phone, words, 2))
        lengths.append(anyio.current_time() - begun)
        gaps.append(max(phone.gaps, default=0.0))
        done.append(likeness(words[4000:-4000], bytes(phone.heard)))

    with serving("--audio-speed", "max") as base_url:
        async with gateway(base_url.replace("http", "ws") + "/realtime", *arguments, cpu=cpu) as host:
            async with anyio.create_task_group() as tasks:
                for number in range(count):
                    tasks.start_soon(caller, host, number)
    waits.sort()
    p50, p95 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.95))
    longest = max(gaps) * 1000
    print(f"{count} calls at once, frame_ms={frame_ms}: {len(done)} heard their replies (likeness {min(done):.2f} up);")
    print(f"  replies began after p50 {p50:.0f}, p95 {p95:.0f} ms; longest gap {longest:.0f} ms;")
    print(f"  the gateway took {cpu[0] / sum(lengths) * 100:.1f} % of a core for a call")
    problems = [] if len(done) == count and min(done) > 0.9 else ["a caller did not hear the reply"]
    return problems + ([] if max(gaps) <= MAX_GAP else [f"a gap of {max(gaps) * 1000:.0f} ms"])


async def main(calls: int) -> int:
    problems = await one_call()
    problems += await barge_ins(20, 5)
    problems += await barge_ins(None, 5)
    problems += await many_calls(calls, None)
    problems += await many_calls(calls, 20)
    for problem in problems:
        print(f"OUT OF BOUNDS: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30)
    arguments = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    sys.exit(anyio.run(main, arguments.calls))
