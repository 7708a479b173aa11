"""``realtime-transport bench`` in a process of its own: what it leaves behind, whatever happens."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import soundfile

from realtime_transport.bench import BenchResults, load_results
from realtime_transport.cli import main
from tests.processes import environment, serving

AUDIO = Path(__file__).parents[2] / "examples/audio"
FILE = AUDIO / "vm-options.wav"
"""Fourteen seconds, four times a pause."""

QUICK = ("--speed", "max", "--utterances", "1", "--warm-up", "0")


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 180.0  # Some start three processes, and each imports numpy.


@contextmanager
def started(
    *arguments: str | Path, before: Callable[[], None] | None = None
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, "-m", "realtime_transport", "bench", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=before,
    )
    assert process.stderr is not None
    try:
        yield process, process.stderr
    finally:
        process.kill()
        process.communicate()


def cli(*arguments: str | Path, before: Callable[[], None] | None = None) -> tuple[int, str, str]:
    """Exit code, output, and what was complained of."""
    with started(*arguments, before=before) as (process, _):
        output, complaint = process.communicate()
        return process.returncode, output, complaint


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of speech."""
    speech, rate = soundfile.read(FILE, dtype="int16")
    path = tmp_path_factory.mktemp("audio") / "short.wav"
    soundfile.write(path, speech[: 2 * rate], rate)
    return path


def places(results: BenchResults) -> list[tuple[str, str, int, int]]:
    return sorted((one.transport, one.backend, one.sessions, one.session) for one in results.sessions)


def test_it_runs_and_compares(tmp_path: Path, short: Path) -> None:
    for name in ("old", "new"):
        more = ["--baseline", tmp_path / "old"] if name == "new" else ["--record"]
        code, output, complaint = cli(short, *QUICK, "--out", tmp_path / name, *more)
        assert code == 0, complaint
        assert "turn_latency" in output
        assert "input_damaged" in output  # The embedded emulator knows the right answers.
    new, old = ((tmp_path / name / "report.html").read_text() for name in ("new", "old"))
    assert "Against old" in new
    (session,) = load_results(tmp_path / "old").sessions
    assert session.recorded == "recordings/websocket-asyncio-1-0-0.rtrec"
    assert 'href="sessions/websocket-asyncio-1-0-0.html"' in old
    assert (tmp_path / "old/sessions/websocket-asyncio-1-0-0.html").exists()

    code, output, complaint = cli("compare", tmp_path / "old", tmp_path / "new", "--fail-on", "turn_latency.p50=+900%")
    assert code == 0, complaint
    assert "turn_latency.p95" in output
    code, _, complaint = cli("compare", tmp_path / "old", tmp_path / "new", "--fail-on", "lost_packets.p50=+1")
    assert (code, "--fail-on lost_packets: the runs have no such values to compare" in complaint) == (2, True)
    code, _, complaint = cli("compare", tmp_path / "old", tmp_path / "new", "--fail-on", "speed=+1")
    assert code == 2
    assert "expected" in complaint
    code, _, complaint = cli(short, "--out", tmp_path / "old")
    assert code == 2
    assert "nothing is overwritten" in complaint
    code, _, complaint = cli(tmp_path / "old/recordings", *QUICK, "--out", tmp_path / "again")
    assert code == 0, complaint
    assert {turn.recording for turn in load_results(tmp_path / "again").turns} == {"websocket-asyncio-1-0-0.rtrec"}


def test_both_wires_and_both_loops_in_one_plan(tmp_path: Path, short: Path) -> None:
    plan = ("--transport", "websocket,webrtc", "--backend", "asyncio,trio", "--utterances", "1", "--warm-up", "0")
    _, _, complaint = cli(short, *plan, "--out", tmp_path / "run")
    found = load_results(tmp_path / "run")
    assert places(found) == [(wire, loop, 1, 0) for wire in ("webrtc", "websocket") for loop in ("asyncio", "trio")], (
        complaint
    )
    assert all(level.finished for level in found.levels)
    heard = {(turn.transport, turn.backend) for turn in found.turns if turn.heard is not None}
    assert len(heard) == 4
    assert all((session.lost_packets is None) == (session.transport == "websocket") for session in found.sessions)


