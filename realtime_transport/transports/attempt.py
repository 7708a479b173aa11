"""One attempt to connect, from the key to the end of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
import attrs

from realtime_transport.connection.connection import Connection, ConnectionEnd
from realtime_transport.connection.subscription import Tap
from realtime_transport.errors import ConnectError, ConnectionLost, RealtimeError, SetupTimeout
from realtime_transport.protocol.engine.events import (
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from realtime_transport.connection.interface import Event
    from realtime_transport.connection.link import Link
    from realtime_transport.connection.subscription import Hub
    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import ConnectionStatus

    from .media import Media
    from .options import Connector, ConnectRequest, Settings

__all__ = ["Attempt"]

_PHASES = {
    "key": "the API key",
    "upgrade": "the server to answer the upgrade request",
    "devices": "the microphone and the loudspeaker",
    "offer": "the ICE servers, to make an offer",
    "answer": "the server to answer the SDP offer",
    "channel": "the data channel to open: the server answered, but it was not reached by UDP",
}


@attrs.define(eq=False, kw_only=True)
class Attempt:
    """Asks for the key, opens the link, runs the connection, tells the status. Used once.

    Attributes:
        prepare: Resolves the key and says what to open.
        connector: Opens the link.
        engine: The rules of the protocol, fresh for this connection.
        old_model: The model to go back to if the link does not open.
        media: The audio ends.
        connected_at: The event that makes the status ``"connected"``; ``None``: the open link does.
        phase: What is being waited for while it opens, as in `SetupTimeout`.
        status: Where it stands.
        connection: The connection, once the link is open.
        settled: Whether the model asked for is to stay.
        done: Set when everything has been let go.
    """

    settings: Settings
    hub: Hub
    prepare: Callable[[], Awaitable[ConnectRequest]]
    connector: Connector
    engine: Engine
    media: Media
    old_model: str
    connected_at: type[Event] | None = None
    phase: str = "key"
    status: ConnectionStatus = "disconnected"
    connection: Connection | None = None
    settled: bool = False
    done: anyio.Event = attrs.field(factory=anyio.Event)
    _opening: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    _opened: anyio.Event = attrs.field(factory=anyio.Event)
    _closed_by_us: bool = False

    async def run(self, opened: Callable[[], None]) -> ConnectionEnd:
        """Run to the end; call *opened* at the upgrade. If cancelled, everything is let go within ``close_timeout``.

        Raises:
            ConnectError: The connection could not be opened.
            Exception: What the key function raised.
        """
        end: ConnectionEnd | None = None
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                if self.settings.connect_timeout is not None:
                    tasks.start_soon(self._expire, self.settings.connect_timeout, name="realtime connect deadline")
                for name, companion in self.media.companions():
                    tasks.start_soon(companion, name=f"realtime {name}")
                try:
                    with self._opening:
                        end = await self._open_and_run(opened)
                except Exception as exc:  # noqa: BLE001 - raised again outside of the task group, which would wrap it
                    failure = exc
                tasks.cancel_scope.cancel()
            if failure is None and end is None:
                failure = self._why_not_opened()
            if self.status != "disconnected":
                self._tell_end(end, failure)
        finally:
            self.status = "disconnected"
            self.hub.end(self._error_for_iterator)
            self.done.set()
        if end is None:
            assert failure is not None
            raise failure
        return end

    async def _open_and_run(self, opened: Callable[[], None]) -> ConnectionEnd:
        request = await self.prepare()
        self.phase = "upgrade"
        self._set_status("connecting")
        async with self.connector(request) as link:
            self._opened.set()
            return await self._run(link, opened)

    async def _run(self, link: Link, opened: Callable[[], None]) -> ConnectionEnd:
        self.connection = Connection(
            link,
            self.engine,
            self.hub,
            clock=self.settings.clock,
            timeouts=self.settings.timeouts,
            max_outbox_bytes=self.settings.max_outbox_bytes,
            pumps=self.media.pumps(),
            before_receive=self.media.refresh,
        )
        if self.connected_at is None:
            self._tell_connected()
        else:
            self.hub.add_tap(Tap(accepts=self._makes_connected, put=self._tell_connected, withdraw=lambda _: None))
        opened()
        return await self.connection.run()

    def _makes_connected(self, kind: type[Event]) -> bool:
        # A cast, since what the hub calls an event is a protocol to the type checker, and a class in fact.
        connected_at = cast("type[object] | None", self.connected_at)
        return self.status == "connecting" and connected_at is not None and issubclass(kind, connected_at)

    def _tell_connected(self, _event: Event | None = None) -> None:
        if self.status == "connecting":
            self._set_status("connected")
            self.hub.publish([ConnectedEvent(sequence=self.engine.next_sequence())])

    async def _expire(self, timeout: float) -> None:
        clock = self.settings.clock
        with clock.move_on_at(clock.now() + timeout):
            await self._opened.wait()
        if not self._opened.is_set():
            self._opening.cancel()

    def _why_not_opened(self) -> ConnectError:
        if self._closed_by_us:
            return ConnectError("the transport was closed before the connection was open")
        timeout = self.settings.connect_timeout or 0.0
        return SetupTimeout(
            f"waited {timeout:g} s for {_PHASES[self.phase]}; raise connect_timeout if it needs longer",
            phase=self.phase,
            timeout=timeout,
        )

    def close(self, *, discard: bool = False) -> None:
        """Begin to close, at whatever stage; `done` is set when it is done. Idempotent."""
        if self.done.is_set():
            return
        self._closed_by_us = True
        if self.connection is not None:
            if self.status == "connected":
                self.status = "disconnecting"
            self.connection.close(discard=discard)
        elif not self._opened.is_set():
            self._opening.cancel()

    @property
    def told(self) -> bool:
        """Whether a caller has been told of the loss by an exception."""
        return self.connection is not None and self.connection.told

    def error_for_caller(self) -> Exception | None:
        """The loss of the connection, for a call that found it lost; ``None`` if it is open or was closed cleanly."""
        return None if self.connection is None else self.connection.error_for_caller()

    def _error_for_iterator(self) -> BaseException:
        return self.error_for_caller() or anyio.EndOfStream()

    def _set_status(self, status: ConnectionStatus) -> None:
        self.status = status
        self.hub.publish([ConnectionChangeEvent(status=status, sequence=self.engine.next_sequence())])

    def _tell_end(self, end: ConnectionEnd | None, failure: Exception | None) -> None:
        error = failure if end is None else end.error
        cause = error.__cause__ if isinstance(error, ConnectionLost) else error
        told: list[Event] = []
        if isinstance(cause, RealtimeError) and not (end is None and self._closed_by_us):
            told.append(ErrorEvent(error=cause, sequence=self.engine.next_sequence()))
        self.status = "disconnected"
        told.append(ConnectionChangeEvent(status="disconnected", sequence=self.engine.next_sequence()))
        told.append(
            DisconnectedEvent(
                code=None if end is None else end.code,
                reason="" if end is None else end.reason,
                error=error if isinstance(error, RealtimeError) else None,
                sequence=self.engine.next_sequence(),
            )
        )
        self.hub.publish(told)
