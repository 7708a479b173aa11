"""The page for those who come from JavaScript names everything, and what it shows runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from realtime_transport import OpenAIRealtimeWebSocket, RealtimeEmitter, events
from realtime_transport.testing.links import MemoryServer

from . import trace
from .runner import PARAMETERS
from .values import snake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coming-from-javascript.md").read_text()
DEPARTURES = json.loads((Path(__file__).parent / "departures.json").read_text())
SCENARIOS = {path.stem for path in (Path(__file__).parent / "scenarios").glob("*.json")}


@pytest.mark.parametrize("method", sorted({*PARAMETERS} - {"close"}))
def test_every_method_is_mapped(method: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{method}("))
    assert f"`{snake(method)}(" in row
    assert hasattr(OpenAIRealtimeWebSocket, snake(method))
    assert hasattr(RealtimeEmitter, snake(method))


@pytest.mark.parametrize("name", trace.SDK_NAMES)
def test_every_event_is_mapped(name: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    match = re.search(r"\| `(\w+Event)` \|", row)
    assert match is not None
    cls = getattr(events, match[1])
    assert cls.event_name == name
    for attribute in re.findall(r"`event\.(\w+)`", row):
        assert hasattr(cls, attribute), attribute


def test_the_scenarios_are_counted() -> None:
    counts: Counter[str] = Counter()
    for name in SCENARIOS:
        scenario = json.loads((Path(__file__).parent / "scenarios" / f"{name}.json").read_text())
        departure = DEPARTURES.get(name)
        whole = "same" if departure is None else "partly" if "steps" in departure else "departures"
        counts["faults" if "informative" in scenario else whole] += 1
    told = re.findall(r"\b(\d+)\b", PAGE.partition("recorded in")[2].partition("## ")[0])
    assert [int(number) for number in told] == [
        len(SCENARIOS),
        counts["same"],
        counts["partly"],
        counts["departures"],
        counts["faults"],
    ]


def test_every_departure_is_listed_and_its_scenarios_exist() -> None:
    section = PAGE.partition("\n## Departures\n")[2]
    items = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)[1:]
    assert items[::2] == [str(number) for number in range(1, 15)]
    named = re.findall(r"`((?:[a-z0-9]+_)+[a-z0-9]+)`(?=[):;,])", section)
    functions = {
        "audio_played",
        "update_session_config",
        "call_id",
        "event_id",
        "create_timeout",
        "turn_done",
        "silence_timeout",
    }
    assert len({*named} & SCENARIOS) >= 15
    assert {*named} <= SCENARIOS | functions
    tests = (ROOT / "tests" / "test_departures.py").read_text() + (
        ROOT / "tests" / "protocol" / "test_engine_departures.py"
    ).read_text()
    for number in {*range(1, 15)} - {12, 13}:
        assert f"def test_{number}_" in tests


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["talk", "talk_in_a_loop"])
async def test_what_it_shows_runs(name: str) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector)
    shown: dict[str, Any] = {"AudioEvent": events.AudioEvent, "TurnDoneEvent": events.TurnDoneEvent}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, shown)
    played: list[bytes] = []
    audio = {"response_id": "r", "item_id": "i", "content_index": 0, "delta": "AAAA"}
    server.send(
        {"type": "session.created", "event_id": "e", "session": {"type": "realtime"}},
        {"type": "response.output_audio.delta", "event_id": "e", **audio},
        {"type": "response.done", "event_id": "e", "response": {"id": "r", "output": []}},
    )
    with anyio.fail_after(10):
        await shown[name](transport, "sk-test", played.append)
    assert played == [bytes(3)]
    assert server.received[0]["session"]["instructions"] == "Be brief."
