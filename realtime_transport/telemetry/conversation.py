"""Turns, responses, calls and interruptions of one connection, as spans and metrics."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.protocol.wire.items import FunctionCallItem

from . import conventions as names
from .content import input_messages, output_messages, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from realtime_transport.protocol.engine.events import AudioInterruptedEvent, FunctionCallEvent, TurnDoneEvent, Usage

    from .instruments import Instruments
    from .tracing import Spans, Timed

__all__ = ["Conversation"]

MAX_ENDED = 64
"""The number of ended responses that are remembered: their audio may still be playing, and be cut off."""

FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""From the reason of an incomplete response to the finish reason of the conventions."""


@attrs.define(eq=False)
class _Turn:
    """One input of the user, and the responses and calls that follow from it."""

    timed: Timed
    trigger: str
    input_ended: float | None = None
    speech_began: float | None = None
    words: list[str] = attrs.field(factory=list[str])
    agent: Timed | None = None
    agent_name: str | None = None
    responses: int = 0
    calls: int = 0
    answered: bool = False  # A response has begun.
    has_output: bool = False  # A response has given output.
    over: bool = False

    @property
    def context(self) -> Context:
        """The parent of responses and tools."""
        return self.timed.context if self.agent is None else self.agent.context


@attrs.define(eq=False)
class _Response:
    timed: Timed
    turn: _Turn
    first: float | None = None
    first_audio: float | None = None


@attrs.define(eq=False)
class _Call:
    """A function call without an answer; it has no span before its tool runs."""

    event: FunctionCallEvent
    turn: _Turn
    since: float
    timed: Timed | None = None
    error: str | None = None
    outcome: str = "answered"


