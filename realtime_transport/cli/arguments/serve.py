"""What ``realtime-transport serve`` understands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .command_parser import takes_file
from .common import add_backend
from .values import command, count, non_negative, pace, port, probability, speed, stall

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_serve"]

DEFAULT_PORT = 8642


def add_serve(parser: CommandParser) -> None:
    """Add the arguments of ``serve``."""
    parser.set_defaults(run=command("serve.command"))
    parser.description = (
        "Runs a server on this machine that speaks the Realtime protocol, for tests without a key, a bill or a "
        "network. Prints one line with its base URL when it is ready; Ctrl-C ends it."
    )
    parser.examples = [
        ("realtime-transport serve", "Serve at http://127.0.0.1:8642/v1, with a page at http://127.0.0.1:8642/"),
        (
            "realtime-transport serve --port 0 --api-key sk-test --latency 300",
            "On a free port, for one key, and every reply 300 ms later",
        ),
        (
            "realtime-transport serve --drop-at-frame 20 --fault-connection 2",
            "Break the second connection at its twentieth frame",
        ),
    ]
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=port, default=DEFAULT_PORT, help=f"TCP port; 0: a free one (default: {DEFAULT_PORT})"
    )
    parser.add_argument("--api-key", metavar="KEY", help="accept only this key, and the secrets minted with it")
    takes_file(parser.add_argument("--script", metavar="FILE", help="what is replied, as JSON"))
    parser.add_argument(
        "--console",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="answer GET / with a page that shows the sessions (default: if only this machine can ask)",
    )
    parser.add_argument(
        "--full-ice", action="store_true", help="start connectivity checks in WebRTC calls; the service never does"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="play another server: azure, azure-preview, generic, localai, openai, speaches, vllm-transcription, xai",
    )
    parser.add_argument(
        "--audio-speed",
        type=speed,
        default=argparse.SUPPRESS,
        metavar="X",
        help="how many times faster than it plays audio is sent, or max for all at once",
    )
    parser.add_argument(
        "--latency",
        type=non_negative,
        default=0.0,
        metavar="MS",
        help="every response thinks so long before it speaks",
    )
    add_backend(parser)
    _add_recording(parser)
    _add_faults(parser)


def _add_recording(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a recording in place of conversations")
    takes_file(group.add_argument("--recording", metavar="NAME.rtrec", help="every WebSocket hears what was recorded"))
    group.add_argument(
        "--pace",
        type=pace,
        default="recorded",
        metavar="X",
        help="recorded, asap, or how many times faster (default: recorded)",
    )
    group.add_argument(
        "--match",
        choices=("strict", "types", "none"),
        default="types",
        help="how far what the client sends must be as recorded (default: types)",
    )


def _add_faults(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faults, seeded and repeatable")
    group.add_argument("--delay", type=non_negative, default=0.0, metavar="SECONDS", help="each frame is late")
    group.add_argument("--jitter", type=non_negative, default=0.0, metavar="SECONDS", help="up to this much more")
    group.add_argument(
        "--stall",
        type=stall,
        action="append",
        default=[],
        metavar="FRAME:SECONDS",
        help="a pause before that frame, from 1; may be repeated",
    )
    group.add_argument("--reorder", type=probability, default=0.0, metavar="P", help="frames that change places")
    group.add_argument("--duplicate", type=probability, default=0.0, metavar="P", help="frames that come twice")
    group.add_argument("--drop-at-frame", type=count, metavar="N", help="the connection is lost at frame N")
    group.add_argument("--drop-code", type=count, metavar="CODE", help="with this close code; else TCP is reset")
    group.add_argument("--late-pongs", type=non_negative, default=0.0, metavar="SECONDS", help="pongs are late")
    group.add_argument(
        "--fault-connection",
        type=count,
        action="append",
        metavar="N",
        help="hurt only the N-th connection; may be repeated",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="another course of events (default: 0)")
