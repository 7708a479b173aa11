"""What ``realtime-transport completion`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import command

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_completion"]


def add_completion(parser: CommandParser) -> None:
    """Add the arguments of ``completion``."""
    parser.set_defaults(run=command("completion_command"))
    parser.description = (
        "Prints a script by which your shell completes commands, options, their values and files with the Tab key. "
        "Where a shell looks for such scripts is in docs/command-line.md. Print it anew after an update."
    )
    parser.examples = [
        ('eval "$(realtime-transport completion bash)"', "For this shell; as a line of ~/.bashrc, for each"),
        ("realtime-transport completion zsh > _realtime-transport", "For zsh: a file in a folder of $fpath"),
        ("realtime-transport completion fish > realtime-transport.fish", "For fish: a file in its completions folder"),
    ]
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh", "fish"], help="the shell to print it for")
