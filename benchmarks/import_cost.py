"""CPU of ``import realtime_transport`` against ``import websockets.asyncio.client, orjson``, in fresh interpreters."""

from __future__ import annotations

import os
import statistics
import sys

from benchmarks.report import Table, quartiles

ROUNDS = 11
LIMIT = 1.5
STATEMENTS = {
    "nothing": "pass",
    "peer": "import websockets.asyncio.client, orjson",
    "ours": "import realtime_transport",
    "ours, and the transport": "from realtime_transport import OpenAIRealtimeWebSocket",
}


def cpu(statement: str) -> float:
    """CPU seconds of an interpreter that runs *statement*."""
    before = os.times()
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", statement], os.environ)
    _, status = os.waitpid(pid, 0)
    assert status == 0, statement
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> bool:
    """Print the table; whether the limit holds."""
    spent: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for statement in STATEMENTS.values():
        cpu(statement)  # Compiles what is not compiled yet.
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            spent[name].append(cpu(statement))
    table = Table("CPU of imports, the interpreter included", ("", "ms, median", "ratio", "q1-q3", "limit"))
    good = True
    for name in STATEMENTS:
        q1, median, q3 = quartiles(a / b for a, b in zip(spent[name], spent["peer"], strict=True))
        limit = f"{LIMIT:.2f}" if name == "ours" else ""
        table.row(name, f"{statistics.median(spent[name]) * 1000:.0f}", f"{median:.2f}", f"{q1:.2f}-{q3:.2f}", limit)
        good = good and (name != "ours" or median <= LIMIT)
    table.show()
    return good


if __name__ == "__main__":
    raise SystemExit(not main())
