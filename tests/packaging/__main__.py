"""Build wheel and sdist, look into them, and install each extra alone into a clean environment: ``nox -s package``.

Each environment is made by pip and by uv, and runs `smoke.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")

NEVER = (".git/", ".nox/", "__pycache__", ".venv", "/out/", ".env")
"""Parts of paths that nothing may ship."""


def run(*command: str | Path, cwd: Path) -> None:
    print("$", *command, flush=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OPENAI_API_KEY")}
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=environment)


def check_wheel(path: Path) -> None:
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
    assert "realtime_transport/py.typed" in names
    shipped = {name for name in names if name.endswith(".py")}
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "realtime_transport").rglob("*.py")}
    assert shipped == expected, shipped ^ expected
    assert all(name.split("/")[0].startswith("realtime_transport") for name in names)


def check_sdist(path: Path) -> None:
    with tarfile.open(path) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    for wanted in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/webrtc.md", "tests/conftest.py"):
        assert wanted in names, wanted
    assert not [name for name in names if any(part in f"/{name}" for part in NEVER)]


def environment_with(tool: str, target: str, folder: Path) -> Path:
    """A clean environment with *target*; its Python."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if tool == "uv":
        run(sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, target, cwd=folder.parent)
    else:
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", target, cwd=folder.parent)
    return python


def main() -> None:
    extras = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        run(sys.executable, "-m", "build", "--outdir", work / "dist", ROOT, cwd=work)
        (wheel,), (sdist,) = (work / "dist").glob("*.whl"), (work / "dist").glob("*.tar.gz")
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, cwd=work)
        check_wheel(wheel)
        check_sdist(sdist)
        for tool, target, extra in [
            ("pip", str(wheel), "core"),
            ("pip", str(sdist), "core"),
            *(("pip", f"{wheel}[{extra}]", extra) for extra in extras),
            ("uv", f"{wheel}[all]", "all"),
        ]:
            folder = work / "environment"
            python = environment_with(tool, target, folder)
            run(python, SMOKE, extra, cwd=work)
            shutil.rmtree(folder)
    print(f"good: {wheel.name}, {sdist.name}, {len(extras)} extras")


if __name__ == "__main__":
    main()
