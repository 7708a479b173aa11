"""A corpus against the emulator, whose right answers are known; and the page of a run."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_transport import AudioFormat, ConnectError, OpenAIRealtimeWebSocket
from realtime_transport.bench import (
    BargeIn,
    Bench,
    BenchPlan,
    BenchResults,
    Check,
    Corpus,
    Level,
    Line,
    Noted,
    Place,
    Price,
    Session,
    Turn,
    load_corpus,
)
from realtime_transport.bench.results import Row
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.replies import Reply, Speech
from realtime_transport.emulator.sound import AudioClip
from realtime_transport.errors import ConfigError
from realtime_transport.pages.bench_page import bench_page
from realtime_transport.replay import BargeInAt, WireWatch

AUDIO = Path(__file__).parents[2] / "examples/audio"
CONFIG = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus([AUDIO / "vm-options.wav"])


def opener(emulator: RealtimeEmulator) -> Callable[[Place], AbstractAsyncContextManager[Line]]:
    @asynccontextmanager
    async def connect(_place: Place) -> AsyncGenerator[Line]:
        url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
        transport = OpenAIRealtimeWebSocket(url=url, model="gpt-realtime-2.1", api_key="any")
        watch = WireWatch()
        with transport.observe(watch):
            async with transport.connect(initial_session_config=CONFIG):
                yield Line(transport=transport, watch=watch)

    return connect


def asked(emulator: RealtimeEmulator) -> Callable[[], Awaitable[Mapping[str, Noted]]]:
    async def noted() -> Mapping[str, Noted]:
        return {
            one.id: Noted(segments=tuple(one.segments), input_sha256=one.input_audio_sha256)
            for one in emulator.sessions
        }

    return noted


@pytest.mark.anyio
async def test_every_session_is_found_as_the_emulator_saw_it(corpus: Corpus, anyio_backend: str) -> None:
    rows: list[Row] = []
    async with RealtimeEmulator(audio_speed=None) as emulator:
        plan = BenchPlan(sessions=(1, 2), backends=(anyio_backend,), speed=None, utterances=1, stagger=0.0, settle=0.0)
        noted = asked(emulator)
        bench = Bench(plan=plan, corpus=corpus, connect=opener(emulator), found=rows.append, noted=noted)
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
    assert [row.key for row in rows if isinstance(row, Level)] == [
        ("websocket", anyio_backend, 1, 0),
        ("websocket", anyio_backend, 2, 0),
    ]
    checks = [row for row in rows if isinstance(row, Check)]
    assert [(row.segment_ms, row.segments_off, row.is_input_whole) for row in checks] == [(0.0, 0, True)] * 3
    echoes = [row.is_echo for row in turns if row.is_echo is not None]
    assert echoes
    assert all(echoes)


@pytest.mark.anyio
async def test_a_session_that_cannot_be_opened_is_a_row_and_the_others_go_on(corpus: Corpus) -> None:
    rows: list[Row] = []
    plan = BenchPlan(sessions=(3,), backends=("asyncio", "trio"), warm_up=0, stagger=0.0)
    await Bench(plan=plan, corpus=corpus, connect=refuse, found=rows.append).run()
    assert [row.errors for row in rows if isinstance(row, Session)] == [("ConnectError",)] * 3


@pytest.mark.anyio
async def test_sessions_connect_a_few_at_a_time_and_speak_when_all_are_open(corpus: Corpus, anyio_backend: str) -> None:
    """The third of five cannot be opened: nobody waits for it."""
    rows: list[Row] = []
    opening: set[int] = set()
    most, heard_early = 0, 0
    async with RealtimeEmulator(audio_speed=None) as emulator:
        connect = opener(emulator)

        @asynccontextmanager
        async def counted(place: Place) -> AsyncGenerator[Line]:
            nonlocal most, heard_early
            opening.add(place.session)
            most = max(most, len(opening))
            try:
                if place.session == 2:
                    raise ConnectError("refused")
                async with connect(place) as line:
                    opening.remove(place.session)
                    heard_early += sum(one.received["input_audio_buffer.append"] for one in emulator.sessions)
                    yield line
            finally:
                opening.discard(place.session)

        plan = BenchPlan(
            sessions=(5,),
            backends=(anyio_backend,),
            speed=None,
            utterances=1,
            warm_up=0,
            connects_at_once=2,
            stagger=0.0,
            settle=0.0,
        )
        await Bench(plan=plan, corpus=corpus, connect=counted, found=rows.append).run()
    assert most == 2
    assert heard_early == 0
    sessions = {row.session: row for row in rows if isinstance(row, Session)}
    assert sessions.pop(2).errors == ("ConnectError",)
    assert sorted(sessions) == [0, 1, 3, 4]
    assert all(row.finished for row in sessions.values())


@pytest.mark.anyio
async def test_a_server_that_refuses_is_told_by_the_warm_up(corpus: Corpus) -> None:
    rows: list[Row] = []
    plan = BenchPlan(sessions=(3,), backends=("asyncio", "trio"))
    with pytest.raises(ConnectError, match="refused"):
        await Bench(plan=plan, corpus=corpus, connect=refuse, found=rows.append).run()
    assert rows == []


@pytest.mark.anyio
async def test_a_budget_ends_everything_and_keeps_what_was_found(corpus: Corpus, anyio_backend: str) -> None:
    rows: list[Row] = []
    price = Price(text_in=1, text_cached=1, text_out=1, audio_in=1e6, audio_cached=1, audio_out=1e6)
    async with RealtimeEmulator(audio_speed=None) as emulator:
        plan = BenchPlan(
            sessions=(1, 3), backends=(anyio_backend,), speed=None, utterances=1, warm_up=0, settle=0.0, max_usd=1.0
        )
        bench = Bench(plan=plan, corpus=corpus, connect=opener(emulator), found=rows.append, price=price)
        await bench.run()
    assert bench.stopped == "max_usd"
    (session,) = [row for row in rows if isinstance(row, Session)]
    assert session.input_tokens > 0
    assert bench.spent == session.usd
    assert bench.spent > 1.0
    assert [row.sessions for row in rows if isinstance(row, Level)] == [1]


@pytest.mark.anyio
async def test_a_level_that_was_done_is_not_done_again(corpus: Corpus, anyio_backend: str) -> None:
    rows: list[Row] = []
    plan = BenchPlan(sessions=(1, 2), backends=(anyio_backend,), warm_up=0, stagger=0.0)
    done = frozenset({("websocket", anyio_backend, 1, 0)})
    bench = Bench(plan=plan, corpus=corpus, connect=refuse, found=rows.append, skip=done)
    await bench.run()
    assert {row.sessions for row in rows} == {2}
    assert bench.total == 2


@pytest.mark.anyio
async def test_the_user_talks_over_the_reply_as_planned(corpus: Corpus, anyio_backend: str) -> None:
    """A tenth of each reply is heard, at twenty times real time; the emulator sends it at once."""
    rows: list[Row] = []
    async with RealtimeEmulator(audio_speed=None, responder=chatter) as emulator:
        plan = BenchPlan(
            backends=(anyio_backend,), speed=20.0, utterances=2, warm_up=0, barge_in=BargeInAt(share=0.1), settle=0.0
        )
        await Bench(plan=plan, corpus=corpus, connect=opener(emulator), found=rows.append).run()
        (record,) = emulator.sessions
    barge_ins = [row for row in rows if isinstance(row, BargeIn)]
    assert barge_ins
    assert record.received["conversation.item.truncate"] >= 1
    # A tenth of a minute, less what was heard since the last report: 40 ms of real time are 800 ms of the reply.
    planned = [one for one in barge_ins if one.heard_ms >= 6000 - 800]
    assert planned
    assert all(one.silence is not None and one.acknowledged is not None for one in planned)
    assert all(one.truncation is not None and one.truncation <= (one.acknowledged or 0.0) for one in planned)


def chatter(_turn: Any) -> Reply:
    return Reply(outputs=[Speech(text="Chat", audio=AudioClip(bytes(2_880_000), AudioFormat.PCM24K))])


@asynccontextmanager
async def refuse(_place: Place) -> AsyncGenerator[Line]:
    raise ConnectError("refused")
    yield  # What makes it a generator.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sessions", ()),
        ("sessions", (0,)),
        ("sessions", (2, 2)),
        ("speed", 0.0),
        ("repeats", 0),
        ("max_seconds", -1.0),
        ("max_usd", 0.0),
        ("transports", ("carrier pigeon",)),
        ("backends", ()),
        ("warm_up", -1),
        ("connects_at_once", 0),
        ("tail_ms", -1.0),
    ],
)
def test_a_plan_that_makes_no_sense(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name):
        BenchPlan(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"transports": ("webrtc",), "speed": 4.0}, "pace of real time"),
        ({"transports": ("webrtc",), "commit": True}, "not known exactly"),
        ({"transports": ("webrtc",), "barge_in": BargeInAt(share=0.5)}, "seconds instead of a share"),
        ({"commit": True, "barge_in": BargeInAt(seconds=1.0)}, "turn detection"),
    ],
)
def test_a_plan_whose_parts_do_not_go_together(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
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
