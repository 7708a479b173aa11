"""The responses of the model: which are open, which inputs they answer, and which to request.

A conversation has one active response at a time. The transport holds back requests that come too early; here requests
are combined: all inputs that ask during a response get one response, and none if the user speaks instead. Each request
names its inputs in its ``metadata``, which the server returns with the response.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
from pydantic_ai.realtime.codec import InputRejected
from pydantic_ai.realtime.lifecycle import (
    InputLost,
    LifecycleEvent,
    ResponseEnded,
    ResponseRequestRefused,
    ResponseStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic_ai.messages import FinishReason
    from pydantic_ai.realtime.lifecycle import AnswersBasis, InputId, ResponseStatus

__all__ = ["BUSY_CODE", "Outcome", "Request", "Responses", "content_event_id", "rejected_content"]

BUSY_CODE = "conversation_already_has_active_response"
"""The server's code for a request that came while a response was active. The transport repeats the request."""

METADATA_KEY = "realtime_transport_inputs"
"""The metadata key under which a request names the inputs that its response answers."""

MAX_METADATA = 512
"""The longest value of ``metadata`` that the service accepts, in characters."""

MAX_ENDED = 1024
"""The number of ended responses and calls that are remembered, for late messages."""

_NUMBERS = re.compile(r"\d+(?:-\d+)*")
_CONTENT_EVENT = re.compile(r"input_(\d+)")


@attrs.frozen
class Request:
    """A request for a response.

    Attributes:
        event_id: The id that a refusal names.
        named: The inputs that a refusal rejects.
        answers: The inputs that the response answers.
    """

    event_id: str
    named: tuple[InputId, ...]
    answers: tuple[InputId, ...]

    def message(self) -> dict[str, Any]:
        """The client event."""
        event: dict[str, Any] = {"type": "response.create", "event_id": self.event_id}
        value = "-".join(map(str, self.answers))
        if 0 < len(value) <= MAX_METADATA:
            event["response"] = {"metadata": {METADATA_KEY: value}}
        return event


@attrs.frozen(kw_only=True)
class Outcome:
    """How a response ended.

    Attributes:
        status: The status, as a value of pydantic-ai's lifecycle.
        finish_reason: Why it ended, as a value of pydantic-ai.
        details: What the server said about the end.
        turn_detected: Whether the server stopped it because the user spoke.
    """

    status: ResponseStatus
    finish_reason: FinishReason | None = None
    details: dict[str, Any] | None = None
    turn_detected: bool = False


@attrs.define(eq=False)
class _Calls:
    """The calls of one response, which get one response when all are answered."""

    unanswered: set[str] = attrs.field(factory=set[str])
    answers: list[InputId] = attrs.field(factory=list["InputId"])
    ended: bool = False


def content_event_id(input_id: InputId) -> str:
    """The ``event_id`` of the message of an input; the error that refuses it holds it."""
    return f"input_{input_id}"


def rejected_content(event_id: str) -> InputId | None:
    """The input whose message an error with this ``event_id`` refuses."""
    found = _CONTENT_EVENT.fullmatch(event_id)
    return None if found is None else int(found[1])


