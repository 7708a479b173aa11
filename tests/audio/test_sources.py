from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
import soundfile

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.g711 import ulaw_encode
from realtime_transport.audio.sources import BytesSource, FileSource, IterableSource
from realtime_transport.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from realtime_transport.audio.sources import AudioSource

pytestmark = pytest.mark.anyio


def write(path: Path, *, rate: int, channels: int, frames: int = 9_000, subtype: str | None = "PCM_16") -> Path:
    loud = np.random.default_rng(frames + channels).normal(0, 0.2, (frames, channels))
    soundfile.write(path, np.clip(loud, -1, 0.99), rate, subtype=subtype)
    return path


async def everything(source: AudioSource) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            parts.append(await source.receive())
        except anyio.EndOfStream:
            await source.aclose()
            return b"".join(parts)


@pytest.mark.parametrize("channels", [1, 2, 6, 9])
@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 96_000])
async def test_any_rate_and_channels_and_any_block_give_the_same_bytes(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = write(tmp_path / "a.wav", rate=rate, channels=channels)
    hashes: set[str] = set()
    for block_ms in (1, 7.3, 20, 200, 10_000):
        data = await everything(FileSource(path, block_ms=block_ms))
        assert len(data) == 2 * int(9_000 * 24_000 / rate + 0.5)
        hashes.add(hashlib.sha256(data).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.wav", "FLOAT")])
async def test_other_containers(tmp_path: Path, name: str, subtype: str) -> None:
    path = write(tmp_path / name, rate=48_000, channels=2, subtype=subtype)
    assert len({await everything(FileSource(path, block_ms=block)) for block in (3, 50, 5_000)}) == 1


async def test_what_needs_no_conversion_arrives_as_it_is(tmp_path: Path) -> None:
    pcm = np.arange(-32768, 32768, dtype="<i2")
    soundfile.write(tmp_path / "a.wav", pcm, 24_000)
    assert await everything(FileSource(tmp_path / "a.wav")) == pcm.tobytes()


async def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[1000, 3000], [-8, 0]], dtype="<i2"), 24_000)
    assert np.frombuffer(await everything(FileSource(str(tmp_path / "a.wav"))), "<i2").tolist() == [2000, -4]


async def test_one_conversion_to_the_format_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", rate=8_000, channels=1)
    linear = await everything(FileSource(path, format=AudioFormat.PCM8K))
    assert await everything(FileSource(path, format=AudioFormat.PCMU)) == ulaw_encode(linear)


async def test_open_says_what_the_file_holds(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "a.wav", rate=44_100, channels=2, frames=44_100))
    info = await source.open()
    assert (info.rate, info.channels, info.frames, info.container, info.seconds) == (44_100, 2, 44_100, "WAV", 1.0)
    assert (source.format, source.live) == (AudioFormat.PCM24K, False)
    await source.aclose()


@pytest.mark.parametrize("case", ["missing", "directory", "empty", "text", "header", "raw"])
async def test_an_unusable_file_is_named(tmp_path: Path, case: str) -> None:
    path = tmp_path / ("voice.raw" if case == "raw" else "voice.wav")
    match case:
        case "directory":
            path.mkdir()
        case "empty":
            path.touch()
        case "text" | "raw":
            path.write_text("this is no recording")
        case "header":
            soundfile.write(path, np.empty(0, "<i2"), 8_000)
        case _:
            pass
    source = FileSource(path)
    with pytest.raises(ConfigError, match=path.name) as caught:
        await source.receive()
    assert caught.value.key == "file"
    with pytest.raises(ConfigError, match=r"give|check"):  # What to do about it; and the same answer twice.
        await source.open()
    await source.aclose()


async def test_a_file_damaged_further_on_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.flac", rate=24_000, channels=1, frames=100_000)
    path.write_bytes(path.read_bytes()[:100_000])
    source = FileSource(path)
    assert await source.receive()
    with pytest.raises(ConfigError, match=r"cut\.flac.*damaged") as caught:
        await everything(source)
    assert caught.value.key == "file"
    await source.aclose()


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"\[audio\]"):
        await FileSource(tmp_path / "a.wav").receive()


async def test_a_closed_file_source(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "a.wav", rate=8_000, channels=1))
    await source.receive()
    await source.aclose()
    await source.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await source.receive()
    with pytest.raises(anyio.ClosedResourceError):
        await source.open()


async def test_close_happens_under_cancellation(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", rate=8_000, channels=1)
    source = FileSource(path)
    await source.receive()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await source.aclose()
    assert not scope.cancelled_caught  # It went through to the end.
    with pytest.raises(anyio.ClosedResourceError):
        await source.receive()


async def test_a_cancelled_receive_loses_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", rate=8_000, channels=1)
    expected = await everything(FileSource(path))
    source = FileSource(path, block_ms=20)
    parts: list[bytes] = []

    async def take(scope: anyio.CancelScope) -> None:
        with scope:
            parts.append(await source.receive())

    for when in ("before", "meanwhile") * 3:
        scope = anyio.CancelScope()
        if when == "before":
            scope.cancel()
            await take(scope)
            continue
        async with anyio.create_task_group() as tg:
            tg.start_soon(take, scope)
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert b"".join(parts) + await everything(source) == expected


async def test_bytes_source_cuts_into_blocks() -> None:
    source = BytesSource(bytes(range(250)), AudioFormat.PCMU, block_ms=10)
    assert not source.live
    assert [len(await source.receive()) for _ in range(4)] == [80, 80, 80, 10]
    for _ in range(2):
        with pytest.raises(anyio.EndOfStream):
            await source.receive()
    await source.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await source.receive()


async def test_a_cancelled_receive_of_bytes_loses_nothing() -> None:
    source = BytesSource(b"abcd", AudioFormat.PCM24K)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await source.receive()
    assert await everything(source) == b"abcd"


async def test_iterable_source_leaves_the_stream_open() -> None:
    send, receive = anyio.create_memory_object_stream[bytes](10)
    source = IterableSource(receive, AudioFormat.PCM16K)
    assert (source.live, source.format) == (True, AudioFormat.PCM16K)
    for data in (b"ab", b"", b"cd", b"ef"):
        await send.send(data)
    assert await source.receive() == b"ab"
    assert await source.receive() == b"cd"
    await source.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await source.receive()
    assert receive.receive_nowait() == b"ef"
    send.close()
    receive.close()


async def test_iterable_source_ends_with_the_iterable() -> None:
    async def words() -> AsyncIterator[Any]:
        yield bytearray(b"ab")
        yield memoryview(b"cd")

    assert await everything(IterableSource(words(), AudioFormat.PCM24K, live=False)) == b"abcd"
