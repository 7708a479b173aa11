"""What holds for the tests of all adapters."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 120.0  # The frameworks import for seconds.
