from __future__ import annotations

import os
import wave
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest
import soundfile

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.g711 import alaw_decode, ulaw_decode
from realtime_transport.audio.sinks import BufferSink, PacedSink, WavSink
from realtime_transport.errors import ConfigError, ConsumerTooSlow
from realtime_transport.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_transport.audio.sinks import AudioSink

pytestmark = pytest.mark.anyio

ULAW_SECOND = bytes(range(250)) * 32


async def test_buffer_sink() -> None:
    sink = BufferSink(AudioFormat.PCM16K, max_bytes=6)
    await sink.send(b"abcd")
    sink.clear()
    await sink.drain()
    assert (sink.data, sink.samples_played) == (b"abcd", 2)
    with pytest.raises(ConsumerTooSlow) as caught:
        await sink.send(b"efgh")
    assert (caught.value.limit, caught.value.unit, sink.data) == (6, "bytes", b"abcd")
    assert (sink.take(), sink.data) == (b"abcd", b"")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sink.send(b"xx")
    await sink.send(b"efgh")
    assert (sink.data, sink.samples_played) == (b"efgh", 4)
    await sink.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await sink.send(b"ij")


async def test_wav_sink_writes_what_others_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sink = WavSink(path)
    pcm = np.arange(-500, 500, dtype="<i2").tobytes()
    await sink.send(pcm[:1000])
    await sink.send(pcm[1000:])
    sink.clear()
    await sink.drain()
    assert sink.samples_played == 1000
    await sink.aclose()
    await sink.aclose()
    with wave.open(str(path)) as reader:
        assert reader.getparams()[:4] == (1, 2, 24_000, 1000)
        assert reader.readframes(2000) == pcm
    with pytest.raises(anyio.ClosedResourceError):
        await sink.send(b"ab")
    with pytest.raises(anyio.ClosedResourceError):
        await sink.open()


async def test_wav_sink_can_be_read_at_any_moment(tmp_path: Path) -> None:
    """A crash leaves the file as it is between two calls."""
    path = tmp_path / "a.wav"
    sink = WavSink(str(path), AudioFormat.PCM16K)
    await sink.open()
    assert soundfile.info(path).frames == 0
    for count in range(1, 4):
        await sink.send(b"ab" * 100)
        data, rate = soundfile.read(path, dtype="int16")
        assert (data.tobytes(), rate) == (b"ab" * 100 * count, 16_000)
    await sink.aclose()


@pytest.mark.parametrize(
    ("audio_format", "subtype", "decode"),
    [(AudioFormat.PCMU, "ULAW", ulaw_decode), (AudioFormat.PCMA, "ALAW", alaw_decode)],
)
async def test_wav_sink_writes_g711(tmp_path: Path, audio_format: AudioFormat, subtype: str, decode: object) -> None:
    path = tmp_path / "a.wav"
    sink = WavSink(path, audio_format)
    codes = bytes(range(256))
    await sink.send(codes)
    assert sink.samples_played == 256
    await sink.aclose()
    assert soundfile.info(path).subtype == subtype
    assert callable(decode)
    assert soundfile.read(path, dtype="int16")[0].tobytes() == decode(codes)


async def test_wav_sink_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing") as caught:
        await WavSink(tmp_path / "missing" / "a.wav").send(b"ab")
    assert caught.value.key == "file"


async def test_wav_sink_never_opened_leaves_no_file(tmp_path: Path) -> None:
    await WavSink(tmp_path / "a.wav").aclose()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_wav_sink_closes_under_cancellation(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "a.wav")
    await sink.send(b"abcd")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sink.aclose()
    assert not scope.cancelled_caught  # It went through to the end.
    # Were the file left open, Python's warning about it would fail this test.
    assert soundfile.info(tmp_path / "a.wav").frames == 2


async def test_a_cancelled_send_writes_nothing(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "a.wav")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sink.send(b"abcd")
    assert sink.samples_played == 0
    await sink.send(b"ef")
    await sink.aclose()
    assert soundfile.info(tmp_path / "a.wav").frames == 1


async def test_paced_sink_plays_at_the_pace_of_the_clock() -> None:
    clock, heard = ManualClock(start=100.0), BufferSink(AudioFormat.PCMU)
    sink = PacedSink(heard, clock=clock, buffer_ms=1_000)
    assert (sink.format, sink.samples_played) == (AudioFormat.PCMU, 0)
    await sink.send(ULAW_SECOND)
    played: list[int] = []
    for _ in range(5):
        await clock.advance(0.25)
        played.append(sink.samples_played)
    assert played == [2_000, 4_000, 6_000, 8_000, 8_000]
    await sink.drain()
    assert heard.data == ULAW_SECOND
    await sink.send(ULAW_SECOND)  # It had run dry, so these begin now.
    await clock.advance(0.5)
    assert sink.samples_played == 12_000
    await sink.aclose()


async def send_all(sink: AudioSink, data: bytes, size: int, log: list[int]) -> None:
    for i in range(0, len(data), size):
        await sink.send(data[i : i + size])
        log.append(i + size)


