"""Agents of other frameworks: over the framework's own connection and over ours, in turn on one machine.

Each framework has a module ``adapter_NAME``, whose ``main()`` prints a table and says whether its limits hold.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> bool:
    """Run them all, each in a process of its own; whether all limits hold."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("adapter_*.py") if path.stem != "adapter_server")
    codes = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode for name in names]
    return not any(codes)


if __name__ == "__main__":
    raise SystemExit(not main())
