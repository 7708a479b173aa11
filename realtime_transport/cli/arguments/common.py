"""Arguments that several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command_parser import takes_file

if TYPE_CHECKING:
    import argparse

__all__ = ["add_allow_insecure", "add_answer", "add_backend", "add_record", "add_server", "add_session"]


def add_server(parser: argparse.ArgumentParser, url: str) -> None:
    """``--url`` or ``--live``, and what goes with a server elsewhere."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help=url)
    where.add_argument("--live", action="store_true", help="the OpenAI API, billed to OPENAI_API_KEY")
    add_allow_insecure(parser)


def add_allow_insecure(parser: argparse.ArgumentParser) -> None:
    """``--allow-insecure``."""
    parser.add_argument(
        "--allow-insecure", action="store_true", help="let the key go unencrypted (ws, http) to a server elsewhere"
    )


def add_session(parser: argparse.ArgumentParser) -> None:
    """What a session is opened with."""
    parser.add_argument("--model", help="the model (default: that of the library)")
    parser.add_argument("--instructions", metavar="TEXT", help="the system prompt")
    parser.add_argument("--voice", metavar="NAME", help="the voice of the model")


def add_record(parser: argparse.ArgumentParser) -> None:
    """``--record``."""
    takes_file(
        parser.add_argument(
            "--record",
            metavar="NAME.rtrec",
            help="record the session, keys left out, for `realtime-transport show` and for tests",
        )
    )


def add_answer(parser: argparse.ArgumentParser, default: str) -> None:
    """``--answer``, by which the emulator in this process answers."""
    parser.add_argument(
        "--answer",
        choices=["echo", "voice"],
        default=default,
        help=f"how the emulator in this process answers speech: by it, or by a sentence (default: {default})",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """``--backend``."""
    parser.add_argument(
        "--backend", choices=["asyncio", "trio"], default="asyncio", help="the event loop (default: asyncio)"
    )
