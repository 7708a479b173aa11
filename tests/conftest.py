"""Fixtures and rules that hold for every test."""

from __future__ import annotations

import faulthandler
import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_finish() -> None:
    gc.freeze()  # The modules are here to stay: without them each collection below takes a tenth of the time.


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def time_limit() -> float:
    """Seconds after which a test that hangs ends the run with a traceback of every thread."""
    return 60.0


@pytest.fixture(autouse=True)
def _limit_and_leaks(monkeypatch: pytest.MonkeyPatch, time_limit: float) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    faulthandler.dump_traceback_later(time_limit, exit=True, file=sys.__stderr__)
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    yield
    gc.collect()  # A resource that leaked says so now, and the report belongs to this test.
    faulthandler.cancel_dump_traceback_later()
    assert not unraisable, [f"{u.err_msg or 'in'} {u.object!r}: {u.exc_value!r}" for u in unraisable]
