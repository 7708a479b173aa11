"""The first connect of a process imports nothing on the event loop."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import builtins, sys, threading
import anyio
from realtime_transport import ConnectError, OpenAIRealtimeWebSocket, preload

if sys.argv[2] == "preload":
    preload()
loop_thread, taken, plain = threading.get_ident(), set(), builtins.__import__

def look(name, *rest):
    before = set(sys.modules)
    module = plain(name, *rest)
    if threading.get_ident() == loop_thread:
        taken.update(new for new in set(sys.modules) - before if new.partition(".")[0] in HEAVY)
    return module

HEAVY = {"websockets", "cattrs", "httpx", "httpx_ws", "httpcore", "realtime_transport"}

async def main():
    builtins.__import__ = look
    try:
        async with OpenAIRealtimeWebSocket(url="ws://127.0.0.1:1/").connect(api_key="sk"):
            pass
    except ConnectError:
        pass

anyio.run(main, backend=sys.argv[1])
print(sorted(taken), "websockets" in sys.modules, "httpx" in sys.modules)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("how", ["preload", "connect"])
def test_nothing_is_imported_on_the_event_loop(backend: str, how: str) -> None:
    command = [sys.executable, "-c", PROGRAM, backend, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[] True False", done.stdout
