"""A session that was recorded, played again in place of the server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from realtime_transport import AudioFormat, BytesSource, OpenAIRealtimeBase, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import ConfigError, ConnectError, ConnectionLost, LocalProtocolError
from realtime_transport.events import AudioEvent, Event, TurnDoneEvent
from realtime_transport.protocol.wire.codec import dumps
from realtime_transport.recording import (
    Close,
    Frame,
    Header,
    Media,
    Open,
    Recording,
    ReplayMismatch,
    ReplayTransport,
    load_cassette,
    load_recording,
    record,
)
from realtime_transport.server_events import UnknownServerEvent
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from tests.transports.webrtc_server import call_server, tone, transport_to

pytestmark = pytest.mark.anyio

KEY = "sk-canary-0123456789"

# Without transcription nothing is sent on its own, at a moment of its own.
CONFIG = {"instructions": "Be brief.", "audio": {"input": {"turn_detection": None, "transcription": None}}}


def texts(recording: Recording, direction: str) -> list[str]:
    return [frame.text or dumps(frame.message or {}) for frame in recording.frames if frame.direction == direction]


def without_own_ids(recording: Recording, direction: str) -> list[str]:
    """The frames as they were on the wire, with identifiers of the client's making numbered in order of appearance."""
    own: dict[str, str] = {}
    for text in texts(recording, "sent"):
        for found in re.findall(r'"(?:event_id|id)":"([^"]+)"', text):
            own.setdefault(found, f"own-{len(own)}")
    pieces = texts(recording, direction)
    for found, name in own.items():
        pieces = [piece.replace(f'"{found}"', f'"{name}"') for piece in pieces]
    return pieces


async def converse(transport: OpenAIRealtimeBase, text: str = "Hello") -> list[Event]:
    """A turn that is written, and one that is spoken: what an application does."""
    events: list[Event] = []
    async with transport.connect(api_key=KEY, initial_session_config=CONFIG):
        await transport.send_message(text)
        await a_turn(transport, events)
        await transport.send_audio(b"\1\0" * 4800)
        await transport.send_audio(b"\2\0" * 4800, commit=True)
        await transport.request_response()
        await a_turn(transport, events)
    return events


async def a_turn(transport: OpenAIRealtimeBase, events: list[Event]) -> None:
    async for event in transport:
        events.append(event)
        if isinstance(event, TurnDoneEvent):
            return
    raise AssertionError("the connection ended")


async def recorded(path: Path) -> list[Event]:
    async with RealtimeEmulator() as emulator:
        transport = OpenAIRealtimeWebSocket(model="gpt-realtime", url=f"{emulator.websocket_url}?model=gpt-realtime")
        async with record(transport, path) as recorder:
            events = await converse(transport)
        assert recorder.error is None
        assert recorder.lost_frames == 0
        return events


def plain(events: list[Event]) -> list[tuple[str, Any]]:
    return [(type(event).__name__, getattr(event, "data", None)) for event in events]


async def test_a_replay_is_the_session_that_was_recorded(tmp_path: Path) -> None:
    live = await recorded(tmp_path / "live.rtrec")
    first = load_recording(tmp_path / "live.rtrec")
    assert first.problem is None
    assert KEY not in b"".join(path.read_bytes() for path in (tmp_path / "live.rtrec").iterdir()).decode("latin1")

    replay = ReplayTransport(first, pace="asap")
    async with record(replay, tmp_path / "again.rtrec"):
        events = await converse(replay)
    second = load_recording(tmp_path / "again.rtrec")
    assert plain(events) == plain(live)
    for direction in ("sent", "received"):
        assert without_own_ids(second, direction) == without_own_ids(first, direction)
    assert [type(entry) for entry in second.entries if not isinstance(entry, Frame)] == [Open, Close]


async def test_another_message_is_a_mismatch_with_a_readable_diff(tmp_path: Path) -> None:
    await recorded(tmp_path / "live.rtrec")
    with pytest.raises(ReplayMismatch) as caught:
        await converse(ReplayTransport(tmp_path / "live.rtrec", pace="asap"), text="Goodbye")
    said = str(caught.value)
    assert '-        "text": "Hello",' in said
    assert '+        "text": "Goodbye",' in said
    assert "response.create" in said
    assert caught.value.sent is not None
    await converse(ReplayTransport(tmp_path / "live.rtrec", pace="asap", match="types"), text="Goodbye")


