"""What the command line understands."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from .bench import add_bench
from .command_parser import CommandParser
from .completion import add_completion
from .doctor import add_doctor
from .replay import add_replay
from .serve import add_serve
from .show import add_show
from .talk import add_talk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["command_parser", "parse"]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments in *argv*; their ``run`` is the command, to be called with them.

    Raises:
        ConfigError: They make no sense.
    """
    return command_parser().parse_args(_with_bench_run(argv))


def command_parser() -> CommandParser:
    """The parser of all commands."""
    parser = CommandParser(
        prog="realtime-transport",
        description="Speech-to-speech sessions over the OpenAI Realtime protocol: a local server, conversations, "
        "replays and measurements.",
        allow_abbrev=False,
    )
    parser.examples = [
        ("realtime-transport doctor --no-network", "See whether everything is installed"),
        ("realtime-transport talk --text", "Talk to the emulator in this process: no key, no bill"),
    ]
    parser.add_argument("--version", action="version", version=importlib.metadata.version("realtime-transport"))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_talk(commands.add_parser("talk", allow_abbrev=False, help="talk to a model, by voice or by text"))
    add_replay(commands.add_parser("replay", allow_abbrev=False, help="play recordings into a session"))
    add_serve(commands.add_parser("serve", allow_abbrev=False, help="run the local emulator of the service"))
    add_show(commands.add_parser("show", allow_abbrev=False, help="make a page of a recorded session"))
    add_bench(commands.add_parser("bench", allow_abbrev=False, help="measure a server with a corpus of recordings"))
    add_doctor(commands.add_parser("doctor", allow_abbrev=False, help="see whether everything needed is there"))
    add_completion(commands.add_parser("completion", allow_abbrev=False, help="let the Tab key complete commands"))
    return parser


def _with_bench_run(argv: Sequence[str]) -> Sequence[str]:
    """``bench run`` may be written as ``bench``."""
    if len(argv) > 1 and argv[0] == "bench" and argv[1] not in ("run", "compare", "make-corpus", "-h", "--help"):
        return [argv[0], "run", *argv[1:]]
    return argv
