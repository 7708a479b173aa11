"""How late frames are sent, and what becomes of them: all recordings, on both backends, at speeds 1 and 8.

The emulator runs in another process. Each recording is a session of its own. Beside the lateness of the frames, the
table shows whether the emulator's input buffer is what the source gave (by SHA-256), how many spoken segments it
found and by how much their edges differ at most from those that were read off a plot of the recording by eye
(``tests/data/recordings.json``), and how long after the end of speech the reply begins.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx

from benchmarks.report import Table
from realtime_transport import FileSource, OpenAIRealtimeWebSocket
from realtime_transport.replay import Recording, Replay, ReplayReport

ROOT = Path(__file__).parents[1]
TABLE: dict[str, list[tuple[float, float]]] = json.loads((ROOT / "tests/data/recordings.json").read_text())["segments"]
SPEEDS = (1, 8)
EDGE_LIMIT_MS = 150
PREFIX_PADDING_MS, SILENCE_MS = 300, 200  # The defaults of server_vad in the emulator.


@contextmanager
def emulator() -> Iterator[str]:
    command = [sys.executable, "-m", "realtime_transport", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
    finally:
        process.terminate()
        process.communicate()


async def replay(base_url: str, name: str, speed: float) -> ReplayReport:
    url = base_url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"
    source = FileSource(ROOT / "examples/audio" / name)
    async with httpx.AsyncClient(trust_env=False) as client:
        transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", client=client)
        config = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        async with transport.connect(api_key="sk-benchmark", url=url, initial_session_config=config):
            recordings = [Recording(name=name, source=source)]
            report = await Replay(transport=transport, recordings=recordings, speed=speed).run()
    await source.aclose()
    return report


def heard(base_url: str) -> dict[str, Any]:
    """What the emulator says of its last session."""
    sessions = httpx.get(base_url.removesuffix("/v1") + "/emulator/sessions", trust_env=False).json()["sessions"]
    return sessions[-1]


def edge_error_ms(found: list[tuple[int, int]], speech: list[tuple[float, float]]) -> float:
    """The largest difference of an edge to the table; infinite if the numbers of segments differ."""
    if len(found) != len(speech):
        return float("inf")
    errors, before = [0.0], 0.0
    for (start, end), (begins, ends) in zip(found, speech, strict=True):
        expected_end = ends * 1000 + SILENCE_MS
        errors += [abs(start - max(begins * 1000 - PREFIX_PADDING_MS, before)), abs(end - expected_end)]
        before = expected_end
    return max(errors)


def main() -> bool:
    """Print the table; whether the audio arrived whole, and was heard as the table has it."""
    head = ("", "late p50, ms", "p99", "max", "segments", "edges, ms", "same SHA-256", "turn latency, s")
    table = Table("Replay: pacing, integrity, detection", head)
    good = True
    with emulator() as base_url:
        for backend in ("asyncio", "trio"):
            for speed in SPEEDS:
                for name, speech in TABLE.items():
                    report = anyio.run(partial(replay, base_url, name, speed), backend=backend)
                    session, pace = heard(base_url), report.recordings[0]
                    found = [(segment["start_ms"], segment["end_ms"]) for segment in session["segments"]]
                    edges = edge_error_ms(found, speech)
                    same = report.input_sha256 == session["input_audio_sha256"]
                    table.row(
                        f"{backend}, speed {speed}, {name}",
                        f"{pace.late_p50_ms:.2f}",
                        f"{pace.late_p99_ms:.2f}",
                        f"{pace.late_max_ms:.2f}",
                        f"{len(found)} of {len(speech)}",
                        f"{edges:.0f}",
                        "yes" if same else "NO",
                        f"{statistics.median(report.latencies):.3f}" if report.latencies else "-",
                    )
                    good = good and same and edges <= EDGE_LIMIT_MS and report.finished
    table.show()
    return good


if __name__ == "__main__":
    raise SystemExit(not main())
