"""``realtime-transport talk``: devices, a conversation on a fake sound card, its end."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
import soundfile
import soxr

from realtime_transport.cli import main
from realtime_transport.cli.talk.levels import level_of, meter

SPEECH = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"


class Card:
    """A sound card whose microphone plays a recording, in real time, and whose loudspeaker counts."""

    def __init__(self) -> None:
        voice, rate = soundfile.read(SPEECH, dtype="int16")
        self.said = soxr.resample(voice, rate, 24_000)[: int(24_000 * 2.4)].tobytes()
        self.played = 0
        self.heard_reply = threading.Event()

    def stream(self, output: bool) -> Any:
        card = self

        class Stream:
            def __init__(self, *, callback: Any, blocksize: int, **_: Any) -> None:
                self.callback, self.size = callback, blocksize * 2
                self.over = threading.Event()
                self.thread = threading.Thread(target=self.run)

            def start(self) -> None:
                self.thread.start()

            def run(self) -> None:
                at = 0
                while not self.over.wait(0.01):
                    if output:
                        out = bytearray(self.size)
                        self.callback(memoryview(out), self.size // 2, None, None)
                        card.played += any(out)
                        if card.played > 50:
                            card.heard_reply.set()
                    else:
                        self.callback(card.said[at : at + self.size].ljust(self.size, b"\0"), 0, None, None)
                        at += self.size

            def abort(self) -> None:
                self.over.set()
                self.thread.join()

            def close(self) -> None:
                pass

        return Stream


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card, module = Card(), types.ModuleType("sounddevice")
    module.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    names: dict[str, Any] = {
        "RawInputStream": card.stream(output=False),
        "RawOutputStream": card.stream(output=True),
        "PortAudioError": OSError,
        "default": types.SimpleNamespace(device=(0, 0)),
        "query_devices": lambda: [{"name": "fake", "max_input_channels": 1, "max_output_channels": 2}],
    }
    for name, value in names.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return card


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_conversation(card: Card, transport: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    import os
    import signal

    def hang_up() -> None:
        card.heard_reply.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=hang_up)
    thread.start()
    code = main(["talk", "--transport", transport, "--backend", backend])
    thread.join()
    assert code == 130
    out = capsys.readouterr().out
    assert f"over {transport}" in out
    assert "(you speak)" in out
    assert card.heard_reply.is_set()


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_conversation_with_an_agent(
    card: Card,
    transport: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os
    import signal

    (tmp_path / "my_agents.py").write_text(
        "from realtime_transport import RealtimeAgent\n"
        "greeter = RealtimeAgent(name='Greeter', instructions='Greet.', voice='marin')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def hang_up() -> None:
        card.heard_reply.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=hang_up)
    thread.start()
    code = main(["talk", "--transport", transport, "--agent", "my_agents:greeter", "--backend", "trio"])
    thread.join()
    assert code == 130
    assert card.heard_reply.is_set()
    assert "(you speak)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nothing", "no_such_module:agent", "json:loads"])
def test_an_agent_that_is_not_there(card: Card, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", "--agent", name]) == 2
    assert f"--agent {name}" in capsys.readouterr().err


def test_the_devices_are_listed(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", "--list-devices"]) == 0
    assert "fake  (1 in, 2 out)  default microphone, default loudspeaker" in capsys.readouterr().out


def test_a_machine_without_devices_says_so(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    sys.modules["sounddevice"].query_devices = list  # type: ignore[attr-defined]
    assert main(["talk", "--list-devices"]) == 2
    assert "no sound devices" in capsys.readouterr().err


def test_meters() -> None:
    assert level_of(b"") == -60
    assert level_of(b"\xff\x7f" * 480) == pytest.approx(0, abs=0.1)
    assert meter(-60) == "." * 20
    assert meter(0) == "#" * 20
