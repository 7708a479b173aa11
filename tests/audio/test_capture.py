from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import anyio
import attrs
import numpy as np
import pytest
import soundfile

from realtime_transport.audio.capture import CapturePump
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.audio.sources import BytesSource, FileSource, IterableSource
from realtime_transport.errors import ConfigError, MissingExtraError
from realtime_transport.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ULAW = AudioFormat.PCMU
FRAME = 160  # 20 ms of µ-law.


def speech(samples: int) -> bytes:
    return np.random.default_rng(3).integers(0, 255, samples, np.uint8).tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@attrs.define(eq=False)
class AudioReceiver:
    """Notes what is sent and when; can stall, or refuse to take anything while it is blocked."""

    clock: ManualClock
    log: list[tuple[float, bytes]] = attrs.field(factory=list)
    stalls: dict[int, float] = attrs.field(factory=dict)
    blocked: bool = False

    async def send(self, data: bytes) -> None:
        if self.blocked:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        self.log.append((round(self.clock.now(), 6), data))
        if stall := self.stalls.pop(len(self.log), 0):
            with anyio.CancelScope(shield=True):
                await self.clock.sleep_until(self.clock.now() + stall)

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.log]

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.log)


async def test_frames_are_exact_and_each_at_its_moment() -> None:
    clock = ManualClock(start=1_000.0)
    peer, data = AudioReceiver(clock), speech(3 * FRAME + 7)
    pump = CapturePump(BytesSource(data, ULAW), ULAW, send=peer.send, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(0.0599)
        assert peer.times == [1_000.0, 1_000.02, 1_000.04]
        await clock.advance(0.0001)
    assert peer.log[-1] == (1_000.06, data[-7:])  # The last frame is what was left.
    assert [len(frame) for _, frame in peer.log] == [FRAME, FRAME, FRAME, 7]
    assert peer.data == data
    stats = pump.statistics()
    assert (stats.frames, stats.bytes, stats.samples, stats.stalls) == (4, 487, 487, 0)
    assert (stats.late_p50_ms, stats.late_p99_ms, stats.late_max_ms) == (0, 0, 0)
    assert stats.sent_sha256 == stats.recording_sha256 == sha256(data)


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0, 20.0])
async def test_no_drift(speed: float) -> None:
    clock = ManualClock(start=12_345.678)
    peer = AudioReceiver(clock)
    pump = CapturePump(
        BytesSource(bytes(8_000 * 30), AudioFormat.PCM8K),
        AudioFormat.PCM8K,
        send=peer.send,
        frame_ms=30,
        speed=speed,
        clock=clock,
    )
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(15 / speed)
    assert len(peer.log) == 500
    assert peer.times == [round(12_345.678 + n * 0.03 / speed, 6) for n in range(500)]


