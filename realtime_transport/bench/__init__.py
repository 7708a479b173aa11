"""Benchmarks by replay: a corpus of recordings played against a server, again and again, and compared.

``realtime-transport bench`` is made of it; see ``docs/bench.md`` for what each figure means.
"""

from __future__ import annotations

from realtime_transport.bench.compare import Difference, compare
from realtime_transport.bench.corpus import Corpus, Utterance, load_corpus
from realtime_transport.bench.figures import Figure, figures_of
from realtime_transport.bench.plan import BenchPlan
from realtime_transport.bench.results import BenchResults, Level, Session, Turn, load_results
from realtime_transport.bench.runner import Bench

__all__ = [
    "Bench",
    "BenchPlan",
    "BenchResults",
    "Corpus",
    "Difference",
    "Figure",
    "Level",
    "Session",
    "Turn",
    "Utterance",
    "compare",
    "figures_of",
    "load_corpus",
    "load_results",
]
