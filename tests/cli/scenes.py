"""Scenes of the command line, and the captures of what is seen of them.

The captures are in ``captures/``, with every number as ``0``: they depend on no clock. ``UPDATE_CAPTURES=1`` in the
environment writes them anew; look at what has changed before you keep it.
"""

from __future__ import annotations

import os
import re
import shutil
import wave
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from realtime_transport.cli import main

__all__ = ["CARD", "SCENES", "Scene", "check_capture", "prepare"]

CAPTURES = Path(__file__).with_name("captures")
RECORDING = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"
CARD = {"PYTHONPATH": str(Path(__file__).parents[1] / "fake_card"), "FAKE_CARD": "Built-in,Headset"}


@attrs.frozen
class Scene:
    """A command, and what somebody does meanwhile.

    Attributes:
        arguments: Of the command.
        acts: What is waited for on the screen, and the keys that are then pressed.
        code: The exit code.
        variables: Of the environment.
    """

    arguments: str
    acts: tuple[tuple[str, str], ...] = ()
    code: int = 0
    variables: Mapping[str, str] = {}


CTRL_C, CTRL_D = "\x03", "\x04"

SCENES = {
    "replay": Scene("replay question.wav --commit --speed max --settle 0 --no-play --out replayed --record r.rtrec"),
    "show": Scene("show call.rtrec"),
    "bench": Scene("bench corpus --commit --speed max --utterances 1 --warm-up 0 --out bench"),
    "compare": Scene("bench compare old old"),
    "serve": Scene("serve --port 0", ((")\n", CTRL_C),), 130),
    "talk-text": Scene("talk --text", (("Ctrl-C\n", "Hello\r"), ("model: You said: Hello\n", CTRL_D))),
    "talk": Scene(
        "talk --transport websocket",
        (
            ("Ctrl-C\n", "Say something long about whatever you like to talk about\r"),
            ("model: You said: Say something long about whatever you like to talk about\n", "Stop\r"),
            ("model: You said: Stop\n", CTRL_D),
        ),
        variables=CARD,
    ),
    "talk-devices": Scene(
        "talk --choose-devices",
        (
            ("microphone, 1 to 2 [1]:", "2\r"),
            ("loudspeaker, 1 to 2 [1]:", "\r"),
            ("Ctrl-C\n", CTRL_C),
        ),
        130,
        CARD,
    ),
}


def prepare(folder: Path) -> None:
    """Put into *folder* what the scenes speak of."""
    (folder / "corpus").mkdir()
    with wave.open(str(RECORDING)) as whole:
        for name in ("question", "corpus/one"):
            whole.rewind()
            with wave.open(str(folder / f"{name}.wav"), "wb") as cut:
                cut.setparams(whole.getparams())
                cut.writeframes(whole.readframes(int(whole.getframerate() * 2.4)))
    shutil.copy(RECORDING, folder / "long.wav")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        common = ["--commit", "--speed", "max"]
        assert main(["bench", "corpus", *common, "--utterances", "1", "--warm-up", "0", "--out", "old"]) == 0
        assert main(["replay", "question.wav", *common, "--settle", "0", "--record", "call.rtrec", "--out", "o"]) == 0


def masked(text: str) -> str:
    """*text* without what differs from run to run: numbers, the digest, what was heard; a few figures are kept."""
    kept = [line for line in text.splitlines() if (row := _ROW.match(line)) is None or row[1] in FIGURES]
    text = re.sub(r"\b[0-9a-f]{10,64}\b", "(digest)", "\n".join(kept))
    text = _NUMBER.sub(_nought, text)
    text = re.sub(r" +│$", " │", text, flags=re.MULTILINE)  # A panel is filled up behind its numbers.
    return re.sub(r'heard: ".*?—"', 'heard: "—"', text) + "\n"


FIGURES = ("turn_latency", "late_frames", "cpu")
"""Rows of tables that are compared. Figures come and go."""

_ROW = re.compile(r" *([a-z_]+)(?:\.p\d+)? +(?:[A-Za-z%]+ +)?[\d.]+(?: +[-+\d.%]+){2}")
_NUMBER = re.compile(r"( *)(?<![\w-])[+-]?\d+(?:\.\d+)*\b")


def _nought(number: re.Match[str]) -> str:
    """``0``; in a column, where the number ended: behind several spaces, and not before its unit."""
    before, behind = number.string[: number.start()].rpartition("\n")[2], number.string[number.end() :]
    is_value = before.strip(" │") and re.match(r" [a-z]", behind)
    return f"{number[1]}0" if is_value or len(number[1]) < 2 else "0".rjust(len(number[0]))


def check_capture(name: str, text: str) -> None:
    """Compare *text* with the capture *name*."""
    path, found = CAPTURES / f"{name}.txt", masked(text)
    if os.environ.get("UPDATE_CAPTURES"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), found
