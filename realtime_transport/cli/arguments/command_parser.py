"""The parser of a command: its help ends with examples, and a mistake is one line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn, TypeVar

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CommandParser", "takes_file", "takes_folder"]

A = TypeVar("A", bound=argparse.Action)

# What `shtab.FILE` and `shtab.DIRECTORY` hold for the shells that are offered. A completion script alone needs shtab.
_FILE = {
    "bash": "_shtab_compgen_files",
    "zsh": "_files",
    "tcsh": "f",
    "fish": "(__fish_complete_path (commandline -ct))",
}
_FOLDER = {
    "bash": "_shtab_compgen_dirs",
    "zsh": "_files -/",
    "tcsh": "d",
    "fish": "(__fish_complete_directories)",
}


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line, instead of the whole usage, and shows examples as they are written.

    Attributes:
        examples: Commands that can be typed as they are, each with what it is for.
    """

    examples: Sequence[tuple[str, str]]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong.

        Raises:
            ConfigError: Always.
        """
        command = self.prog.partition(" ")[2]
        raise ConfigError(f"{command + ': ' if command else ''}{message} (see: {self.prog} --help)")

    def format_help(self) -> str:
        """The help, and the examples."""
        lines = [f"  # {purpose}\n  $ {command}\n" for command, purpose in self.examples]
        return super().format_help() + "\nexamples:\n" + "".join(lines)


def takes_file(action: A) -> A:
    """Let the shell complete the value of *action* as a file."""
    return _completed(action, _FILE)


def takes_folder(action: A) -> A:
    """Let the shell complete the value of *action* as a folder."""
    return _completed(action, _FOLDER)


def _completed(action: A, by_shell: Mapping[str, str]) -> A:
    setattr(action, "complete", by_shell)  # noqa: B010 (the attribute that shtab looks for; argparse has none)
    return action
