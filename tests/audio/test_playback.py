from __future__ import annotations

import random

import anyio
import anyio.lowlevel
import attrs
import numpy as np
import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackKey, PlaybackPump
from realtime_transport.audio.resampling import Converter
from realtime_transport.audio.sinks import BufferSink, PacedSink
from realtime_transport.errors import ConsumerTooSlow
from realtime_transport.testing import ManualClock

pytestmark = pytest.mark.anyio

PCM = AudioFormat.PCM24K
PCM8 = AudioFormat.PCM8K
ULAW = AudioFormat.PCMU

A = PlaybackKey("resp_a", "item_a", 0)
A1 = PlaybackKey("resp_a", "item_a", 1)
B = PlaybackKey("resp_b", "item_b", 0)


def speech(samples: int, seed: int = 5) -> bytes:
    return np.random.default_rng(seed).integers(-9_000, 9_000, samples).astype("<i2").tobytes()


async def settle() -> None:
    await ManualClock().advance(0)


@attrs.define(eq=False)
class Reports:
    """Notes reports and checks what holds for all of them."""

    log: list[tuple[str, int, int]] = attrs.field(factory=list)

    def __call__(self, item_id: str, content_index: int, samples: int) -> None:
        assert samples > self.last(item_id, content_index), "went back, or said nothing new"
        self.log.append((item_id, content_index, samples))

    def last(self, item_id: str, content_index: int = 0) -> int:
        return max((n for item, index, n in self.log if (item, index) == (item_id, content_index)), default=0)


@attrs.define(eq=False)
class Speaker:
    """A sink that plays when a test says so, and takes `capacity` samples."""

    format: AudioFormat = PCM
    capacity: int = 10**9
    slow_to_cancel: bool = False
    deaf: bool = False  # A waiting send does not notice that there is room again.
    samples_played: int = 0
    held: bytes = b""
    heard: bytes = b""
    clears: int = 0
    _changed: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    async def send(self, pcm: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        while self.held and len(self.held) + len(pcm) > self.format.bytes_for(self.capacity):
            with anyio.CancelScope(shield=self.slow_to_cancel):
                await self._changed.wait()
        self.held += pcm

    def play(self, samples: int) -> None:
        size = self.format.bytes_for(samples)
        self.heard += self.held[:size]
        self.samples_played += self.format.samples_in(len(self.held[:size]))
        self.held = self.held[size:]
        self._change()

    def clear(self) -> None:
        self.held = b""
        self.clears += 1
        if not self.deaf:
            self._change()

    async def drain(self) -> None:
        await anyio.lowlevel.checkpoint()
        while self.held:
            await self._changed.wait()

    async def aclose(self) -> None:
        raise AssertionError("the sink is not the pump's to close")

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


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
