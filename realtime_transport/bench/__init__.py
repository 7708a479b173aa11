"""Benchmarks by replay: play a corpus of recordings against a server, and compare the results.

``realtime-transport bench`` uses it; ``docs/bench.md`` explains each figure.
"""

from __future__ import annotations

from realtime_transport.bench.compare import Difference, compare
from realtime_transport.bench.corpus import Corpus, Utterance, load_corpus
from realtime_transport.bench.figures import Figure, errors_by_kind, figures_of, groups_of
from realtime_transport.bench.plan import BenchPlan, Place
from realtime_transport.bench.prices import Price, price_of
from realtime_transport.bench.results import BargeIn, BenchResults, Check, Level, Session, Turn, load_results
from realtime_transport.bench.rows import Noted
from realtime_transport.bench.runner import Bench, Line

__all__ = [
    "BargeIn",
    "Bench",
    "BenchPlan",
    "BenchResults",
    "Check",
    "Corpus",
    "Difference",
    "Figure",
    "Level",
    "Line",
    "Noted",
    "Place",
    "Price",
    "Session",
    "Turn",
    "Utterance",
    "compare",
    "errors_by_kind",
    "figures_of",
    "groups_of",
    "load_corpus",
    "load_results",
    "price_of",
]
