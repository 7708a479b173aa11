"""What ``realtime-transport bench`` understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command_parser import takes_file, takes_folder
from .values import barge_in, command, count, names, positive, sessions, speed, whole

if TYPE_CHECKING:
    import argparse

    from .command_parser import CommandParser

__all__ = ["add_bench"]


def add_bench(parser: CommandParser) -> None:
    """Add the commands of ``bench``."""
    parser.description = (
        "Plays a corpus of recordings against a server, with so many sessions at once, and compares runs."
    )
    parser.examples = [
        ("realtime-transport bench make-corpus corpus --count 50", "Speak fifty sentences into a folder (espeak-ng)"),
        (
            "realtime-transport bench corpus --sessions 1,10,50 --speed 4 --out today",
            "Play them with 1, 10 and 50 sessions at once, four times as fast",
        ),
        (
            "realtime-transport bench compare old new --fail-on turn_latency.p95=+10%",
            "End with 1 if replies became a tenth slower, and not by chance",
        ),
    ]
    what = parser.add_subparsers(title="what to do", metavar="COMMAND", required=True)
    _add_run(what.add_parser("run", allow_abbrev=False, help="play a corpus (may be left out)"))
    compare = what.add_parser("compare", allow_abbrev=False, help="the differences of two runs, with their intervals")
    compare.set_defaults(run=command("bench.report", "compare"))
    compare.description = "Prints what differs between two runs, with the interval in which each difference lies."
    compare.examples = [
        ("realtime-transport bench compare old new", "Print the differences"),
        (
            "realtime-transport bench compare old new --fail-on turn_latency.p95=+0.05",
            "End with 1 if one reply in twenty comes 50 ms later, and not by chance",
        ),
    ]
    takes_folder(compare.add_argument("old", metavar="OLD", help="the folder of the earlier run"))
    takes_folder(compare.add_argument("new", metavar="NEW", help="the folder of the later run"))
    compare.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="FIGURE.p95=+LIMIT",
        help="end with 1 if a figure grew by more (+10%% or +0.05), and not by chance; may be repeated",
    )
    make = what.add_parser("make-corpus", allow_abbrev=False, help="speak sentences with espeak-ng into a folder")
    make.set_defaults(run=command("bench.report", "make_corpus"))
    make.description = "Speaks sentences with espeak-ng, in several voices, into a folder with a manifest."
    make.examples = [
        ("realtime-transport bench make-corpus corpus --count 50", "Fifty sentences, and corpus/manifest.csv"),
    ]
    takes_folder(make.add_argument("folder", metavar="FOLDER", help="where they go; it must not exist"))
    make.add_argument("--count", type=count, default=200, metavar="N", help="how many (default: 200)")


def _add_run(parser: CommandParser) -> None:
    parser.set_defaults(run=command("bench.command"))
    parser.description = (
        "Plays a corpus (files, folders, recorded sessions, manifests in CSV or JSONL with the columns file, words and "
        "barge_in) and measures. Writes results.jsonl and report.html, and prints a table. Without --url it talks to "
        "the emulator, in this process: nobody is billed, and its work counts as the client's. The first Ctrl-C ends "
        "it, and everything that was found is kept."
    )
    parser.examples = [
        (
            "realtime-transport bench corpus/manifest.csv --repeats 3 --max-seconds 600",
            "Play each level three times, and begin no session after ten minutes",
        ),
        (
            "realtime-transport bench corpus --url http://127.0.0.1:8642/v1 --out today",
            "Measure the server that `serve` runs",
        ),
        ("realtime-transport bench corpus --out today --resume", "Go on with a run that was interrupted"),
    ]
    takes_file(parser.add_argument("corpus", nargs="+", metavar="PATH", help="a recording, a folder, or a manifest"))
    parser.add_argument("--url", help="a server, as for replay; every session is billed by whoever runs it")
    parser.add_argument("--model", help="the model (default: that of the library)")
    _add_plan(parser)
    _add_limits(parser)
    _add_results(parser)
    cluster = parser.add_argument_group("more than one process").add_mutually_exclusive_group()
    cluster.add_argument("--workers", type=count, metavar="N", help="share the sessions among N processes (Dask)")
    cluster.add_argument("--scheduler", metavar="tcp://…", help="share them among the workers of that Dask cluster")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("plan")
    group.add_argument("--sessions", type=sessions, default=(1,), metavar="N,N", help="at once (default: 1)")
    group.add_argument(
        "--transport",
        type=names("websocket", "webrtc"),
        default=("websocket",),
        metavar="WIRE",
        help="websocket (default), webrtc, or both, with a comma",
    )
    group.add_argument(
        "--backend",
        type=names("asyncio", "trio"),
        default=("asyncio",),
        metavar="LOOP",
        help="asyncio (default), trio, or both, with a comma",
    )
    group.add_argument("--speed", type=speed, default=1.0, metavar="X", help="times real time, or max (default: 1)")
    group.add_argument("--repeats", type=count, default=1, metavar="N", help="of each level (default: 1)")
    group.add_argument("--utterances", type=count, default=4, metavar="N", help="a session plays (default: 4)")
    group.add_argument("--commit", action="store_true", help="no turn detection: each recording is one turn")
    group.add_argument(
        "--barge-in",
        type=barge_in,
        metavar="WHEN",
        help="each recording talks over the reply to the one before, when 0.8 (seconds) or 50%% of it was heard",
    )
    group.add_argument(
        "--warm-up", type=whole, default=1, metavar="N", help="sessions first that do not count (default: 1)"
    )
    group.add_argument(
        "--connects-at-once",
        type=count,
        default=10,
        metavar="N",
        help="sessions that connect at the same time; none speaks before all are open (default: 10)",
    )
    group.add_argument("--strict", action="store_true", help="a file that cannot be read ends it before it begins")
    group.add_argument(
        "--known-answers",
        action="store_true",
        help="the server is the emulator and repeats what is said: see how far off everything is",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument("--max-seconds", type=positive, metavar="S", help="no session begins after that")
    group.add_argument("--max-usd", type=positive, metavar="USD", help="it ends when the tokens have cost so much")
    takes_file(
        group.add_argument(
            "--prices", metavar="FILE", help="what tokens cost, as JSON (default: a list that may be old)"
        )
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results")
    takes_folder(group.add_argument("--out", metavar="DIR", help="where the files go (default: bench-DATE-TIME)"))
    group.add_argument("--resume", action="store_true", help="go on with the run in --out, with its last whole level")
    group.add_argument("--record", action="store_true", help="record each session, for pages of the slowest ones")
    takes_folder(group.add_argument("--baseline", metavar="DIR", help="an earlier run: report.html shows what differs"))
