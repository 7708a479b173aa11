"""Replies that are heard: on a loudspeaker, and by a voice that answers."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from realtime_transport.cli import main
from tests.cli.test_talk import Card, card

__all__ = ["card"]  # A fixture.

RECORDING = Path(__file__).parents[2] / "examples/audio/vm-options.wav"


@pytest.fixture
def word(tmp_path: Path) -> str:
    """A second and a half of speech."""
    path = tmp_path / "word.wav"
    with wave.open(str(RECORDING)) as file, wave.open(str(path), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(12_000))
    return str(path)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("audio_format", ["pcm16", "g711_ulaw"])
def test_replies_are_played_while_they_are_kept(
    card: Card, word: str, tmp_path: Path, audio_format: str, backend: str
) -> None:
    options = ["--play", "--speed", "20", "--settle", "0", "--format", audio_format, "--backend", backend]
    assert main(["replay", word, *options, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["interruptions"] == 0
    assert card.played > 100  # Blocks of 10 ms that were not silent.
    assert (tmp_path / "reply.wav").stat().st_size > report["output_bytes"] > 0


def test_playing_without_a_device(
    card: Card, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> Any:
        raise OSError("Error querying device -1")

    sys.modules["sounddevice"].RawOutputStream = refuse  # type: ignore[attr-defined]
    options = ["--speed", "1", "--settle", "0", "--out", str(tmp_path)]
    assert main(["replay", word, "--play", *options]) == 2
    assert "no loudspeaker that can be used" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["replay", word, *options]) == 0  # Nobody asked for it: it is only not played.


def test_on_a_terminal_with_a_device_it_plays_by_itself(
    card: Card, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--settle", "0", "--out", str(tmp_path)]
    assert main(["replay", word, *options]) == 0
    assert card.played == 0
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["replay", word, *options, "--no-play"]) == 0
    assert card.played == 0
    assert main(["replay", word, *options]) == 0
    assert card.played > 100


def test_a_voice_answers(word: str, tmp_path: Path) -> None:
    options = ["--answer", "voice", "--speed", "20", "--settle", "0", "--out", str(tmp_path)]
    assert main(["replay", word, word, *options]) == 0
    transcript = (tmp_path / "transcript.txt").read_text()
    assert "model: I can hear you." in transcript
    assert "model: I heard that, too." in transcript
    with wave.open(str(tmp_path / "reply.wav")) as reply:
        assert reply.getnframes() / reply.getframerate() == pytest.approx(7.6, abs=0.1)
