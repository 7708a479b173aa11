"""What the benchmarks print."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import attrs


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile."""
    q1, median, q3 = statistics.quantiles(sorted(values), n=4, method="inclusive")
    return q1, median, q3


@attrs.define
class Table:
    """A table in plain text."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = attrs.field(factory=list)

    def row(self, *cells: str) -> None:
        self.rows.append(cells)

    def show(self) -> None:
        widths = [max(len(row[i]) for row in [self.head, *self.rows]) for i in range(len(self.head))]
        print(f"\n{self.title}")
        for row in [self.head, *self.rows]:
            print(
                "  "
                + "  ".join(
                    cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
                )
            )
