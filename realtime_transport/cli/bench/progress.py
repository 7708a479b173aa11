"""What a benchmark shows while it runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import anyio

from realtime_transport.cli.terminal import ROOM_FOR_KEYS, draws
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from realtime_transport.bench import Bench

__all__ = ["estimate", "with_progress"]

SHOWN = 8
"""Sessions that have a line of their own."""


async def with_progress(bench: Bench, title: str) -> None:
    """Run *bench*; on a terminal draw how far it is, all in all and session by session. See `Bench.run`."""
    async with open_task_group() as tasks:
        if draws(sys.stderr):
            tasks.start_soon(_draw, bench, title, name="progress")
        await bench.run()
        tasks.cancel_scope.cancel()


async def _draw(bench: Bench, title: str) -> None:
    from rich.console import Console
    from rich.constrain import Constrain
    from rich.live import Live
    from rich.text import Text

    began = time.monotonic()
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while True:
            shown = "\n".join(lines(bench, title, time.monotonic() - began))
            text = Text(shown, no_wrap=True, overflow="ellipsis")
            live.update(Constrain(text, live.console.width - ROOM_FOR_KEYS), refresh=True)
            await anyio.sleep(0.5)


def lines(bench: Bench, title: str, passed: float) -> list[str]:
    """What is drawn after *passed* seconds."""
    found = [f"{title}: {bench.ended} of {bench.total} sessions, {bench.running} open, {estimate(bench, passed)}"]
    sessions = bench.open_sessions
    for place, replay in list(sessions.items())[:SHOWN]:
        progress = replay.progress()
        seconds = 0.0 if progress is None else progress.seconds
        late = 0.0 if progress is None else progress.late_p99_ms
        found.append(f"  {place.name}: {seconds:.1f} s of this recording sent, 99 of 100 frames within {late:.1f} ms")
    if len(sessions) > SHOWN:
        found.append(f"  and {len(sessions) - SHOWN} more")
    return found


def estimate(bench: Bench, passed: float) -> str:
    """How long it takes, by how long the sessions so far took."""
    if not bench.ended:
        return f"{passed:.0f} s"
    left = passed / bench.ended * (bench.total - bench.ended)
    return f"{passed:.0f} s, about {left:.0f} s left"
