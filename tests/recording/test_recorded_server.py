"""A recording as a server of the emulator: any client hears what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from realtime_transport import AuthenticationError, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import ConfigError, ConnectionLost
from realtime_transport.events import ErrorEvent
from realtime_transport.recording import Close, Open, RecordedServer, load_recording, record
from tests.emulator.client import connect

from .test_record_and_replay import CREATED, converse, made, plain, recorded, texts

pytestmark = pytest.mark.anyio


def transport_to(emulator: RealtimeEmulator) -> OpenAIRealtimeWebSocket:
    return OpenAIRealtimeWebSocket(model="gpt-realtime", url=f"{emulator.websocket_url}?model=gpt-realtime")


@pytest.mark.parametrize("match", ["types", "strict"])
async def test_a_client_hears_the_session_that_was_recorded(tmp_path: Path, match: Any) -> None:
    live = await recorded(tmp_path / "live.rtrec")
    server = RecordedServer(tmp_path / "live.rtrec", pace="asap", match=match)
    async with RealtimeEmulator(peers=server) as emulator:
        for take in range(2):  # After the last connection of the recording comes the first again.
            transport = transport_to(emulator)
            async with record(transport, tmp_path / f"{take}.rtrec"):
                events = await converse(transport)
            assert plain(events) == plain(live)
        first, second = emulator.sessions
    assert first.received == second.received
    assert first.received["input_audio_buffer.append"] == 2
    received = texts(load_recording(tmp_path / "1.rtrec"), "received")
    assert len(received) == len(texts(server.recording, "received"))


async def test_what_is_not_as_recorded_is_said_and_closed(tmp_path: Path) -> None:
    await recorded(tmp_path / "live.rtrec")
    async with RealtimeEmulator(peers=RecordedServer(tmp_path / "live.rtrec", pace="asap", match="strict")) as emulator:
        transport = transport_to(emulator)
        async with transport.subscribe(ErrorEvent) as errors:
            with pytest.raises(ConnectionLost) as lost:
                await converse(transport, text="Goodbye")
            error = (await errors.receive()).error
        assert (lost.value.code, lost.value.reason) == (1008, "not as recorded")
        assert '-        "text": "Hello",' in str(error)
        assert getattr(error, "code", None) == "recording_mismatch"
        assert emulator.sessions[0].errors == ["recording_mismatch"]


async def test_the_recorded_end_of_a_connection_is_its_end() -> None:
    ends = made(
        CREATED,
        Close(t=0.1, code=4321, reason="full", by="server"),
        Open(t=1.0, conn=1),
        CREATED,
        Close(t=1.2, conn=1, code=None, by="server"),
    )
    async with RealtimeEmulator(peers=RecordedServer(ends, pace="asap", match="none")) as emulator:
        with fail_after(10):
            async with connect(emulator) as client:
                end = await client.until_closed()
            assert (end.code, end.reason) == (4321, "full")
            async with connect(emulator) as client:  # No code was recorded: TCP was lost.
                assert (await client.until_closed()).code == 1006


async def test_keys_are_judged_all_the_same(tmp_path: Path) -> None:
    await recorded(tmp_path / "live.rtrec")
    server = RecordedServer(tmp_path / "live.rtrec")
    async with RealtimeEmulator(peers=server, api_key="sk-other") as emulator:
        with pytest.raises(AuthenticationError, match="Incorrect API key"):
            await converse(transport_to(emulator))


def test_what_cannot_be_played_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing that a server said"):
        RecordedServer(made())
    with pytest.raises(ConfigError, match="pace"):
        RecordedServer(made(CREATED), pace=-1)
    with pytest.raises(ConfigError, match="match"):
        RecordedServer(made(CREATED), match="some")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be read as a recording"):
        RecordedServer(tmp_path / "nowhere.rtrec")
