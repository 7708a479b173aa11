"""Calls at Telnyx: formats, order, errors, and how long a piece of audio may be."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import ErrorEvent, TelnyxCodec
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.g711 import alaw_decode, ulaw_encode
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.phone.playout import Playout
from tests.transports.phones import RESPONDING, SPEECH, audio_done, calling, delta, media, settled

pytestmark = pytest.mark.anyio


def start(encoding: str = "PCMA", rate: Any = 8000) -> dict[str, Any]:
    media_format = {"encoding": encoding, "sample_rate": rate, "channels": 1}
    more = {"call_control_id": "v2:1", "custom_parameters": {"a": "b"}}
    return {"event": "start", "stream_id": "S1", "start": {**more, "media_format": media_format}}


def chunk(number: int, timestamp: int | None = None, audio: bytes | None = None) -> dict[str, Any]:
    """A piece of 20 ms whose samples are its number."""
    payload = base64.b64encode(bytes([number]) * 160 if audio is None else audio).decode()
    at = (number - 1) * 20 if timestamp is None else timestamp
    return {
        "event": "media",
        "stream_id": "S1",
        "media": {"track": "inbound", "chunk": str(number), "timestamp": str(at), "payload": payload},
    }


def appended(server: MemoryServer) -> list[bytes]:
    """What the model got."""
    audio = [message["audio"] for message in server.received if message["type"] == "input_audio_buffer.append"]
    return [base64.b64decode(text) for text in audio]


async def test_telnyx_is_one_codec() -> None:
    server = MemoryServer()
    codec = TelnyxCodec(AudioFormat.PCMA)
    start = {
        "event": "start",
        "stream_id": "S1",
        "start": {
            "call_control_id": "v2:1",
            "custom_parameters": {"a": "b"},
            "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
        },
    }
    async with calling(server, codec=codec) as (transport, phone):
        session = transport.build_session_payload({})
        assert session["audio"]["output"]["format"] == {"type": "audio/pcma"}
        phone.say({"event": "connected", "version": "1.0.0"}, start, media(0), media(60))
        server.send(RESPONDING, delta(160))
        heard = await settled(phone)
        assert heard[0] == {"event": "media", "media": {"payload": delta(160)["delta"]}}
        assert heard[1] == {"event": "mark", "mark": {"name": "it1:20:g1:m1"}}
        gap = base64.b64decode(server.received[1]["audio"])
        assert gap == b"\xd5" * 320
        server.send(SPEECH)
        assert await settled(phone) == [{"event": "clear"}]
        assert transport.phone_call is not None
        assert transport.phone_call.call_id == "v2:1"
        phone.say({"event": "start"}, {"event": "stop"})
        events = [event async for event in transport]
        assert len([event for event in events if isinstance(event, ErrorEvent)]) == 1


async def test_the_callers_format_is_the_one_of_the_start() -> None:
    """A European call: A-law comes in, µ-law goes out, unless the stream was asked for otherwise."""
    server, voice = MemoryServer(), bytes(range(160))
    async with calling(server, codec=TelnyxCodec()) as (_, phone):
        phone.say(start("PCMA"), chunk(1, audio=voice), chunk(2, timestamp=40, audio=voice))
        server.send(RESPONDING, delta(160))
        heard = await settled(phone)
        as_ulaw = ulaw_encode(alaw_decode(voice))
        silence = ulaw_encode(alaw_decode(b"\xd5" * 160))
        assert appended(server) == [as_ulaw, silence, as_ulaw]
        assert heard[0]["media"]["payload"] == delta(160)["delta"]


async def test_a_session_with_another_format_is_converted_to_and_from() -> None:
    server = MemoryServer()
    config = {"audio": {"input": {"format": "pcm16"}, "output": {"format": "pcm16"}}}
    linear = {"format": {"type": "audio/pcm", "rate": 24_000}}
    session = {"type": "realtime", "audio": {"input": linear, "output": linear}}
    async with calling(server, codec=TelnyxCodec(), config=config) as (_, phone):
        server.send({"type": "session.updated", "event_id": "e", "session": session})
        await wait_all_tasks_blocked()
        phone.say(start("PCMU"), *(chunk(number) for number in range(1, 51)))
        server.send(RESPONDING, delta(24_000), audio_done())  # Half a second at 24 kHz.
        heard = await settled(phone)
        pcm = b"".join(appended(server))
        assert 48_000 * 0.9 < len(pcm) <= 48_000  # A resampler holds some of it back.
        pieces = [base64.b64decode(m["media"]["payload"]) for m in heard if m["event"] == "media"]
        assert sum(map(len, pieces)) == 4_000
        phone.say(heard[1])
        await wait_all_tasks_blocked()
        server.send(SPEECH)
        await wait_all_tasks_blocked()
        cut = server.received[-1]
        assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncate", len(pieces[0]) // 8 + 50)


async def test_the_format_of_the_session_is_what_the_server_says() -> None:
    server, voice = MemoryServer(), bytes(range(160))
    session = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcma"}}}}
    updated = {"type": "session.updated", "event_id": "e", "session": session}
    async with calling(server, codec=TelnyxCodec()) as (_, phone):
        server.send(updated)
        await wait_all_tasks_blocked()
        phone.say(start("PCMA"), chunk(1, audio=voice))
        await wait_all_tasks_blocked()
        assert appended(server) == [voice]


@pytest.mark.parametrize("encoding", ["G722", "OPUS", "L16", "AMR-WB"])
async def test_audio_that_the_model_cannot_have_is_an_error_and_not_noise(encoding: str) -> None:
    server = MemoryServer()
    async with calling(server, codec=TelnyxCodec()) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(start(encoding, 16000), chunk(1), chunk(2))
        server.send(RESPONDING, delta(160))
        heard = await settled(phone)
        assert appended(server) == []
        assert [message["event"] for message in heard] == ["media", "mark"]
        assert encoding in str(errors.receive_nowait().error)
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()
        assert transport.phone_call is not None
        assert transport.phone_call.audio_format is None


async def test_an_error_that_the_provider_reports_is_an_event() -> None:
    server = MemoryServer()
    error = {"event": "error", "payload": {"code": 100003, "title": "malformed_frame", "detail": "Not 20 ms."}}
    async with calling(server, codec=TelnyxCodec()) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(start(), error, {"event": "error"}, chunk(1))
        await wait_all_tasks_blocked()
        assert str(errors.receive_nowait().error).endswith("100003: malformed_frame: Not 20 ms.")
        assert "it does not say which" in str(errors.receive_nowait().error)
        assert len(appended(server)) == 1


@pytest.mark.parametrize(
    ("numbers", "passed_on"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([2, 1, 3], [1, 2, 3]),
        ([1, 4, 3, 2, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 2, 1, 3], [1, 2, 3]),
        ([1, 3, 4, 5, 6, 7], [1, 255, 3, 4, 5, 6, 7]),  # Given up: silence stands for it.
        ([1, 3, 4, 5, 6, 7, 2, 8], [1, 255, 3, 4, 5, 6, 7, 8]),
    ],
    ids=str,
)
async def test_pieces_are_put_into_their_order(numbers: list[int], passed_on: list[int]) -> None:
    server = MemoryServer()
    async with calling(server, codec=TelnyxCodec()) as (_, phone):
        phone.say(start("PCMU"), *map(chunk, numbers))
        await wait_all_tasks_blocked()
        assert [piece[0] for piece in appended(server)] == passed_on


async def test_a_missing_piece_is_not_waited_for_without_end() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, codec=TelnyxCodec(), clock=clock) as (_, phone):
        phone.say(start("PCMU"), chunk(1), chunk(3))
        await clock.advance(0.09)
        assert [piece[0] for piece in appended(server)] == [1]
        await clock.advance(0.02)
        assert [piece[0] for piece in appended(server)] == [1, 255, 3]


async def test_numbers_that_jump_while_the_audio_goes_on_are_no_gap() -> None:
    """Both tracks of a call may be numbered together, and only one of them is read."""
    server = MemoryServer()
    async with calling(server, codec=TelnyxCodec()) as (_, phone):
        phone.say(start("PCMU"), *(chunk(2 * number - 1, timestamp=20 * (number - 1)) for number in range(1, 11)))
        await wait_all_tasks_blocked()
        assert [piece[0] for piece in appended(server)] == list(range(1, 20, 2))


async def test_numbers_that_begin_anew_are_followed() -> None:
    server = MemoryServer()
    async with calling(server, codec=TelnyxCodec()) as (_, phone):
        phone.say(start("PCMU"), *map(chunk, range(1, 101)), chunk(1), chunk(2))
        await wait_all_tasks_blocked()
        assert [piece[0] for piece in appended(server)] == [*range(1, 101), 1, 2]


def sent(playout: Playout) -> list[bytes]:
    """The audio that is due, of playback without a pace."""
    pieces: list[bytes] = []
    while (text := playout.take(0.0)) is not None:
        message = json.loads(text)
        if message["event"] == "media":
            pieces.append(base64.b64decode(message["media"]["payload"]))
    return pieces


def test_pieces_are_as_long_as_the_provider_takes_them() -> None:
    playout = Playout(TelnyxCodec())
    playout.start("S1")
    playout.play("r", "it1", 0, b"\1" * 100)
    assert sent(playout) == []
    playout.play("r", "it1", 0, b"\2" * 100)
    assert sent(playout) == [b"\1" * 100 + b"\2" * 100]
    playout.play("r", "it1", 0, b"\3" * 100)
    playout.finish("r", "it1", 0)
    assert sent(playout) == [b"\3" * 100 + b"\xff" * 60]
    playout.play("r", "it2", 0, b"\4" * (8 * 30_000 + 1))
    pieces = sent(playout)
    assert b"".join(pieces) == b"\4" * (8 * 30_000 + 1)
    assert all(160 <= len(piece) <= 8 * 30_000 for piece in pieces)


def test_padding_does_not_count_as_heard() -> None:
    playout = Playout(TelnyxCodec())
    playout.start("S1")
    playout.play("r", "it1", 0, b"\1" * 100)
    playout.finish("r", "it1", 0)
    messages: list[Any] = []
    while (text := playout.take(0.0)) is not None:
        messages.append(json.loads(text))
    heard = playout.reach(messages[1]["mark"]["name"])
    assert heard is not None
    assert heard.samples == 100


def test_frames_are_no_shorter_than_the_provider_takes_them() -> None:
    playout = Playout(TelnyxCodec(), 10)
    playout.start("S1")
    playout.play("r", "it1", 0, b"\1" * 320)
    assert [len(piece) for piece in sent(playout)] == [160, 160]