async def test_frames_of_a_broken_number_of_samples_do_not_drift() -> None:
    clock = ManualClock()
    peer = AudioReceiver(clock)
    target = AudioFormat(encoding="audio/pcm", rate=11_025)  # 20 ms would be 220.5 samples.
    pump = CapturePump(BytesSource(bytes(2 * 11_025), target), target, send=peer.send, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(2)
    assert peer.times == [round(n * 220 / 11_025, 6) for n in range(51)]


async def test_a_little_late_is_made_up_for() -> None:
    clock = ManualClock()
    peer = AudioReceiver(clock, stalls={5: 0.09})
    pump = CapturePump(BytesSource(speech(20 * FRAME), ULAW), ULAW, send=peer.send, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(1)
    expected = [0, 0.02, 0.04, 0.06, 0.08, 0.17, 0.17, 0.17, 0.17]
    assert peer.times == pytest.approx([*expected, *(0.18 + 0.02 * n for n in range(11))])
    stats = pump.statistics()
    assert stats.stalls == 0
    assert stats.late_max_ms == pytest.approx(70)
    assert stats.late_p50_ms <= 0.01
    assert stats.late_p99_ms == pytest.approx(70, rel=0.05)


async def test_no_burst_after_a_stall() -> None:
    clock = ManualClock()
    peer = AudioReceiver(clock, stalls={5: 3.0})
    pump = CapturePump(BytesSource(speech(10 * FRAME), ULAW), ULAW, send=peer.send, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(4)
    assert peer.times == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 3.08, 3.10, 3.12, 3.14, 3.16])
    assert pump.statistics().stalls == 1
    assert pump.statistics().late_max_ms == pytest.approx(2980)


async def test_without_a_pace_it_goes_as_fast_as_send_accepts() -> None:
    clock, data = ManualClock(), speech(100 * FRAME + 1)
    peer = AudioReceiver(clock)
    pump = CapturePump(BytesSource(data, ULAW), ULAW, send=peer.send, speed=None, tail_ms=30, clock=clock)
    await pump.run()
    assert set(peer.times) == {0.0}
    assert [len(frame) for _, frame in peer.log] == [*[FRAME] * 100, 1, 160, 80]
    assert pump.statistics().recording_sha256 == sha256(data)
    assert pump.statistics().sent_sha256 == sha256(data + b"\xff" * 240) == sha256(peer.data)
    await pump.run()  # It is over.
    assert pump.statistics().frames == 103


async def test_the_tail_keeps_the_pace() -> None:
    clock = ManualClock()
    peer = AudioReceiver(clock)
    pump = CapturePump(BytesSource(speech(FRAME + 80), ULAW), ULAW, send=peer.send, tail_ms=50, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(1)
    assert peer.times == pytest.approx([0, 0.02, 0.03, 0.05, 0.07])
    assert peer.data[-400:] == b"\xff" * 400


async def test_a_live_source_paces_itself_and_gets_a_paced_tail() -> None:
    clock = ManualClock()
    peer = AudioReceiver(clock)
    send, receive = anyio.create_memory_object_stream[bytes](100)
    pump = CapturePump(IterableSource(receive, ULAW), ULAW, send=peer.send, tail_ms=40, clock=clock)
    async with anyio.create_task_group() as tg, receive:
        tg.start_soon(pump.run)
        await clock.advance(5)
        for piece in (bytes(100), bytes(220), bytes(10)):
            await send.send(piece)
        await clock.advance(0)
        assert [len(frame) for _, frame in peer.log] == [160, 160]
        send.close()
        await clock.advance(1)
    assert peer.times == pytest.approx([5, 5, 5, 5, 5.02])
    assert [len(frame) for _, frame in peer.log] == [160, 160, 10, 160, 160]
    assert pump.statistics().stalls == 0


@pytest.mark.parametrize("when_muted", ["nothing", "silence"])
async def test_muted_audio_runs_on_but_is_not_sent(when_muted: str) -> None:
    clock, data = ManualClock(), speech(10 * FRAME)
    peer = AudioReceiver(clock)
    pump = CapturePump(BytesSource(data, ULAW), ULAW, send=peer.send, when_muted=when_muted, clock=clock)  # type: ignore[arg-type]
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(0.05)  # Three frames.
        pump.muted = True
        await clock.advance(0.08)  # Four more.
        pump.muted = False
        await clock.advance(1)
    silence = b"\xff" * 4 * FRAME if when_muted == "silence" else b""
    assert peer.data == data[: 3 * FRAME] + silence + data[7 * FRAME :]
    assert peer.times[-1] == pytest.approx(0.18)
    stats = pump.statistics()
    assert stats.muted_frames == 4
    assert stats.sent_sha256 == sha256(peer.data)
    assert stats.recording_sha256 == sha256(data)


@pytest.mark.parametrize("target", [AudioFormat.PCM24K, AudioFormat.PCMU, AudioFormat.PCM8K])
@pytest.mark.parametrize("block_ms", [1, 20, 333])
async def test_conversion_is_that_of_the_whole_recording(target: AudioFormat, block_ms: float) -> None:
    clock, data = ManualClock(), speech(16_000)
    peer = AudioReceiver(clock)
    source = BytesSource(data, AudioFormat.PCM16K, block_ms=block_ms)
    pump = CapturePump(source, target, send=peer.send, speed=None, clock=clock)
    await pump.run()
    whole = Converter(AudioFormat.PCM16K, target)
    assert peer.data == whole.process(data) + whole.flush()
    assert pump.statistics().recording_sha256 == sha256(peer.data)


async def test_a_file_from_end_to_end(tmp_path: Path) -> None:
    tone = np.sin(np.arange(44_100) / 20) * 20_000
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], 1).astype("<i2"), 44_100)
    hashes: set[str] = set()
    for block_ms in (5, 200):
        peer = AudioReceiver(ManualClock())
        source = FileSource(tmp_path / "a.wav", block_ms=block_ms)
        pump = CapturePump(source, AudioFormat.PCM24K, send=peer.send, speed=None)
        await pump.run()
        await source.aclose()
        assert len(peer.data) == 48_000
        hashes.add(pump.statistics().sent_sha256)
    assert hashes == {sha256(peer.data)}


