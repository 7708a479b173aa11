"""``realtime-transport replay`` and ``serve``: files, figures, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import attrs
import numpy as np
import pytest
import soundfile
from anyio.from_thread import start_blocking_portal

from realtime_transport.cli import main
from realtime_transport.emulator import Faults, RealtimeEmulator
from realtime_transport.emulator.replies import Responder, SendText
from realtime_transport.emulator.responders.echo import echo_responder
from tests.processes import COMMAND, environment, serving

RECORDING = Path(__file__).parents[2] / "examples/audio/vm-options.wav"
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
FAST = ("--speed", "20", "--settle", "0.1")


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """Three seconds of speech, as 44.1 kHz stereo FLAC."""
    with wave.open(str(RECORDING)) as file:
        voice = np.frombuffer(file.readframes(8000 * 29 // 10), "<i2")
    high = np.interp(np.arange(0, len(voice), 8000 / 44100), np.arange(len(voice)), voice).astype("<i2")
    path = tmp_path / "sentence.flac"
    soundfile.write(path, np.column_stack([high, high]), 44100)
    return path


@BACKENDS
def test_a_replay_leaves_its_files_and_figures(
    backend: str, sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The emulator refuses this key: nothing of the environment is used unless the user names a server.
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    out = tmp_path / "out"
    assert main(["replay", str(sentence), *FAST, "--backend", backend, "--out", str(out)]) == 0
    stdout, stderr = capsys.readouterr()
    assert "speech started" in stderr
    assert "\x1b" not in stderr
    assert str(out / "reply.wav") in stdout
    assert "time to first audio" in stdout

    report = json.loads((out / "report.json").read_text())
    assert report["segments"] == len(report["turns"]) == len(report["replies"]) == 1
    assert report["finished"]
    assert report["problems"] == []
    assert report["backend"] == backend
    assert report["recordings"][0]["seconds"] == pytest.approx(2.9, abs=0.01)
    with wave.open(str(out / "reply.wav")) as reply:
        assert reply.getframerate() == 24000
        assert reply.getnframes() * 2 == report["output_bytes"] > 24000 * 2
    transcript = (out / "transcript.txt").read_text().splitlines()
    assert [line.split("] ")[1].split(":")[0] for line in transcript] == ["user", "model"]


CONVERSATION = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"


@BACKENDS
def test_no_reply_is_cut_off_at_any_speed(backend: str, tmp_path: Path) -> None:
    """Four times somebody speaks, and is answered while the recording goes on."""
    arguments = ["--speed", "max", "--settle", "0.1", "--backend", backend, "--out", str(tmp_path)]
    assert main(["replay", str(CONVERSATION), *arguments]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [reply["status"] for reply in report["replies"]] == ["completed"] * 4
    assert report["interruptions"] == 0
    with wave.open(str(tmp_path / "reply.wav")) as reply:
        assert reply.getnframes() * 2 == report["output_bytes"]
    spoken_ms = sum(turn["end_ms"] - turn["start_ms"] for turn in report["turns"])
    assert report["output_seconds"] * 1000 == pytest.approx(spoken_ms, abs=1)


def test_no_reply_is_cut_off_over_webrtc(tmp_path: Path) -> None:
    with wave.open(str(RECORDING)) as file:
        word = file.readframes(8000 * 12 // 10)
    path = tmp_path / "twice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((word + bytes(16_000)) * 2)
    assert main(["replay", str(path), "--transport", "webrtc", "--settle", "0.1", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["interruptions"] == 0
    assert {reply["status"] for reply in report["replies"]} == {"completed"}


def tone() -> bytes:
    return (8000 * np.sin(np.arange(8000 * 2) * 2 * np.pi * 440 / 8000)).astype("<i2").tobytes()


@pytest.mark.parametrize("sound", [bytes(32_000), tone()], ids=["silence", "tone"])
def test_a_recording_without_speech_is_no_success(
    sound: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "quiet.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(sound)
    assert main(["replay", str(path), *FAST, "--out", str(tmp_path)]) == 1
    assert "realtime-transport: no speech was found in quiet.wav" in capsys.readouterr().err.splitlines()
    assert main(["replay", str(RECORDING), str(path), *FAST, "--out", str(tmp_path)]) == 1


def test_half_a_surrogate_pair_reaches_every_file(
    sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {"event_id": "e", "response_id": "r\ud83d", "item_id": "i", "output_index": 0, "content_index": 0}
    said = [
        {"type": "response.output_audio_transcript.delta", **ids, "delta": text} for text in ("\ud83d", "\ude00\ud83d")
    ]
    frames = [json.dumps(message) for message in (*said, {"type": "brand.\udc00new", "event_id": "e"})]
    responder = echoing_after([SendText(frame) for frame in frames])
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(RealtimeEmulator(responder=responder)) as running:
            options = ["--timeout", "4", "--json", "--out", str(tmp_path)]
            main(["replay", str(sentence), *FAST, "--url", running.base_url, *options])
    transcripts = [reply["transcript"] for reply in json.loads(capsys.readouterr().out)["replies"]]
    assert "\U0001f600\ufffd" in transcripts
    assert "\U0001f600\ufffd" in (tmp_path / "transcript.txt").read_text(encoding="utf-8")
    assert "brand.\ufffdnew" in (tmp_path / "timeline.jsonl").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report.json").read_text())["replies"]


def echoing_after(actions: list[SendText]) -> Responder:
    """The usual reply, after *actions*."""
    return lambda turn: attrs.evolve(echo_responder(turn), before=tuple(actions))


@BACKENDS
def test_the_timeline_holds_every_event_and_no_audio(backend: str, sentence: Path, tmp_path: Path) -> None:
    assert main(["replay", str(sentence), *FAST, "--backend", backend, "--out", str(tmp_path)]) == 0
    text = (tmp_path / "timeline.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    types = [entry["type"] for entry in entries]
    story = [
        "session.created",
        "recording_began",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
        "audio",
        "response.done",
    ]
    assert sorted(story, key=types.index) == story
    assert [entry["seconds"] for entry in entries] == sorted(entry["seconds"] for entry in entries)
    report = json.loads((tmp_path / "report.json").read_text())
    assert sum(entry["bytes"] for entry in entries if entry["type"] == "audio") == report["output_bytes"]
    assert max(len(line) for line in text.splitlines()) < 300


def test_json_is_all_there_is_on_standard_output(
    sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(sentence), *FAST, "--json", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize(("name", "width"), [("g711_ulaw", 1), ("g711_alaw", 1), ("pcm16", 2)])
def test_formats_and_commits_by_hand(name: str, width: int, sentence: Path, tmp_path: Path) -> None:
    files = [str(sentence), str(sentence)]
    options = ["--format", name, "--commit", "--speed", "max", "--settle", "0", "--out", str(tmp_path)]
    assert main(["replay", *files, *options, "--voice", "marin", "--instructions", "Be brief."]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [turn["recording"] for turn in report["turns"]] == ["sentence.flac", "sentence.flac (2)"]
    assert report["segments"] == 0
    rate = 24000 if width == 2 else 8000
    assert report["input_bytes"] == pytest.approx(2 * 2.9 * rate * width, rel=0.01)
    assert report["output_bytes"] == report["input_bytes"]
    assert soundfile.info(tmp_path / "reply.wav").samplerate == rate


def test_a_panel_on_a_terminal(
    sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["replay", str(sentence), *FAST, "--out", str(tmp_path)]) == 0
    stderr = capsys.readouterr().err
    assert "replay" in stderr
    assert "turns 1   replies 1" in stderr
    assert "\x1b[" in stderr


def test_ctrl_c_leaves_the_panel_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    timeline = tmp_path / "timeline.jsonl"

    def interrupt() -> None:
        while not (timeline.exists() and b"speech_started" in timeline.read_bytes()):
            threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert main(["replay", str(CONVERSATION), "--out", str(tmp_path)]) == 130
    thread.join()
    err = capsys.readouterr().err
    panel, _, rest = err.rpartition("╯")
    assert "realtime-transport" not in panel
    assert rest.replace("\x1b[?25h", "").split() == (
        f"what there was by then is in {tmp_path} realtime-transport: interrupted".split()
    )


def test_a_session_that_fails_leaves_what_there_was(
    sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator = RealtimeEmulator(faults=Faults(drop_at_frame=6))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator) as running:
        arguments = ["replay", str(sentence), *FAST, "--url", running.base_url, "--out", str(tmp_path)]
        assert main(arguments) == 1
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("realtime-transport:")]
    assert complaints == ["realtime-transport: the connection was lost without a close frame"]
    assert json.loads((tmp_path / "report.json").read_text())["finished"] is False
    assert (tmp_path / "timeline.jsonl").read_text()


def test_an_answer_that_never_comes_is_a_failure(
    sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = {"rules": [{"when": {"turn": 1}, "reply": {"directive": "/fail server_is_tired"}}]}
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(RealtimeEmulator(script=script)) as running:
            arguments = ["replay", str(sentence), *FAST, "--url", running.base_url, "--out", str(tmp_path)]
            assert main(arguments) == 1
    assert "server_is_tired" in capsys.readouterr().err


@BACKENDS
def test_ctrl_c_ends_a_replay(backend: str, tmp_path: Path) -> None:
    command = [*COMMAND, "replay", str(RECORDING), "--backend", backend, "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stderr is not None
    while "speech started" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.splitlines()[-2:] == [
        f"what there was by then is in {tmp_path}",
        "realtime-transport: interrupted",
    ]
    assert "Traceback" not in stderr
    assert json.loads((tmp_path / "report.json").read_text())["finished"] is False


@BACKENDS
def test_serve_says_where_it_is_and_ends_by_ctrl_c(backend: str, sentence: Path, tmp_path: Path) -> None:
    with serving("--backend", backend, "--api-key", "sk-ours", "--delay", "0.01") as base_url:
        command = [*COMMAND, "replay", str(sentence), *FAST, "--url", base_url, "--out", str(tmp_path), "--json"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(OPENAI_API_KEY="sk-ours"), timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["segments"] == 1
        refused = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=50, check=False)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1


@BACKENDS
def test_a_replay_over_webrtc(tmp_path: Path, backend: str) -> None:
    recording = tmp_path / "words.wav"
    with (
        wave.open(str(RECORDING.with_name("demo-echotest.wav")), "rb") as whole,
        wave.open(str(recording), "wb") as cut,
    ):
        cut.setparams(whole.getparams())
        cut.writeframes(whole.readframes(int(whole.getframerate() * 2.4)))
    out = tmp_path / "out"
    command = [
        "replay",
        str(recording),
        "--transport",
        "webrtc",
        "--backend",
        backend,
        "--out",
        str(out),
        "--settle",
        "0",
    ]
    assert main(command) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["transport"] == "webrtc"
    assert [reply["status"] for reply in report["replies"]] == ["completed"]
    assert report["replies"][0]["audio_bytes"] > 48_000


@pytest.mark.parametrize("more", [["--speed", "2"], ["--format", "g711_ulaw"], ["--commit"]])
def test_what_webrtc_cannot_do(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(RECORDING), "--transport", "webrtc", *more]) == 2
    assert more[0] in capsys.readouterr().err
