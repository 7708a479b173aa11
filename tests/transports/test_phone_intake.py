"""What reaches the model of what a caller's telephone sends: jitter, gaps, encodings, quiet callers."""

from __future__ import annotations

import base64
import random
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import ErrorEvent
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.phone.intake import Intake
from tests.transports.phones import MEDIA_FORMAT, START, calling, media

pytestmark = pytest.mark.anyio

FRAME = b"\x01" * 160


def started() -> Intake:
    intake = Intake(None)
    intake.start(AudioFormat.PCMU)
    return intake


def silences(pieces: list[bytes]) -> list[int]:
    """The milliseconds of each silence."""
    return [len(piece) // 8 for piece in pieces if piece == b"\xff" * len(piece)]


@pytest.mark.parametrize("jitter", [2, 9, 19])
def test_jitter_of_the_timestamps_is_not_filled(jitter: int) -> None:
    intake, chance = started(), random.Random(1)
    pieces: list[bytes] = []
    for number in range(3000):  # A minute.
        pieces += intake.receive(FRAME, number * 20 + chance.randint(0, jitter), number / 50)
    assert pieces == [FRAME] * 3000


def test_what_is_missing_is_filled_to_the_millisecond() -> None:
    intake, chance = started(), random.Random(2)
    sent = 0
    for number in range(3000):
        if number % 100 not in (50, 51, 52):  # Three frames in a row are lost, thirty times.
            sent += sum(map(len, intake.receive(FRAME, number * 20 + chance.randint(0, 2), number / 50)))
    assert abs(sent - 3000 * 160) <= 2 * 8


def test_small_gaps_add_up_until_a_frame_is_missing() -> None:
    intake = started()
    pieces: list[bytes] = []
    for number in range(100):
        pieces += intake.receive(FRAME, number * 25, number / 40)  # 5 ms are missing each time.
    assert silences(pieces) == [20] * 24


def test_a_clock_that_goes_back_is_followed() -> None:
    intake = started()
    pieces = intake.receive(FRAME, 10_000, 0.0)
    for number in range(5):
        pieces += intake.receive(FRAME, number * 20, 0.0)
    assert pieces == [FRAME] * 6


def test_frames_of_another_length_are_filled_likewise() -> None:
    intake = started()
    pieces: list[bytes] = []
    for number in (0, 1, 3):
        pieces += intake.receive(b"\x01" * 480, number * 60, 0.0)
    assert silences(pieces) == [60]


FORMATS = [
    {**MEDIA_FORMAT, "bitrate": 64000},
    {**MEDIA_FORMAT, "sampleRate": "8000"},
    {**MEDIA_FORMAT, "sampleRate": 8000.0},
    {"encoding": "audio/x-mulaw", "channels": "1"},
    {"encoding": "AUDIO/X-MULAW"},
    {"encoding": "PCMU", "sampleRate": 8000},
    {},
    None,
    7,
]


@pytest.mark.parametrize("media_format", FORMATS, ids=str)
async def test_mu_law_by_any_description_is_mu_law(media_format: Any) -> None:
    server = MemoryServer()
    start: dict[str, Any] = {"event": "start", "start": {"streamSid": "MZ1", "mediaFormat": media_format}}
    async with calling(server) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(start, media(0), media(60))
        await wait_all_tasks_blocked()
        assert [len(base64.b64decode(message["audio"])) for message in server.received] == [160, 320, 160]
        with pytest.raises(anyio.WouldBlock):
            errors.receive_nowait()


async def test_a_start_without_a_format_is_mu_law_too() -> None:
    server = MemoryServer()
    async with calling(server) as (_, phone):
        phone.say({"event": "start", "streamSid": "MZ1", "start": {}}, media(0), media(60))
        await wait_all_tasks_blocked()
        assert len(server.received) == 3


VOICE = bytes(range(100))
TEXT = base64.b64encode(VOICE).decode()


@pytest.mark.parametrize(
    "payload",
    [
        TEXT.rstrip("="),
        "\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)) + "\n",
        "\r\n".join(TEXT[at : at + 64] for at in range(0, len(TEXT), 64)),
        f" {TEXT} ",
        "\n".join(TEXT[at : at + 10] for at in range(0, len(TEXT), 10)).rstrip("="),
    ],
    ids=["unpadded", "wrapped", "crlf", "spaces", "both"],
)
async def test_base64_as_telephones_write_it(payload: str) -> None:
    server = MemoryServer()
    async with calling(server) as (_, phone):
        phone.say(START, {"event": "media", "media": {"timestamp": "0", "payload": payload}})
        await wait_all_tasks_blocked()
        assert [base64.b64decode(message["audio"]) for message in server.received] == [VOICE]


@pytest.mark.parametrize("payload", ["***", "A", "AAAAA", "ÄÄÄÄ", "AAAA*"])
async def test_what_is_no_base64_stays_an_error(payload: str) -> None:
    server = MemoryServer()
    async with calling(server) as (transport, phone), transport.subscribe(ErrorEvent) as errors:
        phone.say(START, {"event": "media", "media": {"timestamp": "0", "payload": payload}})
        await wait_all_tasks_blocked()
        assert "not base64" in str(errors.receive_nowait().error)
        assert server.received == []


async def test_an_empty_payload_is_not_appended() -> None:
    server = MemoryServer()
    async with calling(server) as (_, phone):
        phone.say(START, media(0), media(20, b""), media(20), media(40, b""))
        await wait_all_tasks_blocked()
        assert [len(base64.b64decode(message["audio"])) for message in server.received] == [160, 160]


async def test_a_caller_who_is_muted_is_not_hung_up_on() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock) as (transport, phone):
        phone.say(START, media(0))
        await clock.advance(9 * 60)
        assert transport.status == "connected"
        phone.say(media(9 * 60_000))
        await clock.advance(0)
        assert len(server.received) == 3  # Ten seconds of silence before it.


async def test_a_provider_that_says_nothing_is_asked_and_stays_if_it_answers() -> None:
    server, clock = MemoryServer(), ManualClock()
    async with calling(server, clock=clock, silence_timeout=20) as (transport, phone):
        phone.say(START)
        for _ in range(10):
            await clock.advance(10)
            (asked,) = phone.heard()
            assert asked == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "alive"}}
            await clock.advance(5)
            phone.say(asked)
            await clock.advance(0)
        assert transport.status == "connected"
        await clock.advance(10)
        assert len(phone.heard()) == 1
        await clock.advance(10)
        errors = [event async for event in transport if isinstance(event, ErrorEvent)]
        assert "nothing for 20 s" in str(errors[0].error)
