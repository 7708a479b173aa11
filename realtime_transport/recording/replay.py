"""A recording in place of a server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, Unpack

import anyio
import anyio.lowlevel
import attrs

from realtime_transport.argument_names import named
from realtime_transport.clock import EventLoopClock
from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import ConfigError, ConnectError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL
from realtime_transport.transports.base.connecting import connecting
from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

from .format import Close
from .reader import Recording, load_recording
from .script import Match, ReplayMismatch, ReplayScript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from realtime_transport.clock import Clock
    from realtime_transport.protocol.engine.playback.ledger import PlaybackPosition
    from realtime_transport.transports.endpoint.options import ApiKey, ConnectRequest, SessionConfig, TransportOptions

__all__ = ["ReplayTransport", "match_of", "pace_factor"]


class ReplayTransport(OpenAIRealtimeBase):
    """A transport whose server is a recording: no network, no key, the same events every time.

    Received messages come when their time has come and what was sent before them in the recording has been sent.
    Identifiers that the client makes up may differ from the recorded ones; they are translated. Each connect takes
    the next connection of the recording.

    ::

        transport = ReplayTransport("weather.rtrec", pace="asap")
        async with transport.connect():
            await transport.send_message("How is the weather?")
            async for event in transport:
                ...

    Args:
        recording: A `Recording`, or the path of one.
        pace: ``"recorded"``, ``"asap"``, or how many times faster than recorded.
        match: ``"strict"``: each sent message must be as recorded; ``"types"``: its type must; ``"none"``: messages
            are not looked at and hold nothing up.
        model: The model; that of the recording if not given.
        options: As for every transport; ``clock`` is also the clock of the recording.

    Raises:
        ConfigError: There is no recording there, or an argument has no such value.
    """

    def __init__(
        self,
        recording: Recording | str | Path,
        *,
        pace: Literal["recorded", "asap"] | float = "recorded",
        match: Match = "strict",
        model: str | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        clock = options.setdefault("clock", EventLoopClock())
        self.recording: Recording = recording if isinstance(recording, Recording) else load_recording(recording)
        super().__init__(
            connector=self._open,
            api_key="replay",
            url="replay://recording",
            model=model or _recorded_model(self.recording) or DEFAULT_MODEL,
            **options,
        )
        self._pace = pace_factor(pace)
        self._match: Match = match_of(match)
        self._replay_clock = clock
        self._opened = 0
        self._script: ReplayScript | None = None

    @named
    @connecting
    async def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = True,
        headers: Mapping[str, str] | None = None,
        playback_position: Callable[[], PlaybackPosition | None] | None = None,
        interrupt_on_speech: bool | None = None,
    ) -> AsyncGenerator[Self]:
        """As `OpenAIRealtimeBase.connect`; leaving the block normally also checks that nothing is left.

        Raises:
            ReplayMismatch: A message was not as recorded, or the recording was not played to its end.
            ConnectError: The recording has no further connection.
        """
        async with super().connect(
            api_key=api_key,
            model=model,
            url=url,
            call_id=call_id,
            initial_session_config=initial_session_config,
            wait_for_session=wait_for_session,
            headers=headers,
            playback_position=playback_position,
            interrupt_on_speech=interrupt_on_speech,
        ):
            yield self
        left = None if self._script is None or self._match == "none" else self._script.left()
        if left is not None:
            raise ReplayMismatch(left)

    @asynccontextmanager
    async def _open(self, request: ConnectRequest) -> AsyncGenerator[_ReplayLink]:
        connections = self.recording.connections()
        if self._opened >= len(connections):
            raise ConnectError(f"the recording has {len(connections)} connections, and all of them have been played")
        script = self._script = ReplayScript(connections[self._opened], match=self._match, pace=self._pace)
        self._opened += 1
        yield _ReplayLink(script, self._replay_clock)


def _recorded_model(recording: Recording) -> str | None:
    for frame in recording.frames:
        match frame.message:
            case {"type": "session.update", "session": {"model": str(model)}}:
                return model
            case _:
                pass
    return None


def match_of(match: str) -> Match:
    """*match*, if it is one.

    Raises:
        ConfigError: It is none.
    """
    if match not in ("strict", "types", "none"):
        raise ConfigError(f"match: 'strict', 'types' or 'none', not {match!r}", key="match")
    return match


def pace_factor(pace: str | float) -> float | None:
    """How many times faster than recorded; ``None``: as fast as possible.

    Raises:
        ConfigError: *pace* says neither.
    """
    if pace == "asap":
        return None
    if pace == "recorded":
        return 1.0
    if isinstance(pace, int | float) and pace > 0:
        return float(pace)
    raise ConfigError(f"pace: 'recorded', 'asap' or a number above 0, not {pace!r}", key="pace")


@attrs.define(eq=False)
class _ReplayLink:
    _script: ReplayScript
    _clock: Clock
    _opened_at: float = attrs.field(init=False)
    _change: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._opened_at = self._clock.now()

    async def receive(self) -> list[str | bytes]:
        while True:
            found = self._due()
            if found:
                return found
            due = self._script.due
            with self._clock.move_on_at(None if due is None else self._opened_at + due):
                await self._change.wait()

    def _due(self) -> list[str | bytes]:
        found: list[str | bytes] = []
        now = self._clock.now() - self._opened_at
        while (due := self._script.due) is not None and due <= now:
            if found and self._script.closes_next:
                break
            step = self._script.take()
            if isinstance(step, Close):
                raise LinkClosed(1006 if step.code is None else step.code, step.reason)
            found.append(step)
        return found

    async def send(self, messages: Sequence[str], /) -> None:
        for message in messages:
            self._script.receive(message, self._clock.now() - self._opened_at)
        self._change.set()
        self._change = anyio.Event()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await anyio.lowlevel.checkpoint()
