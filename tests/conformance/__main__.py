"""Run recorded scenarios and write down what our transports do.

python -m tests.conformance SCENARIO_DIR OBSERVED_DIR [--backend asyncio|trio] [--only NAME]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from .drivers import DRIVERS

ENVIRONMENT = ("OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


async def run_all(scenarios: list[dict[str, Any]], observed: Path) -> None:
    """Run *scenarios* one after the other; one trace for each in *observed*."""
    skipped: collections.Counter[str] = collections.Counter()
    begun, stalled = time.perf_counter(), 0
    for scenario in scenarios:
        driver = DRIVERS.get(scenario["transport"])
        if driver is None:
            skipped[scenario["transport"]] += 1
            continue
        trace = await driver(scenario)
        stalled += "stalled" in trace
        (observed / f"{scenario['name']}.json").write_text(json.dumps(trace, indent=1))
    done = len(scenarios) - skipped.total()
    print(f"{done} scenarios in {time.perf_counter() - begun:.1f} s" + (f", {stalled} stalled" if stalled else ""))
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(skipped.items()))
        print(f"no trace for scenarios of transports that the runner does not know yet: {kinds}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", type=Path)
    parser.add_argument("observed", type=Path)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--only", action="append", metavar="NAME")
    args = parser.parse_args()
    for name in ENVIRONMENT:
        os.environ.pop(name, None)
    files = sorted(args.scenarios.glob("*.json"))
    loaded = [json.loads(path.read_text()) for path in files if not args.only or path.stem in args.only]
    chosen = [{name: value for name, value in scenario.items() if name != "expected"} for scenario in loaded]
    if not chosen:
        print("no scenarios", file=sys.stderr)
        return 2
    args.observed.mkdir(parents=True, exist_ok=True)
    anyio.run(run_all, chosen, args.observed, backend=args.backend)
    return 0


if __name__ == "__main__":
    sys.exit(main())
