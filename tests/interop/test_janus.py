"""Our client at Janus, an ICE-lite server that is not ours: a whole turn, with a tone each way."""

from __future__ import annotations

import math
from collections.abc import Iterator

import anyio
import httpx
import pytest

from realtime_transport import BufferSink, BytesSource, OpenAIRealtimeWebRTC
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.events import AudioTranscriptDeltaEvent, TurnDoneEvent
from realtime_transport.server_events import OutputAudioBufferStarted, OutputAudioBufferStopped
from tests.measure import dbfs, floats, frequency, longest_gap_ms, sine

from .janus import Bridge, bridge, is_installed, janus
from .scripted_service import LEVEL, SPOKEN_HERTZ, SPOKEN_SECONDS

pytestmark = pytest.mark.anyio

EXPECTED_DBFS = 20 * math.log10(LEVEL / math.sqrt(2))
HERTZ = 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not is_installed():
        pytest.skip("Janus is not installed: apt-get install janus")
    with janus(tmp_path_factory.mktemp("janus")) as url:
        yield url


async def wait_for(bridge: Bridge, seconds: float) -> bytes:
    """What the service has heard, once it is that long."""
    with anyio.fail_after(seconds + 20):
        while len(bridge.service.heard) < seconds * 48_000:
            await anyio.sleep(0.1)
    return bytes(bridge.service.heard)


@pytest.mark.parametrize("in_first_section_only", [True, False], ids=["as the service", "as Janus"])
async def test_a_turn_with_a_tone_each_way(server: str, in_first_section_only: bool) -> None:
    sink = BufferSink(AudioFormat.PCM24K)
    source = BytesSource(sine(30, HERTZ, LEVEL), AudioFormat.PCM24K)
    said: list[str] = []
    async with bridge(server, in_first_section_only=in_first_section_only) as between:
        client = httpx.AsyncClient(transport=httpx.MockTransport(between.answer))
        transport = OpenAIRealtimeWebRTC(
            base_url="http://127.0.0.1/v1", client=client, api_key="sk-1", audio_source=source, audio_sink=sink
        )
        with anyio.fail_after(60):
            async with client, transport.connect(initial_session_config={"instructions": "Say a tone."}):
                assert transport.call_id == "rtc_janus"
                await transport.send_message("Hello")
                kinds, begin = list[type]([]), 0
                async for event in transport:
                    kinds.append(type(event))
                    if isinstance(event, AudioTranscriptDeltaEvent):
                        said.append(event.delta)
                    if isinstance(event, OutputAudioBufferStarted):
                        begin = len(sink.data)
                    if isinstance(event, OutputAudioBufferStopped):
                        break
                heard = await wait_for(between, 6)
                statistics = transport.audio_statistics()
    # It never starts a check, and says so; TCP is named beside UDP.
    assert "a=ice-lite" in between.answer_sdp
    assert "tcptype passive" in between.answer_sdp
    assert [kind for kind in between.service.received if kind != "session.update"] == [
        "conversation.item.create",
        "response.create",
    ]
    assert TurnDoneEvent in kinds
    assert said == ["A tone."]
    ours = floats(sink.data[begin:])[12_000 : 24_000 * (SPOKEN_SECONDS - 1)]
    theirs = floats(heard)[-24_000 * 3 :]
    for who, samples, hertz in (("we hear", ours, SPOKEN_HERTZ), ("the service hears", theirs, HERTZ)):
        gap, seconds = longest_gap_ms(samples), len(samples) / 24_000
        print(
            f"\n{who} {frequency(samples):.2f} Hz at {dbfs(samples):.2f} dBFS, longest gap {gap} ms in {seconds:.1f} s"
        )
        assert frequency(samples) == pytest.approx(hertz, abs=1)
        assert dbfs(samples) == pytest.approx(EXPECTED_DBFS, abs=1)
        assert gap <= 60
    print(statistics)
