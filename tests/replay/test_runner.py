"""`Replay` on a memory link, with a clock that stands still: pace, patience, playback, failure."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import AudioFormat, BufferSink, BytesSource, OpenAIRealtimeWebSocket
from realtime_transport.errors import ConfigError, ConnectionLost, NotConnectedError
from realtime_transport.replay import Recording, Replay, TimelineEntry
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio

SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
CREATED = {"type": "session.created", "event_id": "e", "session": SESSION}
UPDATED = {"type": "session.updated", "event_id": "e", "session": SESSION}
STARTED = {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 0, "item_id": "u"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "event_id": "e", "audio_end_ms": 40, "item_id": "u"}
COMMITTED = {"type": "input_audio_buffer.committed", "event_id": "e", "item_id": "u"}
BEGUN = {"type": "response.created", "event_id": "e", "response": {"id": "r", "status": "in_progress"}}
DELTA = {
    "type": "response.output_audio.delta",
    "event_id": "e",
    "response_id": "r",
    "item_id": "i",
    "content_index": 0,
    "output_index": 0,
    "delta": "AAAAAAAA",
}
NO_MORE = {**DELTA, "type": "response.output_audio.done"}
DONE = {"type": "response.done", "event_id": "e", "response": {"id": "r", "status": "completed", "output": []}}


def build(clock: ManualClock, **options: Any) -> tuple[MemoryServer, OpenAIRealtimeWebSocket, Replay]:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        connector=server.connector, api_key="sk", clock=clock, ping_interval=None, update_timeout=0, create_timeout=None
    )
    server.send(CREATED)
    source = BytesSource(bytes(48 * 100), AudioFormat.PCM24K)  # 100 ms: five frames
    recordings = [Recording(name="a", source=source)]
    return server, transport, Replay(transport=transport, recordings=recordings, clock=clock, **options)


def appended(server: MemoryServer) -> int:
    return server.types().count("input_audio_buffer.append")


async def test_pace_silence_and_patience() -> None:
    clock, told = ManualClock(), list[TimelineEntry]()
    server, transport, replay = build(clock, speed=2, tail_ms=40, settle=1, watch=told.append)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(replay.run)
        await wait_all_tasks_blocked()
        assert appended(server) == 1
        await clock.advance(0.02)
        assert appended(server) == 3
        assert replay.progress() is not None
        await clock.advance(0.1)
        assert appended(server) == 7
        assert server.types()[-1] == "session.update"  # The fence.
        await clock.advance(5)
        assert not replay.report().finished  # Its answer is owed.
        server.send(UPDATED)
        await wait_all_tasks_blocked()
        await clock.advance(0.9)
        assert not replay.report().finished
        await clock.advance(0.2)
        assert replay.report().finished
    assert [entry.type for entry in told if entry.origin == "replay"] == [
        "recording_began",
        "recording_ended",
        "fence_sent",
    ]


async def test_what_the_sink_has_played_counts_as_heard() -> None:
    clock, sink = ManualClock(), BufferSink()
    server, transport, replay = build(clock, speed=None, tail_ms=0, settle=0.1, sink=sink)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(replay.run)
        await wait_all_tasks_blocked()
        server.send(UPDATED, STARTED, STOPPED, COMMITTED, BEGUN, DELTA, DELTA)
        await wait_all_tasks_blocked()
        assert sink.data == bytes(12)
        await clock.advance(20)
        assert not replay.report().finished  # The reply has not ended.
        server.send(
            NO_MORE, DONE, {**STARTED, "item_id": "u2"}, {**STOPPED, "item_id": "u2"}, {**COMMITTED, "item_id": "u2"}
        )
        server.send({**BEGUN, "response": {"id": "r2"}}, {**DONE, "response": {"id": "r2", "status": "completed"}})
        await wait_all_tasks_blocked()
        await clock.advance(0.2)
    report = replay.report()
    assert report.finished
    assert report.output_bytes == 12
    assert report.interruptions == 0  # All of it had been heard.
    assert "conversation.item.truncate" not in server.types()


async def test_a_turn_that_nobody_answers() -> None:
    clock = ManualClock()
    server, transport, replay = build(clock, speed=None, settle=0.1, reply_timeout=3)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(replay.run)
        await wait_all_tasks_blocked()
        server.send(UPDATED, STARTED, STOPPED, COMMITTED)
        await wait_all_tasks_blocked()
        await clock.advance(2.9)
        assert not replay.report().finished
        await clock.advance(0.2)
    assert replay.report().finished
    assert replay.report().problems == ("1 turn of the user got no answer in time",)


async def test_a_connection_that_is_lost_leaves_a_report() -> None:
    clock = ManualClock()
    server, transport, replay = build(clock)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(close, server, 1011)
        with pytest.raises(ConnectionLost):
            await replay.run()
        assert replay.report().finished is False
        assert replay.report().input_bytes > 0


async def test_a_server_that_closes_in_the_middle_is_a_problem() -> None:
    clock = ManualClock()
    server, transport, replay = build(clock)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(close, server, 1000)
        report = await replay.run()
    assert not report.finished
    assert report.problems


async def test_a_replay_can_be_cancelled() -> None:
    clock = ManualClock()
    server, transport, replay = build(clock)
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(replay.run)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert appended(server) == 1
    assert not replay.report().finished


async def test_what_makes_no_sense() -> None:
    clock = ManualClock()
    _, transport, replay = build(clock)
    with pytest.raises(RuntimeError):
        replay.report()
    assert replay.progress() is None
    with pytest.raises(NotConnectedError):
        await replay.run()
    with pytest.raises(anyio.BusyResourceError):
        await replay.run()
    for speed in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError):
            Replay(transport=transport, recordings=[], speed=speed)


async def close(server: MemoryServer, code: int) -> None:
    await wait_all_tasks_blocked()
    server.close(code)
