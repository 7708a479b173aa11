"""The fixture ``realtime_recording``: a test runs against a real server once, and from then on against a recording.

    @pytest.mark.anyio
    @pytest.mark.realtime_recording("weather")
    async def test_weather(realtime_recording):
        transport = realtime_recording.transport(lambda: OpenAIRealtimeWebSocket(model="gpt-realtime-2.1"))
        async with transport.connect():
            ...

``pytest --realtime-record=MODE`` chooses what happens; the recordings are in ``recordings/`` beside the test:

* ``none`` (the default, and right for continuous integration): play; a missing recording fails the test.
* ``once``: record a test that has no recording yet, play the others.
* ``new_episodes``: play existing recordings, and record the transports that have none.
* ``all``: record everything again.

Recording requires that the fixture ``realtime_recording_options`` (arguments of
`realtime_transport.recording.record`) names one of ``words``, ``audio`` and ``scrub``, for instance
``{"words": "keep"}``: what a recording keeps must be chosen.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["RecordMode", "RecordedTransports", "realtime_recording", "realtime_recording_options"]

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all"]

_MODES: tuple[RecordMode, ...] = ("none", "once", "new_episodes", "all")
_SCRUBBING = frozenset({"words", "audio", "scrub"})


@attrs.define(eq=False)
class RecordedTransports:
    """Makes the transports of one test: each is recorded into, or played from, its own file.

    Attributes:
        folder: The folder of the recordings.
        name: Their name: ``NAME.rtrec``, ``NAME-2.rtrec``, …
        mode: See the module.
        options: Arguments of `realtime_transport.recording.record`.
        replay_options: Arguments of `realtime_transport.recording.ReplayTransport`; as fast as possible if not given.
    """

    folder: Path
    name: str
    mode: RecordMode
    options: dict[str, Any]
    replay_options: dict[str, Any]
    _episodes: int = attrs.field(default=0, init=False)
    _new: bool = attrs.field(init=False)
    _stack: ExitStack = attrs.field(factory=ExitStack, init=False)
    _finished: list[tuple[Path, Path]] = attrs.field(factory=list[tuple[Path, Path]], init=False)

    def __attrs_post_init__(self) -> None:
        self._new = not self._path(1).exists()

    def transport(self, make: Callable[[], OpenAIRealtimeBase]) -> OpenAIRealtimeBase:
        """The next transport of the test: one that plays a recording, or the result of *make*, recorded.

        Raises:
            pytest.fail.Exception: There is no recording, or nothing says how to scrub it.
        """
        self._episodes += 1
        path = self._path(self._episodes)
        if not self._records(path):
            from realtime_transport.recording.replay import ReplayTransport

            if not path.exists():
                pytest.fail(f"there is no recording {path}; make it with: pytest --realtime-record=once", pytrace=False)
            options: dict[str, Any] = {"pace": "asap", **self.replay_options}
            return ReplayTransport(path, **options)
        if not _SCRUBBING & self.options.keys():
            pytest.fail(
                "nothing chooses what the recording keeps of words and sound; override the fixture "
                "realtime_recording_options, for instance with {'words': 'keep', 'audio': 'keep'}",
                pytrace=False,
            )
        from realtime_transport.recording.record import open_recorder

        transport = make()
        fresh = path.with_name(f".{path.stem}.new.rtrec")
        shutil.rmtree(fresh, ignore_errors=True)
        recorder = open_recorder(transport.wire, fresh, **self.options)
        self._stack.callback(recorder.close)
        self._stack.enter_context(transport.observe(recorder))
        self._finished.append((fresh, path))
        return transport

    def _path(self, episode: int) -> Path:
        return self.folder / (f"{self.name}.rtrec" if episode == 1 else f"{self.name}-{episode}.rtrec")

    def _records(self, path: Path) -> bool:
        match self.mode:
            case "none":
                return False
            case "once":
                return self._new
            case "new_episodes":
                return not path.exists()
            case "all":
                return True

    def close(self, *, keep: bool) -> None:
        """Finish the new recordings: with *keep* they replace the old ones, otherwise they are deleted."""
        self._stack.close()
        for fresh, path in self._finished:
            if keep:
                shutil.rmtree(path, ignore_errors=True)
                fresh.rename(path)
            else:
                shutil.rmtree(fresh)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--realtime-record``."""
    parser.addoption(
        "--realtime-record",
        choices=_MODES,
        default="none",
        help="tests marked with realtime_recording: play (none), record what is new (once, new_episodes), record all",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "realtime_recording(name): the recording that a test is played from")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test passed: a failed test does not replace its recording."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


_PASSED = pytest.StashKey[bool]()


@pytest.fixture
def realtime_recording_options() -> dict[str, Any]:
    """Arguments of `realtime_transport.recording.record`; override this fixture before anything can be recorded."""
    return {}


@pytest.fixture
def realtime_replay_options() -> dict[str, Any]:
    """Arguments of `realtime_transport.recording.ReplayTransport`; override this fixture to give some."""
    return {}


@pytest.fixture
def realtime_recording(
    request: pytest.FixtureRequest,
    realtime_recording_options: dict[str, Any],
    realtime_replay_options: dict[str, Any],
) -> Generator[RecordedTransports]:
    """Transports that are played from a recording, or recorded, as ``--realtime-record`` says."""
    marker = request.node.get_closest_marker("realtime_recording")
    name = str(marker.args[0]) if marker is not None and marker.args else request.node.name
    transports = RecordedTransports(
        folder=request.path.parent / "recordings",
        name="".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name),
        mode=cast("RecordMode", request.config.getoption("--realtime-record")),
        options=realtime_recording_options,
        replay_options=realtime_replay_options,
    )
    yield transports
    transports.close(keep=request.node.stash.get(_PASSED, False))