@attrs.define(eq=False)
class Conversation:
    """The spans and metrics of one conversation. Each method notes what has just happened.

    Args:
        spans: Begins and ends spans.
        instruments: The metrics.
        connection: The parent of turns.
        attributes: The attributes of every metric.
        content: Whether spans may hold words.
        response_requested: Whether a requested response has not begun.
        agent: The name of the active agent; ``None`` where there is none: tools then run when they are called.
    """

    _spans: Spans
    _instruments: Instruments
    _connection: Context
    _attributes: dict[str, Any]
    _content: bool
    _response_requested: Callable[[], bool]
    _agent: Callable[[], str] | None
    _turn: _Turn | None = attrs.field(default=None, init=False)
    _asked: deque[float] = attrs.field(factory=deque[float], init=False)
    _responses: dict[str, _Response] = attrs.field(factory=dict[str, _Response], init=False)
    _ended: dict[str, _Response] = attrs.field(factory=dict[str, _Response], init=False)
    _calls: dict[str, _Call] = attrs.field(factory=dict[str, _Call], init=False)
    _left_by: str | None = attrs.field(default=None, init=False)

    # The user

    def speech_began(self) -> None:
        """The user begins to speak."""
        turn = self._begin_turn("speech")
        turn.speech_began = turn.timed.since

    def speech_ended(self) -> None:
        """The user stops speaking."""
        turn, now = self._current("speech"), self._spans.now()
        turn.input_ended = now
        if turn.speech_began is not None and not turn.over:
            turn.timed.span.set_attribute(names.SPEECH_DURATION, now - turn.speech_began)

    def committed(self) -> None:
        """The application ends the input of audio."""
        if self._turn is None or self._turn.answered:
            self._begin_turn("speech")
        self._current("speech").input_ended = self._spans.now()

    def heard(self, words: str) -> None:
        """The transcript of the user's speech arrives."""
        self._note_words(words)

    def wrote(self, item: Mapping[str, Any]) -> None:
        """A user message is sent."""
        if self._turn is None or self._turn.answered:
            self._begin_turn("text")
        self._current("text").input_ended = self._spans.now()
        self._note_words(text_of(item))

    def _note_words(self, words: str) -> None:
        if self._content and words and self._turn is not None and not self._turn.over:
            self._turn.words.append(words)
            self._turn.timed.span.set_attribute(names.INPUT_MESSAGES, input_messages(self._turn.words))

    # Turns

    def _begin_turn(self, trigger: str) -> _Turn:
        previous = self._turn
        self._turn = turn = _Turn(
            self._spans.begin(names.TURN, self._connection, attributes={names.TURN_TRIGGER: trigger}), trigger
        )
        if previous is not None:
            self._end_if_over(previous)
        return turn

    def _current(self, trigger: str) -> _Turn:
        """The turn that is open, or a new one."""
        return self._begin_turn(trigger) if self._turn is None or self._turn.over else self._turn

    def _end_if_over(self, turn: _Turn) -> None:
        if turn.over or turn.responses or turn.calls:
            return
        if turn is self._turn and (not turn.answered or self._asked or self._response_requested()):
            return
        self._end_turn(turn)

    def _end_turn(self, turn: _Turn) -> None:
        turn.over = True
        self._end_agent(turn)
        self._instruments.turn.record(self._spans.end(turn.timed), self._attributes, turn.timed.context)

    def _end_agent(self, turn: _Turn) -> None:
        if turn.agent is None:
            return
        attributes = {
            **self._attributes,
            names.OPERATION_NAME: names.INVOKE_AGENT,
            names.AGENT_NAME: turn.agent_name or "",
        }
        self._instruments.agent.record(self._spans.end(turn.agent), attributes, turn.agent.context)
        turn.agent = None

    def _let_agent_begin(self, turn: _Turn, at: float) -> None:
        if self._agent is None or (turn.agent is not None and turn.agent_name == self._agent()):
            return
        self._end_agent(turn)
        turn.agent_name = name = self._agent()
        attributes = {
            names.OPERATION_NAME: names.INVOKE_AGENT,
            names.AGENT_NAME: name,
            names.PROVIDER_NAME: self._attributes[names.PROVIDER_NAME],
            names.REQUEST_MODEL: self._attributes[names.REQUEST_MODEL],
        }
        if self._left_by is not None:
            attributes[names.HANDED_OVER_BY], self._left_by = self._left_by, None
        turn.agent = self._spans.begin(f"{names.INVOKE_AGENT} {name}", turn.timed.context, at=at, attributes=attributes)

    def handed_over(self, by: str) -> None:
        """Another agent is active now."""
        self._left_by = by

    # Responses

    def asked(self) -> None:
        """A response is requested."""
        self._current("request")
        self._asked.append(self._spans.now())

    def refused(self) -> None:
        """The server refuses the requested response."""
        if self._asked:
            self._asked.popleft()

    def began(self, response_id: str) -> None:
        """A response begins."""
        turn, now = self._current("request"), self._spans.now()
        if self._asked:
            since = self._asked.popleft()
        else:  # The server answers without a request.
            since = now if turn.answered or turn.input_ended is None else turn.input_ended
        self._let_agent_begin(turn, since)
        turn.answered = True
        turn.responses += 1
        model = self._attributes[names.REQUEST_MODEL]
        timed = self._spans.begin(
            f"{names.GENERATE} {model}",
            turn.context,
            at=since,
            client=True,
            attributes={
                **self._attributes,
                names.OPERATION_NAME: names.GENERATE,
                **({names.RESPONSE_ID: response_id} if response_id else {}),
            },
        )
        self._responses[response_id] = _Response(timed, turn)

    def output(self, response_id: str, *, audio: bool) -> None:
        """A piece of the output arrives."""
        response = self._responses.get(response_id) or self._ended.get(response_id)
        if response is None or response.first_audio is not None or (response.first is not None and not audio):
            return
        span, now = response.timed.span, self._spans.now()
        waited, context = now - response.timed.since, response.timed.context
        attributes = {**self._attributes, names.OPERATION_NAME: names.GENERATE}
        if response.first is None:
            response.first = now
            span.set_attribute(names.TIME_TO_FIRST_CHUNK, waited)
            self._instruments.first_chunk.record(waited, attributes, context)
        if audio:
            response.first_audio = now
            span.set_attribute(names.TIME_TO_FIRST_AUDIO, waited)
            self._instruments.first_audio.record(waited, self._attributes, context)
        span.set_attribute(names.OUTPUT_TYPE, "speech" if audio else "text")
        self._note_latency(response.turn, now)

    def _note_latency(self, turn: _Turn, now: float) -> None:
        if turn.has_output:
            return
        turn.has_output = True
        if turn.input_ended is not None:
            latency = now - turn.input_ended
            turn.timed.span.set_attribute(names.TURN_LATENCY, latency)
            attributes = {**self._attributes, names.TURN_TRIGGER: turn.trigger}
            self._instruments.turn_latency.record(latency, attributes, turn.timed.context)

    def done(self, event: TurnDoneEvent) -> None:
        """A response has ended."""
        response = self._responses.pop(event.response_id, None)
        if response is None:
            return
        span, turn = response.timed.span, response.turn
        reason = _finish_reason(event)
        span.set_attribute(names.FINISH_REASONS, [reason])
        why = _status_reason(event)
        if why:
            span.set_attribute(names.RESPONSE_REASON, why)
        self._note_usage(span, event.usage, response.timed.context)
        if self._content:
            span.set_attribute(names.OUTPUT_MESSAGES, output_messages(event.output, reason))
        self._end_response(response, _error_type(event) if reason == "error" else None)
        self._ended[event.response_id] = response
        if len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._end_if_over(turn)

    def _end_response(self, response: _Response, error: str | None) -> None:
        response.turn.responses -= 1
        attributes = {**self._attributes, names.OPERATION_NAME: names.GENERATE}
        if error is not None:
            attributes[names.ERROR_TYPE] = error
        lasted = self._spans.end(response.timed, error=error)
        self._instruments.operation.record(lasted, attributes, response.timed.context)

    def _note_usage(self, span: Span, usage: Usage, context: Context) -> None:
        if not usage.input_tokens and not usage.output_tokens:
            return
        counts = {names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens}
        details = {
            names.CACHED_TOKENS: usage.input_tokens_details.get("cached_tokens"),
            names.AUDIO_INPUT_TOKENS: usage.input_tokens_details.get("audio_tokens"),
            names.AUDIO_OUTPUT_TOKENS: usage.output_tokens_details.get("audio_tokens"),
        }
        span.set_attributes({**counts, **{name: count for name, count in details.items() if isinstance(count, int)}})
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            attributes = {**self._attributes, names.OPERATION_NAME: names.GENERATE, names.TOKEN_TYPE: kind}
            self._instruments.tokens.record(count, attributes, context)

    def interrupted(self, event: AudioInterruptedEvent) -> None:
        """A reply is cut off while it plays."""
        response = self._responses.get(event.response_id) or self._ended.get(event.response_id)
        heard = event.audio_end_ms / 1000
        parent = self._connection if response is None else response.timed.context
        attributes = {names.AUDIO_HEARD: heard, names.RESPONSE_ID: event.response_id, names.ITEM_ID: event.item_id}
        self._spans.end(self._spans.begin(names.INTERRUPTION, parent, attributes=attributes))
        if response is not None and not response.turn.over:
            response.turn.timed.span.set_attribute(names.TURN_INTERRUPTED, True)
        self._instruments.interruptions.add(1, self._attributes, parent)
        self._instruments.heard.record(heard, self._attributes, parent)

    def tripped(self, guardrail: str) -> None:
        """A guardrail refuses the newest response."""
        response = next((found[key] for found in (self._responses, self._ended) for key in reversed(found)), None)
        parent = self._connection if response is None else response.timed.context
        attributes = {names.OPERATION_NAME: names.RUN_GUARDRAIL, names.GUARDRAIL_NAME: guardrail}
        timed = self._spans.begin(f"{names.RUN_GUARDRAIL} {guardrail}", parent, attributes=attributes)
        self._spans.end(timed, error="tripped")
        self._instruments.guardrails.add(1, {**self._attributes, names.GUARDRAIL_NAME: guardrail}, parent)

    # Tools

    def called(self, event: FunctionCallEvent) -> None:
        """The model calls a function."""
        response = self._responses.get(event.response_id) or self._ended.get(event.response_id)
        turn = self._current("request") if response is None else response.turn
        key = _key(event)
        if key in self._calls:
            return
        turn.calls += 1
        self._calls[key] = call = _Call(event, turn, self._spans.now())
        if self._agent is None:
            self._begin_tool(call, call.since)

    def tool_runs(self, event: FunctionCallEvent) -> Span | None:
        """The tool for a call begins to run. Returns its span, if the call is known."""
        call = self._calls.get(_key(event))
        if call is None:
            return None
        now = self._spans.now()
        timed = call.timed or self._begin_tool(call, now)
        timed.span.set_attribute(names.TOOL_WAIT, now - call.since)
        call.outcome = "completed"
        return timed.span

    def tool_failed(self, event: FunctionCallEvent, outcome: str, error: str) -> None:
        """The tool for a call fails or is cancelled."""
        call = self._calls.get(_key(event))
        if call is not None:
            call.outcome, call.error = outcome, error

    def answered(self, item: Mapping[str, Any]) -> None:
        """The answer to a call is sent."""
        call = self._calls.pop(str(item.get("call_id")), None)
        if call is None:
            return
        if call.timed is None:
            self._begin_tool(call, call.since)
        self._end_tool(call, item.get("output") if self._content else None)
        self._end_if_over(call.turn)

    def _begin_tool(self, call: _Call, at: float) -> Timed:
        event = call.event
        attributes = {
            names.OPERATION_NAME: names.EXECUTE_TOOL,
            names.TOOL_NAME: event.name,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: _key(event),
        }
        if self._content:
            attributes[names.TOOL_ARGUMENTS] = event.arguments
        name = f"{names.EXECUTE_TOOL} {event.name}"
        call.timed = self._spans.begin(name, call.turn.context, at=at, attributes=attributes)
        return call.timed

    def _end_tool(self, call: _Call, result: object) -> None:
        call.turn.calls -= 1
        assert call.timed is not None
        call.timed.span.set_attribute(names.TOOL_OUTCOME, call.outcome)
        if isinstance(result, str):
            call.timed.span.set_attribute(names.TOOL_RESULT, result)
        attributes = {**self._attributes, names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: call.event.name}
        if call.error is not None:
            attributes[names.ERROR_TYPE] = call.error
        lasted = self._spans.end(call.timed, error=call.error)
        self._instruments.tool.record(lasted, attributes, call.timed.context)

    def close(self, error: str | None) -> None:
        """The connection is over: open spans end with it."""
        for call in self._calls.values():
            if call.timed is not None:
                call.outcome = call.outcome if call.error else "unanswered"
                self._end_tool(call, None)
            else:
                call.turn.calls -= 1
        self._calls.clear()
        turns = [self._turn, *(response.turn for response in self._responses.values())]
        for response in self._responses.values():
            response.timed.span.set_attribute(names.FINISH_REASONS, ["closed"])
            self._end_response(response, error)
        self._responses.clear()
        for turn in turns:
            if turn is not None and not turn.over:
                self._end_turn(turn)


def _key(event: FunctionCallEvent) -> str:
    return event.call_id or event.id


def _finish_reason(event: TurnDoneEvent) -> str:
    match event.status:
        case "cancelled":
            return "cancelled"
        case "failed":
            return "error"
        case "incomplete":
            return FINISH_REASONS.get(_status_reason(event), "incomplete")
        case _:
            calls = any(isinstance(item, FunctionCallItem) for item in event.output)
            return "tool_calls" if calls else "stop"


def _status_reason(event: TurnDoneEvent) -> str:
    details = event.response.status_details if event.response else None
    reason = getattr(details, "reason", None)
    return reason if isinstance(reason, str) else ""


def _error_type(event: TurnDoneEvent) -> str:
    details = event.response.status_details if event.response else None
    error = getattr(details, "error", None)
    code = getattr(error, "code", None) or getattr(error, "type", None)
    return code if isinstance(code, str) and code else "_OTHER"
