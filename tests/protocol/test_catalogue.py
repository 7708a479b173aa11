"""Every event, item and session field of the protocol's catalogue has its class and goes both ways unharmed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from realtime_transport.protocol.wire.client_events import CLIENT_EVENTS
from realtime_transport.protocol.wire.codec import (
    decode_client_event,
    decode_item,
    decode_server_event,
    decode_session,
    dumps,
    encode,
    loads,
)
from realtime_transport.protocol.wire.field_types import shapes_of
from realtime_transport.protocol.wire.items import ItemReference, UnknownItem, WireItem
from realtime_transport.protocol.wire.responses import Response, ResponseCreateParams
from realtime_transport.protocol.wire.server_events import SERVER_EVENTS
from realtime_transport.protocol.wire.session import RealtimeSession, TranscriptionSession, TranslationSession

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import WireModel

DATA = Path(__file__).parent.parent / "data" / "protocol"
EVENTS = json.loads((DATA / "events.json").read_text())
ITEMS = json.loads((DATA / "items.json").read_text())
SESSIONS = json.loads((DATA / "session.json").read_text())

SERVER = {entry["type"]: entry for entry in EVENTS["server_events"]}
CLIENT = {entry["type"]: entry for entry in EVENTS["client_events"]}


def decode(raw: dict[str, Any]) -> WireModel:
    event, problems = (decode_server_event if raw["type"] in SERVER else decode_client_event)(raw)
    assert problems == ()
    return event


def without_raw(event: WireModel) -> WireModel:
    return attrs.evolve(event, raw={}) if hasattr(event, "raw") else event


def camel_case(wire_type: str) -> str:
    return "".join(word.capitalize() for word in wire_type.replace(".", "_").split("_"))


EXAMPLES: list[dict[str, Any]] = [entry["example"] for entry in (SERVER | CLIENT).values()]


def objects_in(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [value] if isinstance(value, dict) else []
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found + [each for child in children for each in objects_in(child)]


def test_every_event_has_a_class_of_its_name() -> None:
    assert {cls.type: cls.__name__ for cls in SERVER_EVENTS} == {name: camel_case(name) for name in SERVER}
    assert {cls.type: cls.__name__ for cls in CLIENT_EVENTS} == {name: camel_case(name) for name in CLIENT}
    assert (len(SERVER_EVENTS), len(CLIENT_EVENTS)) == (50, 13)


def documented_kinds(text: str) -> set[type]:
    """Return what a type in the catalogue's words is in JSON, as far as it says so."""
    kinds: set[type] = set()
    for word in re.sub(r"<.*>", "<>", text).replace('"', "").split("|"):
        match word:
            case "string" | "inf" | "auto" | "disabled" | "always" | "never":
                kinds.add(str)
            case "integer":
                kinds.add(int)
            case "number":
                kinds |= {int, float}
            case "boolean":
                kinds.add(bool)
            case "ToolChoice":
                kinds |= {str, dict}
            case _ if word.startswith("array"):
                kinds.add(list)
            case _:
                kinds.add(dict)
    return kinds


def field_at(cls: type[WireModel], path: str) -> list[Any]:
    """Return the shapes at a dotted path, in every class that may stand there."""
    name, _, rest = path.partition(".")
    shapes = [shapes_of(cls)[name.removesuffix("[]")]] if name.removesuffix("[]") in shapes_of(cls) else []
    if not rest:
        return shapes
    inner = [child for shape in shapes for child in (shape.entry.classes if name.endswith("[]") else shape.classes)]
    return [found for child in inner for found in field_at(child, rest)]


@pytest.mark.parametrize("cls", [*SERVER_EVENTS, *CLIENT_EVENTS], ids=lambda cls: cls.type)
def test_the_fields_of_an_event_are_those_documented(cls: Any) -> None:
    fields = [field for field in (SERVER | CLIENT)[cls.type]["fields"] if field["name"] != "type"]
    for field in fields:
        shapes = field_at(cls, field["name"])
        assert shapes, field["name"]
        for shape in shapes:
            assert shape.kinds - {type(None)} == documented_kinds(field["type"]), field["name"]
    assert set(shapes_of(cls)) - {"event_id"} == {f["name"] for f in fields if not set(".[") & set(f["name"])} - {
        "event_id"
    }


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (RealtimeSession, "realtime"),
        (TranscriptionSession, "transcription"),
        (TranslationSession, "translation"),
        (ResponseCreateParams, "response_create_params"),
        (Response, "response"),
    ],
)
def test_the_fields_of_sessions_and_responses_are_those_documented(cls: type[WireModel], name: str) -> None:
    for field in SESSIONS[name]["fields"]:
        shapes = field_at(cls, field["name"])
        assert shapes, field["name"]
        assert any(documented_kinds(field["type"]) <= shape.kinds for shape in shapes), field["name"]


