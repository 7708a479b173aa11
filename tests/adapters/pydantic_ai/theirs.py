"""Whether pydantic-ai publishes its tests: ``python -m tests.adapters.pydantic_ai.theirs``.

It does not, at present: neither sdist holds them. So their behaviour stands here as tests of ours, and this says so for
the version that is installed. It fails when tests appear: then they are to be run over our model.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

FRAMEWORK = "pydantic-ai-slim"


def tests_in(folder: Path, name: str) -> list[str]:
    """The test files in the sdist of the version that is installed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    command += ["--no-binary", ":all:", "--no-deps", "-d", str(folder), f"{name}=={version(FRAMEWORK)}"]
    subprocess.run(command, check=True)
    [archive] = folder.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(archive) as sdist:
        return [path for path in sdist.getnames() if Path(path).name.startswith("test_") or "/tests/" in path]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        found = tests_in(Path(name), FRAMEWORK)
    if found:
        print(f"the sdist of {FRAMEWORK} {version(FRAMEWORK)} has tests now; run them over TransportRealtimeModel:")
        print("\n".join(found))
        return 1
    print(f"the sdist of {FRAMEWORK} {version(FRAMEWORK)} has no tests")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
