"""``python -m benchmarks [NAME…] [--peers]``: runs the benchmarks, prints tables; fails if a limit does not hold.

``--peers``, and whatever else begins with a dash and what follows it, goes to the benchmark of record and to that of
the corpus.
"""

from __future__ import annotations

import subprocess
import sys
import time

ALL = ("record", "replay_pacing", "webrtc", "session")
OTHERS = ("growth", "adapters", "corpus", "recording")  # By name alone: minutes, or frameworks that are not ours.
TAKE_OPTIONS = ("record", "corpus")


def main(arguments: list[str]) -> int:
    first = next((index for index, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    names, options = arguments[:first], arguments[first:]
    unknown = [name for name in names if name not in ALL + OTHERS]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(ALL + OTHERS)}", file=sys.stderr)
        return 2
    broken: list[str] = []
    for name in names or (["record"] if options else ALL):
        began = time.monotonic()
        # Each in a process of its own: what one leaves in memory must not slow the next.
        command = [sys.executable, "-m", f"benchmarks.{name}", *(options if name in TAKE_OPTIONS else [])]
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    print(f"\nlimits that do not hold: {', '.join(broken)}" if broken else "\nall limits hold")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