@attrs.define(eq=False)
class Responses:
    """Tracks the beginning and end of responses, and decides when to request one.

    Args:
        on_the_way: Tells whether inputs have not joined the conversation yet.
        take_turn: Gives the spoken turn that the server answers without a request.
    """

    _on_the_way: Callable[[Iterable[InputId]], bool]
    _take_turn: Callable[[], str | None]
    _open: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _ended: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _settled: set[InputId] = attrs.field(factory=set["InputId"], init=False)
    _echoed: bool = attrs.field(default=False, init=False)  # The server returns metadata.
    _in_flight: Request | None = attrs.field(default=None, init=False)
    _deferred: list[Request] = attrs.field(factory=list[Request], init=False)
    _to_send: list[Request] = attrs.field(factory=list[Request], init=False)
    _calls: dict[str, _Calls] = attrs.field(factory=dict[str, _Calls], init=False)
    _known_calls: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _cancelled: str | None = attrs.field(default=None, init=False)
    _cancel_next: bool = attrs.field(default=False, init=False)  # Cancel the requested response when it begins.
    _cancel_now: bool = attrs.field(default=False, init=False)
    active: str | None = attrs.field(default=None, init=False)

    # Requests

    def take_requests(self) -> list[Request]:
        """The requests to send now, in order."""
        taken, self._to_send = self._to_send, []
        return taken

    def ask(self, *named: InputId, answers: Sequence[InputId] = ()) -> None:
        """Request a response for inputs; it answers *answers*, by default these inputs."""
        request = Request(f"response_{'-'.join(map(str, named))}", tuple(named), tuple(answers or named))
        if self.active is None and self._in_flight is None:
            self._send(request)
        else:
            self._deferred.append(request)

    def not_sent(self, request: Request) -> None:
        """Note that *request* could not be sent; the caller gets the exception."""
        if self._in_flight is request:
            self._in_flight = None

    def _send(self, request: Request) -> None:
        self._in_flight = request
        self._to_send.append(request)

    def _send_deferred(self) -> None:
        if not self._deferred or self._in_flight is not None:
            return
        waiting, self._deferred = self._deferred, []
        named = [each for request in waiting for each in request.named]
        answers = [each for request in waiting for each in request.answers]
        self._send(Request(f"response_{'-'.join(map(str, named))}", tuple(named), tuple(answers)))

    # Calls

    def call(self, response_id: str, call_id: str) -> bool:
        """Note that a response calls a function. Returns whether the call is new."""
        if call_id in self._known_calls:
            return False
        self._known_calls[call_id] = None
        if len(self._known_calls) > MAX_ENDED:
            del self._known_calls[next(iter(self._known_calls))]
        self._calls.setdefault(response_id, _Calls()).unanswered.add(call_id)
        return True

    def answer(self, call_id: str, input_id: InputId) -> None:
        """Note that an input answers a call; request a response when all calls of its response are answered."""
        response_id = self._response_of(call_id)
        if response_id is None:
            self.ask(input_id)
            return
        calls = self._calls[response_id]
        calls.unanswered.discard(call_id)
        calls.answers.append(input_id)
        self._ask_if_answered(response_id)

    def stays_unanswered(self, call_id: str) -> None:
        """Note that a call gets no answer: no response is requested for the calls of its response."""
        response_id = self._response_of(call_id)
        if response_id is not None:
            del self._calls[response_id]

    def _response_of(self, call_id: str) -> str | None:
        return next((each for each, calls in self._calls.items() if call_id in calls.unanswered), None)

    def _ask_if_answered(self, response_id: str) -> None:
        calls = self._calls[response_id]
        if calls.ended and not calls.unanswered:
            del self._calls[response_id]
            # One response for all of them, requested by the last input.
            self.ask(calls.answers[-1], answers=calls.answers)

    # Messages of the server

    def has_ended(self, response_id: str) -> bool:
        """Whether a response has ended, so that further messages about it are late."""
        return response_id in self._ended

    def mention(self, response_id: str, metadata: Mapping[str, Any] | None = None) -> Sequence[LifecycleEvent]:
        """Note a message about a response; an unknown response begins with it."""
        if not response_id or response_id in self._open or response_id in self._ended:
            return ()
        answers = _named_in(metadata)
        basis: AnswersBasis = "inferred" if answers is None else "protocol"
        return (self._start(response_id, answers or (), basis),)

    def begin(self, response_id: str, metadata: Mapping[str, Any] | None) -> Sequence[LifecycleEvent]:
        """Note that a response begins."""
        if not response_id or response_id in self._open or response_id in self._ended:
            return ()
        self.active = response_id
        if self._cancel_next:
            self._cancel_next, self._cancelled, self._cancel_now = False, response_id, True
        answers, basis = self._answered(metadata)
        turn = None if answers else self._take_turn()
        return (self._start(response_id, answers, basis, turn),)

    def _answered(self, metadata: Mapping[str, Any] | None) -> tuple[tuple[InputId, ...], AnswersBasis]:
        """The inputs that the response answers which begins now, and how that is known."""
        named, asked = _named_in(metadata), self._in_flight
        if named is not None:
            self._echoed = True
            if asked is not None and not set(named).isdisjoint(asked.answers):
                self._in_flight = None
            return named, "protocol"
        tagged = asked is not None and "response" in asked.message()
        if asked is None or (self._echoed and tagged) or self._on_the_way(asked.answers):
            return (), "protocol"  # The server began it without a request.
        self._in_flight = None
        return asked.answers, "inferred"

    def end(self, response_id: str, outcome: Outcome) -> Sequence[LifecycleEvent]:
        """Note that a response ended, and request what waited for it."""
        if not response_id or response_id in self._ended:
            return ()
        events: list[LifecycleEvent] = [*self.mention(response_id)]
        by_us = self._cancelled == response_id
        if by_us:
            self._cancelled = None
        spoken_over = outcome.status == "cancelled" and not by_us
        was_active = self.active == response_id
        if was_active:
            self.active = None
        events.append(self._end(response_id, outcome))
        if was_active and self._deferred:
            if spoken_over:
                events += self._drop_deferred()
            else:
                self._send_deferred()
        events += self._end_calls(response_id, spoken_over=spoken_over)
        return events

    def _drop_deferred(self) -> Sequence[LifecycleEvent]:
        """Drop the waiting requests, since the user takes the turn."""
        waiting, self._deferred = self._deferred, []
        return self._lost([each for request in waiting for each in request.answers])

    def _end_calls(self, response_id: str, *, spoken_over: bool) -> Sequence[LifecycleEvent]:
        calls = self._calls.get(response_id)
        if calls is None:
            return ()
        calls.ended = True
        if spoken_over and not calls.unanswered:
            # The response to the user's speech answers them, too.
            del self._calls[response_id]
            return self._lost(calls.answers)
        self._ask_if_answered(response_id)
        return ()

    def refused(self, event_id: str) -> tuple[Sequence[InputRejected], Sequence[LifecycleEvent]]:
        """Note that the server refused a request for good."""
        request = self._in_flight
        if request is None or request.event_id != event_id:
            return (), ()
        self._in_flight = None
        self._cancel_next = False
        if self.active is None:
            self._send_deferred()
        settled = self._settle(request.answers)
        rejected = [InputRejected(each, refused="response") for each in request.named]
        return rejected, (ResponseRequestRefused(input_ids=settled),) if settled else ()

    # Cancelling

    def cancel(self) -> bool:
        """Stop the response. Returns whether there is one, running or requested, that was not stopped before."""
        if self.active is not None:
            again, self._cancelled = self._cancelled == self.active, self.active
            return not again
        again, self._cancel_next = self._cancel_next, self._in_flight is not None
        return self._cancel_next and not again

    def take_cancel(self) -> bool:
        """Whether to cancel the active response now, since it was stopped before it had begun."""
        now, self._cancel_now = self._cancel_now, False
        return now

    def is_cancelled(self, response_id: str) -> bool:
        """Whether the caller has stopped a response, so that its remaining output is dropped."""
        return bool(response_id) and response_id == self._cancelled

    # The end

    def lose(self, *, ask_again: bool) -> Sequence[LifecycleEvent]:
        """End the open responses, since the connection is lost; requests are lost, or kept for the next connection.

        Args:
            ask_again: Whether another connection follows. `ask_again` sends there the requests that had not begun.
        """
        asked = [] if self._in_flight is None else [self._in_flight]
        waiting = [] if self._cancel_next else [*asked, *self._deferred]
        answered = [each for calls in self._calls.values() for each in calls.answers]
        lost = [*answered, *(each for request in asked for each in request.answers if self._cancel_next)]
        if not ask_again:
            lost += [each for request in waiting for each in request.answers]
        self._deferred = waiting if ask_again else []
        self._in_flight = self.active = self._cancelled = None
        self._cancel_next = self._cancel_now = False
        self._to_send.clear()
        self._calls.clear()
        ended = [self._end(each, Outcome(status="lost")) for each in list(self._open)]
        return (*self._lost(lost), *ended)

    def ask_again(self) -> None:
        """Send, on another connection, the requests whose responses had not begun."""
        self._send_deferred()

    def _start(
        self, response_id: str, answers: tuple[InputId, ...], basis: AnswersBasis, turn: str | None = None
    ) -> ResponseStarted:
        self._open[response_id] = None
        return ResponseStarted(response_id=response_id, answers=self._settle(answers), basis=basis, user_turn_id=turn)

    def _end(self, response_id: str, outcome: Outcome) -> ResponseEnded:
        self._open.pop(response_id, None)
        self._ended[response_id] = None
        if len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        return ResponseEnded(
            response_id=response_id,
            status=outcome.status,
            finish_reason=outcome.finish_reason,
            provider_details=outcome.details,
        )

    def _lost(self, answers: Sequence[InputId]) -> Sequence[LifecycleEvent]:
        settled = self._settle(answers)
        return (InputLost(input_ids=settled),) if settled else ()

    def _settle(self, answers: Iterable[InputId]) -> tuple[InputId, ...]:
        """Those of *answers* whose outcome was not reported yet."""
        new = tuple(each for each in dict.fromkeys(answers) if each not in self._settled)
        self._settled.update(new)
        return new


def _named_in(metadata: Mapping[str, Any] | None) -> tuple[InputId, ...] | None:
    value = None if metadata is None else metadata.get(METADATA_KEY)
    if not isinstance(value, str) or not _NUMBERS.fullmatch(value):
        return None
    return tuple(map(int, value.split("-")))
