"""Playback into a sink of another format: nothing is lost, cut off, or heard twice."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackPump
from realtime_transport.audio.resampling import Converter
from realtime_transport.audio.sinks import BufferSink, PacedSink
from realtime_transport.testing import ManualClock
from tests.audio.playing import PCM, PCM8, ULAW, A, B, Reports, Speaker, settle, speech

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("target", [AudioFormat.PCM48K, AudioFormat.PCM16K, ULAW])
async def test_the_sink_has_another_format(target: AudioFormat) -> None:
    """The converter holds samples back; they come out when the item ends, or nothing more has come for a while."""
    clock, sink, reports = ManualClock(), Speaker(format=target), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=clock)
    whole = Converter(PCM, target)
    expected = whole.process(speech(7_000)) + whole.flush() + whole.process(speech(3_000, 6)) + whole.flush()
    seen: list[int] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        for start in range(0, 14_000, 999):
            pump.put(A, speech(7_000)[start : start + 999])
        pump.put(B, speech(3_000, 6))
        for _ in range(target.samples_in(len(expected)) // 100 + 1):
            await clock.advance(0.01)
            sink.play(100)
            pump.refresh()
            seen.append(reports.last("item_a") + reports.last("item_b"))
            assert seen[-1] <= sink.samples_played * PCM.rate / target.rate + 1
        await clock.advance(1)
        assert clock.deadlines == ()  # At rest.
        tg.cancel_scope.cancel()
    assert sink.heard == expected
    assert (reports.last("item_a"), reports.last("item_b")) == (7_000, 3_000)
    assert len(set(seen)) > 30  # It moved with the sink, not from item to item.


async def test_the_end_of_an_item_follows_without_a_gap() -> None:
    clock, heard, reports = ManualClock(), BufferSink(PCM), Reports()
    sink = PacedSink(heard, clock=clock)
    pump = PlaybackPump(sink, PCM8, reports, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(8_000))
        await clock.advance(1)
        assert reports.last("item_a") == 8_000  # After exactly its length.
        await clock.advance(0.2)
        assert clock.deadlines == ()
        tg.cancel_scope.cancel()
    await sink.drain()
    assert len(heard.data) == 48_000
    await sink.aclose()


@pytest.mark.parametrize("first", [20, 480])
async def test_a_stream_in_real_time_is_not_cut(first: int) -> None:
    """What the converter holds back waits for what comes next, even if the sink has little or nothing to play."""
    clock, heard, reports = ManualClock(), BufferSink(PCM), Reports()
    sink = PacedSink(heard, clock=clock)
    pump = PlaybackPump(sink, PCM8, reports, clock=clock)
    whole = Converter(PCM8, PCM)
    data = speech(2_000)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, data[:first])
        for start in range(first, len(data), 320):  # 20 ms each.
            await clock.advance(0.02)
            pump.put(A, data[start : start + 320])
        pump.finish()
        await clock.advance(1)
    await sink.drain()
    assert heard.data == whole.process(data) + whole.flush()
    assert reports.last("item_a") == 2_000
    await sink.aclose()


async def test_samples_cut_in_two_stay_together_over_a_pause() -> None:
    clock, sink = ManualClock(), BufferSink(PCM)
    pump = PlaybackPump(sink, PCM, Reports(), clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, b"abc")
        await clock.advance(5)
        pump.put(A, b"def")
        pump.finish()
    assert sink.data == b"abcdef"


async def test_withdraw_forgets_what_the_converter_holds() -> None:
    sink, reports = Speaker(format=PCM), Reports()
    pump = PlaybackPump(sink, PCM8, reports, clock=ManualClock())
    whole = Converter(PCM8, PCM)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(30))  # So little that nothing comes out.
        await anyio.lowlevel.checkpoint()
        pump.withdraw({"resp_a"})
        pump.put(B, speech(1_000))
        pump.finish()
        for _ in range(3):
            await settle()
            sink.play(10_000)
    assert sink.heard == whole.process(speech(1_000)) + whole.flush()
    assert reports.last("item_a") == 0
    assert reports.last("item_b") == 1_000
