"""Recorded behaviour of the JavaScript SDK, scenario by scenario, and the runner itself."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_transport.testing.links import MemoryLink, MemoryServer
from realtime_transport.transports.endpoint.options import ConnectRequest

from .compare import differences, is_scored, scored_part
from .drivers import DRIVERS
from .mutations import MUTATIONS, Mutation, red_scenarios
from .runner import Run, run_websocket

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
DEPARTURES: dict[str, Any] = json.loads((HERE / "departures.json").read_text())
NAMES = sorted(path.stem for path in (HERE / "scenarios").glob("*.json"))
URL = "{{ws}}/v1/realtime"


def load(name: str) -> dict[str, Any]:
    return json.loads((HERE / "scenarios" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
async def test_scenario(name: str) -> None:
    scenario, departure = load(name), DEPARTURES.get(name)
    expected = scenario.pop("expected")
    observed = await DRIVERS[scenario["transport"]](scenario)
    assert "stalled" not in observed
    assert observed["uncaught"] == []
    if is_scored(scenario, DEPARTURES):
        assert differences(scored_part(expected, departure), scored_part(observed, departure)) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule.replace(" ", "-"))
async def test_a_rule_that_is_taken_out_is_noticed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.take_out(monkeypatch)
    assert await red_scenarios(mutation.reddens) == sorted(mutation.reddens)


async def test_the_recorded_answer_is_never_read() -> None:
    name = "interrupt_item_switch"
    without = load(name)
    del without["expected"]
    wrong = {**load(name), "expected": {"client_frames": "nothing of this is so"}}
    traces = [await run_websocket(scenario) for scenario in (load(name), wrong, without)]
    for trace in traces:
        del trace["handshake"]  # It holds a port and a random key.
    assert traces[0] == traces[1] == traces[2]


def test_the_comparison_finds_differences() -> None:
    expected = load("turn_events_with_usage")["expected"]
    assert differences(expected, expected) == []
    for path, value in (
        (("client_frames", 0, "frame", "session", "model"), "another"),
        (("client_frames", 0, "frame", "session", "more"), None),
        (("client_frames", 0, "conn"), 1),
        (("events", -1, "args", 0, "response", "id"), "another"),
        (("events", -1, "step"), 0),
        (("calls", 0, "outcome"), "rejected"),
        (("handshake", 0, "url"), "wss://elsewhere"),
    ):
        observed = copy.deepcopy(expected)
        place: Any = observed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert len(differences(expected, observed)) == 1, path
    for name in ("client_frames", "events", "calls"):
        shorter = {**expected, name: expected[name][:-1]}
        assert differences(expected, shorter)
        assert differences(shorter, expected)


def test_generated_ids_stand_for_one_thing() -> None:
    expected = load("seq_manual_requests_stay_separate")["expected"]
    ids = iter(range(100))
    observed = copy.deepcopy(expected)
    for entry in observed["client_frames"]:
        if "event_id" in entry["frame"]:
            entry["frame"]["event_id"] = f"id_{next(ids)}"
    assert differences(expected, observed) == []
    for entry in observed["client_frames"]:
        if "event_id" in entry["frame"]:
            entry["frame"]["event_id"] = "always the same"
    assert differences(expected, observed)


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for kind in ("websocket", "smoke_signals"):
        scenario = {"name": kind, "transport": kind, "options": {"url": URL}, "steps": [{"get": "status"}]}
        (folder / f"{kind}.json").write_text(json.dumps(scenario))
    command = [sys.executable, "-m", "tests.conformance", str(folder), str(tmp_path / "observed"), "--backend", "trio"]
    environment = {**os.environ, "OPENAI_API_KEY": "sk-must-not-be-used"}
    done = subprocess.run(
        command, cwd=HERE.parent.parent, env=environment, capture_output=True, text=True, timeout=50, check=True
    )
    assert "1 smoke_signals" in done.stdout
    assert [path.name for path in (tmp_path / "observed").iterdir()] == ["websocket.json"]
    trace = json.loads((tmp_path / "observed" / "websocket.json").read_text())
    assert trace["calls"] == [{"step": 0, "get": "status", "outcome": "returned", "value": "disconnected"}]


# What the recorded scenarios do not try.


def call(method: str, *args: Any) -> dict[str, Any]:
    return {"client": {"method": method, "args": list(args)}}


async def run(*steps: dict[str, Any], connect: Any = True, **more: Any) -> dict[str, Any]:
    scenario: dict[str, Any] = {"name": "own", "transport": "websocket", "options": {"url": URL}, "steps": list(steps)}
    if connect:
        scenario["connect"] = {"apiKey": "sk-test"} if connect is True else connect
    trace = await run_websocket({**scenario, **more})
    assert "stalled" not in trace
    return trace


def told(trace: dict[str, Any], *, kind: str = "sdk") -> list[tuple[Any, str]]:
    """The events and their steps; of a status, itself."""
    status = "connection_change"
    events = [event for event in trace["events"] if event["kind"] == kind]
    return [(e["step"], e["args"][0] if e["type"] == status else e["type"]) for e in events]


def outcomes(trace: dict[str, Any]) -> list[str]:
    return [call["outcome"] for call in trace["calls"]]


def frames(trace: dict[str, Any], *, conn: int | None = None) -> list[tuple[Any, str]]:
    return [(f["step"], f["frame"]["type"]) for f in trace["client_frames"] if conn is None or f["conn"] == conn]


CREATED = {"type": "response.created", "event_id": "ev", "response": {"id": "r1"}}
DONE = {"type": "response.done", "event_id": "ev", "response": {"id": "r1", "output": []}}


async def test_connect_and_close_in_one_burst() -> None:
    trace = await run(
        {"burst": [call("connect", {"apiKey": "k"}), call("close")]}, call("connect", {"apiKey": "k"}), connect=None
    )
    assert outcomes(trace) == ["rejected", "returned", "resolved"]
    assert told(trace) == [(1, "connecting"), (1, "connected"), (1, "connected")]


async def test_close_and_connect_in_one_burst() -> None:
    trace = await run({"burst": [call("close"), call("sendEvent", {"type": "x"}), call("connect", {"apiKey": "k"})]})
    assert outcomes(trace) == ["resolved", "returned", "threw", "resolved"]
    assert frames(trace, conn=1) == [(0, "session.update")]


async def test_held_upgrades() -> None:
    trace = await run(
        {"server_policy": "hold"},
        call("connect", {"apiKey": "k"}),
        {"advance_ms": 60_000},
        {"server_drop": True},
        call("connect", {"apiKey": "k"}),
        {"server_accept": True},
        connect=None,
    )
    assert [(c["outcome"], c["settled_step"]) for c in trace["calls"]] == [("rejected", 3), ("resolved", 5)]
    assert told(trace)[:4] == [(1, "connecting"), (3, "error"), (3, "disconnected"), (3, "disconnected")]


@pytest.mark.parametrize(
    "step", [{"resolve": {"name": "k", "value": "sk-late"}}, {"reject_key": {"name": "k", "message": "no"}}]
)
async def test_keys_that_come_later(step: dict[str, Any]) -> None:
    trace = await run({"get": "status"}, step, {"get": "status"}, connect={"apiKey": {"$fn_pending": "k"}})
    rejected = "reject_key" in step
    assert outcomes(trace) == ["rejected" if rejected else "resolved", "returned", "returned"]
    assert trace["calls"][0]["settled_step"] == 1
    assert [entry["headers"]["authorization"] for entry in trace["handshake"]] == (
        [] if rejected else ["Bearer sk-late"]
    )


async def test_a_connect_that_never_settles_is_pending() -> None:
    assert outcomes(await run(connect={"apiKey": {"$fn_pending": "k"}})) == ["pending"]


@pytest.mark.parametrize("policy", ["destroy", {"status": 503}, {"status": 499, "body": "odd"}])
async def test_refusals(policy: Any) -> None:
    trace = await run(server={"upgrade": policy})
    assert outcomes(trace) == ["rejected"]
    assert [name for _, name in told(trace)] == ["connecting", "error", "disconnected", "disconnected"]
    if policy != "destroy":
        assert trace["calls"][0]["error"]["class"] == "UpgradeRejected"


@pytest.mark.parametrize(
    "step", [{"server_close": 1006}, {"server_close": 1005}, {"server_terminate": True}, {"server_close": True}]
)
async def test_ends_of_all_kinds(step: dict[str, Any]) -> None:
    trace = await run({"burst": [{"server": CREATED}, step, {"server": DONE}]}, {"server": DONE}, call("close"))
    assert told(trace)[3:] == [(0, "turn_started"), (0, "disconnected"), (0, "disconnected")]
    assert outcomes(trace) == ["resolved", "returned"]


async def test_listeners_that_act() -> None:
    trace = await run(
        {"server": CREATED},
        {"server": DONE},
        before=[
            {"on": {"event": "turn_started", "once": True, "do": [call("sendMessage", "hi", {}), {"get": "status"}]}},
            {"on": {"event": "response.done", "do": [{"burst": [call("close"), {"get": "status"}]}]}},
            {"on": {"event": "*", "throw": "oops"}},
        ],
    )
    assert (0, "conversation.item.create") in frames(trace)
    assert (1, "disconnected") in told(trace)
    assert (0, "error") in told(trace)
    assert outcomes(trace)[1:3] == ["returned", "returned"]


async def test_a_listener_that_raises_into_the_open_is_noted() -> None:
    trace = await run({"server": CREATED}, before=[{"on": {"event": "*", "throw": "oops"}}], no_error_listener=True)
    assert [entry["error"]["message"] for entry in trace["uncaught"]] == ["oops"]


async def test_ids_that_were_generated_can_be_named() -> None:
    refused = {"type": "error", "event_id": "ev", "error": {"code": "x", "event_id": "{{auto:response_create:2}}"}}
    trace = await run(
        call("sendEvent", {"type": "response.create", "event_id": "mine"}),
        {"server": CREATED},
        {"server": DONE},
        call("requestResponse"),
        {"server": CREATED},
        {"server": DONE},
        {
            "burst": [
                call("requestResponse", {"instructions": "a"}),
                call("requestResponse", {"instructions": "b"}),
                {"server": refused},
            ]
        },
    )
    creates = [entry["frame"] for entry in trace["client_frames"] if entry["frame"]["type"] == "response.create"]
    assert [frame.get("response", {}).get("instructions") for frame in creates] == [None, None, "a", "b"]
    errors = [event["args"][0]["error"] for event in trace["events"] if event["type"] == "error"]
    assert errors[0]["error"]["event_id"] == creates[2]["event_id"]


async def test_a_listener_that_connects_again() -> None:
    trace = await run(
        {"server_close": 1011},
        call("sendMessage", "back", {}),
        before=[{"on": {"event": "disconnected", "once": True, "do": [call("connect", {"apiKey": "k2"})]}}],
    )
    assert outcomes(trace) == ["resolved", "resolved", "returned"]
    assert frames(trace, conn=1) == [(0, "session.update"), (1, "conversation.item.create"), (1, "response.create")]


async def test_a_scenario_that_hangs_is_given_up() -> None:
    class Deaf(Run):
        @asynccontextmanager
        async def _connector(self, request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
            server = MemoryServer(answers_close=False)
            async with server.connector(request) as link:
                yield link

    steps = [call("close"), {"get": "status"}]
    scenario = {"options": {"url": URL}, "connect": {"apiKey": "k"}, "steps": steps}
    trace = await run_websocket(scenario, Deaf, patience=0.05)
    assert trace["stalled"] == [{"step": "connect"}]


async def test_a_scenario_that_is_nonsense_spoils_nothing_else() -> None:
    trace = await run({"no_such_step": 1})
    assert trace["uncaught"][0]["error"]["class"] == "ValueError"
    trace = await run(options={"model": "m", "url": 7})
    assert trace["uncaught"] or outcomes(trace) == ["rejected"]


async def test_much_audio_in_one_burst() -> None:
    trace = await run({"burst": [call("sendAudio", {"$silence_bytes": 900_000})] * 3})
    assert outcomes(trace) == ["resolved", "returned", "returned", "returned"]
    assert len(frames(trace)) == 4


async def test_text_that_is_no_unicode() -> None:
    trace = await run({"server": {"type": "vendor.x", "event_id": "e", "text": "\ud800é🙂"}})
    assert trace["events"][-1]["args"][0]["text"] == "\ud800é🙂"


async def test_values() -> None:
    trace = await run(
        call("sendAudio", {"$bytes": "AAEC"}, {"commit": {"$undefined": True}}),
        call("sendAudio", {"$silence_bytes": 3}),
        call(
            "sendEvent",
            {
                "type": "x",
                "a": {"$undefined": True},
                "b": [{"$undefined": True}],
                "c": {"$b64_pattern": {"bytes": 300, "seed": 4}},
            },
        ),
        call(
            "updateSessionConfig", {"audio": {"input": {"format": {"type": "audio/pcm", "rate": {"$number": "NaN"}}}}}
        ),
        call("interrupt", {"$undefined": True}),
        call("requestResponse", {"$undefined": True}),
        call("noSuchMethod", 1),
        {"get": "no.such.thing"},
        {"wait_client_frames": 5},
        {"construct": {"url": "{{ws}}/x", "model": "m", "somethingElse": 1}},
    )
    sent = [entry["frame"] for entry in trace["client_frames"][1:]]
    assert sent[0]["audio"] == "AAEC"
    assert sent[1]["audio"] == "AAAA"
    assert sent[2].keys() == {"type", "b", "c"}
    assert sent[2]["b"] == [None]
    assert len(sent[2]["c"]) == 400
    assert outcomes(trace)[1:] == ["returned"] * 3 + ["threw", "returned", "returned", "threw", "returned", "returned"]


async def test_upgrades_go_to_the_server_whatever_host_was_asked_for() -> None:
    trace = await run(options={"model": "m"}, connect={"apiKey": "k", "url": "wss://example.com/a?b=%20c"})
    assert trace["handshake"][0]["url"] == "wss://example.com/a?b=%20c"
    assert "x-conformance-origin" not in trace["handshake"][0]["headers"]
