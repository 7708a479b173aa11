"""Stands in for sounddevice in a process of its own: a card that hears silence, and plays as fast as it is fed.

``FAKE_CARD`` in the environment holds the names of its devices, with commas; the first is the default one.
"""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

PortAudioError = OSError

NAMES = [name for name in os.environ.get("FAKE_CARD", "Built-in").split(",") if name]
default = SimpleNamespace(device=(0, 0) if "FAKE_CARD_NO_DEFAULT" not in os.environ else (-1, -1))


def query_devices() -> list[dict[str, Any]]:
    return [{"name": name, "max_input_channels": 1, "max_output_channels": 2} for name in NAMES]


class _Stream:
    """Calls back in a thread, every 10 ms as a card does."""

    def __init__(self, *, callback: Any, blocksize: int, device: Any = None, **_: Any) -> None:
        self.callback, self.size = callback, blocksize * 2
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def start(self) -> None:
        self.thread.start()

    def run(self) -> None:
        while not self.over.wait(0.01):
            self.callback(self.block(), self.size // 2, None, None)

    def block(self) -> Any:
        return bytes(self.size)

    def abort(self) -> None:
        self.over.set()
        self.thread.join()

    def close(self) -> None:
        pass


class RawInputStream(_Stream):
    """A microphone in a silent room."""


class RawOutputStream(_Stream):
    """A loudspeaker."""

    def block(self) -> Any:
        return memoryview(bytearray(self.size))
