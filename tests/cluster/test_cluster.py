"""On a Dask cluster of two processes: the same results as without, and what a worker costs that is killed."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from realtime_transport.bench import BenchResults, load_results
from tests.bench.test_command import AUDIO, cli, started
from tests.processes import serving

PLAN = (AUDIO / "vm-options.wav", "--speed", "20", "--sessions", "1,4", "--utterances", "1", "--warm-up", "0")


@pytest.fixture(scope="session")
def time_limit() -> float:
    return 240.0  # Four processes start, and each imports numpy.


def found_in(results: BenchResults) -> list[object]:
    """What does not depend on time."""
    turns = [(turn.sessions, turn.session, turn.recording, turn.start_ms, turn.end_ms) for turn in results.turns]
    sessions = [(one.sessions, one.session, one.frames, one.input_sha256) for one in results.sessions]
    return [sorted(turns), sorted(sessions), [level.key for level in results.levels]]


def test_the_results_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Dask's client keeps of its workers is overwritten all the time: nobody may take that for their death.
    monkeypatch.setenv("DASK_DISTRIBUTED__CLIENT__SCHEDULER_INFO_INTERVAL", "5ms")
    with serving("--audio-speed", "max") as url:
        for name, more in (("alone", ()), ("shared", ("--workers", "2", "--known-answers"))):
            code, _, complaint = cli(*PLAN, "--url", url, "--out", tmp_path / name, *more)
            assert code == 0, complaint
    alone, shared = (load_results(tmp_path / name) for name in ("alone", "shared"))
    assert found_in(shared) == found_in(alone)
    assert all(check.is_input_whole and not check.segments_off for check in shared.checks)
    workers = {one.session % 2: one.worker for one in shared.sessions if one.sessions == 4}
    assert len(set(workers.values())) == 2
    assert all(one.worker == workers[one.session % 2] for one in shared.sessions)  # Sessions keep to their worker.


def test_a_worker_that_is_killed_costs_its_sessions_and_is_said(tmp_path: Path) -> None:
    with serving("--audio-speed", "max") as url:
        plan = (PLAN[0], "--speed", "4", "--sessions", "4,2", "--utterances", "1", "--warm-up", "0")
        with started(*plan, "--url", url, "--workers", "2", "--out", tmp_path / "run") as (process, complaints):
            workers: dict[str, int] = {}
            for line in complaints:
                if named := re.search(r"worker (\S+) is process (\d+)", line):
                    workers[named[1]] = int(named[2])
                if "4 at once" in line:
                    break
            address = max(workers)
            os.kill(workers[address], signal.SIGKILL)
            _, complaint = process.communicate()
            assert process.returncode == 1
    assert f"worker {address}: it died; it cost 2 of its 2 sessions" in complaint
    found = load_results(tmp_path / "run")
    lost = [one for one in found.sessions if one.errors]
    assert [(one.errors, one.worker, one.finished) for one in lost] == [(("WorkerLost",), address, False)] * 2
    assert {one.session for one in lost} == {1, 3}
    assert all(one.finished for one in found.sessions if one.worker != address)
    assert len(found.sessions) == 6  # The next level ran on those that were left.
    assert [(level.sessions, level.finished) for level in found.levels] == [(4, False), (2, True)]


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    nowhere = ("--scheduler", "tcp://127.0.0.1:9")
    code, _, complaint = cli(*PLAN, "--url", "http://127.0.0.1:9/v1", "--out", tmp_path / "run", *nowhere)
    assert code == 2
    assert "--scheduler tcp://127.0.0.1:9" in complaint
    assert not (tmp_path / "run").exists()
