"""The examples of docs/emulator.md run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from realtime_transport.emulator import Script

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_examples_run() -> None:
    examples = [block for block in blocks("python") if "conftest" not in block]
    assert len(examples) == 3
    for block in examples:
        exec(compile(block, "docs/emulator.md", "exec"), {"__name__": "docs"})


def test_the_examples_of_scripts_are_scripts() -> None:
    assert [len(Script.parse(json.loads(block)).rules) for block in blocks("json")] == [3, 1]


def test_every_directive_is_described() -> None:
    from realtime_transport.emulator.responders import directives

    named = set(re.findall(r"``/([a-z-]+)", Path(directives.__file__).read_text()))
    assert len(named) == 14
    assert all(f"| `/{name}" in PAGE for name in named)
