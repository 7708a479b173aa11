"""How a trace differs from what was recorded.

Frames and upgrades are compared strictly, step by step. Events and results of calls are compared after folding names
to snake_case; there null and absent are the same, and ours may tell more. Generated ids are free, but each stands for
one thing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from .values import snake

__all__ = ["differences", "is_scored", "scored_part"]

GENERATED = re.compile(r"\{\{auto:(\w+):\d+\}\}")


def is_scored(scenario: Mapping[str, Any], departures: Mapping[str, Any]) -> bool:
    """Whether ours has to do in *scenario* what the reference did."""
    departure = departures.get(scenario["name"])
    return "informative" not in scenario and (departure is None or "steps" in departure)


def scored_part(trace: Mapping[str, Any], departure: Mapping[str, Any] | None) -> dict[str, Any]:
    """*trace* without the steps that a departure excepts."""
    excepted = set((departure or {}).get("steps", ()))
    return {
        name: [entry for entry in entries if entry.get("step") not in excepted]
        if isinstance(entries, list)
        else entries
        for name, entries in trace.items()
    }


def differences(expected: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """Where *observed* is not what was *expected*, in words."""
    comparison = _Comparison()
    problems = [
        *_lists(
            "handshake",
            [_upgrade(h) for h in expected.get("handshake", [])],
            [_upgrade(h) for h in observed["handshake"]],
        ),
        *comparison.lists("client_frames", expected["client_frames"], observed["client_frames"]),
        *comparison.lists("twilio_frames", expected.get("twilio_frames", []), observed.get("twilio_frames", [])),
        *comparison.lists("events", _events(expected), _events(observed), loose=True),
        *comparison.lists("calls", _calls(expected), _calls(observed), loose=True),
        *comparison.lists("tool_calls", expected.get("tool_calls", []), observed.get("tool_calls", [])),
        *comparison.lists("http", _posts(expected), _posts(observed)),
        *comparison.lists("guardrail_runs", expected.get("guardrail_runs", []), observed.get("guardrail_runs", [])),
    ]
    return [problem for problem in problems if problem]


def _posts(trace: Mapping[str, Any]) -> list[Any]:
    """The HTTP requests, without their headers: the order and the names of those are free."""
    free = ("step", "headers")
    return [{name: post[name] for name in post if name not in free} for post in trace.get("http", [])]


def _upgrade(handshake: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": handshake["url"], "authorization": handshake["headers"].get("authorization")}


def _events(trace: Mapping[str, Any]) -> list[Any]:
    return [_folded({"step": e["step"], "type": [e["type"]], "args": e["args"]}) for e in trace["events"]]


def _calls(trace: Mapping[str, Any]) -> list[Any]:
    calls: list[Any] = []
    for call in trace["calls"]:
        name = next(call[key] for key in ("method", "get", "set") if key in call)
        outcome = {"threw": "failed", "rejected": "failed", "pending": "pending"}.get(call["outcome"], "fine")
        value = {"value": call["value"]} if "value" in call and outcome == "fine" else {}
        calls.append(_folded({"step": call["step"], "name": [snake(name).lstrip("_")], "outcome": [outcome], **value}))
    return calls


def _folded(value: Any) -> Any:
    match value:
        case dict():
            return {snake(key): _folded(item) for key, item in value.items() if item is not None}
        case list():
            return [_folded(item) for item in value]
        case _:
            return value


def _lists(name: str, want: Sequence[Any], got: Sequence[Any]) -> list[str]:
    return [] if want == got else [f"{name}: {got!r} instead of {want!r}"]


@attrs.define
class _Comparison:
    _ids: dict[str, str] = attrs.field(factory=dict[str, str])

    def lists(self, name: str, want: Sequence[Any], got: Sequence[Any], *, loose: bool = False) -> Iterator[str]:
        for index in range(max(len(want), len(got))):
            where = f"{name}[{index}]"
            if index >= len(got):
                yield f"{where}: missing {want[index]!r:.200}"
            elif index >= len(want):
                yield f"{where}: too much {got[index]!r:.200}"
            else:
                yield from self.values(want[index], got[index], where, loose=loose)

    def values(self, want: Any, got: Any, where: str, *, loose: bool) -> Iterator[str]:
        match want:
            case {"$digest": digest}:
                same = isinstance(got, str) and hashlib.sha256(got.encode()).hexdigest() == digest["sha256"]
                if not same:
                    yield f"{where}: another text"
            case {"$error": _} | {"$error_event": _}:
                if not (isinstance(got, dict) and "$error" in got):
                    yield f"{where}: {got!r:.200} is no error"
            case str() if GENERATED.fullmatch(want):
                yield from self._id(want, got, where)
            case dict() if isinstance(got, dict):
                yield from self._objects(want, got, where, loose=loose)
            case list() if isinstance(got, list):
                more = loose and where.endswith(".args")  # Ours may give further arguments.
                yield from self.lists(where, want, got[: len(want)] if more else got, loose=loose)
            case _:
                numbers = type(want) in (int, float) and type(got) in (int, float)
                if want != got or (type(want) is not type(got) and not numbers):
                    yield f"{where}: {got!r:.200} instead of {want!r:.200}"

    def _objects(self, want: Mapping[str, Any], got: Mapping[str, Any], where: str, *, loose: bool) -> Iterator[str]:
        for key, value in want.items():
            if key in got:
                yield from self.values(value, got[key], f"{where}.{key}", loose=loose)
            elif not str(value).startswith("{{auto:history_"):  # Whether edits of the history have ids is open.
                yield f"{where}.{key}: missing {value!r:.200}"
        if not loose and (more := got.keys() - want.keys()):
            yield f"{where}: too much {sorted(more)}"

    def _id(self, want: str, got: Any, where: str) -> Iterator[str]:
        if not isinstance(got, str) or self._ids.setdefault(want, got) != got:
            yield f"{where}: {got!r} instead of {self._ids.get(want)!r}, which {want} stands for"
        elif list(self._ids.values()).count(got) > 1:
            yield f"{where}: the id {got!r} is used twice"
