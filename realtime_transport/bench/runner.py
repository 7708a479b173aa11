"""Plays a corpus: level after level, with the level's number of sessions at once, each on its own connection."""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sources import FileSource
from realtime_transport.bench.plan import Place
from realtime_transport.bench.ready_barrier import ReadyBarrier
from realtime_transport.bench.results import Level, Session, Turn
from realtime_transport.bench.rows import Noted, barge_in_rows, check_row, session_figures, turn_rows
from realtime_transport.clock import Clock, EventLoopClock, in_trio
from realtime_transport.errors import RealtimeError
from realtime_transport.replay import Listener, Recording, Replay
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from realtime_transport.bench.corpus import Corpus, Utterance
    from realtime_transport.bench.plan import BenchPlan, LevelKey
    from realtime_transport.bench.prices import Price
    from realtime_transport.bench.results import Row
    from realtime_transport.replay import ReplayReport, WireWatch
    from realtime_transport.rtc.jitter import JitterStatistics
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["Bench", "Line"]

LOOK_AT_BUDGET_EVERY = 0.25
"""Seconds between two checks of the budget."""


@attrs.frozen(kw_only=True)
class Line:
    """An open session without an audio source.

    Attributes:
        transport: The session.
        send: Sends audio instead of ``transport.send_audio``, on a wire that carries it as media.
        watch: The observer given to ``transport.observe`` before connecting; without it truncations are not timed.
        sound: Gives the statistics of the jitter buffer, on a wire that has one.
        recorded: The path of the session's recording.
    """

    transport: OpenAIRealtimeBase
    send: Callable[[bytes], Awaitable[None]] | None = None
    watch: WireWatch | None = None
    sound: Callable[[], JitterStatistics | None] | None = None
    recorded: str | None = None


