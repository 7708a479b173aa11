"""What ``realtime-transport show`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command_parser import takes_file
from .values import command

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_show"]


def add_show(parser: CommandParser) -> None:
    """Add the arguments of ``show``."""
    parser.set_defaults(run=command("show_command"))
    parser.description = (
        "Makes a page of a session that was recorded with --record: both voices to look at and to hear, turns, "
        "replies, tool calls, and every message behind a click. One HTML file, which opens without a network."
    )
    parser.examples = [
        ("realtime-transport show call.rtrec", "Write call.html beside the recording"),
        ("realtime-transport show call.rtrec --out page.html", "Write it elsewhere"),
    ]
    takes_file(
        parser.add_argument("recording", metavar="RECORDING", help="NAME.rtrec, NAME.jsonl, or a cassette (NAME.yaml)")
    )
    takes_file(parser.add_argument("--out", metavar="FILE", help="the page (default: NAME.html beside the recording)"))
