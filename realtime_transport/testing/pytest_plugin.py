"""Fixtures for pytest. Nothing loads them but your ``conftest.py``:

    pytest_plugins = ["realtime_transport.testing.pytest_plugin"]

Two fixtures give a running `realtime_transport.emulator.RealtimeEmulator`:

* ``realtime_emulator`` runs on the event loop of the test, under the pytest plugin of anyio:

      @pytest.mark.anyio
      async def test_greeting(realtime_emulator):
          async with transport.connect(url=f"{realtime_emulator.websocket_url}?model=gpt-realtime-2.1", api_key="any"):
              ...

  anyio must run the test: under pytest-asyncio, or in a test that is not a coroutine function, the fixture fails and
  says so.

* ``realtime_emulator_thread`` runs in a thread with its own loop, for tests of any other kind: plain functions,
  other async plugins, programs in other processes.

Both take their arguments from ``realtime_emulator_options``; override it to choose them:

    @pytest.fixture
    def realtime_emulator_options():
        return {"script": "tests/greeting.json"}
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from realtime_transport.emulator import RealtimeEmulator

__all__ = ["realtime_emulator", "realtime_emulator_options", "realtime_emulator_thread"]


@pytest.fixture
def realtime_emulator_options() -> dict[str, Any]:
    """Keyword arguments for the emulator of the test; override this fixture to give some."""
    return {}


@pytest.fixture
async def realtime_emulator(
    anyio_backend: Any,  # Makes anyio run this fixture.
    realtime_emulator_options: dict[str, Any],
    request: pytest.FixtureRequest,
) -> AsyncGenerator[RealtimeEmulator]:
    """An emulator that listens on a free local port while the test runs.

    If cancelled, it ends, and its connections with it.
    """
    _check_that_anyio_runs(request)
    from realtime_transport.emulator import RealtimeEmulator

    async with RealtimeEmulator(**realtime_emulator_options) as emulator:
        yield emulator


@pytest.fixture
def realtime_emulator_thread(realtime_emulator_options: dict[str, Any]) -> Generator[RealtimeEmulator]:
    """An emulator in its own thread. Only read from it: its loop is not that of the test."""
    from anyio.from_thread import start_blocking_portal

    from realtime_transport.emulator import RealtimeEmulator

    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(RealtimeEmulator(**realtime_emulator_options)) as emulator:
            yield emulator


def _check_that_anyio_runs(request: pytest.FixtureRequest) -> None:
    """Fail unless the emulator's loop is that of the test: another loop does not run during the test."""
    if type(request.node).__module__.partition(".")[0] == "pytest_asyncio":
        why = "pytest-asyncio runs this test"
    elif inspect.iscoroutinefunction(request.function) or hasattr(request.function, "hypothesis"):
        return
    else:
        why = "this test is not a coroutine function"
    pytest.fail(
        f"{why}, and realtime_emulator runs on an event loop of anyio, which does not run during this test: "
        "use realtime_emulator_thread, which has its own thread"
        + (", or pytest.mark.anyio with asyncio_mode = strict" if why.startswith("pytest-asyncio") else ""),
        pytrace=False,
    )
