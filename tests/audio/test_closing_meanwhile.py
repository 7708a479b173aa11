"""Files that are closed while a call of another task is on its way to a worker thread."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np
import pytest
import soundfile

from realtime_transport.audio.sinks import WavSink
from realtime_transport.audio.sources import FileSource
from realtime_transport.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def one_thread_and_that_is_busy() -> AsyncIterator[Callable[[], None]]:
    """Calls wait for the thread, first come first served, until what this yields is called."""
    limiter = anyio.to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 1
    borrower = object()
    await limiter.acquire_on_behalf_of(borrower)
    try:
        yield lambda: limiter.release_on_behalf_of(borrower)
    finally:
        limiter.total_tokens = before


@pytest.mark.parametrize("opened", [False, True])
async def test_file_source(tmp_path: Path, opened: bool) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1_000, "<i2"), 8_000)
    source = FileSource(tmp_path / "a.wav")
    if opened:
        await source.open()

    async def receive() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await source.receive()

    async with one_thread_and_that_is_busy() as release, anyio.create_task_group() as tg:
        tg.start_soon(receive)
        await ManualClock().advance(0)
        with pytest.raises(anyio.BusyResourceError):
            await source.receive()
        tg.start_soon(source.aclose)
        await ManualClock().advance(0)
        release()


@pytest.mark.parametrize("opened", [False, True])
async def test_wav_sink(tmp_path: Path, opened: bool) -> None:
    sink = WavSink(tmp_path / "a.wav")
    if opened:
        await sink.open()
    outcome: list[type[BaseException] | None] = []

    async def send() -> None:
        try:
            await sink.send(b"abcd")
        except anyio.ClosedResourceError as error:
            outcome.append(type(error))
        else:
            outcome.append(None)

    async with one_thread_and_that_is_busy() as release, anyio.create_task_group() as tg:
        tg.start_soon(send)
        await ManualClock().advance(0)
        with pytest.raises(anyio.BusyResourceError):
            await sink.send(b"x")
        tg.start_soon(sink.aclose)
        await ManualClock().advance(0)
        release()
    # What was on its way before the close is written, and says so; otherwise it is neither.
    assert outcome == ([None] if opened else [anyio.ClosedResourceError])
    assert soundfile.info(tmp_path / "a.wav").frames == sink.samples_played == (2 if opened else 0)
