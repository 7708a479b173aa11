"""The command line in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = [sys.executable, "-m", "realtime_transport"]


def environment(**more: str) -> dict[str, str]:
    """The environment of the tests: no key, no proxy, unless *more* says so."""
    kept = {
        name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY" and "proxy" not in name.lower()
    }
    return {**kept, **more}


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """``realtime-transport serve`` on a free port; gives its base URL. It is ended by Ctrl-C."""
    with serving_process(*arguments) as (url, _):
        yield url


@contextmanager
def serving_process(*arguments: str) -> Iterator[tuple[str, int]]:
    """As `serving`; gives the base URL and the id of the process."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http://")), process.pid
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()
