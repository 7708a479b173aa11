"""The Worker of the examples, under Pyodide in Node.

    python -m tests.workers

Needs ``node`` and ``npm``. Pyodide comes from npm, pure packages and the SDK of the Workers runtime from PyPI; the
``fetch`` that the transport gets makes a real HTTP upgrade. Two things are stood in for, since neither is on PyPI or
npm: orjson, which is part of Pyodide's distribution, and the runtime itself, whose Python comes from its vendor's host.
The stand-in (`runtime.py`) enforces what the runtime does: handlers in a class, and a Response for an answer.
"""

from __future__ import annotations

import json
import re
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
PURE = ["anyio", "attrs", "cattrs", "idna", "typing_extensions", "workers-runtime-sdk"]
WORKER = ROOT / "examples" / "cloudflare_worker" / "src" / "entry.py"
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
    shutil.copy(HERE / "runtime.py", site / "runtime.py")
    shutil.copy(WORKER, site / "entry.py")
    (site / "documented.py").write_text(documented())
    shutil.copy(HERE / "worker.mjs", folder / "worker.mjs")


def documented() -> str:
    """The Worker of the documentation."""
    page = (ROOT / "docs" / "endpoints.md").read_text()
    return next(
        code for code in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "workers" in code
    )


async def main() -> int:
    async with RealtimeEmulator() as emulator:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            await anyio.to_thread.run_sync(prepare, folder)
            command = ["node", "worker.mjs", emulator.websocket_url]
            with anyio.fail_after(60):
                done = await anyio.run_process(command, cwd=folder, check=False, stderr=None)
        report = done.stdout.decode()
        print(report, end="")
        (session,) = emulator.sessions
        print(f"the emulator received {dict(session.received)}; it was closed with {session.close_code}")
        expected = [
            "a global handler: worker has no class Default(WorkerEntrypoint)",
            "text for an answer: fetch() has to return a Response, not str",
            "the Worker of the documentation: Default",
            "a question: 200 ",
            "Hello from a Worker",
            "nobody to ask: 502 ",
            "status 404",
        ]
        missing = [text for text in expected if text not in report]
        print(*(f"MISSING: {text}" for text in missing), sep="\n", end="")
        return 0 if done.returncode == 0 and not missing and session.close_code == 1000 else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
