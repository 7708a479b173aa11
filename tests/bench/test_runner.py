"""A corpus against the emulator, whose right answers are known; and the page of a run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_transport import ConnectError, OpenAIRealtimeBase, OpenAIRealtimeWebSocket
from realtime_transport.bench import Bench, BenchPlan, BenchResults, Corpus, Level, Session, Turn, load_corpus
from realtime_transport.bench.results import Row
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import ConfigError
from realtime_transport.pages.bench_page import bench_page
from tests.processes import environment

AUDIO = Path(__file__).parents[2] / "examples/audio"
CONFIG = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus([AUDIO / "vm-options.wav"])


@pytest.mark.anyio
async def test_every_session_is_found_as_the_emulator_saw_it(corpus: Corpus) -> None:
    rows: list[Row] = []
    async with RealtimeEmulator(audio_speed=None) as emulator:

        @asynccontextmanager
        async def connect() -> AsyncGenerator[OpenAIRealtimeBase]:
            url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
            transport = OpenAIRealtimeWebSocket(url=url, model="gpt-realtime-2.1", api_key="any")
            async with transport.connect(initial_session_config=CONFIG):
                yield transport

        plan = BenchPlan(sessions=(1, 2), speed=None, utterances=1, stagger=0.0, settle=0.0)
        bench = Bench(plan=plan, corpus=corpus, connect=connect, found=rows.append)
        await bench.run()
        assert (bench.ended, bench.total, bench.running) == (3, 3, 0)
        records = emulator.sessions
    sessions = [row for row in rows if isinstance(row, Session)]
    assert sorted((row.sessions, row.session) for row in sessions) == [(1, 0), (2, 0), (2, 1)]
    assert len(records) == 4  # One more to warm up.
    assert {row.input_sha256 for row in sessions} == {record.input_audio_sha256 for record in records}
    assert all(row.finished and not row.errors for row in sessions)
    turns = [row for row in rows if isinstance(row, Turn)]
    assert {(row.start_ms, row.end_ms) for row in turns} == {edge for record in records for edge in record.segments}
    assert [row.sessions for row in rows if isinstance(row, Level)] == [1, 2]


@pytest.mark.anyio
async def test_a_session_that_cannot_be_opened_is_a_row_and_the_others_go_on(corpus: Corpus) -> None:
    rows: list[Row] = []

    @asynccontextmanager
    async def connect() -> AsyncGenerator[OpenAIRealtimeBase]:
        raise ConnectError("refused")
        yield  # What makes it a generator.

    plan = BenchPlan(sessions=(3,), warm_up=0, stagger=0.0)
    await Bench(plan=plan, corpus=corpus, connect=connect, found=rows.append).run()
    assert [row.errors for row in rows if isinstance(row, Session)] == [("ConnectError",)] * 3


@pytest.mark.parametrize(
    ("name", "value"), [("sessions", ()), ("sessions", (0,)), ("speed", 0.0), ("repeats", 0), ("max_seconds", -1.0)]
)
def test_a_plan_that_makes_no_sense(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name):
        BenchPlan(**options)


def test_the_page_needs_no_network_and_shows_what_was_found() -> None:
    turns = tuple(
        Turn(sessions=n, session=0, repeat=0, recording=f"<b>{i}", latency=0.1 * i, status="completed", words="Hi")
        for n in (1, 10)
        for i in range(1, 21)
    )
    sessions = (Session(sessions=10, session=3, repeat=0, errors=("ConnectionLost",)),)
    levels = (Level(sessions=1, seconds=1, cpu_seconds=1, cpu_per_session=0.1),)
    page = bench_page(BenchResults(about={"target": "here"}, turns=turns, sessions=sessions, levels=levels), "made")
    assert "&lt;b&gt;20" in page
    assert "<b>20" not in page
    assert "ConnectionLost" in page
    without_library = re.sub(r"<script type=\"text/javascript\">.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]+"', without_library)


def cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime_transport", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


def test_the_command_runs_and_compares(tmp_path: Path) -> None:
    for name in ("old", "new"):
        done = cli(AUDIO / "vm-options.wav", "--speed", "max", "--utterances", "1", "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert "turn_latency" in done.stdout
        assert (tmp_path / name / "report.html").exists()
    done = cli("compare", tmp_path / "old", tmp_path / "new", "--fail-on", "turn_latency.p50=+900%")
    assert done.returncode == 0, done.stderr
    assert "turn_latency.p95" in done.stdout
    done = cli(AUDIO / "vm-options.wav", "--out", tmp_path / "old")
    assert done.returncode == 2
    assert "nothing is overwritten" in done.stderr
    done = cli("compare", tmp_path / "old", tmp_path / "new", "--fail-on", "speed=+1")
    assert done.returncode == 2
    assert "expected" in done.stderr
