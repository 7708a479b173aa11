"""What ``realtime-transport talk`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .common import add_answer, add_backend, add_record, add_server, add_session
from .values import command

if TYPE_CHECKING:
    from .command_parser import CommandParser

__all__ = ["add_talk"]


def add_talk(parser: CommandParser) -> None:
    """Add the arguments of ``talk``."""
    parser.set_defaults(run=command("talk.command"))
    parser.description = (
        "A live conversation: your microphone, your loudspeaker, transcripts and levels; speak to interrupt. What you "
        "type or pipe in is sent, too, a message a line. Without --url or --live it talks to the emulator, in this "
        "process: nobody is billed. Use headphones."
    )
    parser.examples = [
        ("realtime-transport talk", "Talk to the emulator; end with Ctrl-C"),
        ("realtime-transport talk --text", "Type instead: no sound device is needed; end with Ctrl-D"),
        ("echo Hello | realtime-transport talk --text", "Ask once, and end with the answer"),
        ("realtime-transport talk --choose-devices --transport websocket", "Choose the microphone and the loudspeaker"),
        (
            "realtime-transport talk --live --voice marin --record call.rtrec",
            "Talk to the OpenAI API, billed to OPENAI_API_KEY, and record the call",
        ),
    ]
    parser.add_argument(
        "--text",
        action="store_true",
        help="no sound: lines of text, both ways, over the WebSocket unless told otherwise",
    )
    parser.add_argument("--list-devices", action="store_true", help="show the sound devices, and end")
    parser.add_argument("--choose-devices", action="store_true", help="choose the sound devices from a list first")
    parser.add_argument("--input", metavar="DEVICE", help="the microphone: a name, a part of one, or a number")
    parser.add_argument("--output", metavar="DEVICE", help="the loudspeaker, likewise")
    add_server(parser, "a server, as for replay")
    parser.add_argument(
        "--transport", choices=["webrtc", "websocket"], help="the wire (default: webrtc; with --text: websocket)"
    )
    add_session(parser)
    parser.add_argument(
        "--agent", metavar="MODULE:AGENT", help="talk to a RealtimeAgent, with its instructions, tools and handoffs"
    )
    add_record(parser)
    add_answer(parser, "voice")
    add_backend(parser)
