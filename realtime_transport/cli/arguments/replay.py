"""What ``realtime-transport replay`` understands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .command_parser import takes_file, takes_folder
from .common import add_answer, add_backend, add_record, add_server, add_session
from .values import command, non_negative, positive, speed

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_replay"]


def add_replay(parser: CommandParser) -> None:
    """Add the arguments of ``replay``."""
    parser.set_defaults(run=command("replay.command"))
    parser.description = (
        "Plays recordings (WAV, FLAC, OGG, MP3; any rate, any number of channels) into one session, one after another; "
        "waits for the replies to each; writes reply.wav, transcript.txt, timeline.jsonl and report.json, and prints "
        "figures. Without --url or --live it talks to the emulator, in this process: nobody is billed."
    )
    parser.examples = [
        ("realtime-transport replay question.wav --speed 8", "Play a question to the emulator, eight times as fast"),
        (
            "realtime-transport replay a.wav b.wav --url http://127.0.0.1:8642 --json",
            "Play two to the server that `serve` runs, and print the report as JSON",
        ),
        (
            "realtime-transport replay question.wav --live --record call.rtrec",
            "Play it to the OpenAI API, billed to OPENAI_API_KEY, and record the session",
        ),
    ]
    takes_file(parser.add_argument("files", nargs="+", metavar="FILE", help="a recording"))
    add_server(
        parser,
        "a server: the URL of the realtime endpoint, or the base URL that serve prints; OPENAI_API_KEY is sent "
        "to it if it is set, and must be unless the server is on this machine",
    )
    parser.add_argument(
        "--transport", choices=["websocket", "webrtc"], default="websocket", help="the wire (default: websocket)"
    )
    add_session(parser)
    parser.add_argument(
        "--format", choices=["pcm16", "g711_ulaw", "g711_alaw"], default="pcm16", help="audio format, both ways"
    )
    parser.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="X",
        help="times faster than real time, or max for no pace at all (default: 1)",
    )
    parser.add_argument(
        "--commit",
        action="store_true",
        help="no turn detection: each recording is one turn, committed by hand at its end",
    )
    parser.add_argument(
        "--tail",
        type=non_negative,
        default=1000.0,
        metavar="MS",
        help="silence behind each recording, for the turn detection to see its end (default: 1000; none with --commit)",
    )
    parser.add_argument(
        "--settle",
        type=non_negative,
        default=1.0,
        metavar="SECONDS",
        help="how long to listen on when all turns are answered (default: 1)",
    )
    parser.add_argument(
        "--timeout",
        type=positive,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for an answer that is due, without any event (default: 30)",
    )
    parser.add_argument(
        "--connect-timeout", type=positive, default=10.0, metavar="SECONDS", help="for the session to open (10)"
    )
    parser.add_argument(
        "--play",
        action=argparse.BooleanOptionalAction,
        help="play the replies on the loudspeaker (default: on a terminal, with the emulator, where there is one)",
    )
    add_answer(parser, "echo")
    takes_folder(parser.add_argument("--out", metavar="DIR", help="where the files go (default: replay-DATE-TIME)"))
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead")
    add_record(parser)
    add_backend(parser)
