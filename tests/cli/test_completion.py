"""Shell completion: the scripts, and what bash completes with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import shtab

from realtime_transport.cli import main
from realtime_transport.cli.arguments.command_parser import CommandParser, takes_file, takes_folder
from tests.processes import COMMAND, environment

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "bash"
    done = subprocess.run(
        [*COMMAND, "completion", "bash"], capture_output=True, text=True, env=environment(), check=True
    )
    path.write_text(done.stdout)
    return path


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_a_shell_takes_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "realtime-transport" in script
    for word in ("doctor", "choose-devices"):
        assert word in script
    program = shutil.which(shell)
    if program is not None:  # tcsh runs what it reads: there is no mode that only looks.
        look = ["-n"] if shell != "tcsh" else ["-f"]
        done = subprocess.run([program, *look], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("", {"talk", "replay", "serve", "show", "bench", "doctor", "completion"}),
        ("re", {"replay"}),
        ("replay --trans", {"--transport"}),
        ("replay --transport ", {"websocket", "webrtc"}),
        ("replay que", {"question.wav"}),
        ("replay question.wav --out re", {"results"}),
        ("talk --te", {"--text"}),
        ("talk --answer e", {"echo"}),
        ("bench comp", {"compare"}),
        ("bench run --ses", {"--sessions"}),
        ("bench compare re", {"results"}),
        ("show cal", {"call.rtrec"}),
        ("completion z", {"zsh"}),
    ],
)
def test_bash_completes_what_is_typed(typed: str, completed: set[str], script: Path, tmp_path: Path) -> None:
    for name in ("question.wav", "call.rtrec"):
        (tmp_path / name).touch()
    (tmp_path / "results").mkdir()
    words = ["realtime-transport", *typed.split(" ")]
    program = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_realtime_transport; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program, script, *words], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert (set(done.stdout.split()), done.stderr) == (completed, "")


def test_bash_registers_it_for_the_command(script: Path) -> None:
    if BASH is None:
        pytest.skip("there is no bash")
    done = subprocess.run(
        ["bash", "--norc", "-c", 'source "$0"; complete -p realtime-transport', script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["_shtab_realtime_transport", "realtime-transport"]


def test_files_and_folders_are_those_of_shtab() -> None:
    parser = CommandParser()
    for found, meant in (
        (takes_file(parser.add_argument("--file")), shtab.FILE),
        (takes_folder(parser.add_argument("--folder")), shtab.DIRECTORY),
    ):
        ours = vars(found)["complete"]
        assert ours == {shell: meant[shell] for shell in ours}
