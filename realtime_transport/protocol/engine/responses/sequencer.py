"""When ``response.create`` may go out.

A conversation has one active response at a time, and a create that finds one is refused. So creates wait here: at most
one is in flight, the next goes out when the response it led to has ended. Requests that the SDK makes by itself
("answer now") coalesce while they wait; requests with settings of their own stay separate and in order.

Other creates, above all those of the server's turn detection, cannot be told from ours: ``response.created`` does not
say what caused it. Hence a create counts as accepted when any response of the conversation begins, and is taken back if
an error names it later. Responses outside of the conversation run beside all that and are none of the sequencer's.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.errors import LocalProtocolError
from realtime_transport.late_classes import define

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BUSY_CODE", "Phase", "ResponseSequencer"]

BUSY_CODE = "conversation_already_has_active_response"
"""The server's code for a create that came while a response was active."""

CREATE_CODE = "response_create"
"""Part of the codes that can only mean a ``response.create``."""

MAX_SENT = 32
"""Creates remembered in case an error names them late: far more than a server has unanswered at once."""

MAX_WAITING = 1000
"""Requests that may wait. Each stands for a whole answer of the model: more than this is a loop gone wild."""


class Phase(enum.Enum):
    """What is known about the active response."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # In C: the table is keyed by members.

    IDLE = enum.auto()
    """None is active."""
    CREATING = enum.auto()
    """A create is in flight."""
    REFUSED = enum.auto()
    """The server says that one is active of which we have not heard."""
    ACTIVE = enum.auto()
    """One is active."""
    CANCELLING = enum.auto()
    """One is active and was told to stop."""


class Input(enum.Enum):
    """What can happen."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # In C: the table is keyed by members.

    SENT = enum.auto()
    CREATED = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()
    BUSY = enum.auto()
    CANCEL = enum.auto()
    TIMEOUT = enum.auto()


# A pair that is missing changes nothing; a CANCEL that is missing is not sent.
TRANSITIONS: dict[tuple[Phase, Input], Phase] = {
    (Phase.IDLE, Input.SENT): Phase.CREATING,
    (Phase.IDLE, Input.CREATED): Phase.ACTIVE,
    (Phase.CREATING, Input.CREATED): Phase.ACTIVE,
    (Phase.CREATING, Input.DONE): Phase.IDLE,
    (Phase.CREATING, Input.FAILED): Phase.IDLE,
    (Phase.CREATING, Input.BUSY): Phase.REFUSED,
    (Phase.CREATING, Input.TIMEOUT): Phase.IDLE,
    (Phase.REFUSED, Input.CREATED): Phase.ACTIVE,
    (Phase.REFUSED, Input.DONE): Phase.IDLE,
    (Phase.REFUSED, Input.CANCEL): Phase.CANCELLING,
    (Phase.REFUSED, Input.TIMEOUT): Phase.IDLE,
    (Phase.ACTIVE, Input.DONE): Phase.IDLE,
    (Phase.ACTIVE, Input.CANCEL): Phase.CANCELLING,
    (Phase.CANCELLING, Input.CREATED): Phase.ACTIVE,
    (Phase.CANCELLING, Input.DONE): Phase.IDLE,
    (Phase.CANCELLING, Input.TIMEOUT): Phase.IDLE,
}

# Phases that must not last for ever. A response itself may take as long as it takes.
_TIMED = frozenset({Phase.CREATING, Phase.REFUSED, Phase.CANCELLING})


@define()
class _Request:
    event: dict[str, Any]
    manual: bool
    count: int = 1  # automatic requests that this one stands for
    event_id: str = ""


