from __future__ import annotations

import random

import anyio
import anyio.lowlevel
import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackKey, PlaybackPump
from realtime_transport.audio.resampling import Converter
from realtime_transport.audio.sinks import BufferSink, PacedSink
from realtime_transport.errors import ConsumerTooSlow
from realtime_transport.testing import ManualClock
from tests.audio.playing import A1, PCM, PCM8, ULAW, A, B, Reports, Speaker, settle, speech

pytestmark = pytest.mark.anyio


async def test_everything_is_played_in_order_and_reported() -> None:
    sink, reports = BufferSink(PCM), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    data = speech(10_000)
    for start in range(0, len(data), 1_500):  # Deltas of any size; here is one that ends within a sample.
        pump.put(A, data[start : start + 1_500])
    pump.put(A1, data[:9])
    pump.put(B, data[:2_000])
    pump.finish()
    await pump.run()
    assert sink.data == data + data[:8] + data[:2_000]
    assert (reports.last("item_a"), reports.last("item_a", 1), reports.last("item_b")) == (10_000, 4, 1_000)
    stats = pump.statistics()
    assert (stats.bytes_received, stats.bytes_queued, stats.bytes_queued_max) == (22_009, 0, 22_009)
    assert (stats.bytes_withdrawn, stats.samples_played) == (0, 11_004)


async def test_a_large_piece_is_given_on_in_small_ones() -> None:
    sink, reports = Speaker(capacity=4_800), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    pump.put(A, speech(24_000))
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await settle()
        assert len(sink.held) == 2 * 4_800
        assert pump.statistics().bytes_queued == 48_000 - 3 * 4_800  # One piece waits for room.
        sink.play(100)
        pump.refresh()
        assert reports.log == [("item_a", 0, 100)]
        pump.refresh()
        assert len(reports.log) == 1
        tg.cancel_scope.cancel()


async def test_reports_follow_the_clock() -> None:
    clock, reports = ManualClock(), Reports()
    sink = PacedSink(BufferSink(PCM), clock=clock)
    pump = PlaybackPump(sink, PCM, reports, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(1)  # Nothing to play; nothing is polled.
        assert clock.deadlines == ()
        pump.put(A, speech(24_000))
        await clock.advance(0.5)
        assert reports.last("item_a") == 12_000
        await clock.advance(0.5)
        assert reports.last("item_a") == 24_000
        await clock.advance(0)
        assert clock.deadlines == ()
        pump.put(B, speech(2_400))
        await clock.advance(0.05)
        pump.refresh()
        assert reports.last("item_b") == 1_200
        pump.finish()
        await clock.advance(0.05)
    assert reports.last("item_b") == 2_400
    assert {item for item, _, _ in reports.log[: len(reports.log) - 2]} == {"item_a"}
    await sink.aclose()


async def test_put_never_waits_and_has_a_bound() -> None:
    pump = PlaybackPump(Speaker(), PCM, Reports(), max_bytes=10)
    pump.put(A, bytes(6))
    with pytest.raises(ConsumerTooSlow) as caught:
        pump.put(A, bytes(5))
    assert (caught.value.limit, caught.value.unit) == (10, "bytes")
    assert pump.statistics().bytes_queued == 6
    pump.put(A, bytes(4))
    pump.put(A, b"")
    assert pump.statistics().bytes_received == 10
    pump.finish()
    with pytest.raises(anyio.ClosedResourceError):
        pump.put(A, b"")


async def test_withdraw_clears_at_once_and_reports_what_was_heard() -> None:
    sink, reports = Speaker(capacity=4_800), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(24_000))
        await settle()
        sink.play(1_000)
        pump.withdraw({"resp_a"})
        assert (sink.held, reports.log) == (b"", [("item_a", 0, 1_000)])  # Before anything else has run.
        assert pump.statistics().bytes_queued == 0
        await settle()
        assert sink.held == b""  # The piece that waited for room is gone as well.
        pump.put(B, speech(500))
        pump.finish()
        await settle()
        sink.play(10_000)
    assert sink.heard == speech(24_000)[:2_000] + speech(500)
    assert (reports.last("item_a"), reports.last("item_b")) == (1_000, 500)
    assert pump.statistics().samples_played == 1_500
    assert pump.statistics().bytes_withdrawn == 48_000 - 3 * 4_800


async def test_withdraw_when_the_sink_takes_a_piece_all_the_same() -> None:
    """A sink that does not drop what a waiting send holds, nor lets itself be cancelled, is cleared once more."""
    sink, reports = Speaker(capacity=2_400, slow_to_cancel=True), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(24_000))
        await settle()
        sink.play(7)
        await settle()
        pump.withdraw({"resp_a"})
        await settle()
        assert (sink.held, sink.clears) == (b"", 2)
        pump.put(B, speech(500))
        pump.finish()
        await settle()
        sink.play(10_000)
    assert reports.log == [("item_a", 0, 7), ("item_b", 0, 500)]


async def test_withdraw_when_the_sink_does_not_notice() -> None:
    sink, reports = Speaker(capacity=2_400, deaf=True), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(24_000))
        await settle()
        pump.withdraw({"resp_a"})
        pump.put(B, speech(500))
        await settle()
        assert sink.held == speech(500)
        tg.cancel_scope.cancel()


async def test_withdraw_begins_a_new_conversion() -> None:
    sink = Speaker(format=PCM, capacity=2_400)
    pump = PlaybackPump(sink, PCM8, Reports(), clock=ManualClock())
    whole = Converter(PCM8, PCM)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(4_000))
        await settle()
        sink.play(10)
        pump.withdraw({"resp_a"})
        pump.put(B, speech(1_500, 6))
        pump.finish()
        for _ in range(5):
            await settle()
            sink.play(2_400)
    assert sink.heard[20:] == whole.process(speech(1_500, 6)) + whole.flush()


