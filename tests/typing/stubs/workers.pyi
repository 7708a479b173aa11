"""What the example for Cloudflare takes from the module of its runtime."""

from collections.abc import Mapping
from typing import Any

class Request:
    async def text(self) -> str: ...

class Response:
    def __init__(self, body: str, *, status: int = ..., headers: Mapping[str, str] = ...) -> None: ...

class WorkerEntrypoint:
    env: Any
