"""The command line in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMMAND = [sys.executable, "-m", "realtime_transport"]


def environment(**more: str) -> dict[str, str]:
    """The environment of the tests: no key, no proxy, unless *more* says so."""
    kept = {
        name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY" and "proxy" not in name.lower()
    }
    return {**kept, **more}


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """``realtime-transport serve`` on a free port; gives its base URL. It is ended by Ctrl-C."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http://"))
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()
