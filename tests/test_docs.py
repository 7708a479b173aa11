"""The Python in the README and the docs runs as a newcomer would run it, on both backends; its links lead somewhere.

A block whose first line is ``# name.py`` is a file of that name, which the programs of its page import. A block with a
``run()`` is a program. Where a page has ``# test_….py`` files, pytest runs them. What is neither is run in order, page
by page, as one program; a block that needs another interpreter than this one begins with ``# elsewhere``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from realtime_transport import MissingExtraError
from tests.processes import environment

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *sorted(DOCS.glob("**/*.md"))]

RUN = re.compile(r"^(?:    )?anyio\.run\(main\)|^asyncio\.run\(main\(\)\)|start_blocking_portal\(\)", re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")


def python_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def files_of(page: Path) -> dict[str, str]:
    return {match[1]: code for code in python_of(page) if (match := FILE.match(code))}


def parts_of(page: Path) -> list[str]:
    """Blocks that are neither files nor programs."""
    kept = [code for code in python_of(page) if not (FILE.match(code) or RUN.search(code))]
    return [code for code in kept if not code.startswith("# elsewhere")]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50, cwd=folder, env=environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done


def write_files(page: Path, folder: Path) -> None:
    (folder / "examples").symlink_to(ROOT / "examples")
    for name, code in files_of(page).items():
        (folder / name).write_text(code)


PROGRAMS = [
    pytest.param(page, code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(python_of(page), 1)
    if RUN.search(code)
]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("page", "code"), PROGRAMS)
def test_program(page: Path, code: str, backend: str, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    # A program that is about one event loop says which; the others run on either.
    program = code.replace("anyio.run(main)", f"anyio.run(main, backend={backend!r})")
    program = program.replace("start_blocking_portal()", f"start_blocking_portal({backend!r})")
    (tmp_path / "program.py").write_text(program)
    assert run([sys.executable, "-W", "error", "program.py"], tmp_path).stdout


@pytest.mark.parametrize("page", [page for page in PAGES if parts_of(page)], ids=lambda page: page.name)
def test_parts_of_programs(page: Path, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    (tmp_path / "parts.py").write_text("\n".join(parts_of(page)))
    run([sys.executable, "-W", "error", "parts.py"], tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if "test_" in " ".join(files_of(page))], ids=lambda p: p.name)
def test_tests_of_a_page(page: Path, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    done = run([sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"], tmp_path)
    assert " passed" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_python_can_be_compiled(page: Path) -> None:
    for code in python_of(page):
        ast.parse(code, str(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.glob("**/*.md")}
    assert sorted(listed) == sorted(pages - {"index"})


def test_the_first_two_commands_of_the_readme() -> None:
    commands = re.findall(r"^```console\n(.*?)^```", PAGES[0].read_text(), re.DOTALL | re.MULTILINE)
    assert commands[0] == "python -m pip install nox && nox -s demo\n"
    assert commands[1] == "python -m pip install nox && nox -s tests\n"
    # Continuous integration runs the same.
    ci = (ROOT / ".ci/run").read_text()
    assert "-m pip install nox" in ci
    assert "nox -s tests" in ci


def test_nobody_is_told_to_install_from_an_index() -> None:
    texts = [*PAGES, *(ROOT / "examples").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    texts += (ROOT / "realtime_transport").rglob("*.py")
    for path in texts:
        for line in path.read_text().splitlines():
            found = re.search(r"(?:pip|uv|pipx|poetry|conda)\s+(?:install|add)\s.*", line)
            assert not (found and re.search(r"[\s'\"]realtime[-_]transport[\[\s'\"=]", found[0])), (path, line)


def test_every_extra_is_described() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    described = re.findall(r"^\| `([\w-]+)` \|", (DOCS / "install.md").read_text(), re.MULTILINE)
    assert sorted(described) == sorted(extras)


def test_a_missing_extra_says_how_to_install_it() -> None:
    told = str(MissingExtraError("aiortc", "webrtc"))
    assert "python -m pip install '.[webrtc]'" in told
    assert "'FILE.whl[webrtc]'" in told
    assert "on no index" in told