@attrs.define(eq=False, kw_only=True)
class Bench:
    """Runs a plan on the event loop that it is called from.

    ::

        corpus = load_corpus(["audio/"])
        bench = Bench(plan=BenchPlan(sessions=(1, 10)), corpus=corpus, connect=connect, found=rows.append)
        await bench.run()

    Args:
        plan: The plan. Of its backends only the running one is used.
        corpus: The recordings.
        connect: Opens one session: an async context manager that gives a `Line`, with the turn detection of the plan.
        found: Called with each row as soon as it is known. It must not block; an exception of it ends the run.
        price: The prices of tokens.
        noted: Gives the emulator's record of each session by its id; called after each level, for `Check` rows. The
            emulator must repeat what is said.
        skip: Levels that were done before.
        spent: What was spent before, in USD.
        format: The audio format of the sessions, both ways.
        clock: The clock that paces the sessions.
    """

    plan: BenchPlan
    corpus: Corpus
    connect: Callable[[Place], AbstractAsyncContextManager[Line]]
    found: Callable[[Row], None]
    price: Price | None = None
    noted: Callable[[], Awaitable[Mapping[str, Noted]]] | None = None
    skip: frozenset[LevelKey] = frozenset()
    spent: float = 0.0
    format: AudioFormat = AudioFormat.PCM24K
    clock: Clock = attrs.field(factory=EventLoopClock)
    _stopped: str | None = attrs.field(default=None, init=False)
    _began: float | None = attrs.field(default=None, init=False)
    _audio_seconds: float = attrs.field(default=0.0, init=False)
    _grown: float = attrs.field(default=0.0, init=False)
    _live: dict[Place, Replay] = attrs.field(factory=dict[Place, Replay], init=False)
    _ended_here: list[tuple[Session, list[Turn]]] = attrs.field(factory=list[tuple[Session, list[Turn]]], init=False)
    _running: int = attrs.field(default=0, init=False)
    _ended: int = attrs.field(default=0, init=False)

    @property
    def open_sessions(self) -> dict[Place, Replay]:
        """The sessions that are playing, each with its replay."""
        return dict(self._live)

    @property
    def running(self) -> int:
        """The number of sessions that are open or opening."""
        return self._running

    @property
    def ended(self) -> int:
        """The number of sessions that have ended, without the warm-up."""
        return self._ended

    @property
    def total(self) -> int:
        """The number of all sessions of this run."""
        backend = "trio" if in_trio() else "asyncio"
        return sum(key[2] for key in self.plan.levels(backend) if key not in self.skip)

    @property
    def stopped(self) -> str | None:
        """Which limit ended the run before its end, ``"max_seconds"`` or ``"max_usd"``; ``None`` if none did."""
        return self._stopped

    async def run(self) -> None:
        """Run the plan. If cancelled, *found* has been called with what was found so far.

        A session that cannot be opened, or is lost, is a row with its error; the others go on.

        Raises:
            RealtimeError: A session of the warm-up failed: the others would fail, too.
        """
        self.begin()
        backend = "trio" if in_trio() else "asyncio"
        levels = [key for key in self.plan.levels(backend) if key not in self.skip]
        await self.warm_up(dict.fromkeys(key[0] for key in levels))
        for key in levels:
            if self._is_over():
                return
            await self.level(key, range(key[2]))

    def begin(self) -> None:
        """Start the time of ``max_seconds``; `run` does it."""
        self._began = self.clock.now()

    async def warm_up(self, transports: Iterable[str]) -> None:
        """Run the sessions that do not count, over each of the *transports*. If cancelled, they are closed.

        Raises:
            RealtimeError: A session failed.
        """
        for transport in transports:
            for number in range(self.plan.warm_up):
                async with ReadyBarrier(1, 1).turn() as ready:
                    place = Place(sessions=1, session=number, repeat=-1, transport=transport)
                    await self._session(place, ready, counts=False)

    async def level(self, key: LevelKey, numbers: Sequence[int]) -> None:
        """Run the sessions of a level with these *numbers*, all at once.

        They connect a few at a time, and begin to speak once all are open: the time of the level is measured from then.

        If cancelled, each session that was running has been reported with what it found, and the level has not.
        """
        transport, backend, sessions, repeat = key
        began, cpu, memory = self.clock.now(), time.process_time(), _memory_kb()
        self._audio_seconds, self._grown = 0.0, 0.0
        self._ended_here.clear()
        barrier = ReadyBarrier(len(numbers), self.plan.connects_at_once)
        async with open_task_group() as watchers:
            async with open_task_group() as tasks:
                if self.plan.max_usd is not None:
                    watchers.start_soon(self._watch_budget, tasks, self.plan.max_usd, name="budget")
                for number in numbers:
                    place = Place(
                        sessions=sessions, session=number, repeat=repeat, transport=transport, backend=backend
                    )
                    tasks.start_soon(self._one_of, place, barrier, name=f"bench session {number}")
                await barrier.wait()
                began, cpu = self.clock.now(), time.process_time()
                # All of them have begun, and none has ended.
                await self.clock.sleep_until(began + self.plan.stagger + 0.5)
                self._grown = max(0.0, _memory_kb() - memory)
            watchers.cancel_scope.cancel()
        seconds, spent = self.clock.now() - began, time.process_time() - cpu
        await self._check()
        self.found(
            Level(
                sessions=sessions,
                repeat=repeat,
                transport=transport,
                backend=backend,
                seconds=seconds,
                cpu_seconds=spent,
                cpu_per_session=spent / self._audio_seconds if self._audio_seconds else 0.0,
                audio_seconds=self._audio_seconds,
                memory_kb=self._grown / len(numbers),
                finished=len(self._ended_here) == len(numbers) and self._stopped != "max_usd",
            )
        )

    async def _check(self) -> None:
        if self.noted is None:
            return
        noted = await self.noted()
        for session, turns in self._ended_here:  # Audio of an unfinished session may still be on its way.
            row = check_row(session, turns, noted) if session.finished else None
            if row is not None:
                self.found(row)

    def _is_over(self) -> bool:
        """Whether no more sessions may begin."""
        if self._stopped is None:
            limit, began = self.plan.max_seconds, self._began
            if limit is not None and began is not None and self.clock.now() - began >= limit:
                self._stopped = "max_seconds"
            elif self.plan.max_usd is not None and self.spent >= self.plan.max_usd:
                self._stopped = "max_usd"
        return self._stopped is not None

    async def _watch_budget(self, tasks: TaskGroup, limit: float) -> None:
        while self.spent + sum(self._cost(replay.report()) for replay in self._live.values()) < limit:
            await self.clock.sleep_until(self.clock.now() + LOOK_AT_BUDGET_EVERY)
        self._stopped = "max_usd"
        tasks.cancel_scope.cancel()

    def _cost(self, report: ReplayReport) -> float:
        return 0.0 if self.price is None else sum(map(self.price.of, report.replies))

    async def _one_of(self, place: Place, barrier: ReadyBarrier) -> None:
        async with barrier.turn() as ready:

            async def begin() -> None:
                await ready()
                await self.clock.sleep_until(self.clock.now() + self.plan.stagger * place.session / place.sessions)

            if not self._is_over():
                await self._session(place, begin, counts=True)

    async def _session(self, place: Place, begin: Callable[[], Awaitable[None]], *, counts: bool) -> None:
        """Open a session, wait until it may *begin*, and play its part of the corpus."""
        utterances = list(self._deal(place))
        began = self.clock.now()
        connected: float | None = None
        errors: tuple[str, ...] = ()
        replay: Replay | None = None
        line: Line | None = None
        sound: dict[str, Any] = {}
        self._running += 1
        try:
            async with AsyncExitStack() as stack:
                recordings = [await self._open(utterance, stack) for utterance in utterances]
                began = self.clock.now()
                line = await stack.enter_async_context(self.connect(place))
                connected = self.clock.now() - began
                await begin()
                began = self.clock.now() - connected  # The wait for the others is no part of it.
                replay = self._replay(line, self._with_barge_ins(recordings, utterances))
                self._live[place] = replay
                try:
                    await replay.run()
                finally:
                    sound = _sound(line)
        except RealtimeError as exc:
            errors = (type(exc).__name__,)
            if not counts:
                raise
        finally:
            self._running -= 1
            self._live.pop(place, None)
            report = None if replay is None else _report_of(replay)
            self.spent += 0.0 if report is None else self._cost(report)
            if counts:
                self._ended += 1
                session = Session(
                    **attrs.asdict(place),
                    connect=connected,
                    seconds=self.clock.now() - began,
                    errors=(*(report.errors if report else ()), *errors),
                    recorded=None if line is None else line.recorded,
                    usd=None if report is None or self.price is None else self._cost(report),
                    **({} if report is None else session_figures(report)),
                    **sound,
                )
                self._report(place, session, report, utterances)

    def _deal(self, place: Place) -> Iterator[Utterance]:
        """Deal out the corpus in turn, so that enough sessions play all of it."""
        all_of = self.corpus.utterances
        first = (place.session + place.repeat) * self.plan.utterances
        for index in range(self.plan.utterances):
            yield all_of[(first + index) % len(all_of)]

    async def _open(self, utterance: Utterance, stack: AsyncExitStack) -> Recording:
        source = FileSource(utterance.path, format=self.format)
        stack.push_async_callback(source.aclose)
        await source.open()
        return Recording(name=utterance.name, source=source)

    def _with_barge_ins(self, recordings: Sequence[Recording], utterances: Sequence[Utterance]) -> list[Recording]:
        """The recordings with their barge-ins; the first of a session has no reply to interrupt."""
        planned = [utterance.barge_in or self.plan.barge_in for utterance in utterances]
        if self.plan.commit or not recordings:
            return list(recordings)
        later = zip(recordings[1:], planned[1:], strict=True)
        return [recordings[0], *(attrs.evolve(recording, barge_in=barge_in) for recording, barge_in in later)]

    def _replay(self, line: Line, recordings: Sequence[Recording]) -> Replay:
        plan = self.plan
        return Replay(
            transport=line.transport,
            recordings=recordings,
            format=self.format,
            speed=plan.speed,
            commit=plan.commit,
            tail_ms=plan.tail_ms,
            settle=plan.settle,
            reply_timeout=plan.reply_timeout,
            send=line.send,
            listener=Listener(self.format, plan.speed),
            watch_wire=line.watch,
            digests=self.noted is not None,
            clock=self.clock,
        )

    def _report(
        self, place: Place, session: Session, report: ReplayReport | None, utterances: Sequence[Utterance]
    ) -> None:
        turns = [] if report is None else list(turn_rows(place, report, utterances))
        if report is not None:
            self._audio_seconds += report.input_bytes / self.format.bytes_per_second
            for row in (*turns, *barge_in_rows(place, report)):
                self.found(row)
        self.found(session)
        self._ended_here.append((session, turns))


def _report_of(replay: Replay) -> ReplayReport | None:
    try:
        return replay.report()
    except RuntimeError:  # The replay has not begun.
        return None


def _sound(line: Line) -> dict[str, Any]:
    found = None if line.sound is None else line.sound()
    if found is None or not found.received:
        return {}
    return {
        "lost_packets": 100 * found.lost / (found.received + found.lost),
        "made_up_ms": float(20 * found.lost + found.stretched_ms),
    }


def _memory_kb() -> float:
    """The resident memory of the process in kB; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0.0
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a path of a user
            pages = int(file.read().split()[1])
    except OSError:
        return 0.0
    import resource

    return pages * resource.getpagesize() / 1024
