"""``--record``: the session of a command on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from realtime_transport.cli.terminal import remark

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from realtime_transport.recording import Recorder
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["record_into"]


async def record_into(path: str | None, transport: OpenAIRealtimeBase, stack: AsyncExitStack) -> None:
    """Record what *transport* does until *stack* is left, if there is a *path*; in the end say where, or what failed.

    If cancelled, *stack* ends what has begun.

    Raises:
        ConfigError: *path* exists or has another ending.
    """
    if path is None:
        return
    from realtime_transport.recording import record

    recorder = await stack.enter_async_context(record(transport, path))
    stack.callback(_report, recorder, Path(path))


def _report(recorder: Recorder, path: Path) -> None:
    said = f"recorded: {path}; look at it with: realtime-transport show {path}"
    if recorder.error is not None:
        said = f"the recording {path} ended early: {recorder.error}"
    remark(said)
