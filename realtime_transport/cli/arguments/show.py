"""What ``realtime-transport show`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import command

if TYPE_CHECKING:
    import argparse

__all__ = ["add_show"]


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``show``."""
    parser.set_defaults(run=command("show_command"))
    parser.description = (
        "Makes a page of a session that was recorded with --record: both voices to look at and to hear, turns, "
        "replies, tool calls, and every message behind a click. One HTML file, which opens without a network. "
        "Example: realtime-transport show call.rtrec"
    )
    parser.add_argument("recording", metavar="RECORDING", help="NAME.rtrec, NAME.jsonl, or a cassette (NAME.yaml)")
    parser.add_argument("--out", metavar="FILE", help="the page (default: NAME.html beside the recording)")
