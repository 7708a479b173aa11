"""Does a call cost the same among many, and an hour as much memory as a minute?

Calls in real time, 1 to 400 of them: CPU and memory for each, and how late frames are sent. Then an hour of 20 calls as
fast as they go: memory, objects and tasks after a tenth of it, and at the end.
"""

from __future__ import annotations

import sys

from benchmarks.record.__main__ import Worker, late_p99
from benchmarks.record.frame_server import frame_server, report
from benchmarks.report import Table

CALLS = (1, 10, 50, 100, 200, 400)
FRAMES = 100
HOUR_CALLS, HOUR_DELTAS = 20, 36_000


def main(backends: list[str]) -> int:
    table = Table("Calls in real time", ("", "CPU per frame, µs", "memory per connection, kB", "late p99, ms"))
    hour = Table(
        f"An hour of {HOUR_CALLS} calls: after a tenth, at the end", ("", "peak, MB", "objects left", "tasks left")
    )
    with frame_server() as address:
        for backend in backends or ["asyncio", "trio"]:
            worker = Worker.start(backend)
            try:
                for calls in CALLS:
                    paced = worker.ask("paced", address, calls, FRAMES)
                    late = late_p99(paced, report(address))
                    memory = worker.ask("idle", address, calls)["value"]
                    table.row(
                        f"{backend}, {calls} calls", f"{paced['value'] * 1e6:.0f}", f"{memory:.1f}", f"{late:.1f}"
                    )
                tenth = worker.ask("flood_many", address, HOUR_CALLS, HOUR_DELTAS // 10)
                whole = worker.ask("flood_many", address, HOUR_CALLS, HOUR_DELTAS)
                hour.row(
                    backend, *(f"{tenth[name]:.0f}, {whole[name]:.0f}" for name in ("peak_mb", "objects", "tasks"))
                )
            finally:
                worker.stop()
    table.show()
    hour.show()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
