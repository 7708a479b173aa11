"""The command line on a terminal: a pseudo-terminal, and what would be seen on it. POSIX only."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs

from .processes import COMMAND, environment

PATIENCE = 40
"""Seconds for an expected text to appear; a limit against hangs."""

_SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()=>].?")


class Display:
    """What a terminal shows of the text that is written to it, with all that has scrolled away.

    It knows the sequences that are used here (ECMA-48): colours, which it drops, erasing, and moving up and left.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0
        self.cursor_is_shown = True
        self.unknown: list[str] = []

    def write(self, text: str) -> None:
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                self._obey(found)
                at = found.end()
            else:
                self._put(text[at])
                at += 1

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._go(self.row + 1)
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            if self.column >= self.columns:
                self.column = 0
                self._go(self.row + 1)
            line = self.lines[self.row]
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = character
            self.column += 1
        else:
            self.unknown.append(repr(character))

    def _go(self, row: int) -> None:
        self.row = max(0, row)
        while len(self.lines) <= self.row:
            self.lines.append([])

    def _obey(self, found: re.Match[str]) -> None:
        number = int(found[1]) if (found[1] or "").isdigit() else 0
        match found[2]:
            case "m":
                pass
            case "A":
                self._go(self.row - max(1, number))
            case "K" if number == 0:
                del self.lines[self.row][self.column :]
            case "K" if number == 2:
                self.lines[self.row] = []
            case "h" | "l" if found[1] == "?25":
                self.cursor_is_shown = found[2] == "h"
            case _:
                self.unknown.append(repr(found[0]))

    @property
    def text(self) -> str:
        """The lines, without the white space behind them, and without empty lines at the end."""
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip("\n")


@attrs.define(eq=False)
class Terminal:
    """A command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    display: Display
    _master: int
    _modes: list[Any]
    raw: str = attrs.field(init=False, default="")
    _rest: bytes = attrs.field(init=False, default=b"")

    def _read(self, seconds: float) -> bool:
        """Take what is written within so many seconds; whether anything was."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        piece = os.read(self._master, 65536)
        text = (self._rest + piece).decode("utf-8", "ignore")
        self._rest = (self._rest + piece)[len(text.encode()) :]
        # A sequence may be cut in two.
        whole, escape, tail = text.rpartition("\x1b")
        if escape and not _SEQUENCE.match(escape + tail):
            text, self._rest = whole, (escape + tail).encode() + self._rest
        self.raw += text
        self.display.write(text)
        return True

    def until(self, wanted: str | Callable[[str], bool]) -> None:
        """Wait until *wanted* is on the display; if it ends with a line feed, until that line is whole."""
        shown = wanted if callable(wanted) else partial(self._has_shown, wanted)
        limit = time.monotonic() + PATIENCE
        while not shown(self.display.text):
            ended = self.process.poll() is not None
            if not self._read(0.1):
                assert not ended, f"ended without: {wanted}\n{self.display.text}"
                assert time.monotonic() < limit, f"not shown: {wanted}\n{self.display.text}"

    def _has_shown(self, wanted: str, text: str) -> bool:
        return wanted.replace("\n", "\r\n") in self.raw if wanted.endswith("\n") else wanted in text

    def press(self, keys: str) -> None:
        """Type *keys*; ``\\x03`` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Wait for the end of the command, and take all that it wrote: its exit code."""
        limit = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self._read(0.1)
            assert time.monotonic() < limit, f"does not end\n{self.display.text}"
        while self._read(0):
            pass
        return self.process.returncode

    @property
    def is_restored(self) -> bool:
        """Whether the terminal edits and echoes as before, and shows its cursor."""
        return self.display.cursor_is_shown and termios.tcgetattr(self._master) == self._modes


@contextmanager
def terminal(*arguments: str, columns: int = 80, rows: int = 24, **variables: str) -> Iterator[Terminal]:
    """``realtime-transport ARGUMENTS`` on a terminal of that size."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    modes = termios.tcgetattr(slave)
    around = environment(**{"TERM": "xterm-256color", **variables})
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        if name not in variables:
            around.pop(name, None)
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=around,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    # Ours stays open: a terminal whose last user has left forgets its modes.
    try:
        yield Terminal(process, Display(columns), master, modes)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(slave)
        os.close(master)