@pytest.mark.parametrize("raw", EXAMPLES, ids=lambda raw: raw["type"])
def test_an_example_comes_back_from_its_fields(raw: dict[str, Any]) -> None:
    event = decode(raw)
    assert type(event).__name__ == camel_case(raw["type"])
    assert event.extra == {}
    encoded = encode(without_raw(event))
    assert encoded == raw
    assert list(encoded)[: 2 if "event_id" in raw else 1] == (["type", "event_id"] if "event_id" in raw else ["type"])
    assert loads(dumps(encoded)) == raw


def test_changing_one_field_changes_nothing_else() -> None:
    for raw in EXAMPLES:
        event = decode(raw)
        for name in raw.keys() - {"type"}:
            changed = encode(attrs.evolve(event, **{name: "changed"}))
            assert changed == raw | {name: "changed"}
        assert encode(event) == raw


def test_unknown_fields_survive_in_every_object() -> None:
    for raw in EXAMPLES:
        wide = json.loads(json.dumps(raw))
        for number, each in enumerate(objects_in(wide)):
            # Also the names that our own classes use for something else.
            each |= {"x_new": [{"deep": number}], "extra": {"a": 1}, "raw": None, "sequence": "7", "tags": []}
        event = decode(wide)
        assert event.extra["x_new"] == [{"deep": 0}]
        assert encode(without_raw(event)) == wide


def test_every_field_may_be_null_or_missing() -> None:
    for raw in EXAMPLES:
        for name in raw.keys() - {"type"}:
            null = raw | {name: None}
            assert encode(without_raw(decode(null))) == null
            missing = {key: value for key, value in raw.items() if key != name}
            assert encode(without_raw(decode(missing))) == missing


@pytest.mark.parametrize("entry", ITEMS["items"], ids=lambda entry: f"{entry['type']}-{entry.get('role', '')}")
def test_every_item_has_a_class_with_the_documented_fields(entry: dict[str, Any]) -> None:
    item, problems = decode_item(entry["example"])
    assert problems == ()
    assert isinstance(item, WireItem)
    assert not isinstance(item, UnknownItem)
    assert item.extra == {}
    assert encode(item) == entry["example"]
    assert {field["name"] for field in entry["fields"]} <= set(shapes_of(type(item)))


@pytest.mark.parametrize("entry", ITEMS["content_parts"], ids=lambda entry: entry["type"])
def test_every_content_part_has_a_class(entry: dict[str, Any]) -> None:
    part = {field["name"]: "text" for field in entry["fields"]} | {"type": entry["type"]}
    for spelling in {entry["type"], entry.get("beta_name", entry["type"])}:
        raw = {"type": "message", "role": entry["in"][0], "content": [part | {"type": spelling}]}
        item, problems = decode_item(raw)
        assert problems == ()
        [decoded] = item.content  # type: ignore[union-attr]
        assert type(decoded).__name__ == camel_case(entry["type"]) + "Part"
        assert decoded.extra == {}
        assert decoded.type == spelling
        assert encode(item) == raw


@pytest.mark.parametrize("entry", ITEMS["tool_definitions"], ids=lambda entry: entry["type"])
def test_every_field_of_a_tool_is_known(entry: dict[str, Any]) -> None:
    tool = {field["name"]: None for field in entry["fields"]} | {"type": entry["type"]}
    session, problems = decode_session({"type": "realtime", "tools": [tool]})
    assert problems == ()
    [decoded] = session.tools  # type: ignore[union-attr]
    assert type(decoded).__name__ == {"function": "FunctionTool", "mcp": "McpTool"}[entry["type"]]
    assert decoded.extra == {}
    for field in entry["fields"]:
        assert documented_kinds(field["type"]) <= shapes_of(type(decoded))[field["name"]].kinds, field["name"]


@pytest.mark.parametrize("choice", ITEMS["tool_choice"], ids=str)
def test_every_tool_choice_comes_back(choice: Any) -> None:
    raw = {"type": "realtime", "tool_choice": choice}
    session, problems = decode_session(raw)
    assert problems == ()
    assert encode(session) == raw


def test_an_item_reference_is_an_item() -> None:
    assert decode_item({"type": "item_reference", "id": "item_A1"}) == (ItemReference(id="item_A1"), ())
