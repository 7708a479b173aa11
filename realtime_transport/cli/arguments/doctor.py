"""What ``realtime-transport doctor`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .common import add_allow_insecure, add_backend
from .values import command, port

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_doctor"]


def add_doctor(parser: CommandParser) -> None:
    """Add the arguments of ``doctor``."""
    parser.set_defaults(run=command("doctor.command"))
    parser.description = (
        "Looks at versions, extras, sound devices, the form of the key (never shown, never sent), and each step on the "
        "way to a server. Says what is wrong and what to do; exits with 1 if something is."
    )
    parser.examples = [
        ("realtime-transport doctor", "This machine, and the way to the OpenAI API"),
        ("realtime-transport doctor --no-network", "This machine alone"),
        ("realtime-transport doctor --url http://127.0.0.1:8642/v1", "The way to the server that `serve` runs"),
    ]
    parser.add_argument("--url", help="the server (default: the OpenAI API)")
    parser.add_argument("--no-network", action="store_true", help="look at this machine only")
    parser.add_argument(
        "--udp-port", type=port, metavar="PORT", help="where to ask by UDP (default: 3478, and not on this machine)"
    )
    add_allow_insecure(parser)
    add_backend(parser)
