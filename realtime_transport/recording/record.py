"""Recording a transport."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import attrs

from realtime_transport.clock import EventLoopClock
from realtime_transport.connection.link import CountingLink, LinkClosed
from realtime_transport.connection.wrapped_link import WrappedLink

from .format import Close, Frame, Header, Media, Note, Open, Tool
from .scrub import Scrubber
from .writer import RecordingWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from realtime_transport.clock import Clock
    from realtime_transport.connection.link import Link, LinkStatistics
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase
    from realtime_transport.transports.endpoint.options import ConnectRequest

    from .format import Entry
    from .scrub import Policy, Scrub

__all__ = ["Recorder", "open_recorder", "record"]


@attrs.define(eq=False)
class Recorder:
    """Writes what goes over the wire of a transport, and what the application says beside it.

    None of its methods waits for the disk. Use `record` to make one.
    """

    _writer: RecordingWriter
    _scrubber: Scrubber
    _clock: Clock
    _began: float | None = attrs.field(default=None, init=False)
    _connections: int = attrs.field(default=0, init=False)

    @property
    def error(self) -> Exception | None:
        """Why the recording ended early (a full disk, ``max_bytes``, a failing ``scrub``); ``None`` if it did not."""
        return self._writer.error

    @property
    def lost_frames(self) -> int:
        """Messages that are missing since the disk was slower than the wire."""
        return self._writer.lost_frames

    def close(self) -> None:
        """Write what waits, and close. Blocks for that long; idempotent."""
        self._writer.close()

    def note(self, text: str) -> None:
        """Write *text* beside the messages."""
        self._put(lambda t, conn: Note(t=t, conn=conn, text=text))

    def tool(self, name: str, call_id: str, outcome: str) -> None:
        """Write that the application ran a tool, and what came of it."""
        self._put(lambda t, conn: Tool(t=t, conn=conn, name=name, call_id=call_id, outcome=outcome))

    def media(self, data: bytes, *, sent: bool, encoding: str = "audio/pcm", rate: int = 24_000) -> None:
        """Write sound that went beside the messages, as over WebRTC: the user's if *sent*, or else the model's."""
        direction = "sent" if sent else "received"
        self._put(
            lambda t, conn: Media(
                t=t, conn=conn, direction=direction, data=data, size=len(data), encoding=encoding, rate=rate
            )
        )

    def _put(self, make: Callable[[float, int], Entry]) -> None:
        self._writer.put(make(self._now(), max(0, self._connections - 1)))

    def _now(self) -> float:
        now = self._clock.now()
        if self._began is None:
            self._began = now
        return now - self._began

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        """*link*, recorded: for `OpenAIRealtimeBase.observe`."""
        self._scrubber.hide(request.api_key)
        for value in (*request.headers.values(), *request.subprotocols):
            self._scrubber.hide(value.removeprefix("Bearer "))
        conn = self._connections
        self._connections += 1
        self._put(lambda t, _: Open(t=t, conn=conn, url=request.url))
        kind = _CountingRecordedLink if isinstance(link, CountingLink) else _RecordedLink
        return kind(link, self._writer, conn, self._now)


@attrs.define(eq=False)
class _RecordedLink(WrappedLink):
    """A link that writes down what goes through it. It is never direct: its messages have to pass here."""

    _writer: RecordingWriter
    _conn: int
    _now: Callable[[], float]
    _closed: bool = attrs.field(default=False, init=False)

    async def receive(self) -> list[str | bytes]:
        try:
            messages = await self._link.receive()
        except LinkClosed as exc:
            self._close(exc.code, exc.reason, by_client=False)
            raise
        t = self._now()
        for message in messages:
            text, binary = (message, None) if isinstance(message, str) else (None, message)
            self._writer.put(Frame(t=t, conn=self._conn, direction="received", text=text, binary=binary))
        return messages

    async def send(self, messages: Sequence[str], /) -> None:
        t = self._now()
        for message in messages:  # Written before the server can answer: the order of the file is that of the wire.
            self._writer.put(Frame(t=t, conn=self._conn, direction="sent", text=message))
        try:
            await self._link.send(messages)
        except LinkClosed as exc:
            self._close(exc.code, exc.reason, by_client=False)
            raise

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self._close(code, reason, by_client=True)
        await self._link.aclose(code, reason)

    def _close(self, code: int, reason: str, *, by_client: bool) -> None:
        if not self._closed:
            self._closed = True
            by = "client" if by_client else "server"
            self._writer.put(Close(t=self._now(), conn=self._conn, code=code, reason=reason, by=by))


@attrs.define(eq=False)
class _CountingRecordedLink(_RecordedLink):
    """The same of a link with counters."""

    def statistics(self) -> LinkStatistics:
        assert isinstance(self._link, CountingLink)
        return self._link.statistics()


def open_recorder(
    wire: str,
    path: str | Path,
    *,
    audio: Policy = "keep",
    words: Policy = "keep",
    scrub: Scrub | None = None,
    max_bytes: int | None = None,
    clock: Clock | None = None,
) -> Recorder:
    """A recorder for links that the caller wraps; `record` says what the arguments mean. Close it.

    Raises:
        ConfigError: *path* exists or has another ending, or an argument has no such value.
        OSError: *path* cannot be made.
    """
    scrubber = Scrubber(words=words, scrub=scrub)
    redacted = ("keys", *(("scrub",) if scrub is not None else ()))
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    header = Header(started=now, wire=wire, redacted=redacted, words=words, audio=audio)
    writer = RecordingWriter(Path(path), header, scrubber, audio, max_bytes=max_bytes)
    return Recorder(writer, scrubber, clock or EventLoopClock())


@asynccontextmanager
async def record(
    transport: OpenAIRealtimeBase,
    path: str | Path,
    *,
    audio: Policy = "keep",
    words: Policy = "keep",
    scrub: Scrub | None = None,
    max_bytes: int | None = None,
    clock: Clock | None = None,
) -> AsyncGenerator[Recorder]:
    """Record every connection that *transport* opens within the block.

    ::

        async with record(transport, "weather.rtrec"), transport.connect(api_key=key):
            ...

    What is written went over the wire just so, but for keys, which never reach the disk: the key of the connection,
    texts that look like one, the values of headers, and all parameters of the URL but the model and its like.
    Neither the reader nor the writer of the connection waits for the disk. If the disk fails, the recording ends and
    the session goes on; see `Recorder.error`.

    Cancelling the block ends the recording, and what was written stays readable.

    Args:
        transport: The transport, not connected yet.
        path: ``NAME.rtrec``: a folder, with the sound as WAV files; ``NAME.jsonl``: one file, sound in its lines.
        audio: ``"keep"``, ``"digest"`` (its length and SHA-256) or ``"drop"`` (its length).
        words: The same for what people and models say.
        scrub: A function from a message to the message that may be written, or ``None`` to leave it out.
        max_bytes: After so many bytes of lines the recording ends.
        clock: Where time comes from; the event loop's if not given.

    Raises:
        ConfigError: *path* exists or has another ending, or an argument has no such value.
        LocalProtocolError: The transport is connected already. Nothing was made.
        OSError: *path* cannot be made.
    """
    transport.require_no_connection()  # Before anything is made.
    recorder = await anyio.to_thread.run_sync(
        lambda: open_recorder(
            transport.wire, path, audio=audio, words=words, scrub=scrub, max_bytes=max_bytes, clock=clock
        )
    )
    try:
        with transport.observe(recorder):
            yield recorder
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(recorder.close)
