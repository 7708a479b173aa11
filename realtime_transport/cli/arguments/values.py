"""Values of options. argparse shows the text of an ArgumentTypeError after the name of the option."""

from __future__ import annotations

import argparse
import math
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.replay import BargeInAt

__all__ = [
    "barge_in",
    "command",
    "count",
    "names",
    "non_negative",
    "pace",
    "port",
    "positive",
    "probability",
    "sessions",
    "speed",
    "stall",
    "whole",
]


def command(module: str, function: str = "run") -> Callable[[argparse.Namespace], int]:
    """What runs a command."""
    # Loaded when it runs: --help and a typing error cost no audio, no network.
    return lambda arguments: getattr(import_module(f"realtime_transport.cli.{module}"), function)(arguments)


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not fits(value):
        raise argparse.ArgumentTypeError(f"{expected} expected, not {text!r}")
    return value


def positive(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda value: value > 0, "a positive number")


def non_negative(text: str) -> float:
    """A number, 0 or more."""
    return _number(text, lambda value: value >= 0, "a number, 0 or more,")


def probability(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a probability from 0 to 1")


def speed(text: str) -> float | None:
    """A factor, or ``max``: ``None``."""
    return None if text == "max" else _number(text, lambda value: value > 0, "a positive number, or max,")


def pace(text: str) -> str | float:
    """``recorded``, ``asap``, or a number above 0."""
    if text in ("recorded", "asap"):
        return text
    return _number(text, lambda value: value > 0, "a positive number, recorded or asap,")


def count(text: str) -> int:
    """A whole number from 1."""
    return int(_number(text, lambda value: value >= 1 and value == int(value), "a whole number from 1"))


def sessions(text: str) -> tuple[int, ...]:
    """Whole numbers from 1, with commas."""
    return tuple(count(piece) for piece in text.split(","))


def port(text: str) -> int:
    """A TCP port; 0: a free one."""
    return int(_number(text, lambda value: 0 <= value <= 65535 and value == int(value), "a port from 0 to 65535"))


def stall(text: str) -> tuple[int, float]:
    """``FRAME:SECONDS``."""
    frame, colon, seconds = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"FRAME:SECONDS expected, such as 12:0.5, not {text!r}")
    return count(frame), non_negative(seconds)


def whole(text: str) -> int:
    """A whole number, 0 or more."""
    return int(_number(text, lambda value: value >= 0 and value == int(value), "a whole number, 0 or more,"))


def names(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Some of the *known* names, with commas."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"{' or '.join(known)} expected, or both with a comma, not {text!r}")
        return found

    return parse


def barge_in(text: str) -> BargeInAt:
    """``0.8`` (seconds of the reply) or ``50%`` of it."""
    from realtime_transport.bench.corpus import parse_barge_in

    try:
        return parse_barge_in(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"seconds (0.8) or a share (50%) of a reply expected, not {text!r}") from None
