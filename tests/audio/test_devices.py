"""Microphone and loudspeaker on a PortAudio that the test plays."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import anyio
import pytest

from realtime_transport.audio.devices import Microphone, Speaker, list_devices
from realtime_transport.errors import ConfigError, MissingExtraError

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
        pass

    def close(self) -> None:
        self.closed = True

    def call(self, data: Any) -> None:
        thread = threading.Thread(target=self.options["callback"], args=(data, len(data) // 2, None, None))
        thread.start()
        thread.join(5)


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


@pytest.mark.parametrize("kind", [Microphone, Speaker])
async def test_a_device_that_is_not_there(kind: Any) -> None:
    end = kind("broken")
    with pytest.raises(ConfigError, match="not 'broken'") as caught:
        await end.open()
    assert caught.value.key == "device"


async def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"realtime-transport\[devices\]"):
        await Microphone().open()


def test_listing() -> None:
    mic, loud = list_devices()
    assert (mic.name, mic.is_default_input, mic.is_default_output) == ("mic", True, False)
    assert (loud.name, loud.outputs, loud.is_default_output) == ("loud", 2, True)
