"""The scenes of the command line in tmux, which is a terminal that is not ours: the captures are the same.

``nox -s terminal`` runs it.
"""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.cli.scenes import SCENES, check_capture, prepare
from tests.processes import COMMAND, environment

KEYS = {"\r": "Enter", "\x03": "C-c", "\x04": "C-d"}
PATIENCE = 60
"""Seconds for an expected text to appear; a limit against hangs."""


@attrs.define
class Tmux:
    """A tmux server of its own."""

    socket: str
    folder: Path

    def __call__(self, *command: str) -> str:
        around = environment(TMUX_TMPDIR=str(self.folder))
        around.pop("TMUX", None)
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", os.devnull, *command],
            capture_output=True,
            text=True,
            env=around,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout

    def start(self, command: str, columns: int, variables: dict[str, str]) -> None:
        """Run *command* in a window; what it shows stays when it has ended."""
        ended = f"tmux -L {self.socket} wait-for -S ended"
        settings = [f"-e{name}={value}" for name, value in variables.items()]
        program = f"{command}; echo $? > code; {ended}; exec cat"
        self("new-session", "-d", "-x", str(columns), "-y", "50", "-c", str(Path.cwd()), *settings, program)

    @property
    def screen(self) -> str:
        """All lines, those that have scrolled away included."""
        return "\n".join(line.rstrip() for line in self("capture-pane", "-p", "-S", "-").splitlines()).rstrip("\n")

    def until(self, wanted: str) -> None:
        """Wait until *wanted* is shown; if it ends with a line feed, until something may stand below it."""
        limit = time.monotonic() + PATIENCE
        while True:
            shown = self.screen
            whole = not wanted.endswith("\n") or not shown.endswith(wanted.strip()) or self._is_at_the_left
            if wanted.strip("\n") in shown and whole:
                return
            assert time.monotonic() < limit, f"not shown: {wanted}\n{shown}"

    @property
    def _is_at_the_left(self) -> bool:
        return self("display-message", "-p", "#{cursor_x}").strip() == "0"

    def press(self, keys: str) -> None:
        for is_special, group in itertools.groupby(keys, KEYS.__contains__):
            if is_special:
                self("send-keys", *(KEYS[key] for key in group))
            else:
                self("send-keys", "-l", "".join(group))


@pytest.fixture
def tmux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    server = Tmux("tests", tmp_path_factory.mktemp("tmux"))
    yield server
    server("kill-server")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    prepare(folder)
    return folder


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", SCENES)
def test_a_scene_in_tmux(
    name: str, columns: int, used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmux: Tmux
) -> None:
    for path in used.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    scene = SCENES[name]
    tmux.start(shlex.join([*COMMAND, *scene.arguments.split()]), columns, dict(scene.variables))
    for text, keys in scene.acts:
        tmux.until(text)
        tmux.press(keys)
    tmux("wait-for", "ended")
    assert int((tmp_path / "code").read_text()) == scene.code
    print(tmux.screen)
    check_capture(f"{name}-{columns}", tmux.screen)


def test_the_shell_is_as_before_when_a_conversation_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmux: Tmux
) -> None:
    monkeypatch.chdir(tmp_path)
    tmux.start(shlex.join([*COMMAND, "talk", "--text"]), 80, {})
    tmux.until("\n>")
    tmux.press("half a line\x03")
    tmux("wait-for", "ended")
    tmux.press("echoed\r")  # To cat, on a terminal that echoes and edits lines.
    tmux.until("echoed\nechoed")
    assert tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"
    assert "half" not in tmux.screen