async def test_what_was_left_out_is_a_mismatch(tmp_path: Path) -> None:
    await recorded(tmp_path / "live.rtrec")
    replay = ReplayTransport(tmp_path / "live.rtrec", pace="asap")
    with pytest.raises(ReplayMismatch, match=r"sent frames of the recording, the next one input_audio_buffer\.append"):
        async with replay.connect(initial_session_config=CONFIG):
            await replay.send_message("Hello")
            await a_turn(replay, [])


async def test_the_body_s_own_exception_wins(tmp_path: Path) -> None:
    await recorded(tmp_path / "live.rtrec")
    with pytest.raises(KeyError, match="mine"):
        async with ReplayTransport(tmp_path / "live.rtrec", pace="asap").connect(wait_for_session=False):
            raise KeyError("mine")


CREATED = Frame(t=0.0, direction="received", message={"type": "session.created", "event_id": "e", "session": {}})


def made(*entries: Any) -> Recording:
    return Recording(path=Path("made"), header=Header(started=""), entries=(Open(t=0.0), *entries))


def event(kind: str, t: float, direction: Any = "received", **fields: Any) -> Frame:
    return Frame(t=t, direction=direction, message={"type": kind, "event_id": f"e{t}", **fields})


async def test_frames_come_when_their_time_has_come(anyio_backend: str) -> None:
    clock = ManualClock()
    recording = made(CREATED, event("a.b", 1.0), event("a.c", 3.0), Close(t=4.0, code=1000))
    replay = ReplayTransport(recording, match="none", pace=2.0, clock=clock, ping_interval=None, update_timeout=0)
    seen: list[tuple[str, float]] = []
    async with replay.connect(), anyio.create_task_group() as tasks:

        async def read() -> None:
            async for found in replay:
                if isinstance(found, UnknownServerEvent):
                    seen.append((found.type, clock.now()))

        start = clock.now()
        tasks.start_soon(read)
        await clock.advance(5.0)
    assert seen == [("a.b", start + 0.5), ("a.c", start + 1.5)]


async def test_the_end_of_a_connection_is_played_too_and_the_next_one_is_the_next() -> None:
    recording = made(
        CREATED,
        Close(t=0.1, code=4321, reason="full", by="server"),
        Open(t=1.0, conn=1),
        attrs.evolve(CREATED, conn=1, t=1.0),
        Close(t=1.2, conn=1, code=1000, by="server"),
    )
    replay = ReplayTransport(recording, pace="asap", match="none")
    with pytest.raises(ConnectionLost) as lost:
        async with replay.connect():
            async for _ in replay:
                pass
    assert (lost.value.code, lost.value.reason) == (4321, "full")
    async with replay.connect():
        async for _ in replay:
            pass
    with pytest.raises(ConnectError, match="all of them have been played"):
        async with replay.connect():
            pass


async def test_a_lost_connection_is_recorded_as_lost(tmp_path: Path) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        connector=server.connector, api_key="k" * 20, ping_interval=None, update_timeout=0
    )
    server.send({"type": "session.created", "event_id": "e", "session": {}}, b"binary")
    with pytest.raises(ConnectionLost):
        async with record(transport, tmp_path / "a.rtrec"), transport.connect():
            server.close(1006)
            async for _ in transport:
                pass
    recording = load_recording(tmp_path / "a.rtrec")
    assert recording.problem is None
    assert [frame.binary for frame in recording.frames if frame.binary] == [b"binary"]
    (end,) = [entry for entry in recording.entries if isinstance(entry, Close)]
    assert (end.code, end.by) == (1006, "server")


async def test_a_recording_that_ends_early_leaves_the_session_alone(tmp_path: Path) -> None:
    async with RealtimeEmulator() as emulator:
        transport = OpenAIRealtimeWebSocket(model="gpt-realtime", url=f"{emulator.websocket_url}?model=gpt-realtime")
        async with record(transport, tmp_path / "a.rtrec", max_bytes=2000) as recorder:
            events = await converse(transport)
        assert isinstance(recorder.error, OSError)
    assert sum(isinstance(found, TurnDoneEvent) for found in events) == 2
    recording = load_recording(tmp_path / "a.rtrec")
    assert recording.frames
    assert recording.problem is not None


