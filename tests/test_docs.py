"""The Python in the README and the docs runs as it stands, on both backends; its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def python_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


# A block that runs by itself runs here; what is only a part of a program says so by having no run() in it.
PROGRAMS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(python_of(page), 1)
    if re.search(r"^(anyio|trio|asyncio)\.run\(", code, re.MULTILINE)
]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("code", PROGRAMS)
def test_program(code: str, backend: str, tmp_path: Path) -> None:
    code = re.sub(
        r"^(anyio|trio|asyncio)\.run\((\w+)\)", f"__import__('anyio').run(\\2, backend={backend!r})", code, flags=re.M
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=ROOT, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_python_can_be_compiled(page: Path) -> None:
    for code in python_of(page):
        compile(f"async def block():\n{re.sub('^', '    ', code, flags=re.M)}", str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_first_two_commands_of_the_readme() -> None:
    commands = re.findall(r"^```console\n(.*?)^```", PAGES[0].read_text(), re.DOTALL | re.MULTILINE)
    assert commands[0] == "python -m pip install nox && nox -s demo\n"
    assert commands[1] == "python -m pip install nox && nox -s tests\n"
    # Continuous integration runs the same.
    ci = (ROOT / ".ci/run").read_text()
    assert "-m pip install nox" in ci
    assert "nox -s tests" in ci
