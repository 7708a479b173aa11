"""A recording that talks over the reply to the one before: on a memory link, with a clock that stands still."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import AudioFormat, BytesSource, OpenAIRealtimeWebSocket
from realtime_transport.errors import ConfigError
from realtime_transport.replay import BargeInAt, Listener, Recording, Replay, ReplayReport, WireWatch
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer

from .test_runner import BEGUN, COMMITTED, CREATED, DELTA, DONE, NO_MORE, STARTED, STOPPED, appended

pytestmark = pytest.mark.anyio

SECOND = {**DELTA, "delta": base64.b64encode(bytes(48_000)).decode()}
TRUNCATED = {
    "type": "conversation.item.truncated",
    "event_id": "e",
    "item_id": "i",
    "content_index": 0,
    "audio_end_ms": 500,
}


async def begin(clock: ManualClock, at: BargeInAt, *replies: dict[str, Any]) -> tuple[MemoryServer, Any, Replay]:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(
        connector=server.connector, api_key="sk", clock=clock, ping_interval=None, update_timeout=0, create_timeout=None
    )
    server.send(CREATED)
    recordings = [
        Recording(name=name, source=BytesSource(bytes(48 * 100), AudioFormat.PCM24K), barge_in=barge_in)
        for name, barge_in in (("question", None), ("interruption", at))
    ]
    watch = WireWatch()
    replay = Replay(
        transport=transport,
        recordings=recordings,
        listener=Listener(AudioFormat.PCM24K, buffer_ms=0),
        watch_wire=watch,
        settle=0.1,
        clock=clock,
    )
    return server, (transport, watch), replay


async def run(at: BargeInAt) -> tuple[list[int], MemoryServer, ReplayReport]:
    """How many frames had been sent 0.4 s, 0.5 s and 0.6 s into the reply of one second that comes at once."""
    clock = ManualClock()
    server, (transport, watch), replay = await begin(clock, at)
    sent: list[int] = []
    with transport.observe(watch):
        async with transport.connect(), anyio.create_task_group() as tasks:
            tasks.start_soon(replay.run)
            await wait_all_tasks_blocked()
            for _ in range(5):
                await clock.advance(0.02)
            server.send(STARTED, STOPPED, COMMITTED, BEGUN, SECOND, NO_MORE, DONE)
            await wait_all_tasks_blocked()
            silence = appended(server)
            for _ in range(6):
                await clock.advance(0.1)
                sent.append(appended(server) - silence)
            server.send({**STARTED, "item_id": "u2", "audio_start_ms": 600}, TRUNCATED)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    return sent, server, replay.report()


@pytest.mark.parametrize("at", [BargeInAt(seconds=0.5), BargeInAt(share=0.5)])
async def test_it_begins_when_so_much_of_the_reply_was_heard(at: BargeInAt) -> None:
    sent, server, report = await run(at)
    assert report.recordings[0].seconds == pytest.approx(0.1)  # The silence that waits belongs to none.
    assert sent[3] - sent[2] == 5  # Silence goes on, for the detector.
    assert "conversation.item.truncate" in server.types()
    (found,) = report.barge_ins
    assert found.recording == "interruption"
    assert found.silent_at == found.truncated_at == found.acknowledged_at == pytest.approx(0.7)
    assert 560 <= found.heard_ms <= 600


async def test_it_waits_for_no_reply_that_does_not_come() -> None:
    clock = ManualClock()
    _, (transport, _), replay = await begin(clock, BargeInAt(seconds=0.5))
    async with transport.connect(), anyio.create_task_group() as tasks:
        tasks.start_soon(replay.run)
        await wait_all_tasks_blocked()
        for _ in range(100):
            await clock.advance(0.02)
        assert [recording.name for recording in replay.report().recordings] == ["question"]
        for _ in range(60):
            await clock.advance(0.02)
        assert [recording.name for recording in replay.report().recordings] == ["question", "interruption"]
        tasks.cancel_scope.cancel()
    assert replay.report().barge_ins == ()


@pytest.mark.parametrize(
    "options", [{}, {"seconds": 1.0, "share": 0.5}, {"seconds": -1.0}, {"share": 1.0}, {"share": -0.1}]
)
async def test_a_moment_that_makes_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="barge_in"):
        BargeInAt(**options)


async def test_it_takes_a_listener_and_turn_detection() -> None:
    source = BytesSource(bytes(960), AudioFormat.PCM24K)
    recordings = [Recording(name="a", source=source, barge_in=BargeInAt(seconds=1.0))]
    transport = OpenAIRealtimeWebSocket(api_key="sk")
    with pytest.raises(ConfigError, match="listener"):
        Replay(transport=transport, recordings=recordings)
    with pytest.raises(ConfigError, match="turn detection"):
        Replay(transport=transport, recordings=recordings, listener=Listener(AudioFormat.PCM24K), commit=True)
