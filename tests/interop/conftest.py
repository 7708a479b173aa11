"""What the tests with foreign WebRTC stacks have in common. They run by ``nox -s interop``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 600.0  # Other stacks start, and a tone runs for half a minute.


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where ``npm install`` was done."""
    folder = os.environ.get("INTEROP_NPM")
    if not folder or not (Path(folder) / "node_modules").is_dir():
        pytest.skip("INTEROP_NPM names no folder with node_modules; run this by `nox -s interop`")
    return Path(folder).resolve()
