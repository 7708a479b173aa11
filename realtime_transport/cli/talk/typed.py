"""What is typed, or piped, into standard input."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from realtime_transport.cli.talk.line_editor import LineEditor
from realtime_transport.cli.terminal import draws

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

__all__ = ["TypedInput"]

PIECE = 4096


@attrs.define(eq=False)
class TypedInput:
    """The lines of standard input.

    Attributes:
        editor: The line that is being typed; where the terminal does not hand over key by key, it stays empty.
        is_terminal: Somebody types.
        is_edited: Somebody types on a terminal that can be drawn on: nothing of it is shown but by us.
    """

    _fd: int
    is_terminal: bool
    is_edited: bool
    editor: LineEditor = attrs.field(init=False, factory=LineEditor)

    @classmethod
    def open(cls) -> TypedInput | None:
        """Standard input; ``None`` if there is none, or if it belongs to another program at the moment."""
        try:
            fd = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            return None
        is_terminal = os.isatty(fd)
        if is_terminal and sys.platform != "win32" and os.tcgetpgrp(fd) != os.getpgrp():
            return None  # In the background: to read would stop us.
        is_edited = is_terminal and sys.platform != "win32" and draws(sys.stderr)
        return cls(fd, is_terminal=is_terminal, is_edited=is_edited)

    @contextmanager
    def key_by_key(self) -> Generator[None]:
        """Let the terminal hand over each key within the block, and be as before when it is left. Ctrl-C interrupts."""
        if not self.is_edited or sys.platform == "win32":
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd, termios.TCSADRAIN)  # What was typed before is kept.
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)

    async def lines(self, typed: Callable[[], object]) -> AsyncGenerator[str]:
        """Each line, without its end, until the input ends. If cancelled, what was half typed is lost.

        Args:
            typed: Is called when the line that is being typed has changed.
        """
        lines = self.editor if self.is_edited else _Pieces()
        while not lines.ended:
            piece = await self._read()
            found = lines.feed(piece) if piece else lines.finish()
            typed()
            for line in found:
                yield line

    async def _read(self) -> bytes:
        if sys.platform == "win32":
            return await anyio.to_thread.run_sync(os.read, self._fd, PIECE, abandon_on_cancel=True)
        try:
            await anyio.wait_readable(self._fd)
        except PermissionError:  # A file: it never makes anybody wait.
            await anyio.lowlevel.checkpoint()
        return os.read(self._fd, PIECE)


@attrs.define(eq=False)
class _Pieces:
    """Makes lines of what a pipe, a file or a terminal gives that edits lines itself."""

    ended: bool = attrs.field(init=False, default=False)
    _text: str = attrs.field(init=False, default="")
    _decoder: codecs.IncrementalDecoder = attrs.field(
        init=False, factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, data: bytes) -> list[str]:
        *lines, self._text = (self._text + self._decoder.decode(data)).split("\n")
        return [line.removesuffix("\r") for line in lines]

    def finish(self) -> list[str]:
        """The last line may have no end."""
        self.ended = True
        return [self._text] if self._text else []