def test_the_first_interrupt_keeps_everything_and_the_run_can_be_resumed(tmp_path: Path, short: Path) -> None:
    out = tmp_path / "run"
    plan = (short, "--speed", "20", "--utterances", "1", "--sessions", "1,30", "--out", out)
    with started(*plan) as (process, complaints):
        assert any("1 at once, repeat 0:" in line for line in complaints)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
        assert process.returncode == 130
        assert "report.html" in output
    interrupted = load_results(out)
    assert [level.sessions for level in interrupted.levels] == [1]
    assert (out / "report.html").exists()

    code, _, complaint = cli(*plan[:-4], "--sessions", "1,2", "--out", out, "--resume")
    assert code == 2
    assert "--resume: the run that is there has sessions=[1, 30], not [1, 2]" in complaint
    code, _, complaint = cli(*plan, "--resume")
    resumed = load_results(out)
    assert [level.sessions for level in resumed.levels] == [1, 30], complaint
    assert len(resumed.sessions) == 31
    assert resumed.levels[0] == interrupted.levels[0]


def test_a_disk_that_is_full_is_said_and_loses_nothing(tmp_path: Path, short: Path) -> None:
    """The limit on the size of files stands for the disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, resource.RLIM_INFINITY))

    code, output, complaint = cli(short, *QUICK, "--sessions", "1,3", "--out", tmp_path / "run", before=limit)
    assert code == 2
    assert "File too large" in complaint
    assert "the page was not written" in complaint
    found = load_results(tmp_path / "run")
    assert found.turns
    assert f"{len(found.turns)} turns" in output


def test_a_server_that_refuses_is_told_at_once_and_leaves_nothing(tmp_path: Path, short: Path) -> None:
    code, _, complaint = cli(short, "--url", "http://127.0.0.1:9/v1", "--sessions", "50", "--out", tmp_path / "run")
    assert code == 2
    assert "127.0.0.1" in complaint
    assert not (tmp_path / "run").exists()


def test_unreadable_files_are_named_and_the_rest_runs(tmp_path: Path, short: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    code, output, complaint = cli(short, tmp_path / "broken.wav", *QUICK, "--out", tmp_path / "run")
    assert code == 0
    assert "left out" in complaint
    assert "broken.wav" in complaint
    assert "1 sessions" in output
    code, _, complaint = cli(short, tmp_path / "broken.wav", *QUICK, "--strict", "--out", tmp_path / "strict")
    assert code == 2
    assert "broken.wav" in complaint
    assert not (tmp_path / "strict").exists()


def test_a_budget_in_dollars(tmp_path: Path, short: Path) -> None:
    dear = dict.fromkeys(("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out"), 1000000.0)
    (tmp_path / "prices.json").write_text(json.dumps({"models": {"gpt-realtime-2.1": dear}}))
    prices = ("--prices", tmp_path / "prices.json", "--max-usd", "5")
    code, output, complaint = cli(short, *QUICK, "--sessions", "1,9", *prices, "--out", tmp_path / "run")
    assert "--max-usd 5 was reached" in complaint
    assert "usd" in output
    found = load_results(tmp_path / "run")
    assert [session.sessions for session in found.sessions] == [1]
    assert code in (0, 1)  # The one session had ended, or was cut off.
    code, _, complaint = cli(short, "--model", "gpt-unknown", "--max-usd", "1", "--out", tmp_path / "other")
    assert code == 2
    assert "no price of gpt-unknown is known" in complaint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sessions", "1,x"), "--sessions"),
        (("--transport", "pigeon"), "websocket or webrtc expected"),
        (("--backend", "curio"), "asyncio or trio expected"),
        (("--barge-in", "soon"), "seconds .0.8. or a share .50%. of a reply expected"),
        (("--barge-in", "150%"), "expected"),
        (("--transport", "webrtc", "--speed", "4"), "pace of real time"),
        (("--max-usd", "0"), "a positive number expected"),
        (("--workers", "2"), "need --url"),
        (("--prices", "none.json"), "cannot be read"),
        (("--baseline", "none"), "cannot be read"),
        (("--resume",), "cannot be read"),
    ],
)
def test_bad_options(
    tmp_path: Path, short: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(short), "--out", str(tmp_path / "run"), *arguments]) == 2
    complaint = capsys.readouterr().err
    assert re.search(said, complaint), complaint
    assert not (tmp_path / "run").exists()


def test_known_answers_are_asked_of_an_emulator_elsewhere(tmp_path: Path, short: Path) -> None:
    with serving("--audio-speed", "max") as url:
        arguments = (short, *QUICK, "--url", url, "--known-answers", "--out", tmp_path / "run")
        code, output, complaint = cli(*arguments)
    assert code == 0, complaint
    assert "segment_error" in output
    (check,) = load_results(tmp_path / "run").checks
    assert (check.segment_ms, check.segments_off, check.is_input_whole) == (0.0, 0, True)
