"""Plays a corpus: level after level, so many sessions at once, each on its own connection."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.sources import FileSource
from realtime_transport.bench.results import Level, Session, Turn
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.errors import RealtimeError
from realtime_transport.replay import Recording, Replay
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from realtime_transport.bench.corpus import Corpus, Utterance
    from realtime_transport.bench.plan import BenchPlan
    from realtime_transport.bench.results import Row
    from realtime_transport.replay import ReplayReport
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["Bench"]


@attrs.define(eq=False, kw_only=True)
class Bench:
    """Runs a plan.

    ::

        corpus = load_corpus(["audio/"])
        bench = Bench(plan=BenchPlan(sessions=(1, 10)), corpus=corpus, connect=connect, found=rows.append)
        await bench.run()

    Args:
        plan: What to do.
        corpus: What to play.
        connect: Opens one session: an async context manager that gives a connected transport, without an audio source
            and with turn detection as the plan wants it.
        found: Takes each row as soon as it is known. It must not wait.
        format: The audio format of the sessions, both ways.
        clock: Where time comes from.
    """

    plan: BenchPlan
    corpus: Corpus
    connect: Callable[[], AbstractAsyncContextManager[OpenAIRealtimeBase]]
    found: Callable[[Row], None]
    format: AudioFormat = AudioFormat.PCM24K
    clock: Clock = attrs.field(factory=EventLoopClock)
    _began: float = attrs.field(default=0.0, init=False)
    _audio_seconds: float = attrs.field(default=0.0, init=False)
    _grown: float = attrs.field(default=0.0, init=False)
    _running: int = attrs.field(default=0, init=False)
    _ended: int = attrs.field(default=0, init=False)

    @property
    def running(self) -> int:
        """Sessions that are open or opening now."""
        return self._running

    @property
    def ended(self) -> int:
        """Sessions that have ended so far, those of the warm-up not counted."""
        return self._ended

    @property
    def total(self) -> int:
        """Sessions that the plan has in all."""
        return sum(self.plan.sessions) * self.plan.repeats

    async def run(self) -> None:
        """Run the plan. If cancelled, what was found so far has been told.

        A session that cannot be opened, or is lost, is a row with its error; the others go on.
        """
        self._began = self.clock.now()
        for number in range(self.plan.warm_up):
            await self._session(1, number, 0, counts=False)
        for sessions in self.plan.sessions:
            for repeat in range(self.plan.repeats):
                if self._is_late():
                    return
                await self._level(sessions, repeat)

    def _is_late(self) -> bool:
        limit = self.plan.max_seconds
        return limit is not None and self.clock.now() - self._began >= limit

    async def _level(self, sessions: int, repeat: int) -> None:
        began, cpu, memory = self.clock.now(), time.process_time(), _memory_kb()
        self._audio_seconds = 0.0
        ended = self._ended
        async with open_task_group() as tasks:
            for number in range(sessions):
                tasks.start_soon(self._one_of, sessions, number, repeat, name=f"bench session {number}")
            # When all of them have begun, and the first has not ended.
            await self.clock.sleep_until(began + self.plan.stagger + 0.5)
            self._grown = max(0.0, _memory_kb() - memory)
        seconds, spent = self.clock.now() - began, time.process_time() - cpu
        self.found(
            Level(
                sessions=sessions,
                seconds=seconds,
                cpu_seconds=spent,
                cpu_per_session=spent / self._audio_seconds if self._audio_seconds else 0.0,
                memory_kb=self._grown / sessions,
                finished=self._ended - ended == sessions,
            )
        )

    async def _one_of(self, sessions: int, number: int, repeat: int) -> None:
        await self.clock.sleep_until(self.clock.now() + self.plan.stagger * number / sessions)
        if self._is_late():
            return
        await self._session(sessions, number, repeat, counts=True)

    async def _session(self, sessions: int, number: int, repeat: int, *, counts: bool) -> None:
        utterances = list(self._deal(number, repeat))
        began = self.clock.now()
        connected: float | None = None
        errors: tuple[str, ...] = ()
        replay: Replay | None = None
        self._running += 1
        try:
            async with AsyncExitStack() as stack:
                recordings = [await self._open(utterance, stack) for utterance in utterances]
                transport = await stack.enter_async_context(self.connect())
                connected = self.clock.now() - began
                replay = self._replay(transport, recordings)
                await replay.run()
        except RealtimeError as exc:
            errors = (type(exc).__name__,)
        finally:
            self._running -= 1
            if counts:
                self._ended += 1
                report = None if replay is None else _report_of(replay)
                place = {"sessions": sessions, "session": number, "repeat": repeat}
                self._tell(place, report, utterances, connected, self.clock.now() - began, errors)

    def _deal(self, number: int, repeat: int) -> Iterator[Utterance]:
        """Round the corpus, so that all of it is played when there are enough sessions."""
        all_of = self.corpus.utterances
        first = (number + repeat) * self.plan.utterances
        for index in range(self.plan.utterances):
            yield all_of[(first + index) % len(all_of)]

    async def _open(self, utterance: Utterance, stack: AsyncExitStack) -> Recording:
        source = FileSource(utterance.path, format=self.format)
        stack.push_async_callback(source.aclose)
        await source.open()
        return Recording(name=utterance.name, source=source)

    def _replay(self, transport: OpenAIRealtimeBase, recordings: Sequence[Recording]) -> Replay:
        plan = self.plan
        return Replay(
            transport=transport,
            recordings=recordings,
            format=self.format,
            speed=plan.speed,
            commit=plan.commit,
            tail_ms=plan.tail_ms,
            settle=plan.settle,
            reply_timeout=plan.reply_timeout,
            clock=self.clock,
        )

    def _tell(
        self,
        place: dict[str, Any],
        report: ReplayReport | None,
        utterances: Sequence[Utterance],
        connected: float | None,
        seconds: float,
        errors: tuple[str, ...],
    ) -> None:
        if report is None:
            self.found(Session(**place, connect=connected, seconds=seconds, errors=errors))
            return
        self._audio_seconds += report.input_bytes / self.format.bytes_per_second
        for turn in _turns(report, utterances):
            self.found(Turn(**place, **turn))
        late = report.recordings
        self.found(
            Session(
                **place,
                connect=connected,
                seconds=seconds,
                late_p50_ms=max((one.late_p50_ms for one in late), default=0.0),
                late_p99_ms=max((one.late_p99_ms for one in late), default=0.0),
                late_max_ms=max((one.late_max_ms for one in late), default=0.0),
                frames=sum(one.frames for one in late),
                input_sha256=report.input_sha256,
                errors=(*report.errors, *errors),
                finished=report.finished and not report.unanswered,
            )
        )


def _report_of(replay: Replay) -> ReplayReport | None:
    try:
        return replay.report()
    except RuntimeError:  # It has not begun.
        return None


def _turns(report: ReplayReport, utterances: Sequence[Utterance]) -> Iterator[dict[str, Any]]:
    words = {utterance.name: utterance.words for utterance in utterances}
    replies = {reply.answers: reply for reply in report.replies if reply.answers is not None}
    for turn in report.turns:
        reply = replies.get(turn.item_id)
        yield {
            "recording": turn.recording,
            "start_ms": turn.start_ms,
            "end_ms": turn.end_ms,
            "latency": None if reply is None else reply.latency,
            "reply_seconds": 0.0 if reply is None else reply.audio_seconds,
            "status": None if reply is None else reply.status,
            "words": turn.transcript,
            "expected": words.get(turn.recording),
        }


def _memory_kb() -> float:
    """What the process holds now, in kB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a path of a user
            pages = int(file.read().split()[1])
    except OSError:
        return 0.0
    import resource

    return pages * resource.getpagesize() / 1024
