"""A text turn through `CloudflareRealtimeTransportLayer`, under Pyodide in Node.

    python -m tests.workers

Needs ``node`` and ``npm``. Pyodide comes from npm, pure packages from PyPI; the ``fetch`` that the transport gets makes
a real HTTP upgrade. Only orjson is stood in for: Pyodide's own build of it is not on PyPI or npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from realtime_transport.emulator import RealtimeEmulator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYODIDE = "314.0.7"
PURE = ["anyio", "attrs", "cattrs", "idna", "typing_extensions"]
BUILT = ["pybase64"]


def prepare(folder: Path) -> None:
    """Lay out what Node needs."""
    (folder / "package.json").write_text(json.dumps({"name": "workers", "private": True, "type": "module"}))
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent", f"pyodide@{PYODIDE}", "ws@8"], cwd=folder, check=True
    )
    site = folder / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, *PURE], check=True)
    platform = ["--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14", "--implementation", "cp"]
    subprocess.run([*pip, *platform, *BUILT], check=True)
    shutil.copytree(
        ROOT / "realtime_transport", site / "realtime_transport", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(HERE / "orjson_stand_in.py", site / "orjson.py")
    for name in ("worker.mjs", "turn.py"):
        shutil.copy(HERE / name, folder / name)


async def main() -> int:
    async with RealtimeEmulator() as emulator:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            await anyio.to_thread.run_sync(prepare, folder)
            command = ["node", "worker.mjs", emulator.websocket_url]
            with anyio.fail_after(60):
                done = await anyio.run_process(command, cwd=folder, check=False, stderr=None)
        print(done.stdout.decode(), end="")
        (session,) = emulator.sessions
        print(f"the emulator received {dict(session.received)}; it was closed with {session.close_code}")
        heard = "the reply holds what was said: True" in done.stdout.decode()
        refused = emulator.rejected == [] and "refused with 404" in done.stdout.decode()
        return 0 if done.returncode == 0 and heard and refused and session.close_code == 1000 else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
