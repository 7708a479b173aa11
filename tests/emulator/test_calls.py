"""WebRTC calls of the emulator: a text turn, a spoken one, barge-in, the sideband, hang-up, ways to ask."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from websockets.exceptions import InvalidStatus

from realtime_transport import OpenAIRealtimeSIP, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sinks import BufferSink
from realtime_transport.audio.sources import AudioSource, BytesSource, FileSource
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import ConnectError, ConnectionLost, UpgradeRejected
from realtime_transport.events import AudioInterruptedEvent, AudioTranscriptDeltaEvent
from realtime_transport.rtc.waveform import energy
from realtime_transport.server_events import (
    ConversationItemDone,
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    ResponseDone,
    SessionUpdated,
)
from tests.emulator.client import connect

pytestmark = pytest.mark.anyio

SPEECH = Path(__file__).parents[2] / "examples" / "audio" / "demo-echotest.wav"


@pytest.fixture
async def emulator() -> AsyncGenerator[RealtimeEmulator]:
    async with RealtimeEmulator(keep_transcripts=True) as emulator:
        yield emulator


def transport_to(emulator: RealtimeEmulator, **options: Any) -> OpenAIRealtimeWebRTC:
    given: dict[str, Any] = {"audio_source": None, "audio_sink": None, "api_key": "any"}
    return OpenAIRealtimeWebRTC(**{"base_url": emulator.base_url, **given, **options})


async def until(transport: Any, *kinds: type[Any]) -> list[Any]:
    """The events up to the first of the last of *kinds*, after one of each before it."""
    seen: list[Any] = []
    wanted = list(kinds)
    async for event in transport:
        seen.append(event)
        if isinstance(event, wanted[0]):
            wanted.pop(0)
            if not wanted:
                return seen
    raise AssertionError(f"no {wanted[0].__name__}")


async def test_a_text_turn(emulator: RealtimeEmulator) -> None:
    sink = BufferSink(AudioFormat.PCM24K)
    transport = transport_to(emulator, audio_sink=sink)
    async with transport.connect(model="gpt-realtime"):
        await transport.send_message("Hello")
        events = await until(transport, OutputAudioBufferStarted, OutputAudioBufferStopped)
    types = [getattr(event, "type", "") for event in events]
    assert types.index("response.content_part.added") < types.index("output_audio_buffer.started")
    assert types.index("response.done") < types.index("output_audio_buffer.stopped")
    assert "response.output_audio.delta" not in types  # Audio goes by the track.
    said = "".join(event.delta for event in events if isinstance(event, AudioTranscriptDeltaEvent))
    assert "Hello" in said
    record = emulator.sessions[0]
    spoken = record.sent["response.output_audio.delta"]
    assert spoken > 3
    assert AudioFormat.PCM24K.ms(sink.samples_played) > 60 * spoken  # Of 100 ms each: the last ones may be under way.
    assert energy(sink.data) > 1e-4


async def words() -> BytesSource:
    """The first seconds of the recording, and silence."""
    source, pcm = FileSource(SPEECH), b""
    while len(pcm) < 48_000 * 2.5:
        pcm += await source.receive()
    await source.aclose()
    return BytesSource(pcm + bytes(48_000), AudioFormat.PCM24K)


class HeldSource(AudioSource):
    """Gives nothing before `release`."""

    def __init__(self, source: BytesSource) -> None:
        self._source = source
        self._released = anyio.Event()

    @property
    def format(self) -> AudioFormat:
        return self._source.format

    def release(self) -> None:
        self._released.set()

    async def receive(self) -> bytes:
        await self._released.wait()
        return await self._source.receive()

    async def aclose(self) -> None:
        await self._source.aclose()


async def test_a_spoken_turn_is_answered_with_the_users_own_voice(emulator: RealtimeEmulator) -> None:
    sink = BufferSink(AudioFormat.PCM24K)
    transport = transport_to(emulator, audio_source=await words(), audio_sink=sink)
    async with transport.connect(initial_session_config={"turn_detection": {"type": "server_vad"}}):
        events = await until(transport, OutputAudioBufferStarted)
        while energy(sink.data[-24_000:]) < 1e-4:
            events += await until(transport, object)
    types = [getattr(event, "type", "") for event in events]
    order = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
        "output_audio_buffer.started",
    ]
    assert [kind for kind in types if kind in order][: len(order)] == order
    assert "input_audio_buffer.append" not in emulator.sessions[0].received


async def test_an_interruption_after_the_response_is_done(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    async with transport.connect():
        await transport.send_message("/say 20")
        await until(transport, OutputAudioBufferStarted, ResponseDone)
        transport.interrupt()
        await until(transport, OutputAudioBufferCleared)
    received = emulator.sessions[0].received
    assert received["output_audio_buffer.clear"] == 1
    assert "response.cancel" not in received
    assert emulator.sessions[0].errors == []


async def test_speech_cuts_off_a_reply_that_plays_and_says_which(emulator: RealtimeEmulator) -> None:
    source = HeldSource(await words())
    transport = transport_to(emulator, audio_source=source)
    async with transport.connect(initial_session_config={"turn_detection": {"type": "server_vad"}}):
        await transport.send_message("/say 20")
        started = (await until(transport, OutputAudioBufferStarted))[-1]
        source.release()
        cut = (await until(transport, AudioInterruptedEvent))[-1]
    assert cut.response_id == started.response_id
    assert cut.item_id.startswith("item_")
    assert cut.content_index == 0
    assert "output_audio_buffer.clear" not in emulator.sessions[0].received  # It was the server that did it.


async def test_a_sip_transport_hears_of_an_interruption_of_its_own(emulator: RealtimeEmulator) -> None:
    call = transport_to(emulator)
    async with call.connect():
        beside = OpenAIRealtimeSIP(url=emulator.websocket_url, api_key="any")
        async with beside.connect(call_id=call.call_id):
            await beside.send_message("/say 20")
            started = (await until(beside, OutputAudioBufferStarted))[-1]
            beside.interrupt()
            cut = (await until(beside, AudioInterruptedEvent))[-1]
            assert (cut.response_id, cut.content_index) == (started.response_id, 0)
            assert (await until(call, AudioInterruptedEvent))[-1].item_id == cut.item_id


async def test_a_sideband_sees_and_steers_the_call(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    async with transport.connect():
        beside = OpenAIRealtimeWebSocket(url=emulator.websocket_url, api_key="any")
        async with beside.connect(call_id=transport.call_id):
            heard = await until(beside, SessionUpdated)
            assert heard[-1].session.id == emulator.sessions[0].id
            await beside.send_message("Hello from beside", trigger_response=False)
            seen = await until(transport, ConversationItemDone)
            also = await until(beside, ConversationItemDone)
            assert seen[-1].item == also[-1].item
            assert seen[-1].item.content[0].text == "Hello from beside"


SIDEBAND_TURN = """
session.updated
conversation.item.added conversation.item.done
response.created response.output_item.added conversation.item.added response.content_part.added
response.output_text.delta response.output_text.done response.content_part.done
conversation.item.done response.output_item.done response.done
"""
"""What a sideband of a live WebRTC call received for a text turn, repeated deltas left out."""


async def test_a_sideband_hears_a_turn_in_the_order_of_a_live_one(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    text_only = {"output_modalities": ["text"]}
    async with transport.connect(initial_session_config=text_only):
        # The answers to the client's own configuration, and to its tracing.
        while emulator.sessions[0].sent["session.updated"] < 2:
            await anyio.lowlevel.checkpoint()
        beside = f"call_id={transport.call_id}"
        async with connect(emulator, beside) as client:
            heard = [await client.receive()]  # Without a request of ours.
            await client.ask("Hello")
            heard += await client.until("response.done")
    types = [kind for kind, _ in itertools.groupby(event["type"] for event in heard)]
    assert types == SIDEBAND_TURN.split()


async def test_there_is_no_session_of_a_call_whose_media_is_not_up(emulator: RealtimeEmulator) -> None:
    async with httpx.AsyncClient() as client:
        offer = (Path(__file__).parent / "browser_offer.sdp").read_bytes()
        headers = {"Authorization": "Bearer any", "Content-Type": "application/sdp"}
        answer = await client.post(f"{emulator.base_url}/realtime/calls", content=offer, headers=headers)
        assert answer.status_code == 201
    call_id = answer.headers["location"].rpartition("/")[2]
    with pytest.raises(InvalidStatus) as caught:
        async with connect(emulator, f"call_id={call_id}"):
            pass
    assert caught.value.response.status_code == 404
    assert json.loads(caught.value.response.body)["error"]["code"] == "call_id_not_found"


async def test_there_is_no_session_of_a_call_that_is_over(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    async with transport.connect():
        call_id = transport.call_id
    while emulator.sessions[0].is_open:
        await anyio.lowlevel.checkpoint()
    with pytest.raises(InvalidStatus):
        async with connect(emulator, f"call_id={call_id}"):
            pass


async def test_a_hang_up_ends_the_call_and_its_sideband(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    beside = OpenAIRealtimeWebSocket(url=emulator.websocket_url, api_key="any")
    with pytest.raises(ConnectionLost, match="data channel|peer connection"):
        async with transport.connect():
            async with beside.connect(call_id=transport.call_id), httpx.AsyncClient() as client:
                url = f"{emulator.base_url}/realtime/calls/{transport.call_id}/hangup"
                headers = {"Authorization": "Bearer any"}
                assert (await client.post(url, headers=headers)).status_code == 200
                async for _ in beside:
                    pass
                async for _ in transport:
                    pass
    assert not emulator.sessions[0].is_open
    async with httpx.AsyncClient() as client:
        assert (await client.post(url, headers=headers)).status_code == 404


async def test_leaving_ends_the_call(emulator: RealtimeEmulator) -> None:
    transport = transport_to(emulator)
    async with transport.connect():
        assert emulator.sessions[0].is_open
    with anyio.fail_after(5):
        while emulator.sessions[0].is_open:
            await anyio.lowlevel.checkpoint()


async def test_a_bad_key_is_refused(emulator: RealtimeEmulator) -> None:
    with pytest.raises(UpgradeRejected, match="Incorrect API key") as caught:
        async with transport_to(emulator).connect(api_key="sk-invalid"):
            pass
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize("key", ["ek_1", "sk-1"])
async def test_a_configuration_that_is_refused_is_told_by_connect(emulator: RealtimeEmulator, key: str) -> None:
    """By the answer to the offer, or, with a client secret, by the answer to the first update."""
    with pytest.raises(ConnectError, match="nosuchvoice"), anyio.fail_after(8):
        async with transport_to(emulator).connect(api_key=key, initial_session_config={"voice": "nosuchvoice"}):
            pass


OFFER = (Path(__file__).parent / "browser_offer.sdp").read_bytes()
SESSION = b'{"type": "realtime", "model": "gpt-realtime-mini", "instructions": "Hi"}'


@pytest.mark.parametrize("way", ["sdp", "multipart", "json"])
async def test_three_ways_to_make_an_offer(emulator: RealtimeEmulator, way: str) -> None:
    url = f"{emulator.base_url}/realtime/calls"
    auth = {"Authorization": "Bearer any"}
    async with httpx.AsyncClient() as client:
        match way:
            case "sdp":
                response = await client.post(
                    f"{url}?model=gpt-realtime-mini", content=OFFER, headers={**auth, "Content-Type": "application/sdp"}
                )
            case "multipart":
                files = {"sdp": (None, OFFER, "application/sdp"), "session": (None, SESSION, "application/json")}
                response = await client.post(url, files=files, headers=auth)
            case _:
                body = {"sdp": OFFER.decode(), "session": {"type": "realtime", "model": "gpt-realtime-mini"}}
                response = await client.post(url, json=body, headers=auth)
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/sdp"
    assert response.headers["location"].startswith("/v1/realtime/calls/rtc_")
    assert response.headers["access-control-expose-headers"] == "Location"
    assert response.text.startswith("v=0")
    assert "a=msid:" in response.text  # Without it a browser plays nothing.
    assert emulator.sessions[0].model == "gpt-realtime-mini"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/sdp", 400, "missing_required_parameter"),
        (b"hello", "application/sdp", 400, "invalid_offer"),
        (b"v=0\r\n", "application/sdp", 400, "invalid_offer"),
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"sdp": "v=0", "session": 1}', "application/json", 400, "invalid_type"),
        (b'{"sdp": "v=0", "session": {"type": "realtime", "x": 1}}', "application/json", 400, "unknown_parameter"),
    ],
)
async def test_bad_offers(emulator: RealtimeEmulator, body: bytes, kind: str, status: int, code: str) -> None:
    headers = {"Authorization": "Bearer any", "Content-Type": kind}
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{emulator.base_url}/realtime/calls", content=body, headers=headers)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code


SHAPE = """\
v=0
o=- N N IN IP4 0.0.0.0
s=-
t=0 0
a=msid-semantic:WMS *
a=fingerprint:sha-256 HEX
a=ice-lite
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96 0 8
c=IN IP4 0.0.0.0
a=setup:active
a=mid:0
a=ice-ufrag:FRAGMENT
a=ice-pwd:PASSWORD
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 opus/48000/2
a=fmtp:96 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=ssrc:N cname:realtimeapi
a=ssrc:N msid:realtimeapi audio
a=ssrc:N mslabel:realtimeapi
a=ssrc:N label:audio
a=msid:realtimeapi audio
a=sendrecv
a=candidate:N 1 udp 2130706431 HOST PORT typ host ufrag FRAGMENT
a=candidate:N 1 tcp 1671430143 HOST PORT typ host tcptype passive ufrag FRAGMENT
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=setup:active
a=mid:1
a=sendrecv
a=sctp-port:5000
a=max-message-size:1073741823
a=ice-ufrag:FRAGMENT
a=ice-pwd:PASSWORD
"""


def shape_of(answer: str) -> str:
    """*answer* with words for what differs from call to call; of the addresses the first."""
    text = answer.replace("\r\n", "\n")
    text = re.sub(r"[0-9a-f]{8}/u0/[0-9a-f]{8}", "FRAGMENT", text)
    text = re.sub(r"(?<=a=ice-pwd:)[0-9a-f]{32}", "PASSWORD", text)
    text = re.sub(r"(?<=sha-256 )[0-9A-F:]{95}", "HEX", text)
    text = re.sub(r"(?<=o=- )\d+ \d+", "N N", text)
    text = re.sub(r"(?<=a=ssrc:)\d+|(?<=a=candidate:)\d+", "N", text)
    text = re.sub(r"(?<=\d )[\d.]+ \d+(?= typ)", "HOST PORT", text)
    text = re.sub(r"(?<=\d )[0-9a-f:]+ \d+(?= typ)", "HOST PORT", text)
    lines = text.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines) if "candidate" not in line or line not in lines[:number])


async def answer_to(emulator: RealtimeEmulator, offer: bytes) -> str:
    async with httpx.AsyncClient() as client:
        headers = {"Authorization": "Bearer ek_1", "Content-Type": "application/sdp"}
        return (await client.post(f"{emulator.base_url}/realtime/calls", content=offer, headers=headers)).text


async def test_the_answer_has_the_form_of_the_services(emulator: RealtimeEmulator) -> None:
    answer = await answer_to(emulator, OFFER)
    assert shape_of(answer) == SHAPE
    assert "a=candidate" not in answer.partition("m=application")[2]


@pytest.mark.parametrize("ice_lite", [True, False])
async def test_only_with_full_ice_the_emulator_starts_checks(ice_lite: bool) -> None:
    async with (
        RealtimeEmulator(ice_lite=ice_lite) as emulator,
        await anyio.create_udp_socket(local_host="127.0.0.1") as bystander,
    ):
        port = bystander.extra(anyio.abc.SocketAttribute.local_port)
        candidate = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=ice-ufrag".encode()
        named = OFFER.replace(b"a=ice-ufrag", candidate)
        assert ("a=ice-lite" in await answer_to(emulator, named)) is ice_lite
        if ice_lite:
            # A whole turn with another client, and nothing has come to the address that was named.
            transport = transport_to(emulator)
            async with transport.connect():
                await transport.send_message("Hello")
                await until(transport, OutputAudioBufferStopped)
            with pytest.raises(TimeoutError), anyio.fail_after(0):
                await bystander.receive()
        else:
            with anyio.fail_after(5):
                data, _ = await bystander.receive()
            assert data[4:8] == b"\x21\x12\xa4\x42"  # STUN's magic cookie (RFC 8489, 5)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Under trio the channel belongs to another thread.
async def test_a_message_that_is_too_large_for_the_service_ends_the_call(emulator: RealtimeEmulator) -> None:
    with pytest.raises(ConnectionLost, match="data channel|peer connection"):
        transport = transport_to(emulator)
        async with transport.connect():
            transport.connection_state.data_channel.send("x" * 262_145)
            async for _ in transport:
                pass


@pytest.mark.parametrize("profile", ["openai", "azure", "generic"])
async def test_a_call_with_each_vendor_that_has_calls(profile: str) -> None:
    async with RealtimeEmulator(profile=profile, ice_lite=True) as emulator:
        transport = OpenAIRealtimeWebRTC(
            profile=profile, base_url=emulator.root_url, api_key="long-lived", audio_source=None, audio_sink=None
        )
        async with transport.connect(model="gpt-realtime"):
            await transport.send_message("Hello")
            await until(transport, OutputAudioBufferStopped)


async def test_azure_refuses_a_long_lived_key_for_a_call() -> None:
    async with RealtimeEmulator(profile="azure") as emulator:
        url = f"{emulator.root_url}/openai/v1/realtime/calls"
        asked = "azure takes a client secret for a call"
        for headers in ({"api-key": "long-lived"}, {"Authorization": "Bearer long-lived"}):
            async with httpx.AsyncClient(headers=headers) as client:
                response = await client.post(url, content=OFFER, headers={"Content-Type": "application/sdp"})
            assert response.status_code == 401
            assert asked in response.json()["error"]["message"]
        with pytest.raises(UpgradeRejected, match=asked):
            async with transport_to(emulator, base_url=url).connect(api_key="long-lived"):
                pass
