"""Fixtures and rules that hold for every test."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def time_limit() -> float:
    """Seconds after which a test that hangs ends the run with a traceback of every thread."""
    return 60.0


@pytest.fixture(scope="session", autouse=True)
def _late_leaks() -> Iterator[None]:
    """At the end, look also at what tests left to a later one, or to the session."""
    yield
    with pytest.MonkeyPatch.context() as patched, _no_leaks(patched):
        gc.unfreeze()


@contextlib.contextmanager
def _no_leaks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A resource that leaked says so now."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    yield
    gc.collect()
    assert not unraisable, [f"{u.err_msg or 'in'} {u.object!r}: {u.exc_value!r}" for u in unraisable]


@pytest.fixture(autouse=True)
def _limit_and_leaks(monkeypatch: pytest.MonkeyPatch, time_limit: float) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    faulthandler.dump_traceback_later(time_limit, exit=True, file=sys.__stderr__)
    try:
        with _no_leaks(monkeypatch):
            gc.collect()
            gc.freeze()  # To look again at what is here already would take most of the time of the suite.
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()
