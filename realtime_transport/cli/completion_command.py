"""``realtime-transport completion``: a script by which a shell completes what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_transport.cli.arguments.parser import command_parser
from realtime_transport.cli.running import require, say

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the script for a shell; 0.

    Raises:
        MissingExtraError: shtab, which writes it, is not installed.
    """
    require("cli", "shtab")
    import shtab

    say(shtab.complete(command_parser(), arguments.shell).rstrip("\n"))
    return 0
