"""``python -m benchmarks [NAME…]``: runs the benchmarks and prints their tables; fails if a limit does not hold."""

from __future__ import annotations

import subprocess
import sys
import time

ALL = ("wire_cpu", "barge_in", "import_cost", "replay_pacing", "webrtc")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    broken: list[str] = []
    for name in names or ALL:
        began = time.monotonic()
        # Each in a process of its own: what one leaves in memory must not slow the next.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            broken.append(name)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    print(f"\nlimits that do not hold: {', '.join(broken)}" if broken else "\nall limits hold")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
