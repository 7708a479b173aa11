"""Playing recordings into a session that is open."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.capture import CapturePump
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.playback import PlaybackKey, PlaybackPump
from realtime_transport.audio.sources import BytesSource
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.engine.events import AudioEvent, AudioInterruptedEvent
from realtime_transport.replay.recorder import Recorder
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.audio.sources import AudioSource
    from realtime_transport.replay.listener import Listener
    from realtime_transport.replay.report import ReplayReport
    from realtime_transport.replay.timeline import TimelineEntry
    from realtime_transport.replay.wire_watch import WireWatch
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["BargeInAt", "Progress", "Recording", "Replay"]

REPORT_EVERY = 0.04
"""Seconds between two words to the transport about how much the listener has heard."""


@named_fields
@attrs.frozen(kw_only=True)
class Recording:
    """Something to play.

    Attributes:
        name: How the report calls it.
        source: Its audio. It is not closed.
        barge_in: Talk over the reply to the recording before, instead of waiting for its end: ``None``: do not.
    """

    name: str
    source: AudioSource
    barge_in: BargeInAt | None = None


@attrs.frozen(kw_only=True)
class BargeInAt:
    """When a recording talks over a reply; exactly one of both.

    Attributes:
        seconds: When so much of the reply has been heard.
        share: When that share of it has been heard, 0 to 1; how long it is is known once all of it has arrived.

    Raises:
        ConfigError: Both or neither, or out of range.
    """

    seconds: float | None = None
    share: float | None = None

    def __attrs_post_init__(self) -> None:
        if (self.seconds is None) == (self.share is None):
            raise ConfigError("barge_in: seconds or a share, one of both", key="barge_in")
        if self.seconds is not None and not self.seconds >= 0:
            raise ConfigError(f"barge_in: {self.seconds} seconds; 0 or more expected", key="barge_in")
        if self.share is not None and not 0 <= self.share < 1:
            raise ConfigError(
                f"barge_in: a share of {self.share}; 0 or more, and less than 1, expected", key="barge_in"
            )


@attrs.frozen(kw_only=True)
class Progress:
    """How far a recording is.

    Attributes:
        seconds: Audio that was sent, in seconds, the silence behind the recording included.
        late_p50_ms: Half of its frames were sent no later than this after their moment.
        late_p99_ms: The same for 99 of 100.
    """

    seconds: float
    late_p50_ms: float
    late_p99_ms: float


@named_fields
@attrs.define(eq=False, kw_only=True)
class Replay:
    """Plays recordings into one session, one after the other, and measures what comes back.

    ::

        transport = OpenAIRealtimeWebSocket(url=emulator.websocket_url)
        recordings = [Recording(name="question", source=FileSource("question.wav"))]
        async with transport.connect(api_key=key, initial_session_config={...}):
            report = await Replay(transport=transport, recordings=recordings, speed=4).run()

    The transport must be connected, without an audio source of its own, and nobody else may iterate it. Each recording
    is followed by silence, so that the server's detector sees its end, and by a wait for the replies to it; with
    *commit*, it is one turn instead, committed by hand (turn detection must be off then).

    What the model says counts as heard when the sink has played it; without a sink, or with one that only keeps it,
    that is when it arrives. A recording that goes on then does not talk over the reply, unless the server still sends
    it. `PacedSink` makes a listener who hears in real time, and so does *listener*, who needs no device, knows of gaps,
    and can be talked over (`Recording.barge_in`).

    Args:
        transport: The session.
        recordings: What to play.
        format: The input format of the session.
        output_format: Its output format; the input format if not given.
        speed: How many times faster than real time; ``None`` as fast as the connection takes it.
        frame_ms: Length of a frame, in milliseconds.
        commit: Commit each recording by hand, and ask for an answer.
        tail_ms: Silence behind each recording, in milliseconds; not sent with *commit*.
        settle: When nothing is owed any more, how long to wait for something unexpected, in seconds.
        reply_timeout: How long to wait, in seconds without any event, for something that is owed.
        sink: Takes the audio of the model; it is converted to the sink's format. It is not closed.
        watch: Told of everything that happens, at once. It must not wait.
        send: Takes the audio instead of the transport's ``send_audio``, for a wire that carries it as media. Audio that
            comes then outside of responses (silence) is ignored.
        listener: Hears the replies, instead of a sink. Barge-ins need one.
        watch_wire: Was given to ``transport.observe`` before the connection: when truncations go out.
        digests: Keep what is sent, and digest turns and replies.
        clock: Where time comes from.

    Raises:
        ConfigError: The speed is no positive number; a barge-in without a listener, or with *commit*.
    """

    transport: OpenAIRealtimeBase
    recordings: Sequence[Recording]
    format: AudioFormat = AudioFormat.PCM24K
    output_format: AudioFormat | None = None
    speed: float | None = 1.0
    frame_ms: float = 20
    commit: bool = False
    tail_ms: float = 1000
    settle: float = 1.0
    reply_timeout: float = 30.0
    sink: AudioSink | None = None
    watch: Callable[[TimelineEntry], None] | None = None
    send: Callable[[bytes], Awaitable[None]] | None = None
    listener: Listener | None = None
    watch_wire: WireWatch | None = None
    digests: bool = False
    clock: Clock = attrs.field(factory=EventLoopClock)
    _recorder: Recorder | None = attrs.field(init=False, default=None)
    _pump: CapturePump | None = attrs.field(init=False, default=None)
    _news: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _playback: PlaybackPump | None = attrs.field(init=False, default=None)
    _heard: dict[tuple[str, int], int] = attrs.field(init=False, factory=dict[tuple[str, int], int])

    def __attrs_post_init__(self) -> None:
        if self.speed is not None and not (self.speed > 0 and math.isfinite(self.speed)):
            raise ConfigError(f"speed={self.speed}: a positive factor, or None for no pace", key="speed")
        if any(recording.barge_in for recording in self.recordings):
            if self.listener is None:
                raise ConfigError("barge_in: there is no listener to talk over", key="barge_in")
            if self.commit:
                raise ConfigError("barge_in: it takes turn detection, and commit switches that off", key="barge_in")

    async def run(self) -> ReplayReport:
        """Play everything and wait for the replies. Runs once. If cancelled, `report` says how far it came.

        Raises:
            ConnectionLost: The connection was lost.
            ConfigError: A source cannot be read; ``key`` is ``"file"``.
            NotConnectedError: The transport is not connected.
            anyio.BusyResourceError: Somebody else iterates the transport, or this has run before.
        """
        if self._recorder is not None:
            raise anyio.BusyResourceError("running for the second time")
        output_format = self.output_format or self.format
        self._recorder = recorder = Recorder(
            self.format,
            output_format,
            self.speed,
            self.clock.now(),
            listener=self.listener,
            digests=self.digests,
            server_plays=self.send is not None,
        )
        if self.watch_wire is not None:
            self.watch_wire.sent = lambda message: recorder.message_sent(message, self.clock.now())
        tasks: list[Callable[[], Awaitable[None]]] = [partial(self._listen, recorder), partial(self._play, recorder)]
        if self.sink is not None:
            self._playback = PlaybackPump(self.sink, output_format, self.transport.audio_played, clock=self.clock)
            tasks.append(self._playback.run)
        if self.listener is not None:
            tasks.append(partial(self._report_heard, self.listener))
        await _until_first_ends(tasks)
        if self._playback is not None:
            self._playback.finish()
            await self._playback.run()
        return self.report()

    def report(self) -> ReplayReport:
        """What was found so far; it stays readable after a failure.

        Raises:
            RuntimeError: `run` has not begun.
        """
        if self._recorder is None:
            raise RuntimeError("there is nothing to report before run()")
        return self._recorder.report(self.clock.now())

    def progress(self) -> Progress | None:
        """How far the recording is that is being played; ``None`` before the first one."""
        if self._pump is None:
            return None
        statistics = self._pump.statistics()
        return Progress(
            seconds=self.format.seconds(statistics.samples),
            late_p50_ms=statistics.late_p50_ms,
            late_p99_ms=statistics.late_p99_ms,
        )

    # The user's side

    async def _play(self, recorder: Recorder) -> None:
        await anyio.lowlevel.checkpoint()  # The listener goes first: what came before belongs before.
        for recording, following in itertools.zip_longest(self.recordings, self.recordings[1:]):
            barge_in = None if following is None else following.barge_in
            await self._play_one(recording, recorder, 0 if self.commit or barge_in else self.tail_ms)
            if barge_in is not None and self.listener is not None:
                await self._wait_for_barge_in(barge_in, self.listener, recorder)
            else:
                await self._end_turn(recorder)
                await self._wait_for_replies(recorder)
        recorder.finished = True

    def _make_pump(self, source: AudioSource, recorder: Recorder, tail_ms: float) -> CapturePump:
        async def send(frame: bytes) -> None:
            await (self.send or self.transport.send_audio)(frame)
            recorder.frame_sent(frame, self.clock.now())

        return CapturePump(
            source,
            self.format,
            send=send,
            frame_ms=self.frame_ms,
            speed=self.speed,
            tail_ms=tail_ms,
            clock=self.clock,
        )

    async def _play_one(self, recording: Recording, recorder: Recorder, tail_ms: float) -> None:
        self._pump = pump = self._make_pump(recording.source, recorder, tail_ms)
        self._tell(recorder.recording_began(recording.name, self.clock.now()))
        await pump.run()
        statistics = pump.statistics()
        samples = statistics.samples - self.format.samples_for_ms(tail_ms)
        self._tell(recorder.recording_ended(statistics, samples, self.clock.now()))

    async def _end_turn(self, recorder: Recorder) -> None:
        if self.commit:
            self._tell(recorder.turn_committed(self.clock.now()))
            await self.transport.send_event({"type": "input_audio_buffer.commit"})
            await self.transport.request_response()
        else:
            self._tell(recorder.fence_sent(self.clock.now()))
            await self.transport.send_event({"type": "session.update", "session": {"type": recorder.session_type}})

    async def _wait_for_replies(self, recorder: Recorder) -> None:
        began = self.clock.now()
        while True:
            news = self._news
            patience = self.reply_timeout if recorder.owed else self.settle
            gives_up_at = max(began, recorder.last_event_at) + patience
            if self.listener is not None:  # Nobody talks over a reply by being early.
                gives_up_at = max(gives_up_at, self.listener.silent_at + self.settle)
            with self.clock.move_on_at(gives_up_at):
                await news.wait()
            if not news.is_set():
                return

    async def _wait_for_barge_in(self, at: BargeInAt, listener: Listener, recorder: Recorder) -> None:
        """Be silent until so much of the reply was heard, or there is nothing to talk over."""
        silence = self._make_pump(BytesSource(b"", self.format), recorder, self.tail_ms)
        async with open_task_group() as tasks:
            tasks.start_soon(silence.run, name="silence")
            before = recorder.newest_reply
            began = self.clock.now()
            while True:
                news = self._news
                patience = self.reply_timeout if recorder.owed else self.settle + self.tail_ms / 1000
                gives_up_at = max(began, recorder.last_event_at) + patience
                due = self._due(at, listener, recorder, before)
                with self.clock.move_on_at(min(gives_up_at, gives_up_at if due is None else due)):
                    await news.wait()
                now = self.clock.now()
                if (due is not None and now >= due) or (not news.is_set() and now >= gives_up_at):
                    break
            tasks.cancel_scope.cancel()

    def _due(
        self, at: BargeInAt, listener: Listener, recorder: Recorder, before: tuple[str, bool] | None
    ) -> float | None:
        """When it is time to talk over the newest reply; ``None`` while that cannot be said."""
        reply = recorder.newest_reply
        if reply is None or (before is not None and reply[0] == before[0] and before[1]):
            return None
        response_id, is_whole = reply
        heard = listener.heard(response_id)
        if at.seconds is not None or heard is None:
            return None if at.seconds is None else listener.when(response_id, at.seconds)
        share = at.share or 0.0
        return listener.when(response_id, self.format.seconds(heard.samples) * share) if is_whole else None

    # The model's side

    async def _report_heard(self, listener: Listener) -> None:
        """Say how much was heard, while something is."""
        while True:
            now = self.clock.now()
            for position in listener.positions(now):
                self.transport.audio_played(*position)
            if listener.is_playing(now):
                await self.clock.sleep_until(now + REPORT_EVERY)
            else:
                await self._news.wait()

    async def _listen(self, recorder: Recorder) -> None:
        async for event in self.transport:
            if self.send is not None and isinstance(event, AudioEvent) and not event.response_id:
                continue
            self._tell(recorder.receive(event, self.clock.now()))
            match event:
                case AudioEvent():
                    self._hear(event)
                case AudioInterruptedEvent() if self._playback is not None:
                    self._playback.withdraw(event.withdraws)
                case _:
                    pass
            self._news.set()
            self._news = anyio.Event()

    def _hear(self, event: AudioEvent) -> None:
        if self.listener is not None:
            return
        if self._playback is not None:
            self._playback.put(PlaybackKey(event.response_id, event.item_id, event.content_index), event.data)
            return
        part = (event.item_id, event.content_index)
        self._heard[part] = self._heard.get(part, 0) + len(event.data)
        samples = (self.output_format or self.format).samples_in(self._heard[part])
        self.transport.audio_played(*part, samples)

    def _tell(self, entry: TimelineEntry) -> None:
        if self.watch is not None:
            self.watch(entry)


async def _until_first_ends(tasks: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run *tasks* at once until one of them ends; what it raises leaves unwrapped."""
    failures: list[Exception] = []
    async with open_task_group() as group:

        async def run(task: Callable[[], Awaitable[None]]) -> None:
            try:
                await task()
            except Exception as exc:  # noqa: BLE001 - raised again below: the group would wrap it
                failures.append(exc)
            group.cancel_scope.cancel()

        for task in tasks:
            group.start_soon(run, task, name="replay")
    if failures:
        raise failures[0]
