"""What the tests of sound have in common. They run by ``nox -s media``."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 600.0  # Some play for a minute, one makes two hundred calls.
