"""A synthetic corpus: sentences spoken by espeak-ng."""

from __future__ import annotations

import csv
import itertools
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_corpus", "sentences"]

_BEGINNINGS = (
    "Could you tell me",
    "I would like to know",
    "Please find out",
    "Do you happen to know",
    "Let me ask",
)
_MIDDLES = (
    "when the next train leaves",
    "what the weather will be",
    "how far it is",
    "who is there",
    "where to park",
)
_ENDS = ("for Lisbon", "on Tuesday evening", "from the old harbour", "at the second counter", "before seven o'clock")
_VOICES = ("en-us", "en-gb", "en-gb-scotland")
_SPEEDS = (130, 150, 170)
"""Words a minute."""


def sentences(count: int, seed: int = 1) -> list[str]:
    """*count* sentences, the same for the same *seed*; no two alike up to 125."""
    every = [" ".join(parts) + "?" for parts in itertools.product(_BEGINNINGS, _MIDDLES, _ENDS)]
    random.Random(seed).shuffle(every)
    return [every[number % len(every)] for number in range(count)]


def make_corpus(folder: Path, count: int, seed: int = 1) -> int:
    """Speak *count* sentences into *folder*, with a manifest. Returns their number.

    Raises:
        ConfigError: espeak-ng is not installed, or *folder* exists.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise ConfigError("espeak-ng is not installed: apt-get install espeak-ng", key="espeak-ng")
    if folder.exists():
        raise ConfigError(f"{folder} exists: nothing is overwritten; choose another folder", key="folder")
    folder.mkdir(parents=True)
    dice = random.Random(seed)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "words"])
        for number, words in enumerate(sentences(count, seed)):
            name = f"{number:04}.wav"
            how = ["-v", dice.choice(_VOICES), "-s", str(dice.choice(_SPEEDS)), "-w", str(folder / name)]
            subprocess.run([program, *how, words], check=True, capture_output=True)
            rows.writerow([name, words])
    return count