async def test_notes_and_tools_stand_between_the_messages(tmp_path: Path) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        connector=server.connector, api_key="k" * 20, ping_interval=None, update_timeout=0
    )
    server.send({"type": "session.created", "event_id": "e", "session": {}})
    async with record(transport, tmp_path / "a.rtrec") as recorder, transport.connect():
        await anyio.wait_all_tasks_blocked()
        recorder.note("tried again")
        recorder.tool("get_weather", "call_1", "sunny")
        await transport.send_event({"type": "last"})
    kinds = [type(entry).__name__ for entry in load_recording(tmp_path / "a.rtrec").entries]
    assert kinds[-4:] == ["Note", "Tool", "Frame", "Close"]


async def test_a_connection_cannot_be_recorded_from_its_middle(tmp_path: Path) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k" * 20, ping_interval=None)
    server.send({"type": "session.created", "event_id": "e", "session": {}})
    async with transport.connect(wait_for_session=False):
        with pytest.raises(LocalProtocolError, match="around connect"):
            async with record(transport, tmp_path / "a.rtrec"):
                pass
    assert not (tmp_path / "a.rtrec").exists()


async def test_after_the_block_nothing_is_recorded(tmp_path: Path) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        connector=server.connector, api_key="k" * 20, ping_interval=None, update_timeout=0
    )
    async with record(transport, tmp_path / "a.rtrec"):
        pass
    server.send({"type": "session.created", "event_id": "e", "session": {}})
    async with transport.connect():
        pass
    assert load_recording(tmp_path / "a.rtrec").entries == ()


CASSETTE = """
version: 1
interactions:
- kind: message
  direction: received
  data: {type: session.created, event_id: event_1, session: {type: realtime, id: sess_1}}
- kind: message
  direction: sent
  data:
    type: conversation.item.create
    item: {type: message, role: user, content: [{type: input_text, text: Hi}]}
- kind: message
  direction: received
  data: {type: response.created, event_id: event_2, response: {id: resp_1, status: in_progress, output: []}}
- kind: message
  direction: received
  data: {type: response.output_audio.delta, event_id: event_3, response_id: resp_1, item_id: i, delta: AQAB}
"""


async def test_a_cassette_of_another_project_plays(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CASSETTE)
    replay = ReplayTransport(load_cassette(tmp_path / "a.yaml"), pace="asap", match="none")
    async with replay.connect():
        async for found in replay:
            if isinstance(found, AudioEvent):
                assert found.data == b"\1\0\1"
                break


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "not YAML"),
        ("[]", "no list of interactions"),
        ("interactions: [{direction: up}]", "interaction 1 needs"),
    ],
)
def test_what_is_no_cassette_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(ConfigError, match=said):
        load_cassette(tmp_path / "a.yaml")


@pytest.mark.parametrize(("name", "value"), [("pace", 0), ("pace", "slow"), ("match", "close")])
def test_arguments_that_do_not_exist(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name):
        ReplayTransport(made(), **options)


async def test_a_webrtc_session_is_recorded_with_both_voices(tmp_path: Path) -> None:
    async with call_server() as server:
        frame = tone(0.02)
        server.say = lambda: frame
        transport = transport_to(server, audio_source=BytesSource(tone(20.0), AudioFormat.PCM24K))
        async with record(transport, tmp_path / "a.rtrec"), transport.connect():
            heard = 0
            async for found in transport:
                heard += isinstance(found, AudioEvent)
                if heard >= 50 and server.frames >= 25:
                    break
    recording = load_recording(tmp_path / "a.rtrec")
    assert recording.problem is None
    assert recording.header.wire == "webrtc"
    for direction in ("sent", "received"):
        media = [entry for entry in recording.entries if isinstance(entry, Media) and entry.direction == direction]
        assert sum(len(entry.data) for entry in media) >= 24_000
    assert (tmp_path / "a.rtrec/in.wav").exists()
    assert (tmp_path / "a.rtrec/out.wav").exists()