async def test_withdrawing_what_only_waits_leaves_the_sink_alone() -> None:
    sink, reports = Speaker(capacity=2_400), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(4_800))
        pump.put(B, speech(4_800))
        await settle()
        pump.withdraw(["resp_b", "resp_unknown"])
        assert sink.clears == 0
        pump.finish()
        for _ in range(4):
            await settle()
            sink.play(2_400)
    assert sink.heard == speech(4_800)
    assert reports.log[-1] == ("item_a", 0, 4_800)
    assert pump.statistics().bytes_withdrawn == 9_600


async def test_withdrawing_what_was_heard_leaves_the_next_alone() -> None:
    sink, reports = Speaker(), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(100))
        pump.put(B, speech(100))
        await settle()
        sink.play(150)
        pump.withdraw({"resp_a"})
        assert sink.clears == 0
        assert reports.log == [("item_a", 0, 100), ("item_b", 0, 50)]
        pump.withdraw()  # Of everything.
        assert sink.clears == 1
        tg.cancel_scope.cancel()
    assert reports.last("item_b") == 50


async def test_an_item_that_goes_on_after_withdrawal_counts_on() -> None:
    sink, reports = Speaker(), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(100))
        await settle()
        sink.play(40)
        pump.withdraw()
        pump.put(A, speech(50))
        await settle()
        sink.play(50)
        pump.refresh()
        assert reports.log == [("item_a", 0, 40), ("item_a", 0, 90)]
        tg.cancel_scope.cancel()


async def test_withdraw_of_an_item_that_is_all_but_over() -> None:
    """All that came out of the converter has been played; what it holds back is dropped and never reported."""
    sink, reports = Speaker(format=PCM), Reports()
    pump = PlaybackPump(sink, PCM8, reports, clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        pump.put(A, speech(1_000))
        await settle()
        sink.play(10_000)
        pump.withdraw({"resp_a"})
        assert sink.clears == 0
        pump.finish()
    assert len(sink.heard) < 6_000
    assert reports.last("item_a") == len(sink.heard) // 6


async def test_a_cancelled_run_loses_nothing() -> None:
    sink, reports = Speaker(capacity=2_400), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    pump.put(A, speech(12_000))
    for _ in range(8):
        async with anyio.create_task_group() as tg:
            tg.start_soon(pump.run)
            await settle()
            tg.cancel_scope.cancel()
        sink.play(1_200)
    pump.finish()
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        for _ in range(10):
            await settle()
            sink.play(2_400)
    assert sink.heard == speech(12_000)
    assert reports.last("item_a") == 12_000


async def test_a_sink_that_has_played_before() -> None:
    sink, reports = BufferSink(PCM), Reports()
    await sink.send(bytes(1_000))
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    pump.put(A, bytes(20))
    pump.finish()
    await pump.run()
    assert reports.log == [("item_a", 0, 10)]


async def test_errors_of_the_sink_come_out_of_run_as_they_are() -> None:
    sink = BufferSink(PCM)
    await sink.aclose()
    pump = PlaybackPump(sink, PCM, Reports())
    pump.put(A, bytes(20))
    with pytest.raises(anyio.ClosedResourceError):
        await pump.run()


async def test_it_runs_once_at_a_time() -> None:
    pump = PlaybackPump(BufferSink(PCM), PCM, Reports(), clock=ManualClock())
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await settle()
        with pytest.raises(anyio.BusyResourceError):
            await pump.run()
        pump.finish()


@pytest.mark.parametrize("seed", range(20))
async def test_positions_hold_whatever_happens(seed: int) -> None:
    """Never back, never more than was put in; in total never more than the sink played."""
    chance = random.Random(seed)
    target = chance.choice([PCM, AudioFormat.PCM48K, ULAW])
    sink, reports = Speaker(format=target, capacity=chance.choice([500, 5_000])), Reports()
    pump = PlaybackPump(sink, PCM, reports, clock=ManualClock())
    received: dict[tuple[str, int], int] = {}
    keys = [PlaybackKey(f"resp_{n // 2}", f"item_{n}", chance.randrange(2)) for n in range(12)]
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        for step in range(120):
            key = keys[step // 10]
            match chance.randrange(4):
                case 0:
                    samples = chance.randrange(3_000)
                    pump.put(key, speech(samples))
                    name = (key.item_id, key.content_index)
                    received[name] = received.get(name, 0) + samples
                case 1:
                    sink.play(chance.randrange(2_000))
                case 2 if chance.random() < 0.2:
                    pump.withdraw({key.response_id} if chance.random() < 0.8 else None)
                case _:
                    await settle()
            pump.refresh()
            heard = sum(reports.last(*name) for name in received)
            assert heard <= sink.samples_played * PCM.rate / target.rate + len(keys)
            assert all(reports.last(*name) <= samples for name, samples in received.items())
        tg.cancel_scope.cancel()
    assert pump.statistics().samples_played == sum(reports.last(*name) for name in received)


async def test_a_long_session_of_many_items() -> None:
    sink, reports = BufferSink(PCM), Reports()
    pump = PlaybackPump(sink, PCM, reports)
    for number in range(1_500):
        pump.put(PlaybackKey("resp", f"item_{number}", 0), bytes(2 * number + 2))
    pump.finish()
    await pump.run()
    assert [samples for _, _, samples in reports.log] == list(range(1, 1_501))