@pytest.mark.parametrize("when", ["asleep", "sending"])
async def test_a_cancelled_run_loses_nothing(when: str) -> None:
    clock, data = ManualClock(), speech(6 * FRAME)
    peer = AudioReceiver(clock)
    pump = CapturePump(BytesSource(data, ULAW), ULAW, send=peer.send, tail_ms=40, clock=clock)
    for _ in range(12):
        async with anyio.create_task_group() as tg:
            tg.start_soon(pump.run)
            await clock.advance(0.01)
            if when == "sending":
                peer.blocked = True
                await clock.advance(0.02)
            tg.cancel_scope.cancel()
        peer.blocked = False
    await pump.run()
    assert peer.data == data + b"\xff" * 320
    assert pump.statistics().sent_sha256 == sha256(peer.data)
    assert pump.statistics().recording_sha256 == sha256(data)
    assert clock.deadlines == ()


async def test_the_source_stays_open() -> None:
    source = BytesSource(b"abcd", ULAW)
    peer = AudioReceiver(ManualClock())
    await CapturePump(source, ULAW, send=peer.send, speed=None).run()
    with pytest.raises(anyio.EndOfStream):  # Rather than ClosedResourceError.
        await source.receive()


async def test_errors_of_source_and_peer_come_out_of_run(tmp_path: Path) -> None:
    async def broken(data: bytes) -> None:
        raise anyio.BrokenResourceError

    with pytest.raises(anyio.BrokenResourceError):
        await CapturePump(BytesSource(b"abcd", ULAW), ULAW, send=broken).run()
    with pytest.raises(ConfigError, match=r"nothing\.wav"):
        await CapturePump(FileSource(tmp_path / "nothing.wav"), AudioFormat.PCM24K, send=broken).run()


async def test_it_runs_once_at_a_time() -> None:
    clock = ManualClock()
    pump = CapturePump(BytesSource(speech(FRAME * 5), ULAW), ULAW, send=AudioReceiver(clock).send, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(0)
        with pytest.raises(anyio.BusyResourceError):
            await pump.run()
        tg.cancel_scope.cancel()


@pytest.mark.parametrize(("setting", "value"), [("frame_ms", 0), ("frame_ms", 0.1), ("speed", 0), ("speed", -1.0)])
async def test_impossible_settings(setting: str, value: float) -> None:
    settings = {setting: value}
    with pytest.raises(ConfigError, match=setting) as caught:
        CapturePump(BytesSource(b"", ULAW), ULAW, send=AudioReceiver(ManualClock()).send, **settings)  # type: ignore[arg-type]
    assert caught.value.key == setting


async def test_a_telephone_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("numpy", "soxr", "soundfile"):
        monkeypatch.setitem(sys.modules, module, None)
    peer = AudioReceiver(ManualClock())
    await CapturePump(BytesSource(b"\0\0" * 160, AudioFormat.PCM8K), ULAW, send=peer.send, speed=None).run()
    assert peer.data == b"\xff" * 160
    with pytest.raises(MissingExtraError):
        CapturePump(BytesSource(b"", ULAW), AudioFormat.PCM24K, send=peer.send)


async def test_lateness_is_kept_in_bounded_memory() -> None:
    clock = ManualClock()
    stalls = dict.fromkeys(range(1, 100), 0.021) | dict.fromkeys(range(100, 103), 0.04)
    peer = AudioReceiver(clock, stalls=dict(stalls))
    pump = CapturePump(BytesSource(speech(1_000 * FRAME), ULAW), ULAW, send=peer.send, max_late_ms=0, clock=clock)
    async with anyio.create_task_group() as tg:
        tg.start_soon(pump.run)
        await clock.advance(25)
    stats = pump.statistics()
    assert stats.frames == 1_000
    assert stats.stalls == 102
    assert stats.late_p50_ms <= 0.01
    assert stats.late_p99_ms == pytest.approx(1, rel=0.05)
    assert stats.late_max_ms == pytest.approx(20)
