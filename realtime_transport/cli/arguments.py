"""What the command line understands."""

from __future__ import annotations

import argparse
import importlib.metadata
from typing import TYPE_CHECKING, NoReturn

from realtime_transport.cli.argument_values import (
    command,
    count,
    non_negative,
    pace,
    port,
    positive,
    probability,
    speed,
    stall,
)
from realtime_transport.cli.bench_arguments import add_bench
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse"]

DEFAULT_PORT = 8642


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
    _add_replay(commands.add_parser("replay", allow_abbrev=False, help="play recordings into a session"))
    _add_serve(commands.add_parser("serve", allow_abbrev=False, help="run the local emulator of the service"))
    _add_talk(commands.add_parser("talk", allow_abbrev=False, help="talk to a model by microphone and loudspeaker"))
    _add_show(commands.add_parser("show", allow_abbrev=False, help="make a page of a recorded session"))
    add_bench(commands.add_parser("bench", allow_abbrev=False, help="measure a server with a corpus of recordings"))
    _add_doctor(commands.add_parser("doctor", allow_abbrev=False, help="see whether everything needed is there"))
    return parser.parse_args(_with_bench_run(argv))


def _with_bench_run(argv: Sequence[str]) -> Sequence[str]:
    """``bench run`` may be written as ``bench``."""
    if len(argv) > 1 and argv[0] == "bench" and argv[1] not in ("run", "compare", "make-corpus", "-h", "--help"):
        return [argv[0], "run", *argv[1:]]
    return argv


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=command("replay_command"))
    parser.description = (
        "Plays recordings (WAV, FLAC, OGG, MP3; any rate, any number of channels) into one session, one after another; "
        "waits for the replies to each; writes reply.wav, transcript.txt, timeline.jsonl and report.json, and prints "
        "figures. Without --url or --live it talks to the emulator, in this process: nobody is billed."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a recording")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        help="a server: the URL of the realtime endpoint, or the base URL that serve prints; OPENAI_API_KEY is sent "
        "to it if it is set, and must be unless the server is on this machine",
    )
    where.add_argument("--live", action="store_true", help="the OpenAI API, billed to OPENAI_API_KEY")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="let the key go unencrypted (ws, http) to a server elsewhere"
    )
    parser.add_argument("--model", help="the model (default: that of the library)")
    parser.add_argument(
        "--transport", choices=["websocket", "webrtc"], default="websocket", help="the wire (default: websocket)"
    )
    parser.add_argument("--instructions", metavar="TEXT", help="the system prompt")
    parser.add_argument("--voice", metavar="NAME", help="the voice of the model")
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
    _add_answer(parser, "echo")
    parser.add_argument("--out", metavar="DIR", help="where the files go (default: replay-DATE-TIME)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead")
    _add_record(parser)
    _add_backend(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=command("serve_command"))
    parser.description = (
        "Runs a server on this machine that speaks the Realtime protocol, for tests without a key, a bill or a "
        "network. Prints one line with its base URL when it is ready; Ctrl-C ends it."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=port, default=DEFAULT_PORT, help=f"TCP port; 0: a free one (default: {DEFAULT_PORT})"
    )
    parser.add_argument("--api-key", metavar="KEY", help="accept only this key, and the secrets minted with it")
    parser.add_argument("--script", metavar="FILE", help="what is replied, as JSON")
    recorded = parser.add_argument_group("a recording in place of conversations")
    recorded.add_argument("--recording", metavar="NAME.rtrec", help="every WebSocket hears what was recorded")
    recorded.add_argument(
        "--pace",
        type=pace,
        default="recorded",
        metavar="X",
        help="recorded, asap, or how many times faster (default: recorded)",
    )
    recorded.add_argument(
        "--match",
        choices=("strict", "types", "none"),
        default="types",
        help="how far what the client sends must be as recorded (default: types)",
    )
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
    _add_backend(parser)
    faults = parser.add_argument_group("faults, seeded and repeatable")
    faults.add_argument("--delay", type=non_negative, default=0.0, metavar="SECONDS", help="each frame is late")
    faults.add_argument("--jitter", type=non_negative, default=0.0, metavar="SECONDS", help="up to this much more")
    faults.add_argument(
        "--stall",
        type=stall,
        action="append",
        default=[],
        metavar="FRAME:SECONDS",
        help="a pause before that frame, from 1; may be repeated",
    )
    faults.add_argument("--reorder", type=probability, default=0.0, metavar="P", help="frames that change places")
    faults.add_argument("--duplicate", type=probability, default=0.0, metavar="P", help="frames that come twice")
    faults.add_argument("--drop-at-frame", type=count, metavar="N", help="the connection is lost at frame N")
    faults.add_argument("--drop-code", type=count, metavar="CODE", help="with this close code; else TCP is reset")
    faults.add_argument("--late-pongs", type=non_negative, default=0.0, metavar="SECONDS", help="pongs are late")
    faults.add_argument(
        "--fault-connection",
        type=count,
        action="append",
        metavar="N",
        help="hurt only the N-th connection; may be repeated",
    )
    faults.add_argument("--seed", type=int, default=0, metavar="N", help="another course of events (default: 0)")


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=command("talk_command"))
    parser.description = (
        "A live conversation: your microphone, your loudspeaker, transcripts and level meters; speak to interrupt. "
        "Without --url or --live it talks to the emulator, in this process: nobody is billed. Use headphones."
    )
    parser.add_argument("--list-devices", action="store_true", help="show the sound devices, and end")
    parser.add_argument("--input", metavar="DEVICE", help="the microphone: a name, a part of one, or a number")
    parser.add_argument("--output", metavar="DEVICE", help="the loudspeaker, likewise")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="a server, as for replay")
    where.add_argument("--live", action="store_true", help="the OpenAI API, billed to OPENAI_API_KEY")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="let the key go unencrypted (ws, http) to a server elsewhere"
    )
    parser.add_argument(
        "--transport", choices=["webrtc", "websocket"], default="webrtc", help="the wire (default: webrtc)"
    )
    parser.add_argument("--model", help="the model (default: that of the library)")
    parser.add_argument("--instructions", metavar="TEXT", help="the system prompt")
    parser.add_argument("--voice", metavar="NAME", help="the voice of the model")
    parser.add_argument(
        "--agent", metavar="MODULE:AGENT", help="talk to a RealtimeAgent, with its instructions, tools and handoffs"
    )
    _add_record(parser)
    _add_answer(parser, "voice")
    _add_backend(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=command("show_command"))
    parser.description = (
        "Makes a page of a session that was recorded with --record: both voices to look at and to hear, turns, "
        "replies, tool calls, and every message behind a click. One HTML file, which opens without a network. "
        "Example: realtime-transport show call.rtrec"
    )
    parser.add_argument("recording", metavar="RECORDING", help="NAME.rtrec, NAME.jsonl, or a cassette (NAME.yaml)")
    parser.add_argument("--out", metavar="FILE", help="the page (default: NAME.html beside the recording)")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=command("doctor_command"))
    parser.description = (
        "Looks at versions, extras, sound devices, the form of the key (never shown, never sent), and each step on the "
        "way to a server. Says what is wrong and what to do; exits with 1 if something is. "
        "Example: realtime-transport doctor --url http://127.0.0.1:8642/v1"
    )
    parser.add_argument("--url", help="the server (default: the OpenAI API)")
    parser.add_argument("--no-network", action="store_true", help="look at this machine only")
    parser.add_argument(
        "--udp-port", type=port, metavar="PORT", help="where to ask by UDP (default: 3478, and not on this machine)"
    )
    parser.add_argument(
        "--allow-insecure", action="store_true", help="you mean to use ws or http to a server elsewhere"
    )
    _add_backend(parser)


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record",
        metavar="NAME.rtrec",
        help="record the session, keys left out, for `realtime-transport show` and for tests",
    )


def _add_answer(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--answer",
        choices=["echo", "voice"],
        default=default,
        help=f"how the emulator in this process answers speech: by it, or by a sentence (default: {default})",
    )


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", choices=["asyncio", "trio"], default="asyncio", help="the event loop (default: asyncio)"
    )
