"""The WebRTC transport with a server of the test's: connecting, configuration, audio, interruption, loss."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from realtime_transport import OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sinks import BufferSink
from realtime_transport.audio.sources import BytesSource
from realtime_transport.errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    LocalProtocolError,
    NegotiationError,
    NotConnectedError,
    SetupTimeout,
    UpgradeRejected,
)
from realtime_transport.events import (
    AudioEvent,
    AudioInterruptedEvent,
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    Event,
)
from realtime_transport.rtc.settings import IceServer
from realtime_transport.server_events import OutputAudioBufferCleared, SessionUpdated, UnknownServerEvent
from realtime_transport.testing.links import MemoryServer

from .webrtc_server import CREATED, UPDATED, CallServer, call_server, posted, tone, transport_to

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncGenerator[CallServer]:
    async with call_server() as server:
        yield server


async def next_of(transport: OpenAIRealtimeWebRTC, kind: type[Event]) -> Event:
    async for event in transport:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__}")


# Connecting


async def test_the_offer_is_posted_and_the_session_configured(server: CallServer) -> None:
    transport = transport_to(server, model="m1", headers={"X-More": "1"})
    async with transport.connect(initial_session_config={"instructions": "Be brief."}) as same:
        assert same is transport
        assert transport.status == "connected"
        state = transport.connection_state
        assert state.call_id == transport.call_id == "rtc_0001"
        assert state.peer_connection.connectionState == "connected"
        assert state.data_channel.label == "oai-events"
    request = server.requests[0]
    assert request.method == "POST"
    assert str(request.url) == "http://127.0.0.1/v1/realtime/calls"
    assert request.headers["content-type"] == "application/sdp"
    assert request.headers["authorization"] == "Bearer ek_test"
    assert request.headers["x-more"] == "1"
    offer = request.content.decode()
    assert offer.index("m=audio") < offer.index("m=application")
    assert "opus/48000/2" in offer
    assert "PCMU" not in offer
    assert server.received[0]["type"] == "session.update"
    assert server.received[0]["session"]["instructions"] == "Be brief."
    assert server.received[0]["session"]["model"] == "m1"
    assert (transport.status, transport.call_id) == ("disconnected", None)
    assert transport.connection_state.peer_connection is None


async def test_a_client_secret_posts_the_offer_alone(server: CallServer) -> None:
    async with transport_to(server, api_key="ek_1").connect(model="m1"):
        pass
    assert server.requests[0].headers["content-type"] == "application/sdp"
    assert server.requests[0].content.startswith(b"v=0\r\n")
    assert "model" not in str(server.requests[0].url)


async def attached(call_id: str | None, url: str, **options: Any) -> tuple[str | None, str | None]:
    """The credentials that a sideband of *call_id* at *url* is opened with."""
    sideband = MemoryServer()
    sideband.send(UPDATED)
    transport = OpenAIRealtimeWebSocket(connector=sideband.connector, url=url, ping_interval=None, **options)
    async with transport.connect(call_id=call_id, wait_for_session=False):
        assert transport.call_id == call_id
    headers = sideband.requests[0].headers
    return headers.get("Authorization"), headers.get("api-key")


async def test_a_call_made_with_a_client_secret_is_attached_to_with_it(
    server: CallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    async with transport_to(server, api_key="ek_1").connect() as transport:
        call_id = transport.call_id
    assert call_id == "rtc_0001"
    assert await attached(call_id, "ws://127.0.0.1/v1") == ("Bearer ek_1", None)
    assert await attached(call_id, "ws://127.0.0.1:80/v1/realtime") == ("Bearer ek_1", None)
    assert await attached(call_id, "ws://127.0.0.1/v1", api_key="sk-named") == ("Bearer sk-named", None)
    # A key never goes to a host that was not asked for.
    for elsewhere in ("ws://127.0.0.1:81/v1", "wss://127.0.0.1/v1", "wss://other.example/v1"):
        assert await attached(call_id, elsewhere) == ("Bearer sk-environment", None)
    for copy in (pickle.loads(pickle.dumps(call_id)), json.loads(json.dumps(call_id)), str(call_id)):
        assert (copy, type(copy)) == ("rtc_0001", str)
    assert "ek_1" not in repr((call_id, transport.connection_state))


async def test_a_call_made_with_another_key_names_none(server: CallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    async with transport_to(server, api_key="sk-1").connect() as transport:
        assert await attached(transport.call_id, "ws://127.0.0.1/v1") == ("Bearer sk-environment", None)


async def test_a_minted_secret_is_kept_for_the_call(server: CallServer) -> None:
    options = {"profile": "azure", "base_url": "http://127.0.0.1", "api_key": "long-lived", "model": "deployment"}
    async with transport_to(server, **options).connect() as transport:
        found = await attached(transport.call_id, "http://127.0.0.1", profile="azure", model="deployment")
        assert found == ("Bearer ek_minted", None)


@pytest.mark.parametrize("key", ["sk-1", "sk-proj-1", "anything"])
async def test_any_other_key_posts_the_session_beside_the_offer(server: CallServer, key: str) -> None:
    async with transport_to(server).connect(
        api_key=key, model="m1", initial_session_config={"instructions": "Be brief.", "voice": "marin"}
    ):
        pass
    request = server.requests[0]
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert request.headers["authorization"] == f"Bearer {key}"
    assert b"Content-Type: application/sdp\r\n\r\nv=0\r\n" in request.content
    assert b"Content-Type: application/json\r\n\r\n{" in request.content
    session = json.loads(posted(request)["session"])
    assert session == server.received[0]["session"]
    assert (session["type"], session["model"], session["instructions"]) == ("realtime", "m1", "Be brief.")


BASE = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("base_url", "tried"),
    [
        (BASE, f"{BASE}/realtime/calls"),
        (f"{BASE}/", f"{BASE}/realtime/calls"),
        (f"{BASE}/realtime/calls", f"{BASE}/realtime/calls"),
        (f"{BASE}?a=b", f"{BASE}/realtime/calls?a=b"),
        ("ws://127.0.0.1/v1", "http://127.0.0.1/v1/realtime/calls"),
        ("http://127.0.0.1/calls?x=1", "http://127.0.0.1/calls?x=1"),
    ],
)
async def test_where_the_offer_is_posted(server: CallServer, base_url: str, tried: str) -> None:
    for transport, url in ((transport_to(server, base_url=base_url), None), (transport_to(server), base_url)):
        server.received.clear()
        async with transport.connect(url=url):
            pass
    assert [str(request.url) for request in server.requests] == [tried, tried]


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.Response(405), httpx.Response(200, text="<html>")])
async def test_a_url_that_is_another_endpoint_is_told_with_the_likely_one(
    server: CallServer, answer: httpx.Response
) -> None:
    server.respond = lambda _: answer
    said = "http://127.0.0.1/v1/realtime was asked; perhaps http://127.0.0.1/v1/realtime/calls is meant"
    with pytest.raises(ConnectError, match=said):
        async with transport_to(server, base_url="http://127.0.0.1/v1/realtime?secret=x").connect():
            pass


async def test_a_key_stands_for_the_user_in_the_url(server: CallServer) -> None:
    async with transport_to(server, base_url="http://user:pass@127.0.0.1/v1", api_key="sk-1").connect():
        pass
    assert server.requests[0].headers["authorization"] == "Bearer sk-1"


async def test_azure_wants_a_client_secret_and_gets_one(server: CallServer) -> None:
    transport = transport_to(
        server,
        profile="azure",
        base_url="http://127.0.0.1",
        api_key="long-lived",
        model="deployment",
        headers={"X-Trace": "7", "Authorization": "Bearer of-the-caller"},
    )
    async with transport.connect(initial_session_config={"instructions": "Be brief."}):
        pass
    minted, call = server.requests
    assert (minted.headers["x-trace"], call.headers["x-trace"]) == ("7", "7")
    assert (minted.url.path, call.url.path) == ("/openai/v1/realtime/client_secrets", "/openai/v1/realtime/calls")
    assert (minted.headers["api-key"], minted.headers.get("authorization")) == ("long-lived", None)
    assert (call.headers.get("api-key"), call.headers["authorization"]) == (None, "Bearer ek_minted")
    session = json.loads(minted.content)["session"]
    assert (session["type"], session["model"], session["instructions"]) == ("realtime", "deployment", "Be brief.")
    assert call.headers["content-type"] == "application/sdp"


async def test_a_client_secret_of_azure_is_used_as_it_is(server: CallServer) -> None:
    async with transport_to(server, profile="azure", base_url="http://127.0.0.1/openai/v1", api_key="ek_1").connect():
        pass
    (call,) = server.requests
    assert (call.url.path, call.headers["authorization"]) == ("/openai/v1/realtime/calls", "Bearer ek_1")
    assert "api-key" not in call.headers


async def test_a_filter_that_withholds_the_end_of_the_configuration_is_refused(server: CallServer) -> None:
    transport = transport_to(server, profile="azure", base_url="http://127.0.0.1", query={"webrtcfilter": "on"})
    with pytest.raises(ConfigError, match="webrtcfilter=on"):
        async with transport.connect():
            pass
    assert server.requests == []


async def test_a_server_whose_calls_are_not_known(server: CallServer) -> None:
    with pytest.raises(ConfigError, match="how 'xai' opens WebRTC calls is not known"):
        transport_to(server, profile="xai")


async def test_it_is_connected_when_the_session_is_configured(server: CallServer) -> None:
    server.configures = False
    transport = transport_to(server)
    seen: list[str] = []

    async def serve() -> None:
        await server.until("session.update")
        seen.append(transport.status)
        await server.send(CREATED)
        await server.until("session.update")  # Tracing.
        seen.append(transport.status)
        await server.send(UPDATED)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        async with transport.connect():
            seen.append(transport.status)
    assert seen == ["connecting", "connecting", "connected"]
    events = [event async for event in transport]
    kinds = [type(event).__name__ for event in events]
    assert [event.status for event in events if isinstance(event, ConnectionChangeEvent)] == [
        "connecting",
        "connected",
        "disconnected",
    ]
    assert kinds.index("SessionCreated") < kinds.index("ConnectedEvent") < kinds.index("SessionUpdated")
    assert isinstance(events[-1], DisconnectedEvent)


async def test_messages_go_both_ways_in_order(server: CallServer) -> None:
    transport = transport_to(server)
    async with transport.connect():
        await server.send(*({"type": "x", "event_id": str(number)} for number in range(300)))
        got: list[Any] = []
        async for event in transport:
            if isinstance(event, UnknownServerEvent):
                got.append(event.event_id)
                if len(got) == 300:
                    break
        assert got == [str(number) for number in range(300)]
        for number in range(300):
            await transport.send_event({"type": "y", "event_id": str(number)})
    assert [event["event_id"] for event in server.received if event["type"] == "y"] == got


async def test_what_was_sent_before_leaving_arrives(server: CallServer) -> None:
    transport = transport_to(server)
    big = "x" * 20_000
    async with transport.connect():
        for number in range(10):
            await transport.send_event({"type": "y", "event_id": str(number), "big": big})
    assert [event["event_id"] for event in server.received if event["type"] == "y"] == [str(n) for n in range(10)]


TOO_LARGE: dict[str, Callable[[OpenAIRealtimeWebRTC], Awaitable[None]]] = {
    "event": lambda transport: transport.send_event({"type": "y", "big": "x" * 262_144}),
    "text": lambda transport: transport.send_message("x" * 262_144, trigger_response=False),
    "bytes": lambda transport: transport.send_message("ü" * 140_000, trigger_response=False),
    "escapes": lambda transport: transport.send_message('"' * 140_000, trigger_response=False),
    "image": lambda transport: transport.add_image(f"data:image/png;base64,{'A' * 262_144}"),
    "audio": lambda transport: transport.send_audio(bytes(200_000)),
}


@pytest.mark.parametrize("what", TOO_LARGE)
async def test_a_message_that_is_too_large_is_refused_and_nothing_else(server: CallServer, what: str) -> None:
    transport = transport_to(server)
    async with transport.connect():
        with pytest.raises(LocalProtocolError, match="data channel takes 262144"):
            await TOO_LARGE[what](transport)
        await transport.send_event({"type": "y", "event_id": "small"})
        await server.until("y")
    assert [event["event_id"] for event in server.received if event["type"] != "session.update"] == ["small"]


async def test_a_configuration_that_is_too_large_is_told_by_connect(server: CallServer) -> None:
    with pytest.raises(LocalProtocolError, match="too large for the data channel, which takes 262144"):
        async with transport_to(server).connect(initial_session_config={"instructions": "x" * 262_144}):
            pass
    assert server.received == []


async def test_a_configuration_that_is_refused_is_told_at_once_with_what_the_server_said(server: CallServer) -> None:
    server.configures = False

    async def refuse() -> None:
        await server.until("session.update")
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": "Invalid rate.", "param": "rate"}
        await server.send(CREATED, {"type": "error", "event_id": "e", "error": {**error, "event_id": first_update()}})

    def first_update() -> str | None:
        return server.received[0].get("event_id")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refuse)
        with pytest.raises(ConnectError, match="Invalid rate") as caught, anyio.fail_after(5):
            async with transport_to(server).connect():
                pass
    assert caught.value.code == "invalid_value"


async def test_a_message_that_cannot_be_read_does_not_count_as_a_refusal(server: CallServer) -> None:
    server.configures = False

    async def configure() -> None:
        await server.until("session.update")
        await server.host.run(server.peers[-1].send, ["{", json.dumps(CREATED), json.dumps(UPDATED)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(configure)
        with anyio.fail_after(5):
            async with transport_to(server).connect():
                pass


async def test_connecting_again_after_leaving(server: CallServer) -> None:
    transport = transport_to(server)
    for call_id in ("rtc_0001", "rtc_0002"):
        server.received.clear()
        async with transport.connect():
            assert transport.call_id == call_id
            with pytest.raises(LocalProtocolError):
                async with transport.connect():
                    pass
            assert transport.status == "connected"
    with pytest.raises(NotConnectedError):
        await transport.send_message("hello")


async def test_another_peer_connection_takes_the_place_of_ours_and_both_are_closed(server: CallServer) -> None:
    from aiortc import RTCConfiguration, RTCPeerConnection

    made: list[Any] = []

    async def replace(pc: Any) -> Any:
        made.extend([pc, RTCPeerConnection(RTCConfiguration(iceServers=[]))])
        return made[1]

    transport = transport_to(server, change_peer_connection=replace)
    async with transport.connect():
        assert transport.connection_state.peer_connection is made[1]
    assert [pc.signalingState for pc in made] == ["closed", "closed"]


# Not connecting


@pytest.mark.parametrize(
    ("response", "text", "code"),
    [
        ((429, '{"error": {"message": "quota exceeded", "code": "too_much"}}'), "429: quota", "too_much"),
        ((401, "invalid ephemeral key"), "401: invalid ephemeral key", None),
        ((503, ""), "status 503$", None),
        ((500, '{"error": null}'), "500", None),
    ],
)
async def test_a_refusal_says_what_the_server_said(
    server: CallServer, response: tuple[int, str], text: str, code: str | None
) -> None:
    server.respond = lambda _: httpx.Response(response[0], text=response[1])
    transport = transport_to(server, model="old")
    with pytest.raises(UpgradeRejected, match=text) as caught:
        async with transport.connect(model="new"):
            pass
    assert (caught.value.status, caught.value.body, caught.value.code) == (*response, code)
    assert transport.current_model == "old"
    events = [event async for event in transport_events(transport)]
    assert [event.status for event in events if isinstance(event, ConnectionChangeEvent)] == [
        "connecting",
        "disconnected",
    ]
    assert not any(isinstance(event, ConnectedEvent) for event in events)


async def transport_events(transport: OpenAIRealtimeWebRTC) -> AsyncGenerator[Event]:
    try:
        async for event in transport:
            yield event
    except ConnectError:
        return


@pytest.mark.parametrize("sdp", ["", "hello", "v=0\r\n", "v=0\r\nm=nonsense\r\n"])
async def test_an_answer_that_is_none(server: CallServer, sdp: str) -> None:
    server.respond = lambda _: httpx.Response(201, text=sdp)
    with pytest.raises(NegotiationError):
        async with transport_to(server).connect():
            pass


@pytest.mark.parametrize(
    ("pattern", "new", "said"),
    [
        (r"m=audio \d+", "m=audio 0", "refuses audio"),
        (r"m=application \d+", "m=application 0", "refuses the data channel"),
        ("opus/48000/2", "L16/48000/2", "has no codec of ours"),
    ],
)
async def test_an_answer_that_refuses_says_what(server: CallServer, pattern: str, new: str, said: str) -> None:
    def refuse(sdp: str) -> str:
        return re.sub(pattern, new, sdp) if "a=setup:active" in sdp else sdp  # Not in the offer.

    server.change = refuse
    with pytest.raises(NegotiationError, match=f"the SDP answer cannot be used: it.*{said}"):
        async with transport_to(server).connect():
            pass


async def test_a_server_that_cannot_be_reached() -> None:
    transport = OpenAIRealtimeWebRTC(
        base_url="http://127.0.0.1:9/v1/realtime/calls", api_key="x", audio_source=None, audio_sink=None
    )
    with pytest.raises(ConnectError, match="Realtime call request to .* failed"):
        async with transport.connect():
            pass


@pytest.mark.parametrize("url", ["ftp://host/x", "nonsense", "http://"])
async def test_a_url_that_is_none(server: CallServer, url: str) -> None:
    with pytest.raises(ConfigError):
        async with transport_to(server, base_url=url).connect():
            pass


async def test_an_ice_server_that_is_none(server: CallServer) -> None:
    with pytest.raises(ConfigError, match="ice_servers"):
        async with transport_to(server, ice_servers=[IceServer(urls="http://x")]).connect():
            pass


async def test_no_microphone(server: CallServer) -> None:
    transport = transport_to(server, audio_source="no such microphone")
    with pytest.raises(ConfigError, match="microphone|PortAudio"):
        async with transport.connect():
            pass
    assert server.requests == []


def lead_nowhere(sdp: str) -> str:
    """*sdp* with the discard port as its only candidate."""
    kept = "".join(line for line in sdp.splitlines(keepends=True) if "a=candidate" not in line)
    return kept.replace("a=ice-ufrag", "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=ice-ufrag")


@pytest.mark.parametrize("phase", ["answer", "channel", "session"])
async def test_every_phase_has_its_deadline(server: CallServer, phase: str) -> None:
    match phase:
        case "answer":
            server.hold = anyio.Event()
        case "channel":
            server.change = lead_nowhere
        case _:
            server.configures = False
    transport = transport_to(server, connect_timeout=1.0, session_timeout=0.3)
    with pytest.raises(SetupTimeout) as caught:
        async with transport.connect():
            pass
    assert caught.value.phase == phase
    assert transport.status == "disconnected"


# Audio


async def test_nothing_is_heard_before_the_session_is_configured(server: CallServer) -> None:
    server.configures = False
    source = BytesSource(tone(1.0), AudioFormat.PCM24K)
    transport = transport_to(server, audio_source=source)
    heard: list[tuple[int, int]] = []

    async def serve() -> None:
        await server.until("session.update")
        await server.send(CREATED)
        await server.until("session.update")
        with anyio.move_on_after(0.3):
            await server.until("loud")
        heard.append((server.frames, server.loud))
        await server.send(UPDATED)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        async with transport.connect():
            await server.until("loud")
            while server.loud < 40:
                await server.until("loud")
    assert heard == [(0, 0)]


async def test_muting_before_connecting_holds(server: CallServer) -> None:
    source = BytesSource(tone(20.0), AudioFormat.PCM24K)
    transport = transport_to(server, audio_source=source)
    assert transport.muted is False
    transport.mute(True)
    async with transport.connect():
        assert transport.muted is True
        with anyio.move_on_after(0.5):
            await server.until("loud")
        assert server.frames > 5  # Silence is sent: the server hears that nobody speaks.
        assert server.loud == 0
        transport.mute(False)
        await server.until("loud")
        with pytest.raises(LocalProtocolError):
            await transport.send_audio(bytes(960))


async def test_without_a_source_audio_goes_by_event(server: CallServer) -> None:
    transport = transport_to(server)
    assert transport.muted is None
    async with transport.connect():
        await transport.send_audio(bytes(960), commit=True)
        await server.until("input_audio_buffer.commit")
    assert [event["type"] for event in server.received[-2:]] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]


def speaker(pcm: bytes) -> Any:
    frames = [pcm[at : at + 960] for at in range(0, len(pcm), 960)]
    return lambda: frames.pop(0) if frames else None


async def test_the_servers_voice_reaches_sink_and_events(server: CallServer) -> None:
    server.say = speaker(tone(1.0))
    sink = BufferSink(AudioFormat.PCM24K)
    transport = transport_to(server, audio_sink=sink, audio_events=True)
    async with transport.connect():
        data = b""
        async for event in transport:
            if isinstance(event, AudioEvent):
                data += event.data
                if len(data) >= 48_000 * 1.2:
                    break
    assert sink.data[: len(data)] == data
    await sink.send(b"\0\0")  # What was passed in stays open.


async def test_an_interruption_drops_what_was_not_played(server: CallServer) -> None:
    server.say = speaker(tone(60.0))
    transport = transport_to(server)
    async with transport.connect():
        await next_of(transport, AudioEvent)
        await server.send({"type": "response.created", "event_id": "e", "response": {"id": "r1"}})
        part = {"response_id": "r1", "item_id": "i1", "content_index": 1, "part": {"type": "audio"}}
        await server.send({"type": "response.content_part.added", "event_id": "e", "output_index": 0, **part})
        await server.send({"type": "output_audio_buffer.started", "event_id": "e", "response_id": "r1"})
        async for event in transport:
            if isinstance(event, AudioEvent) and event.response_id == "r1":
                assert (event.item_id, event.content_index) == ("i1", 1)
                break
        transport.interrupt()
        cut = await next_of(transport, AudioInterruptedEvent)
        assert (cut.response_id, cut.item_id, cut.content_index, cut.withdraws) == ("r1", "i1", 1, {"r1"})
        await server.until("output_audio_buffer.clear")
        await server.send({"type": "response.done", "event_id": "e", "response": {"id": "r1", "status": "cancelled"}})
        server.say = lambda: None
        await server.send({"type": "output_audio_buffer.cleared", "event_id": "e", "response_id": "r1"})
        await next_of(transport, OutputAudioBufferCleared)
        transport.interrupt()
        await server.until("output_audio_buffer.clear")
    types = [event["type"] for event in server.received if event["type"] != "session.update"]
    assert types == ["response.cancel", "output_audio_buffer.clear", "output_audio_buffer.clear"]


async def test_a_reply_that_the_servers_detector_cuts_off_is_told(server: CallServer) -> None:
    transport = transport_to(server)
    async with transport.connect(), transport.subscribe(AudioInterruptedEvent, OutputAudioBufferCleared) as events:
        await server.send(
            {"type": "response.created", "event_id": "e", "response": {"id": "r1"}},
            {"type": "output_audio_buffer.started", "event_id": "e", "response_id": "r1"},
            {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 0, "item_id": "i"},
            {"type": "output_audio_buffer.cleared", "event_id": "e", "response_id": "r1"},
        )
        cleared, cut = await events.receive(), await events.receive()
        assert isinstance(cleared, OutputAudioBufferCleared)
        assert isinstance(cut, AudioInterruptedEvent)
        assert cut.response_id == "r1"
    assert not [event for event in server.received if event["type"] != "session.update"]


async def test_speech_of_the_user_is_the_servers_to_react_to(server: CallServer) -> None:
    transport = transport_to(server)
    async with transport.connect():
        await server.send(
            {"type": "response.created", "event_id": "e", "response": {"id": "r1"}},
            {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 0, "item_id": "i"},
            {"type": "x", "event_id": "e"},
        )
        await next_of(transport, UnknownServerEvent)
    assert {event["type"] for event in server.received} == {"session.update"}


# Losing


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("close_channel", "the data channel was closed"),
        ("leave", "the data channel was closed|the peer connection"),
        ("vanish", "no sign of life"),
    ],
)
async def test_a_loss_is_noticed_and_named(server: CallServer, how: str, why: str) -> None:
    transport = transport_to(server, silence_timeout=1.0)
    with pytest.raises(ConnectionLost, match=why):
        async with transport.connect():
            await getattr(server, how)()
            async for _ in transport:
                pass
    assert transport.status == "disconnected"
    with pytest.raises(ConnectionLost):
        await transport.send_message("hello")


async def test_a_peer_that_only_listens_is_alive(server: CallServer) -> None:
    transport = transport_to(server, silence_timeout=0.5)
    async with transport.connect():
        server.peers[-1].voice.stop()
        with anyio.move_on_after(1.5):
            async for _ in transport:
                pass
        assert transport.status == "connected"


async def test_the_session_updated_is_waited_for_by_name(server: CallServer) -> None:
    server.configures = False
    transport = transport_to(server)
    async with transport.connect(wait_for_session=False):
        assert transport.status == "connecting"
        await server.until("session.update")
        await server.send(UPDATED)
        await next_of(transport, SessionUpdated)
        assert transport.status == "connected"
