"""Microphone and loudspeaker on a PortAudio that the test plays."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import anyio
import pytest

from realtime_transport.audio.devices import Microphone, Speaker, list_devices
from realtime_transport.errors import ConfigError, DeviceLost, MissingExtraError
from realtime_transport.testing import ManualClock

pytestmark = pytest.mark.anyio


class PortAudioError(Exception):
    pass


class Stream:
    """A stream whose callback the test calls, from a thread, as PortAudio does."""

    def __init__(self, **options: Any) -> None:
        if options["device"] == "broken":
            raise PortAudioError("Invalid device")
        self.options = options
        self.closed = False
        STREAMS.append(self)

    def start(self) -> None:
        pass

    def abort(self) -> None:
        if self.options["device"] == "unplugged":
            raise PortAudioError("Unanticipated host error")
        self.options["finished_callback"]()

    def close(self) -> None:
        self.closed = True

    def call(self, data: Any, *, status: Any = None) -> None:
        self.in_thread(self.options["callback"], data, len(data) // 2, None, status)

    def unplug(self) -> None:
        self.in_thread(self.options["finished_callback"])

    def in_thread(self, function: Any, *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive(), "PortAudio's thread waits for the event loop, which is blocked"


STREAMS: list[Stream] = []


@pytest.fixture(autouse=True)
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> Any:
    STREAMS.clear()
    module = types.ModuleType("sounddevice")
    module.RawInputStream = module.RawOutputStream = Stream  # type: ignore[attr-defined]
    module.PortAudioError = PortAudioError  # type: ignore[attr-defined]
    module.default = types.SimpleNamespace(device=(0, 1))  # type: ignore[attr-defined]
    module.query_devices = lambda: [  # type: ignore[attr-defined]
        {"name": "mic", "max_input_channels": 1, "max_output_channels": 0},
        {"name": "loud", "max_input_channels": 0, "max_output_channels": 2},
    ]
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


async def test_a_microphone_gives_what_it_records() -> None:
    microphone = Microphone("mic")
    await microphone.open()
    await microphone.open()
    assert len(STREAMS) == 1
    assert STREAMS[0].options["device"] == "mic"
    got: list[bytes] = []

    async def read() -> None:
        got.append(await microphone.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(STREAMS[0].call, b"\x01\x02" * 240)
    assert got == [b"\x01\x02" * 240]
    await microphone.aclose()
    await microphone.aclose()
    assert STREAMS[0].closed
    with pytest.raises(anyio.ClosedResourceError):
        await microphone.receive()


async def test_stale_speech_is_dropped() -> None:
    microphone = Microphone()
    await microphone.open()
    for number in range(60):
        await anyio.to_thread.run_sync(STREAMS[0].call, bytes([number, 0]))
    assert microphone.dropped_blocks == 10
    assert (await microphone.receive())[:2] == b"\x0a\x00"
    await microphone.aclose()


async def test_a_loudspeaker_plays_and_clears() -> None:
    speaker = Speaker()
    await speaker.send(b"\x01\x00" * 240)
    out = bytearray(2 * 480)
    STREAMS[0].call(memoryview(out))
    assert bytes(out) == b"\x01\x00" * 240 + bytes(480)
    assert speaker.samples_played == 240
    await speaker.send(b"\x01\x00" * 4800)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speaker.send, b"\x02\x00" * 10)  # Waits for room.
        await anyio.wait_all_tasks_blocked()
        speaker.clear()
    STREAMS[0].call(memoryview(out))
    assert bytes(out) == bytes(960)
    assert speaker.samples_played == 240
    await speaker.drain()
    await speaker.aclose()
    assert STREAMS[0].closed


OVERFLOW = types.SimpleNamespace(input_overflow=True, output_underflow=False)
UNDERFLOW = types.SimpleNamespace(input_overflow=False, output_underflow=True)
BLOCK = b"\x01\x00" * 240


async def test_recording_never_waits_for_a_blocked_loop() -> None:
    microphone = Microphone()
    await microphone.open()
    got = bytearray()

    async def read() -> None:
        while len(got) < 30 * len(BLOCK):
            got.extend(await microphone.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for _ in range(30):  # No checkpoint in between: the loop stands still for 300 ms of audio.
            STREAMS[0].call(BLOCK)
    assert bytes(got) == BLOCK * 30
    assert microphone.dropped_blocks == 0
    await microphone.aclose()


async def test_what_the_system_lost_is_counted() -> None:
    microphone, speaker = Microphone(), Speaker()
    await microphone.open()
    await speaker.open()
    for status in (None, OVERFLOW, OVERFLOW):
        STREAMS[0].call(BLOCK, status=status)
        STREAMS[1].call(memoryview(bytearray(480)), status=UNDERFLOW)
    assert (microphone.overflows, microphone.dropped_blocks, speaker.underflows) == (2, 0, 3)
    await microphone.aclose()
    await speaker.aclose()


async def test_an_unplugged_microphone_gives_what_it_has_and_then_an_error() -> None:
    microphone = Microphone("unplugged")
    await microphone.open()
    STREAMS[0].call(BLOCK)
    STREAMS[0].unplug()
    assert await microphone.receive() == BLOCK
    for _ in range(2):
        with pytest.raises(anyio.BrokenResourceError, match="the microphone has stopped"):
            await microphone.receive()
    await microphone.aclose()
    assert STREAMS[0].closed
    with pytest.raises(anyio.ClosedResourceError):
        await microphone.receive()


async def use(end: Any) -> None:
    if isinstance(end, Microphone):
        await end.receive()
        return
    for _ in range(10):
        await end.send(BLOCK)


@pytest.mark.parametrize("kind", [Microphone, Speaker])
async def test_who_waits_for_a_device_learns_that_it_is_gone(kind: Any) -> None:
    end = kind()
    await end.open()
    with pytest.raises(DeviceLost, match="has stopped"):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(unplug_when_blocked, STREAMS[0])
                try:
                    await use(end)
                except DeviceLost as exc:
                    lost = exc
            raise lost
    await end.aclose()


async def unplug_when_blocked(stream: Stream) -> None:
    await anyio.wait_all_tasks_blocked()
    stream.unplug()


@pytest.mark.parametrize("kind", [Microphone, Speaker])
async def test_a_device_that_stops_calling_is_gone(kind: Any) -> None:
    clock = ManualClock()
    end = kind(stall_timeout=5, clock=clock)
    await end.open()
    told: list[Exception] = []

    async def wait() -> None:
        try:
            while True:
                await use(end)
        except DeviceLost as exc:
            told.append(exc)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for _ in range(3):
            await clock.advance(4.9)
            STREAMS[0].call(memoryview(bytearray(480)))
            await anyio.wait_all_tasks_blocked()
        assert not told
        await clock.advance(5.1)
        await anyio.wait_all_tasks_blocked()
        assert told
    await end.aclose()


async def test_a_loudspeaker_that_is_gone_does_not_drain() -> None:
    speaker = Speaker()
    await speaker.send(BLOCK)
    STREAMS[0].unplug()
    with pytest.raises(DeviceLost):
        await speaker.drain()
    await speaker.aclose()
    await speaker.drain()


@pytest.mark.parametrize("kind", [Microphone, Speaker])
async def test_closing_ends_what_waits(kind: Any) -> None:
    end = kind()
    await end.open()
    ended = anyio.Event()

    async def wait() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await use(end)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await end.aclose()
        await ended.wait()


async def test_what_was_cleared_is_never_played_and_what_follows_is() -> None:
    speaker = Speaker()
    await speaker.send(b"\x01\x00" * 400)
    out = bytearray(480)
    STREAMS[0].call(memoryview(out))  # Leaves 160 samples of the piece.
    speaker.clear()
    await speaker.send(b"\x02\x00" * 100)
    STREAMS[0].call(memoryview(out))
    assert bytes(out) == b"\x02\x00" * 100 + bytes(280)
    assert speaker.samples_played == 340
    await speaker.drain()
    await speaker.aclose()


@pytest.mark.parametrize("kind", [Microphone, Speaker])
async def test_a_device_that_is_not_there(kind: Any) -> None:
    end = kind("broken")
    with pytest.raises(ConfigError, match="not 'broken'") as caught:
        await end.open()
    assert caught.value.key == "device"


async def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"\[devices\]"):
        await Microphone().open()


def test_listing() -> None:
    mic, loud = list_devices()
    assert (mic.name, mic.is_default_input, mic.is_default_output) == ("mic", True, False)
    assert (loud.name, loud.outputs, loud.is_default_output) == ("loud", 2, True)
