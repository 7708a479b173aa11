"""The page about the architecture tells of files that are there, and of code that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
FILES = sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py|\.md)?)`", PAGE)))


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_it_names_is_there(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "realtime_transport" / name).exists()


def test_it_names_files() -> None:
    assert len(FILES) > 20


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (ROOT / link).exists(), link


def test_its_example_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == '{"type":"response.cancel"}\n'
