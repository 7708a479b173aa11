"""What is on the terminal: lines that stay, and below them one that is drawn anew."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs

from realtime_transport.cli.running import say
from realtime_transport.cli.talk.levels import MeteredMicrophone, MeteredSpeaker, meter
from realtime_transport.cli.terminal import ROOM_FOR_KEYS, columns_of, draws, fitted, width_of, wrapped

if TYPE_CHECKING:
    from realtime_transport.cli.talk.typed import TypedInput

__all__ = ["Screen"]

INDENT = 7
"""Columns of ``model: ``."""

NARROW = 100
"""Columns below which the meters are half as wide, which leaves room for what is typed."""

ERASE = "\r\x1b[K"


@attrs.define(eq=False)
class Screen:
    """Prints lines on standard output, and draws levels and what is typed on standard error, if that is a terminal.

    Attributes:
        typed: What is typed is shown behind the levels, if nothing else shows it.
        ends: The microphone and the loudspeaker, if there are any.
    """

    typed: TypedInput | None = None
    ends: tuple[MeteredMicrophone, MeteredSpeaker] | None = None
    _draws: bool = attrs.field(init=False, factory=lambda: draws(sys.stderr))
    _drawn: str = attrs.field(init=False, default="")

    @property
    def is_drawn(self) -> bool:
        """Whether there is a line to draw."""
        return self._draws and (self.ends is not None or self._is_edited)

    @property
    def _is_edited(self) -> bool:
        return self.typed is not None and self.typed.is_edited

    def say(self, line: str) -> None:
        """Print *line* above what is drawn."""
        self.erase()
        say(wrapped(line, sys.stdout, INDENT))
        self.draw()

    def erase(self) -> None:
        """Take the drawn line away."""
        if self._drawn:
            self._write(ERASE)
            self._drawn = ""

    def draw(self) -> None:
        """Draw the line, if it is another one now."""
        if not self.is_drawn:
            return
        columns = columns_of(sys.stderr) - 1 - ROOM_FOR_KEYS  # A full line would break.
        shown = "" if self.ends is None else self._levels(10 if columns < NARROW else 20, *self.ends)
        if self.typed is not None and self._is_edited:
            prompt = f"{shown}  > " if shown else "> "
            shown = prompt + fitted(self.typed.editor.text, columns - width_of(prompt))
        if shown != self._drawn:
            self._write(ERASE + shown)
            self._drawn = shown

    def _levels(self, width: int, microphone: MeteredMicrophone, speaker: MeteredSpeaker) -> str:
        return f"you [{meter(microphone.level, width)}]  model [{meter(speaker.level, width)}]"

    def _write(self, text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)  # noqa: T201
