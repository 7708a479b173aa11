"""The life cycle of one connect attempt: its states, the transitions between them, and the events that these emit.

It is defined by `TRANSITIONS`: the status, whether the connection is open, what a time-out says that it waited for, and
what a late call raises follow from the state.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio
import attrs

from realtime_transport.errors import ConnectError, ConnectionLost, NotConnectedError
from realtime_transport.late_classes import define, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "KEY",
    "TRANSITIONS",
    "UPGRADE",
    "ConnectionEnd",
    "LifeCycle",
    "Notice",
    "Phase",
    "Signal",
    "State",
    "Status",
    "Transition",
]

Status: TypeAlias = Literal["connecting", "connected", "disconnecting", "disconnected"]

Notice: TypeAlias = Literal["error", "connection_change", "connected", "disconnected"]
"""An event that a transition emits, by its ``event_name``."""


class State(enum.Enum):
    """The state of a connect attempt."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # In C: the table is keyed by members.

    RESOLVING_KEY = "resolving_key"
    """The key is being resolved, and the wire prepares. No event has been emitted."""
    OPENING = "opening"
    """The link is being opened; `LifeCycle.phase` is the present step."""
    CONFIGURING = "configuring"
    """The link is open, but this wire counts as connected only when the session is ready."""
    OPEN = "open"
    """The link is open."""
    READY = "ready"
    """The session is ready."""
    ABANDONED = "abandoned"
    """It ends before any event was emitted."""
    REFUSED = "refused"
    """The link could not be opened."""
    LOST = "lost"
    """The open connection broke, or the peer closed it with an error."""
    CLOSING = "closing"
    """It ends normally: this side closes, or the peer has closed with 1000."""
    CLOSED = "closed"
    """It is over, and everything is released."""


