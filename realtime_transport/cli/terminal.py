"""What a terminal can do: be drawn on, how wide it is, and lines that fit it."""

from __future__ import annotations

import os
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["ROOM_FOR_KEYS", "columns_of", "draws", "fitted", "remark", "width_of", "wrapped"]

USUAL_COLUMNS = 80

ROOM_FOR_KEYS = 2
"""Columns to leave free behind what is drawn: the terminal writes ``^C`` there, and a line that it breaks stays."""

NARROWEST = 40
"""Columns: what is narrower is written as if it were so wide."""


def draws(stream: TextIO) -> bool:
    """Whether what was written to *stream* can be drawn anew: a terminal, and not a dumb one."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def columns_of(stream: TextIO) -> int:
    """The columns of the terminal behind *stream*; 80 if it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError):
        return USUAL_COLUMNS


def wrapped(line: str, stream: TextIO, indent: int = 0) -> str:
    """*line*, broken between words to fit the terminal behind *stream*; as it is where there is none.

    A word that fits no line (a path, a digest) is left to the terminal, which does not break it for who copies it.

    Args:
        line: One line.
        stream: Where it goes.
        indent: Columns by which the second line, and those after it, are indented.
    """
    if not stream.isatty():
        return line
    # Without the last column: some terminals begin a new line when it is filled.
    columns = max(NARROWEST, columns_of(stream) - 1)
    if len(line) <= columns or max(map(len, line.split())) > columns - indent:
        return line
    found = textwrap.wrap(
        line,
        columns,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join(found)


def remark(line: str) -> None:
    """Print *line* on standard error, behind the name of the command."""
    print(wrapped(f"realtime-transport: {line}", sys.stderr, 2), file=sys.stderr, flush=True)  # noqa: T201


def width_of(text: str) -> int:
    """The columns that *text* takes: two for a wide character, none for a mark above another."""
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(text: str, columns: int) -> str:
    """The end of *text* that fits *columns*, behind a mark where something is left out."""
    if width_of(text) <= columns:
        return text
    kept, room = "", columns - 1
    for character in reversed(text):
        room -= _width(character)
        if room < 0:
            break
        kept = character + kept
    return f"…{kept}" if columns > 0 else ""
