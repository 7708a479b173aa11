"""The help of each command: it fits the terminal, and its examples run."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from realtime_transport.cli import main
from realtime_transport.emulator import RealtimeEmulator
from tests.processes import COMMAND, environment

from .scenes import CARD

AUDIO = Path(__file__).parents[2] / "examples/audio"
COMMANDS = [
    "",
    "talk",
    "replay",
    "serve",
    "show",
    "bench",
    "bench run",
    "bench compare",
    "bench make-corpus",
    "doctor",
    "completion",
]


def help_of(command: str, columns: int = 80) -> str:
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        patch.setenv("COLUMNS", str(columns))
        main([*command.split(), "--help"])
    return text.getvalue()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal_and_ends_with_examples(command: str, columns: int) -> None:
    text = help_of(command, columns)
    assert [line for line in text.splitlines() if len(line) > columns] == []
    examples = text.partition("\nexamples:\n")[2].splitlines()
    assert examples
    assert [line[:4] for line in examples] == ["  # ", "  $ "] * (len(examples) // 2)


def test_every_command_is_listed() -> None:
    listed = [line.split()[0] for line in help_of("").partition("COMMAND\n")[2].splitlines() if line[:5].strip()]
    assert set(listed) >= {command.split()[0] for command in COMMANDS if command}


def examples() -> Iterator[str]:
    for command in COMMANDS:
        yield from (line[4:] for line in help_of(command).splitlines() if line.startswith("  $ "))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples speak of."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "corpus").mkdir()
    with wave.open(str(AUDIO / "demo-echotest.wav")) as whole:
        for name in ("question", "a", "b", "corpus/one"):
            with wave.open(str(folder / f"{name}.wav"), "wb") as cut:
                cut.setparams(whole.getparams())
                whole.rewind()
                cut.writeframes(whole.readframes(int(whole.getframerate() * 2.4)))
    (folder / "corpus/manifest.csv").write_text("file\none.wav\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ["--utterances", "1", "--speed", "max", "--warm-up", "0"]
        for name in ("old", "new", "today"):
            assert main(["bench", "corpus", *options, "--out", name]) == 0
        assert main(["replay", "question.wav", "--speed", "max", "--record", "call.rtrec", "--out", "replayed"]) == 0
    return folder


@pytest.fixture
def run(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], tuple[int, str]]]:
    """Runs an example in a copy of that folder, without a key: its exit code and all that it prints."""
    folder = tmp_path / "here"
    shutil.copytree(used, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(RealtimeEmulator(audio_speed=None)) as emulator:

            def run_one(example: str) -> tuple[int, str]:
                example = example.replace("http://127.0.0.1:8642", emulator.root_url)
                code = main(shlex.split(example)[1:])
                out, err = capsys.readouterr()
                return code, out + err

            yield run_one


QUICK = {"--sessions 1,10,50 --speed 4": "--sessions 1,2 --speed max", "--repeats 3": "--repeats 2 --speed max"}
BENCH = " --utterances 1 --warm-up 0"


def as_far_as_it_can(example: str) -> tuple[str, int, str]:
    """An example that ends here, soon and without a network; its exit code, and a piece of what it says."""
    for long, short in QUICK.items():
        example = example.replace(long, short)
    if "--live" in example:
        return example, 2, "set OPENAI_API_KEY"
    if " make-corpus " in example:
        made = shutil.which("espeak-ng") is not None
        return (example.replace("corpus --", "spoken --"), 0, "50 recordings") if made else (example, 2, "espeak-ng")
    if " compare " in example:
        return example, 0, "turn_latency.p95"
    if " bench " in example:
        if "--resume" in example:
            return f"{example} --utterances 1 --speed max --warm-up 0", 0, "results:"
        return example.replace("--out today", "--out now") + BENCH, 0, "results:"
    if " doctor" in example:
        local = example if "--url" in example or "--no-network" in example else f"{example} --no-network"
        return local, 0, "nothing is wrong"
    if " replay " in example:
        return f"{example} --speed max --settle 0", 0, "late"
    return example, 0, "open it in a browser"


def examples_of(*commands: str) -> list[str]:
    return [example for example in EXAMPLES if f"{example} ".partition("realtime-transport ")[2].split()[0] in commands]


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", examples_of("replay", "show", "bench", "doctor"))
def test_an_example_runs(example: str, run: Callable[[str], tuple[int, str]]) -> None:
    command, code, said = as_far_as_it_can(example)
    ended, printed = run(command)
    assert (ended, said in printed) == (code, True), printed


@pytest.mark.parametrize("example", examples_of("serve"))
def test_an_example_of_serve_runs_until_ctrl_c(example: str) -> None:
    command = [*COMMAND, *shlex.split(example)[1:], "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as ran:
        assert ran.stdout is not None
        assert ran.stdout.readline().startswith("serving at http://127.0.0.1:")
        ran.send_signal(signal.SIGINT)
        assert ran.communicate()[1] == "realtime-transport: interrupted\n"
    assert ran.returncode == 130


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs an example in a shell, with a line of text on standard input and a sound card of its own."""
    command = tmp_path / "realtime-transport"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    around = environment(PATH=f"{tmp_path}:{os.environ['PATH']}", **CARD)
    return lambda example: subprocess.run(
        ["bash", "--norc", "-c", example],
        input="Hello\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=around,
        check=False,
    )


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@needs_bash
@pytest.mark.parametrize("example", examples_of("completion"))
def test_an_example_of_completion_runs(example: str, shell: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    done = shell(example)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_bash
@pytest.mark.parametrize("example", examples_of("talk"))
def test_an_example_of_talk_runs(example: str, shell: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    done = shell(example)
    if "--live" in example:
        assert (done.returncode, "set OPENAI_API_KEY" in done.stderr) == (2, True)
    elif "--choose-devices" in example:
        assert (done.returncode, "no terminal to ask at" in done.stderr) == (2, True)
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("model: You said: Hello\n")


def test_these_are_all_examples() -> None:
    run_here = examples_of("talk", "replay", "show", "bench", "doctor", "serve", "completion")
    assert sorted(run_here) == sorted(EXAMPLES)
    assert len(EXAMPLES) > 20