async def test_paced_sink_makes_send_wait_for_room_without_drift() -> None:
    clock, heard = ManualClock(), BufferSink(AudioFormat.PCMU)
    sink = PacedSink(heard, clock=clock, buffer_ms=200)
    sent: list[int] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(send_all, sink, ULAW_SECOND * 5, 160, sent)
        await clock.advance(0)
        assert sent[-1] == 1_600  # 200 ms.
        await clock.advance(0.02)
        assert sent[-1] == 1_760
        await clock.advance(0.019)
        assert sent[-1] == 1_760
        await clock.advance(4.961)
        assert (sent[-1], sink.samples_played) == (40_000, 40_000)
    await sink.drain()
    assert heard.data == ULAW_SECOND * 5
    assert clock.deadlines == ()
    await sink.aclose()


async def test_paced_sink_takes_more_than_fits_when_it_has_run_dry() -> None:
    clock = ManualClock()
    sink = PacedSink(BufferSink(AudioFormat.PCMU), clock=clock, buffer_ms=10)
    sent: list[int] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(send_all, sink, ULAW_SECOND * 2, 8_000, sent)
        await clock.advance(0.999)
        assert sent == [8_000]
        await clock.advance(0.001)
        assert sent == [8_000, 16_000]
    await sink.aclose()


async def test_clear_drops_what_was_not_played_and_what_waits() -> None:
    clock, heard = ManualClock(), BufferSink(AudioFormat.PCMU)
    sink = PacedSink(heard, clock=clock, buffer_ms=200)
    sent: list[int] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(send_all, sink, ULAW_SECOND[:1_760], 160, sent)
        await clock.advance(0.01)
        assert sent[-1] == 1_600  # The last piece waits.
        sink.clear()
        assert sink.samples_played == 80
        await clock.advance(0)
        assert sent[-1] == 1_760  # That send returned; its audio is gone, too.
    await clock.advance(1)
    assert sink.samples_played == 80
    await sink.send(ULAW_SECOND[:160])
    await clock.advance(1)
    assert sink.samples_played == 240
    await sink.drain()
    assert heard.data == ULAW_SECOND[:80] + ULAW_SECOND[:160]
    await sink.aclose()


async def test_drain_waits_for_the_end_or_for_clear() -> None:
    clock = ManualClock()
    sink = PacedSink(BufferSink(AudioFormat.PCMU), clock=clock, buffer_ms=2_000)
    drained: list[float] = []

    async def drain() -> None:
        await sink.drain()
        drained.append(clock.now())

    for clear_at, until in ((None, 1.0), (0.5, 1.5)):
        await sink.send(ULAW_SECOND)
        async with anyio.create_task_group() as tg:
            tg.start_soon(drain)
            if clear_at is None:
                await clock.advance(1.0)
            else:
                await clock.advance(clear_at)
                sink.clear()
        assert drained[-1] == until
    await sink.aclose()


async def test_a_send_cancelled_while_it_waits_takes_nothing() -> None:
    clock, heard = ManualClock(), BufferSink(AudioFormat.PCMU)
    sink = PacedSink(heard, clock=clock, buffer_ms=1_000)
    await sink.send(ULAW_SECOND)
    async with anyio.create_task_group() as tg:
        tg.start_soon(sink.send, b"x" * 80)
        await clock.advance(0.001)
        tg.cancel_scope.cancel()
    await clock.advance(5)
    await sink.drain()
    assert heard.data == ULAW_SECOND
    assert clock.deadlines == ()
    await sink.aclose()


async def test_close_stops_and_keeps_what_was_heard(tmp_path: Path) -> None:
    clock = ManualClock()
    sink = PacedSink(WavSink(tmp_path / "heard.wav", AudioFormat.PCMU), clock=clock, buffer_ms=1_000)
    await sink.send(ULAW_SECOND)
    refused: list[bool] = []

    async def waits() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await sink.send(ULAW_SECOND)  # For which there is no room before the first has been played.
        refused.append(True)

    async with anyio.create_task_group() as tg:
        tg.start_soon(waits)
        await clock.advance(0.25)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await sink.aclose()
    await sink.aclose()
    await sink.drain()
    assert refused == [True]
    assert sink.samples_played == 2_000
    data, _ = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert data.tobytes() == ulaw_decode(ULAW_SECOND[:2_000])


async def test_a_paced_sink_that_was_closed() -> None:
    sink = PacedSink(BufferSink(AudioFormat.PCMU), clock=ManualClock())
    await sink.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await sink.send(b"x")


async def test_two_senders_at_once_are_refused() -> None:
    clock = ManualClock()
    sink = PacedSink(BufferSink(AudioFormat.PCMU), clock=clock, buffer_ms=100)
    await sink.send(ULAW_SECOND)
    async with anyio.create_task_group() as tg:
        tg.start_soon(sink.send, b"x")
        await clock.advance(0)
        with pytest.raises(anyio.BusyResourceError):
            await sink.send(b"y")
        tg.cancel_scope.cancel()
    await sink.aclose()
