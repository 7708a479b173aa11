"""Classes whose methods are made later behave as those of `attrs` that are made at once."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import threading
from typing import ClassVar

import attrs
import pytest

import realtime_transport
from realtime_transport import server_events
from realtime_transport.late_classes import FIRST_OBJECTS, define, frozen


@attrs.frozen(kw_only=True)
class Point:
    """At once."""

    name: ClassVar[str] = "point"

    x: int
    y: list[int] = attrs.field(factory=list[int], hash=False)
    secret: str = attrs.field(default="", repr=lambda text: f"<{len(text)}>", eq=False)
    _hidden: int = attrs.field(default=0, repr=False)

    @property
    def double(self) -> int:
        return 2 * self.x


@attrs.frozen(kw_only=True)
class Place(Point):
    x: int = 7
    z: int = 1

    def __attrs_post_init__(self) -> None:
        if self.z < 0:
            raise ValueError("z")


@frozen()
class LatePoint:
    """Later."""

    name: ClassVar[str] = "point"

    x: int
    y: list[int] = attrs.field(factory=list[int], hash=False)
    secret: str = attrs.field(default="", repr=lambda text: f"<{len(text)}>", eq=False)
    _hidden: int = attrs.field(default=0, repr=False)

    @property
    def double(self) -> int:
        return 2 * self.x


@frozen()
class LatePlace(LatePoint):
    x: int = 7
    z: int = 1

    def __attrs_post_init__(self) -> None:
        if self.z < 0:
            raise ValueError("z")


PAIRS = pytest.mark.parametrize(("at_once", "later"), [(Point, LatePoint), (Place, LatePlace)])


@PAIRS
def test_fields_and_signature_are_the_same(at_once: type, later: type) -> None:
    assert [field.name for field in attrs.fields(later)] == [field.name for field in attrs.fields(at_once)]
    assert [(f.default, f.inherited, f.kw_only, f.eq, f.hash) for f in attrs.fields(later)] == [
        (f.default, f.inherited, f.kw_only, f.eq, f.hash) for f in attrs.fields(at_once)
    ]
    assert inspect.signature(later) == inspect.signature(at_once)
    assert later.__name__ == "Late" + at_once.__name__
    assert later.__module__ == at_once.__module__
    assert later.name == "point"


@PAIRS
def test_objects_behave_the_same(at_once: type, later: type) -> None:
    a, b = at_once(x=1, y=[2], secret="abc", hidden=4), later(x=1, y=[2], secret="abc", hidden=4)
    assert repr(b) == "Late" + repr(a)
    assert "abc" not in repr(b)
    assert b == later(x=1, y=[2], secret="other", hidden=4)
    assert b != later(x=1, y=[2], secret="abc", hidden=5)
    assert b != a
    assert hash(b) == hash(later(x=1, y=[3], hidden=4))
    assert b.double == 2
    assert attrs.asdict(b) == attrs.asdict(a)
    assert attrs.evolve(b, x=9).x == 9
    assert not hasattr(b, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        b.x = 2
    with pytest.raises(TypeError):
        later(1)
    for other in (copy.copy(b), copy.deepcopy(b), pickle.loads(pickle.dumps(b))):
        assert other == b


@attrs.define(eq=False, repr=False)
class Worker:
    """At once."""

    _first: int
    second: list[int] = attrs.field(factory=list[int])
    third: str = attrs.field(default="c", alias="other")
    inner: int = attrs.field(default=5, init=False)
    unset: int = attrs.field(init=False)


@attrs.define(eq=False, repr=False)
class Foreman(Worker):
    extra: int = 3


@define()
class LateWorker:
    """Later."""

    _first: int
    second: list[int] = attrs.field(factory=list[int])
    third: str = attrs.field(default="c", alias="other")
    inner: int = attrs.field(default=5, init=False)
    unset: int = attrs.field(init=False)


@define()
class LateForeman(LateWorker):
    extra: int = 3


CALLS: list[tuple[tuple[object, ...], dict[str, object]]] = [
    ((1,), {}),
    ((1, [2]), {"other": "x"}),
    ((), {"first": 1, "second": [3]}),
    ((), {}),
    ((1,), {"first": 2}),
    ((1,), {"third": "x"}),
    ((1,), {"inner": 2}),
    ((1, [2], "x", 4, 5), {}),
    ((1, [2], "x", 4), {}),
]


def outcome(cls: type, args: tuple[object, ...], given: dict[str, object]) -> object:
    try:
        made = cls(*args, **given)
    except TypeError as error:
        return str(error).replace("Late", "")
    made.inner += 1
    return {name: getattr(made, name, "unset") for name in ("_first", "second", "third", "inner", "unset", "extra")}


@pytest.mark.parametrize("made_before", [0, FIRST_OBJECTS + 1])
@pytest.mark.parametrize(("at_once", "later"), [(Worker, LateWorker), (Foreman, LateForeman)])
def test_a_worker_takes_the_same_arguments(at_once: type, later: type, made_before: int) -> None:
    for _ in range(made_before):
        later(1)
    for args, given in CALLS:
        assert outcome(later, args, given) == outcome(at_once, args, given)
    assert later(1).second is not later(1).second


def test_the_first_objects_are_as_frozen_as_the_later_ones() -> None:
    @frozen()
    class Fresh:
        x: int = 1

    first = Fresh()
    for _ in range(3 * FIRST_OBJECTS):
        for change in (lambda: setattr(first, "x", 2), lambda: delattr(first, "x")):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                change()
        assert first == Fresh()
        assert hash(first) == hash(Fresh(x=1))
        assert not hasattr(first, "__dict__")


def test_what_a_class_checks_is_checked() -> None:
    assert LatePlace().x == 7
    with pytest.raises(ValueError, match="z"):
        LatePlace(z=-1)


def test_a_subclass_of_the_user_may_have_an_init_of_its_own() -> None:
    @frozen()
    class Base:
        x: int

    class Mine(Base):
        def __init__(self) -> None:
            super().__init__(x=3)

    assert Mine().x == 3
    assert attrs.fields(Mine) == attrs.fields(Base)


def test_an_object_can_be_unpickled_where_none_was_made() -> None:
    data = pickle.dumps(server_events.Ping(event_id="e"))
    code = f"import pickle; print(pickle.loads({data!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Ping(event_id='e')"


def test_importing_the_events_makes_no_methods() -> None:
    code = (
        "import linecache, realtime_transport.server_events as s;"
        "made = lambda: [name for name in linecache.cache if 'Ping' in name or 'ResponseDone' in name];"
        "print(made()); s.Ping(); print(made()); [s.Ping() for _ in range(10_000)]; print(len(made()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "1"]


def test_many_threads_make_the_first_object_together() -> None:
    for _ in range(50):

        @frozen()
        class Fresh:
            x: int = 1

        made: list[object] = []
        barrier = threading.Barrier(4)

        def make(cls: type = Fresh, barrier: threading.Barrier = barrier, made: list[object] = made) -> None:
            barrier.wait()
            made.append(cls(x=5).x)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [5] * 4


def test_no_method_of_such_a_class_means_another_class() -> None:
    for module in pkgutil.walk_packages(realtime_transport.__path__, "realtime_transport."):
        if module.name.split(".")[1] not in ("protocol", "connection", "transports"):
            continue
        for cls in vars(importlib.import_module(module.name)).values():
            if not isinstance(cls, type) or not attrs.has(cls):
                continue
            for name, member in vars(cls).items():
                function = getattr(member, "fget", member)
                code = getattr(function, "__code__", None)
                if code is not None and not code.co_filename.startswith("<attrs"):
                    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
                    assert "__class__" not in cells or cells["__class__"].cell_contents is cls, (cls, name)