@define()
class ResponseSequencer:
    """Decides which ``response.create`` goes out when. Does not send: `take` gives what is to be sent.

    Args:
        new_id: Makes an event id; called when the create goes out, if it has none.
        timeout: Seconds to wait for an answer of the server; ``None`` waits for ever.

    Attributes:
        waiting: The requests that wait to be sent.
        deadline: When `handle_timer` wants to be called.
    """

    _new_id: Callable[[str], str]
    _timeout: float | None = 30.0
    _phase: Phase = attrs.field(default=Phase.IDLE, init=False)
    deadline: float | None = attrs.field(default=None, init=False)
    waiting: list[_Request] = attrs.field(factory=list[_Request], init=False)  # `MAX_WAITING` at most
    _last: _Request | None = attrs.field(default=None, init=False)  # what an error without a name would mean
    _sent: dict[str, _Request] = attrs.field(factory=dict[str, "_Request"], init=False)  # may be refused by name

    @property
    def phase(self) -> Phase:
        """What is known about the active response."""
        return self._phase

    @property
    def active(self) -> bool:
        """A response is active, as far as we know."""
        return self._phase in (Phase.ACTIVE, Phase.CANCELLING)

    @property
    def requested(self) -> bool:
        """A request waits, or was sent and is not answered."""
        return bool(self.waiting) or self._phase is Phase.CREATING

    def request(self, event: Mapping[str, Any], *, manual: bool) -> None:
        """Ask for a response.

        Args:
            event: The ``response.create``.
            manual: It has settings of its own and must not be merged with others.

        Raises:
            LocalProtocolError: Too many wait already.
        """
        if not manual and self.waiting and not self.waiting[-1].manual:
            self.waiting[-1].count += 1
            return
        if len(self.waiting) >= MAX_WAITING:
            raise LocalProtocolError(f"{MAX_WAITING} requests for a response wait already")
        self.waiting.append(_Request(dict(event), manual))

    def take(self, now: float) -> dict[str, Any] | None:
        """The create that is to be sent now, if any. It counts as sent."""
        if self._phase is not Phase.IDLE or not self.waiting:
            return None
        request = self._last = self.waiting.pop(0)
        given = request.event.get("event_id")
        request.event_id = given if isinstance(given, str) else self._new_id("response_create")
        self._sent[request.event_id] = request
        if len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]
        self._apply(Input.SENT, now)
        return {**request.event, "event_id": request.event_id}

    def begin_cancel(self, now: float) -> bool:
        """Whether a ``response.cancel`` makes sense now. If so, it counts as sent."""
        if (self._phase, Input.CANCEL) not in TRANSITIONS:
            return False
        self._apply(Input.CANCEL, now)
        return True

    def handle_created(self, now: float) -> None:
        """A response of the conversation has begun."""
        self._apply(Input.CREATED, now)

    def handle_done(self, now: float) -> None:
        """The response of the conversation has ended."""
        self._last = None
        self._apply(Input.DONE, now)

    def handle_error(self, code: str | None, event_id: str | None, now: float, *, means_create: bool = False) -> None:
        """The server has reported an error, perhaps about a create of ours.

        Args:
            code: The code of the error.
            event_id: The client event that it names.
            now: The time.
            means_create: It names none, and can only mean a create.
        """
        refused = self._refused(code, event_id, means_create=means_create)
        if refused is None:
            return
        self._sent.pop(refused.event_id, None)
        in_flight = refused is self._last
        if in_flight:
            self._last = None
        if code == BUSY_CODE:
            self._take_back(refused)
        else:
            self._take_back_rest(refused)
        if in_flight:
            self._apply(Input.BUSY if code == BUSY_CODE else Input.FAILED, now)

    def handle_timer(self, now: float) -> str | None:
        """Act on a deadline that has passed.

        Returns:
            The event id of a create that was given up, if one was.
        """
        if self.deadline is None or now < self.deadline:
            return None
        given_up = self._last if self._phase is Phase.CREATING else None
        if given_up is not None:
            self._take_back_rest(given_up)
            self._sent.pop(given_up.event_id, None)
            self._last = None
        self._apply(Input.TIMEOUT, now)
        return given_up.event_id if given_up is not None else None

    def reset(self) -> None:
        """Forget everything: the connection is gone, and what waited with it."""
        self._phase, self.deadline, self._last = Phase.IDLE, None, None
        self.waiting.clear()
        self._sent.clear()

    def _apply(self, happened: Input, now: float) -> None:
        phase = TRANSITIONS.get((self._phase, happened), self._phase)
        if phase is not self._phase:
            self._phase = phase
            self.deadline = now + self._timeout if phase in _TIMED and self._timeout is not None else None

    def _refused(self, code: str | None, event_id: str | None, *, means_create: bool) -> _Request | None:
        if event_id:
            return self._sent.get(event_id)
        if code == BUSY_CODE:
            return self._last
        # Some errors do not name their cause.
        means_create = means_create or (code is not None and CREATE_CODE in code)
        return self._last if means_create and self._phase is Phase.CREATING else None

    def _take_back(self, request: _Request) -> None:
        """Put *request* before all that wait."""
        first = self.waiting[0] if self.waiting else None
        if not request.manual and first is not None and not first.manual:
            first.count += request.count
        else:
            self.waiting.insert(0, request)

    def _take_back_rest(self, request: _Request) -> None:
        """Keep what *request* stood for besides itself: those asked later and deserve a try of their own."""
        if request.count > 1:
            request.count -= 1
            self._take_back(request)