class Signal(enum.Enum):
    """The inputs of the state machine."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # In C: the table is keyed by members.

    REQUESTED = "the request is made"
    OPENED = "the link is open"
    JOINED = "the link is open, and the session is yet to be configured"
    READY = "the session is ready"
    CLOSE = "close() or the peer's close with 1000"
    FAIL = "refused, timed out or lost"
    GONE = "nothing is left"


@frozen(kw_only=False)
class Transition:
    """A row of the table: the next state, and the events that are emitted on entering it, in order."""

    to: State
    emits: tuple[Notice, ...] = ()


_CONNECTED: tuple[Notice, ...] = ("connection_change", "connected")
_ENDED: tuple[Notice, ...] = ("connection_change", "disconnected")

TRANSITIONS: Mapping[tuple[State, Signal], Transition] = {
    (State.RESOLVING_KEY, Signal.REQUESTED): Transition(State.OPENING, ("connection_change",)),
    (State.RESOLVING_KEY, Signal.CLOSE): Transition(State.ABANDONED),
    (State.RESOLVING_KEY, Signal.FAIL): Transition(State.ABANDONED),
    (State.OPENING, Signal.OPENED): Transition(State.OPEN, _CONNECTED),
    (State.OPENING, Signal.JOINED): Transition(State.CONFIGURING),
    (State.OPENING, Signal.CLOSE): Transition(State.CLOSING),
    (State.OPENING, Signal.FAIL): Transition(State.REFUSED),
    (State.CONFIGURING, Signal.READY): Transition(State.READY, _CONNECTED),
    (State.CONFIGURING, Signal.CLOSE): Transition(State.CLOSING),
    (State.CONFIGURING, Signal.FAIL): Transition(State.LOST),
    (State.OPEN, Signal.READY): Transition(State.READY),
    (State.OPEN, Signal.CLOSE): Transition(State.CLOSING),
    (State.OPEN, Signal.FAIL): Transition(State.LOST),
    (State.READY, Signal.CLOSE): Transition(State.CLOSING),
    (State.READY, Signal.FAIL): Transition(State.LOST),
    (State.ABANDONED, Signal.GONE): Transition(State.CLOSED),
    (State.REFUSED, Signal.GONE): Transition(State.CLOSED, ("error", *_ENDED)),
    (State.LOST, Signal.GONE): Transition(State.CLOSED, ("error", *_ENDED)),
    (State.CLOSING, Signal.GONE): Transition(State.CLOSED, _ENDED),
}
"""The transition for a state and a signal. A signal without a row changes nothing: closing twice, or failing while
closing. ``"error"`` is emitted if the end has an error to report."""

STATUS: Mapping[State, Status] = {
    State.RESOLVING_KEY: "disconnected",
    State.OPENING: "connecting",
    State.CONFIGURING: "connecting",
    State.OPEN: "connected",
    State.READY: "connected",
    State.ABANDONED: "disconnected",
    State.REFUSED: "disconnecting",
    State.LOST: "disconnecting",
    State.CLOSING: "disconnecting",
    State.CLOSED: "disconnected",
}

OPEN = frozenset({State.CONFIGURING, State.OPEN, State.READY})
NOT_YET_OPEN = frozenset({State.RESOLVING_KEY, State.OPENING})


@frozen(kw_only=False)
class Phase:
    """A step of opening a link.

    Attributes:
        name: As in `SetupTimeout.phase`.
        waits_for: What the step waits for, as text for people.
    """

    name: str
    waits_for: str


KEY = Phase("key", "the API key")
UPGRADE = Phase("upgrade", "the server to answer the upgrade request")


@frozen()
class ConnectionEnd:
    """How a connection ended.

    Attributes:
        code: The close code: that of the peer, or 1000 if this side closed; ``None`` if there was none.
        reason: The reason that the peer gave, possibly empty.
        error: What went wrong; ``None`` after a clean close (by this side, or by the peer with 1000).
    """

    code: int | None
    reason: str
    error: Exception | None


@define()
class LifeCycle:
    """The state of one connect attempt. Every change goes through `signal`.

    Args:
        emit: Emits the events of a transition, after the state has changed.

    Attributes:
        state: The state.
        phase: The present step of opening.
        end: How it ends, once that is known; the first cause counts.
    """

    _emit: Callable[[tuple[Notice, ...]], None] = lambda _notices: None
    state: State = State.RESOLVING_KEY
    phase: Phase = KEY
    end: ConnectionEnd | None = attrs.field(default=None, init=False)
    _loss: Exception | None = attrs.field(default=None, init=False)
    _unreported: Exception | None = attrs.field(default=None, init=False)
    _been: tuple[State, ...] = attrs.field(default=(), init=False)
    _change: anyio.Event | None = attrs.field(default=None, init=False)  # Made by a task that waits.

    @classmethod
    def of_open_link(cls) -> LifeCycle:
        """The life cycle of a link that is already open."""
        return cls(state=State.OPEN)

    @property
    def status(self) -> Status:
        """``"connecting"``, ``"connected"``, ``"disconnecting"`` or ``"disconnected"``."""
        return STATUS[self.state]

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        # Most calls find it ready; looking an enum up in a set takes three times as long.
        return self.state is State.READY or self.state in OPEN

    @property
    def is_opening(self) -> bool:
        """Whether the link is not open yet."""
        return self.state in NOT_YET_OPEN

    @property
    def is_over(self) -> bool:
        """Whether it has ended and everything is released."""
        return self.state is State.CLOSED

    def has_been(self, state: State) -> bool:
        """Whether it is in *state*, or was."""
        return self.state is state or state in self._been

    def signal(self, signal: Signal) -> bool:
        """Apply a signal by `TRANSITIONS`. Returns whether there was a row for it."""
        transition = TRANSITIONS.get((self.state, signal))
        if transition is None:
            return False
        self._been += (self.state,)
        self.state = transition.to
        self.notify()
        if transition.emits:
            self._emit(transition.emits)
        return True

    def enter(self, phase: Phase) -> None:
        """Note that opening the link has reached *phase*."""
        self.phase = phase

    def close(self) -> bool:
        """End it from this side. Returns whether it was not ending already."""
        error = ConnectError("the transport was closed before the connection was open") if self.is_opening else None
        return self._finish(Signal.CLOSE, ConnectionEnd(code=1000 if self.is_open else None, reason="", error=error))

    def finish(self, end: ConnectionEnd) -> None:
        """Note how it ends, unless it is ending already."""
        if end.error is None:
            self._finish(Signal.CLOSE, end)
            return
        opened = self.is_open
        if self._finish(Signal.FAIL, end) and opened:
            self._loss = self._unreported = end.error

    def _finish(self, signal: Signal, end: ConnectionEnd) -> bool:
        if (self.state, signal) not in TRANSITIONS:
            return False
        self.end = end
        return self.signal(signal)

    def notify(self) -> None:
        """Wake waiting tasks to check their conditions, since something other than the state has changed."""
        change, self._change = self._change, None
        if change is not None:
            change.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds, which is checked after each change. If cancelled, nothing has changed."""
        while not condition():
            change = self._change = self._change or anyio.Event()
            await change.wait()

    async def wait_while(self, *states: State) -> None:
        """Wait until the state is none of *states*. If cancelled, nothing has changed."""
        await self.wait_until(lambda: self.state not in states)

    async def wait_closed(self) -> None:
        """Wait until it is over. If cancelled, nothing has changed."""
        await self.wait_until(lambda: self.is_over)

    def require_open(self) -> None:
        """Raise the error for a call that needs an open connection, unless it is open.

        Raises:
            NotConnectedError: It is not open yet, or was closed.
            ConnectionLost: It was lost; likewise for any other error that ended it.
        """
        if self.is_open:
            return
        if self.is_opening:
            raise NotConnectedError("there is no connection; send inside of `async with transport.connect(...)`")
        raise self.error_for_caller() or NotConnectedError("the connection is closed; connect again before you send")

    def error_for_caller(self) -> Exception | None:
        """The loss of the connection, for the caller to raise; ``None`` if it is open or was closed cleanly."""
        self._unreported = None
        return None if self._loss is None else _again(self._loss)

    def take_unreported_loss(self) -> Exception | None:
        """The loss of the connection, unless `error_for_caller` has returned it before."""
        loss, self._unreported = self._unreported, None
        return loss


def _again(error: Exception) -> Exception:
    """A copy of *error* without a traceback, since many callers raise it."""
    if not isinstance(error, ConnectionLost):
        return error
    again = ConnectionLost(str(error), code=error.code, reason=error.reason)
    again.__cause__ = error.__cause__
    return again
