"""The package as a whole: what importing it costs, which way imports run, what is public."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_transport

PACKAGE = Path(realtime_transport.__file__).parent

HEAVY = ["httpx", "cattrs", "soundfile", "numpy", "av", "aiortc", "realtime_transport.emulator", "websockets", "trio"]

ROOMS = [
    {"errors", "clock", "late_classes", "task_groups", "wire_logging"},
    {"argument_names", "argument_types", "keys", "urls"},
    {"call_id", "connection_events"},
    {"http_client"},
    {"audio"},
    {"protocol", "connection"},
    {"rtc"},
    {"events", "server_events", "client_events"},
    {"transports", "emulator", "rest", "webhooks"},
    {"listeners"},
    {"session"},
    {"session_events"},
    {"emitter", "recording", "replay", "adapters", "telemetry"},
    {"bench"},
    {"pages"},
    {"testing"},
    {"cli"},
    {"__main__"},
]
"""From the bottom to the top: a module imports from rooms below its own, and within its own folder."""

SUB_ROOMS = {
    "protocol": ["wire", "config", "vendors", "engine"],
    "transports": ["endpoint", "links", "phone", "interface", "base", ""],
    "emulator": ["", "checks", "conversation", "responders", "server"],
    "session": ["tools", "agents", "core", ""],
    "cli": ["arguments", "", "bench", "replay", "talk", "serve", "doctor"],
}
"""Within these rooms, from the bottom to the top; ``""`` is what lies in the room itself: the vocabulary that the
emulator shares, a wire a file, the tasks of a session."""

MAX_LINES = 460
"""A file is read in one sitting."""

NOT_SANS_IO = {"anyio", "httpx", "asyncio", "trio", "time", "random", "socket", "uuid", "secrets", "os", "threading"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, realtime_transport; print(*[name for name in sys.argv[1:] if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_agent_costs_neither_a_connection_nor_a_schema() -> None:
    code = (
        "import sys; from realtime_transport import RealtimeAgent, handoff; "
        "RealtimeAgent(name='A', instructions='x', handoffs=[RealtimeAgent(name='B')]); "
        "print(*[name for name in ('httpx', 'msgspec', 'docstring_parser', 'websockets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_is_there() -> None:
    for name in realtime_transport.__all__:
        assert getattr(realtime_transport, name) is not None
    with pytest.raises(AttributeError):
        _ = realtime_transport.no_such_name
    assert set(realtime_transport.__all__) <= set(dir(realtime_transport))


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MAX_LINES, f"{path.name} has {lines} lines: look for the second thing in it"


def coroutines_of(path: Path) -> list[tuple[str, str]]:
    """The public coroutine functions and methods of a module: name and docstring, if they have one of their own."""
    found: list[tuple[str, str]] = []

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                collect(node.body, f"{node.name}.")
            elif isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
                found.append((prefix + node.name, ast.get_docstring(node) or ""))

    collect(ast.parse(path.read_text()).body, "")
    return [(name, said) for name, said in found if said]


REFERS = re.compile(r"\b[Ss]ee `|\b[Aa]s `")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_coroutine_says_what_its_cancellation_leaves_behind(path: Path) -> None:
    silent = [name for name, said in coroutines_of(path) if "cancel" not in said and not REFERS.search(said)]
    assert silent == [], "say it, or name the function that says it (See `other`)"


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else ""


def imports_of(path: Path) -> list[tuple[tuple[str, ...], str]]:
    """What a module imports at run time: (parts below the package, or empty; the top-level name)."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    found: list[tuple[tuple[str, ...], str]] = []

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            for alias in node.names:
                self.add(alias.name.split("."))

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.level:
                base = list(here[: len(here) - node.level])
                module = base + (node.module.split(".") if node.module else [])
                if len(module) == len(base):
                    for alias in node.names:
                        self.add(["realtime_transport", *module, alias.name])
                else:
                    self.add(["realtime_transport", *module])
            else:
                assert node.module
                self.add(node.module.split("."))

        def add(self, parts: list[str]) -> None:
            inside = tuple(parts[1:]) if parts[0] == "realtime_transport" else ()
            found.append((inside, parts[0]))

    Visitor().visit(ast.parse(path.read_text()))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downhill(path: Path) -> None:
    level = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    own = room_of(path.relative_to(PACKAGE).with_suffix("").parts)
    if own == "__init__":
        return  # The front door: its names are loaded on demand.
    assert own in level, f"which room is {own}?"
    for inside, _ in imports_of(path):
        room = room_of(inside)
        if room == own and own in SUB_ROOMS:
            assert_sub_rooms_run_downhill(path, inside)
        if room in ("", own):
            continue
        assert room in level, f"{path.name} imports from an unknown room {room}"
        assert level[room] < level[own], f"{path.name} in {own} imports uphill from {room}"


def assert_sub_rooms_run_downhill(path: Path, target: tuple[str, ...]) -> None:
    order = SUB_ROOMS[target[0]]

    def sub_room_of(parts: tuple[str, ...]) -> str:
        return parts[1] if len(parts) > 1 and (PACKAGE / parts[0] / parts[1]).is_dir() else ""

    own, other = sub_room_of(path.relative_to(PACKAGE).with_suffix("").parts), sub_room_of(target)
    if path.name == "__init__.py" and own == "":
        return  # The front door of the room.
    assert own in order, f"which sub-room of {target[0]} is {own}?"
    assert other in order, f"{path.name} imports from an unknown sub-room {other} of {target[0]}"
    assert order.index(other) <= order.index(own), f"{path.name} in {own} imports uphill from {other}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "protocol").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_protocol_is_sans_io(path: Path) -> None:
    assert not {name for _, name in imports_of(path)} & NOT_SANS_IO


def test_the_connection_holds_no_name_of_a_realtime_event() -> None:
    from realtime_transport.client_events import CLIENT_EVENTS
    from realtime_transport.server_events import SERVER_EVENTS

    text = "".join(path.read_text() for path in (PACKAGE / "connection").rglob("*.py"))
    for cls in (*SERVER_EVENTS, *CLIENT_EVENTS):
        if "." in cls.type:
            assert cls.type not in text
            assert cls.__name__ not in text
