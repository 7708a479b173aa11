"""What the command line understands."""

from __future__ import annotations

import argparse
import importlib.metadata
from typing import TYPE_CHECKING, NoReturn

from realtime_transport.errors import ConfigError

from .bench import add_bench
from .doctor import add_doctor
from .replay import add_replay
from .serve import add_serve
from .show import add_show
from .talk import add_talk

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse"]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        raise ConfigError(f"{command + ': ' if command else ''}{message} (see: {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments in *argv*; their ``run`` is the command, to be called with them.

    Raises:
        ConfigError: They make no sense.
    """
    parser = _Parser(
        prog="realtime-transport",
        description="Speech-to-speech sessions over the OpenAI Realtime protocol: a local server, and replays.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=importlib.metadata.version("realtime-transport"))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_replay(commands.add_parser("replay", allow_abbrev=False, help="play recordings into a session"))
    add_serve(commands.add_parser("serve", allow_abbrev=False, help="run the local emulator of the service"))
    add_talk(commands.add_parser("talk", allow_abbrev=False, help="talk to a model by microphone and loudspeaker"))
    add_show(commands.add_parser("show", allow_abbrev=False, help="make a page of a recorded session"))
    add_bench(commands.add_parser("bench", allow_abbrev=False, help="measure a server with a corpus of recordings"))
    add_doctor(commands.add_parser("doctor", allow_abbrev=False, help="see whether everything needed is there"))
    return parser.parse_args(_with_bench_run(argv))


def _with_bench_run(argv: Sequence[str]) -> Sequence[str]:
    """``bench run`` may be written as ``bench``."""
    if len(argv) > 1 and argv[0] == "bench" and argv[1] not in ("run", "compare", "make-corpus", "-h", "--help"):
        return [argv[0], "run", *argv[1:]]
    return argv
