"""The workflow of docs/bench.md: each line that it runs, on a small corpus, against two emulators."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime_transport.bench import load_results
from tests.processes import environment

PROJECT = Path(__file__).parents[2]
SMALL = {"--count 50": "--count 3", "--sessions 10": "--sessions 1", "--speed 4": "--speed 8"}

COMMAND = f'#!/bin/sh\nexec {sys.executable} -m realtime_transport "$@"\n'
"""In place of the installed command."""

NOTED = '#!/bin/sh\necho "$(basename "$0") $*" >> "$NOTES"\n'
"""In place of what would change this machine."""

START_SERVER = f"""#!{sys.executable}
import os, subprocess, sys
folder, port = sys.argv[1:]
command = ["realtime-transport", "serve", "--port", port, "--audio-speed", "max"]
server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
assert port in server.stdout.readline()
print(server.pid, file=open(os.environ["SERVERS"], "a"))
"""


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 240.0  # Seven programs start one after the other.


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def git(folder: Path, *arguments: str | Path) -> None:
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of a project that has ``./start-server``, as actions/checkout leaves it."""
    program(tmp_path / "project/start-server", START_SERVER)
    git(tmp_path / "project", "init", "-b", "main")
    git(tmp_path / "project", "add", ".")
    git(tmp_path / "project", "commit", "-m", "A server")
    git(tmp_path, "clone", tmp_path / "project", tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the steps; the servers that they start are ended."""
    program(tmp_path / "bin/realtime-transport", COMMAND)
    program(tmp_path / "bin/sudo", '#!/bin/sh\nexec "$@"\n')
    for name in ("apt-get", "pip"):
        program(tmp_path / "bin" / name, NOTED)
    servers = tmp_path / "servers"
    servers.touch()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    yield environment(PATH=path, NOTES=str(tmp_path / "notes"), SERVERS=str(servers), PYTHONPATH=str(PROJECT))
    for pid in servers.read_text().split():
        os.kill(int(pid), signal.SIGTERM)


def steps() -> Iterator[str]:
    """What the workflow runs."""
    found = re.search(r"^```yaml\n(.*?)^```", (PROJECT / "docs/bench.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    workflow: Any = yaml.safe_load(found[1])
    for step in workflow["jobs"]["bench"]["steps"]:
        assert ("run" in step) != ("uses" in step)
        if "run" in step:
            yield step["run"]


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow runs on Linux")
def test_every_step_runs(checkout: Path, shell: dict[str, str], free_tcp_port_factory: Any) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    text = "\0".join(steps())
    for large, small in SMALL.items():
        assert large in text
        text = text.replace(large, small)
    text = text.replace("${{ github.base_ref }}", "main")
    assert "${{" not in text
    for port in ("8001", "8002"):
        text = text.replace(port, str(free_tcp_port_factory()))
    *before, compare = text.split("\0")
    for step in before:
        done = subprocess.run(["bash", "-e", "-c", step], cwd=checkout, env=shell, capture_output=True, text=True)
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
    done = subprocess.run(["bash", "-e", "-c", compare], cwd=checkout, env=shell, capture_output=True, text=True)
    # The servers are the same; with so few turns one may seem slower all the same, which is said.
    assert done.returncode == (1 if "grew by" in done.stderr else 0), done.stderr
    assert "turn_latency.p95" in done.stdout
    assert "barge_in_silence.p50" in done.stdout
    assert all(session.finished for session in load_results(checkout / "after").sessions)
    assert (checkout / "after/report.html").exists()

    notes = Path(shell["NOTES"]).read_text().splitlines()
    assert notes == ["apt-get install --yes espeak-ng", "pip install .[bench]"]
    assert "bench" in tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
