"""The Python of the README and the docs as files, for type checkers: ``python -m tests.typing.samples FOLDER``.

Each page is a folder: its files under their names, its programs numbered, and what is neither as one program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.test_docs import PAGES, RUN, files_of, parts_of, python_of

# Strict, but samples may leave out what a reader does not need: the types of parameters.
PYRIGHT = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "reportMissingTypeStubs": False,
    "reportMissingParameterType": False,
    "reportMissingTypeArgument": False,
    "reportUnknownArgumentType": False,
    "reportUnknownLambdaType": False,
    "reportUnknownMemberType": False,
    "reportUnknownParameterType": False,
    "reportUnknownVariableType": False,
}


def write(folder: Path) -> list[Path]:
    """Write the samples below *folder*, with a configuration for pyright; the folders of the pages."""
    pages: list[Path] = []
    for page in PAGES:
        programs = [code for code in python_of(page) if RUN.search(code)]
        samples = {
            **files_of(page),
            **{f"program_{number}.py": code for number, code in enumerate(programs, 1)},
            **({"parts.py": "\n".join(parts_of(page))} if parts_of(page) else {}),
        }
        if samples:
            pages.append(folder / page.stem)
            pages[-1].mkdir(parents=True)
            for name, code in samples.items():
                (pages[-1] / name).write_text(code)
    roots = [{"root": page.name} for page in pages]
    (folder / "pyrightconfig.json").write_text(json.dumps({**PYRIGHT, "executionEnvironments": roots}))
    return pages


if __name__ == "__main__":
    for page in write(Path(sys.argv[1])):
        print(page)
