"""What the Workers runtime does with a Python module, run under Pyodide: it looks for a class, and wants a Response."""

import importlib
import sys
import types

import js
from workers import Request, Response, WorkerEntrypoint


def entrypoint(module):
    """The class whose methods are the handlers."""
    found = getattr(module, "Default", None)
    if not (isinstance(found, type) and issubclass(found, WorkerEntrypoint)):
        raise TypeError(f"{module.__name__} has no class Default(WorkerEntrypoint): global handlers are not called")
    return found


async def serve(module, env, body):
    """Let the Worker answer a request; give the status and the text."""
    request = js.Request.new("https://worker.example/", method="POST", body=body)
    response = await entrypoint(module)(js.Object.new(), env).fetch(Request(request))
    if not isinstance(response, Response):
        raise TypeError(f"fetch() has to return a Response, not {type(response).__name__}")
    return response.status, await response.text()


async def refused(source, env):
    """Why a Worker with *source* does not run."""
    module = types.ModuleType("worker")
    exec(source, module.__dict__)
    try:
        await serve(module, env, "")
    except TypeError as exc:
        return str(exc)
    return ""


GLOBAL_HANDLER = """
async def on_fetch(request, env):
    return "hello"
"""

NO_RESPONSE = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return "hello"
"""


async def main(env, url):
    print(f"Python {sys.version.split()[0]} on {sys.platform}")
    print("a global handler:", await refused(GLOBAL_HANDLER, env))
    print("text for an answer:", await refused(NO_RESPONSE, env))
    print("the Worker of the documentation:", entrypoint(importlib.import_module("documented")).__name__)
    worker = importlib.import_module("entry")
    env.REALTIME_URL = f"{url}?model=gpt-realtime-2.1"
    print("a question:", *await serve(worker, env, "Hello from a Worker"))
    env.REALTIME_URL = url.replace("realtime", "nowhere")
    print("nobody to ask:", *await serve(worker, env, ""))
