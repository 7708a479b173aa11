"""Our client against libwebrtc (npm ``@roamhq/wrtc``) as the server: tone in, tone out."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from realtime_transport import BufferSink, BytesSource, OpenAIRealtimeWebRTC
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConnectionLost
from realtime_transport.events import AudioTranscriptDeltaEvent
from realtime_transport.server_events import OutputAudioBufferStarted, OutputAudioBufferStopped, UnknownServerEvent
from tests.measure import dbfs, floats, frequency, longest_gap_ms, sine

from .relay import relay_to

pytestmark = pytest.mark.anyio

SECONDS = 31
LEVEL = 0.25
EXPECTED_DBFS = 20 * math.log10(LEVEL / math.sqrt(2))


@pytest.fixture(scope="session")
def server(node_modules: Path) -> Iterator[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = Path(__file__).with_name("libwebrtc_server.js")
    with subprocess.Popen([node, script, node_modules], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1/realtime/calls"
        process.kill()


@pytest.fixture
async def url(server: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.delete(server)
    return server


async def test_a_tone_each_way(url: str) -> None:
    sink = BufferSink(AudioFormat.PCM24K)
    source = BytesSource(sine(SECONDS + 5, 1000, LEVEL), AudioFormat.PCM24K)
    transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=source, audio_sink=sink)
    async with transport.connect():
        while sink.samples_played < SECONDS * 24_000:
            await anyio.sleep(0.1)
        statistics = transport.audio_statistics()
        async with httpx.AsyncClient(trust_env=False) as client:
            heard = (await client.get(url)).json()["heard"]
    # What we heard, without the beginning.
    samples = floats(sink.data)[24_000 : 24_000 * SECONDS]
    print(
        f"\nwe hear {frequency(samples):.2f} Hz at {dbfs(samples):.2f} dBFS, longest gap {longest_gap_ms(samples)} ms "
        f"in {len(samples) / 24_000:.1f} s; {statistics}"
    )
    assert frequency(samples) == pytest.approx(440, abs=1)
    assert dbfs(samples) == pytest.approx(EXPECTED_DBFS, abs=1)
    assert longest_gap_ms(samples) <= 60
    # What libwebrtc heard.
    first = next(index for index, frame in enumerate(heard) if frame["power"] > 1e-3)
    steady = heard[first + 100 :]
    seconds = sum(frame["seconds"] for frame in steady)
    level = 10 * math.log10(sum(frame["power"] * frame["seconds"] for frame in steady) / seconds)
    # A crossing on the border of two frames is not seen: one in ten of 1000 Hz at 10 ms a frame, at most.
    hertz = sum(frame["crossings"] for frame in steady) / seconds
    gap = run = 0.0
    for frame in steady:
        run = run + frame["seconds"] if frame["power"] < 3e-4 else 0.0
        gap = max(gap, run)
    print(f"it hears about {hertz:.0f} Hz at {level:.2f} dBFS, longest gap {gap * 1000:.0f} ms in {seconds:.1f} s")
    assert 880 <= hertz <= 1010
    assert level == pytest.approx(EXPECTED_DBFS, abs=1)
    assert gap <= 0.06
    assert seconds >= SECONDS - 5


async def test_events_both_ways(url: str) -> None:
    transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=None, audio_sink=None)
    async with transport.connect():
        assert transport.call_id == "rtc_libwebrtc"
        for number in range(100):
            await transport.send_event({"type": "echo", "event_id": str(number), "text": "ü" * 1000})
        got: list[object] = []
        async for event in transport:
            if isinstance(event, UnknownServerEvent):
                got.append(event.event_id)
                if len(got) == 100:
                    break
        assert got == [str(number) for number in range(100)]


async def test_a_channel_that_closes_is_a_loss(url: str) -> None:
    transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=None, audio_sink=None)
    with pytest.raises(ConnectionLost, match="data channel"):
        async with transport.connect():
            await transport.send_event({"type": "bye"})
            async for _ in transport:
                pass


async def test_leaving_is_noticed_by_the_other_side(url: str) -> None:
    transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x", audio_source=None, audio_sink=None)
    async with transport.connect():
        pass
    async with httpx.AsyncClient(trust_env=False) as client:
        with anyio.fail_after(20):
            while (await client.get(url)).json()["states"] == ["connected"]:
                await anyio.sleep(0.2)


async def test_a_turn_with_a_peer_that_never_starts_a_check(url: str) -> None:
    """libwebrtc starts checks: a relay answers them in our place. What we do not start does not happen."""
    sink = BufferSink(AudioFormat.PCM24K)
    source = BytesSource(sine(30, 1000, LEVEL), AudioFormat.PCM24K)
    said: list[str] = []
    begin = 0
    with anyio.fail_after(60):
        async with relay_to(url) as relay, httpx.AsyncClient(transport=httpx.MockTransport(relay.answer)) as client:
            transport = OpenAIRealtimeWebRTC(
                base_url="http://127.0.0.1/v1", client=client, api_key="sk-1", audio_source=source, audio_sink=sink
            )
            async with transport.connect():
                assert transport.call_id == "rtc_libwebrtc"
                await transport.send_message("Hello")
                async for event in transport:
                    if isinstance(event, AudioTranscriptDeltaEvent):
                        said.append(event.delta)
                    if isinstance(event, OutputAudioBufferStarted):
                        begin = len(sink.data)
                    if isinstance(event, OutputAudioBufferStopped):
                        break
                async with httpx.AsyncClient(trust_env=False) as asking:
                    heard = (await asking.get(url)).json()["heard"]
    assert said == ["A tone."]
    assert relay.checks_answered > 0
    assert "check" not in relay.passed
    samples = floats(sink.data[begin:])[: 24_000 * 3]
    first = next(index for index, frame in enumerate(heard) if frame["power"] > 1e-3)
    steady = heard[first + 100 :]
    seconds = sum(frame["seconds"] for frame in steady)
    level = 10 * math.log10(sum(frame["power"] * frame["seconds"] for frame in steady) / seconds)
    print(
        f"\nwe hear {frequency(samples):.2f} Hz at {dbfs(samples):.2f} dBFS, longest gap {longest_gap_ms(samples)} ms; "
        f"it hears {level:.2f} dBFS in {seconds:.1f} s; {relay.checks_answered} checks answered in our place"
    )
    assert frequency(samples) == pytest.approx(440, abs=1)
    assert dbfs(samples) == pytest.approx(EXPECTED_DBFS, abs=1)
    assert longest_gap_ms(samples) <= 60
    assert level == pytest.approx(EXPECTED_DBFS, abs=1)
