"""From a function to a tool: schema, texts, decoding, results."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from realtime_transport import (
    ConfigError,
    FunctionTool,
    HostedMcpTool,
    RealtimeAgent,
    RunContext,
    ToolContext,
    function_tool,
    handoff,
)
from realtime_transport.session.tools.arguments import InvalidArguments, check_schema
from realtime_transport.session.tools.rendering import default_render

GOLDEN = Path(__file__).parent / "schemas.json"


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


@attrs.frozen
class Place:
    name: str
    at: Point | None = None


class Options(TypedDict, total=False):
    fast: bool


class Pair(NamedTuple):
    first: int
    second: str


class Address(pydantic.BaseModel):
    street: str
    number: int = 1


@attrs.define
class Tree:
    name: str
    children: list[Tree] = attrs.field(factory=list)


async def _annotated(city: Annotated[str, "A town"], days: Annotated[int, msgspec.Meta(ge=1, le=7)] = 1) -> None: ...
async def _literal(unit: Literal["C", "F"] = "C") -> None: ...
async def _enumeration(unit: Unit) -> None: ...
async def _data_class(point: Point) -> None: ...
async def _attrs_class(place: Place) -> None: ...
async def _typed_dict(options: Options) -> None: ...
async def _named_tuple(pair: Pair) -> None: ...
async def _times(when: datetime.datetime, day: datetime.date, code: uuid.UUID, price: decimal.Decimal) -> None: ...
async def _union(value: int | str | None = None) -> None: ...
async def _collections(names: list[str], ages: dict[str, int], tags: set[str]) -> None: ...
async def _recursive(tree: Tree) -> None: ...
async def _pydantic(address: Address) -> None: ...
async def _adapter(sizes: Annotated[list[int], pydantic.TypeAdapter(list[pydantic.PositiveInt])]) -> None: ...
async def _nothing() -> None: ...
async def _positional(a: int, /, b: int, *, c: int) -> None: ...


FUNCTIONS = {
    function.__name__.lstrip("_"): function
    for function in (
        _annotated, _literal, _enumeration, _data_class, _attrs_class, _typed_dict, _named_tuple, _times, _union,
        _collections, _recursive, _pydantic, _adapter, _nothing, _positional,
    )
}  # fmt: skip

FITTING = {
    "annotated": '{"city": "Oslo", "days": 7}',
    "literal": '{"unit": "F"}',
    "enumeration": '{"unit": "F"}',
    "data_class": '{"point": {"x": 1}}',
    "attrs_class": '{"place": {"name": "n", "at": {"x": 1, "y": 2}}}',
    "typed_dict": '{"options": {"fast": true}}',
    "named_tuple": '{"pair": [1, "b"]}',
    "times": '{"when": "2026-01-02T03:04:05Z", "day": "2026-01-02", "code": "12345678-1234-5678-1234-567812345678",'
    ' "price": "1.50"}',
    "union": '{"value": "x"}',
    "collections": '{"names": ["a"], "ages": {"a": 1}, "tags": ["t"]}',
    "recursive": '{"tree": {"name": "a", "children": [{"name": "b"}]}}',
    "pydantic": '{"address": {"street": "s"}}',
    "adapter": '{"sizes": [1, 2]}',
    "nothing": "",
    "positional": '{"a": 1, "b": 2, "c": 3}',
}

UNFITTING = {
    "annotated": ('{"city": "Oslo", "days": 8}', "days"),
    "literal": ('{"unit": "K"}', "unit"),
    "enumeration": ('{"unit": 1}', "unit"),
    "data_class": ('{"point": {}}', "point.x: required"),
    "attrs_class": ('{"place": {"name": 1}}', "place.name"),
    "typed_dict": ('{"options": {"fast": 1}}', "options"),
    "named_tuple": ('{"pair": [1]}', "pair"),
    "times": ("{}", "when: required"),
    "union": ('{"value": []}', "value"),
    "collections": ('{"names": [1], "ages": {}, "tags": []}', "names"),
    "recursive": ('{"tree": {"name": "a", "children": [{}]}}', "tree.children"),
    "pydantic": ('{"address": {"street": "s", "number": "x"}}', "number"),
    "adapter": ('{"sizes": [-1]}', "0"),
    "nothing": ('{"x": 1}', "x: unknown"),
    "positional": ('{"a": 1, "b": 2}', "c: required"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_schema_of_each_annotation(name: str) -> None:
    expected = json.loads(GOLDEN.read_text())
    made = function_tool(FUNCTIONS[name])
    assert made.parameters == expected[name]
    assert set(expected) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_fits_is_decoded_and_fits_the_schema(name: str) -> None:
    made = function_tool(FUNCTIONS[name])
    call = made.read_arguments(FITTING[name])
    check_schema(json.loads(FITTING[name] or "{}"), made.parameters)
    assert len(call.args) + len(call.kwargs) == len(made.parameters["properties"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_does_not_fit_is_refused_with_its_place(name: str) -> None:
    text, place = UNFITTING[name]
    with pytest.raises(InvalidArguments, match=place):
        function_tool(FUNCTIONS[name]).read_arguments(text)


def test_decoded_values_are_of_the_annotated_types() -> None:
    assert function_tool(_enumeration).read_arguments('{"unit": "F"}').kwargs["unit"] is Unit.FAHRENHEIT
    assert function_tool(_attrs_class).read_arguments('{"place": {"name": "n"}}').kwargs["place"] == Place("n")
    assert function_tool(_pydantic).read_arguments('{"address": {"street": "s"}}').kwargs["address"] == Address(
        street="s"
    )


def test_texts_come_from_the_docstring_and_annotations_win() -> None:
    @function_tool
    async def get_weather(ctx: ToolContext[Any], city: Annotated[str, "A town"], unit: str = "C") -> str:
        """Weather for a city.

        It is a guess.

        Args:
            ctx: The call.
            city: Not used.
            unit: C or F.
        """
        return city + unit

    assert get_weather.name == "get_weather"
    assert get_weather.description == "Weather for a city.\n\nIt is a guess."
    assert set(get_weather.parameters["properties"]) == {"city", "unit"}
    assert get_weather.parameters["properties"]["city"]["description"] == "A town"
    assert get_weather.parameters["properties"]["unit"]["description"] == "C or F."
    assert get_weather.parameters["required"] == ["city"]
    assert get_weather.payload().keys() == {"type", "name", "description", "parameters"}


def test_a_run_context_is_no_parameter_either() -> None:
    def greet(ctx: RunContext[str], name: str) -> str:
        return ctx.context + name

    assert set(function_tool(greet).parameters["properties"]) == {"name"}


@pytest.mark.parametrize(
    ("function", "key"),
    [
        (lambda value: value, "value"),
        (lambda *values: values, "values"),
    ],
)
def test_parameters_without_meaning_are_refused(function: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        function_tool(function)
    assert caught.value.key == key


def test_a_union_of_objects_without_a_tag_is_refused_by_name() -> None:
    def draw(shape: Point | Place) -> None: ...

    with pytest.raises(ConfigError, match=r"draw\.shape") as caught:
        function_tool(draw)
    assert caught.value.key == "shape"


def test_what_is_not_strict_takes_more_than_it_knows() -> None:
    made = function_tool(strict=False)(_literal)
    assert made.read_arguments('{"unit": "C", "more": 1}').kwargs == {"unit": "C"}
    assert "additionalProperties" not in made.parameters
    with pytest.raises(InvalidArguments, match="not JSON"):
        made.read_arguments("{broken")


def test_a_tool_with_a_schema_of_its_own_is_checked_too() -> None:
    async def invoke(ctx: Any, arguments: str) -> str:
        return arguments

    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    made = FunctionTool(name="t", invoke=invoke, parameters={**schema, "additionalProperties": False})
    assert made.read_arguments('{"city": "Oslo"}') == '{"city": "Oslo"}'
    for text, problem in (("{}", "city: required"), ('{"city": 1}', "city: string"), ('{"city": "a", "x": 1}', "x")):
        with pytest.raises(InvalidArguments, match=problem):
            made.read_arguments(text)


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": ["string", "null"]}, 1, "string or null expected"),
        ({"enum": ["a", 1]}, "b", 'one of ["a",1] expected'),
        ({"const": 3}, 4, "3 expected"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, None, "fits none"),
        ({"allOf": [{"type": "object"}, {"required": ["a"]}]}, {}, "a: required"),
        ({"type": "array", "items": {"type": "boolean"}}, [True, 1], "[1]: boolean expected"),
        ({"type": "integer"}, True, "integer expected"),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "number"}}}, {"a": "x"}, "a: number"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "a: string expected"),
        ({"properties": {"a": False}}, {"a": 1}, "a: nothing is allowed here"),
    ],
)
def test_the_schema_check(schema: dict[str, Any], value: Any, problem: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_schema(value, schema)
    assert problem in str(caught.value)


def test_a_schema_that_refers_to_itself_is_checked_to_a_depth() -> None:
    value: Any = []
    for _ in range(500):
        value = [value]
    check_schema(value, {"type": "array", "items": {"$ref": "#"}})
    check_schema({}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})


# Results


class _Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("as it is", "as it is"),
        (None, "null"),
        (False, "false"),
        (42, "42"),
        ({"a": [1, 2], "b": None}, '{"a":[1,2],"b":null}'),
        (Point(1.5), '{"x":1.5,"y":0.0}'),
        (Place("n"), '{"name":"n","at":null}'),
        (Address(street="s"), '{"street":"s","number":1}'),
        (Pair(1, "b"), '{"first":1,"second":"b"}'),
        ({"pair": Pair(1, "b")}, '{"pair":{"first":1,"second":"b"}}'),
        (Unit.CELSIUS, '"C"'),
        (decimal.Decimal("1.5"), '"1.5"'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        ({1: "a"}, '{"1":"a"}'),
        ({"big": 2**70}, '{"big":1180591620717411303424}'),
        ({"o": _Odd()}, '{"o":"odd"}'),
        ("é", "é"),
        (["é"], '["é"]'),
    ],
)
def test_results_become_text(value: Any, text: str) -> None:
    assert default_render(value) == text


def test_a_value_that_holds_itself_is_told_somehow() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert default_render(loop) == "[[...]]"


@pytest.mark.parametrize("value", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_bytes_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="bytes"):
        default_render(value)


# Agents and handoffs


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": None}, "name"),
        ({"name": "A", "instructions": 3}, "instructions"),
        ({"name": "A", "tools": ["x"]}, "tools[0]"),
        ({"name": "A", "tools": [Point]}, "tools[0]"),
    ],
)
def test_mistakes_in_an_agent(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RealtimeAgent(**options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": "1"}, "timeout"),
        ({"when_interrupted": "stop"}, "when_interrupted"),
        ({"execution": "serial"}, "execution"),
        ({"on_timeout": "x"}, "on_timeout"),
    ],
)
def test_mistakes_in_a_tool(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        function_tool(**options)(_nothing)
    assert caught.value.key == key


def test_the_name_and_the_text_of_a_handoff() -> None:
    made = handoff(RealtimeAgent(name="Bills & more", handoff_description="Knows invoices"))
    assert made.tool_name == "transfer_to_Bills___more"
    assert made.description == "Handoff to the Bills & more agent to handle the request. Knows invoices"
    assert handoff(RealtimeAgent(name="B")).description.endswith("request. ")


def test_a_handoff_with_input_has_its_schema() -> None:
    made = handoff(RealtimeAgent(name="B"), on_handoff=lambda ctx, point: None, input_type=Point)
    assert made.parameters["required"] == ["x"]
    assert made.read_arguments('{"x": 1}') == Point(1.0)
    with pytest.raises(ConfigError, match="on_handoff"):
        handoff(RealtimeAgent(name="B"), input_type=Point)
    with pytest.raises(ConfigError, match="object"):
        handoff(RealtimeAgent(name="B"), on_handoff=lambda ctx, value: None, input_type=int)


def test_agents_may_refer_to_each_other_in_circles() -> None:
    first: RealtimeAgent[Any] = RealtimeAgent(name="first", handoffs=lambda: [second])
    second: RealtimeAgent[Any] = RealtimeAgent(name="second", handoffs=[first])
    assert [entry.agent for entry in first.resolve_handoffs()] == [second]
    assert second.clone(name="third").resolve_handoffs()[0].agent is first
    assert first != RealtimeAgent(name="first")
    with pytest.raises(ConfigError, match="handoffs"):
        RealtimeAgent(name="A", handoffs=["B"]).resolve_handoffs()  # type: ignore[list-item]


def test_an_mcp_server_is_checked_where_it_is_made() -> None:
    made = HostedMcpTool(server_label="docs", server_url="https://mcp.example", allowed_tools=["search"])
    assert made.payload() == {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://mcp.example",
        "allowed_tools": {"tool_names": ["search"]},
    }
    assert made.allows("search")
    assert not made.allows("delete")
    assert HostedMcpTool(server_label="all").allows("delete")
    assert HostedMcpTool(server_label="docs", tunnel_id="tun_1").payload()["tunnel_id"] == "tun_1"
    with pytest.raises(ConfigError):
        HostedMcpTool(server_label="docs", require_approval="sometimes")
    with pytest.raises(ConfigError):
        HostedMcpTool(server_label="")


def test_without_the_extra_the_error_names_the_line_to_install() -> None:
    code = (
        "import sys; sys.modules['msgspec'] = None; from realtime_transport import RealtimeAgent\n"
        "def f(x: int) -> int: return x\n"
        "try: RealtimeAgent(name='A', tools=[f])\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[agents]'" in done.stdout
