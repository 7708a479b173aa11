"""The line that is being typed, on a terminal that hands over key by key. No I/O."""

from __future__ import annotations

import codecs
import re

import attrs

__all__ = ["LineEditor"]

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)
"""Arrow keys and the like (ECMA-48, section 5.4): they do nothing here."""

_WORD = re.compile(r"\S+\s*$")

ENTER, BACKSPACE, ERASE_WORD, ERASE_LINE, END = ("\r", "\n"), ("\x7f", "\b"), "\x17", "\x15", "\x04"


@attrs.define(eq=False)
class LineEditor:
    """Takes what the keyboard sends, and gives whole lines.

    Backspace, Ctrl-W and Ctrl-U erase a character, a word and the line; Ctrl-D ends the input where the line is empty.

    Attributes:
        text: The line so far.
        ended: The input has ended.
    """

    text: str = attrs.field(init=False, default="")
    ended: bool = attrs.field(init=False, default=False)
    _rest: str = attrs.field(init=False, default="")
    _decoder: codecs.IncrementalDecoder = attrs.field(
        init=False, factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, data: bytes) -> list[str]:
        """The lines that *data* completes."""
        keys = _SEQUENCE.sub("", self._rest + self._decoder.decode(data))
        keys, escape, rest = keys.partition("\x1b")  # The sequence goes on in what comes next.
        self._rest = escape + rest
        return [line for key in keys if (line := self._press(key)) is not None]

    def finish(self) -> list[str]:
        """The terminal is gone: there is no more."""
        self.ended = True
        return []

    def _press(self, key: str) -> str | None:
        if key in ENTER:
            line, self.text = self.text, ""
            return line
        if key in BACKSPACE:
            self.text = self.text[:-1]
        elif key == ERASE_WORD:
            self.text = _WORD.sub("", self.text)
        elif key == ERASE_LINE:
            self.text = ""
        elif key == END:
            self.ended = self.ended or not self.text
        elif key.isprintable() or key == "\t":
            self.text += key.replace("\t", " ")
        return None
