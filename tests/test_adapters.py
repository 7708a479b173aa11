"""The adapters without their frameworks; their tests are in ``tests/adapters`` (``nox -s adapters``)."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "framework", "extra"),
    [("openai_agents", "agents", "openai-agents"), ("pydantic_ai", "pydantic_ai", "pydantic-ai")],
)
def test_an_adapter_without_its_framework_says_what_to_install(module: str, framework: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{framework!r}] = None\n"
        "from realtime_transport import MissingExtraError\n"
        f"try: import realtime_transport.adapters.{module}\n"
        "except MissingExtraError as error: print(error.name, error.extra, '[' + error.extra + ']' in str(error))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [framework, extra, "True"]


def test_the_room_of_the_adapters_loads_no_framework() -> None:
    code = "import sys, realtime_transport.adapters; print({'agents', 'pydantic_ai', 'openai'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
