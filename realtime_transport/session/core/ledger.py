"""The calls of one connection: the state of each, and its answer."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realtime_transport.protocol.engine.events import FunctionCallEvent

    from ..agents.agent import RealtimeAgent
    from ..tools.tool import FunctionTool

__all__ = ["MAX_OPEN_CALLS", "CallState", "OpenCall", "ToolLedger"]

MAX_OPEN_CALLS = 1000
"""The number of calls that may be open at once; further calls are answered with an error."""

MAX_ANSWERED = 2000
"""The number of answered calls that are remembered, so that a call that the server repeats gets its answer again."""


class CallState(enum.Enum):
    """The state of a call."""

    RECEIVED = "received"
    AWAITING_APPROVAL = "awaiting approval"
    READY = "ready"
    RUNNING = "running"
    ANSWERING = "answering"
    ANSWERED = "answered"
    DROPPED = "dropped"


OPEN = frozenset(
    {CallState.RECEIVED, CallState.AWAITING_APPROVAL, CallState.READY, CallState.RUNNING, CallState.ANSWERING}
)

# The state that follows a state and an event. Any other event comes too late and changes nothing.
TRANSITIONS: Mapping[tuple[CallState, str], CallState] = {
    (CallState.RECEIVED, "ask"): CallState.AWAITING_APPROVAL,
    (CallState.RECEIVED, "admit"): CallState.READY,
    (CallState.RECEIVED, "answer"): CallState.ANSWERING,
    (CallState.AWAITING_APPROVAL, "admit"): CallState.READY,
    (CallState.AWAITING_APPROVAL, "answer"): CallState.ANSWERING,
    (CallState.READY, "start"): CallState.RUNNING,
    (CallState.READY, "answer"): CallState.ANSWERING,
    (CallState.RUNNING, "answer"): CallState.ANSWERING,
    (CallState.ANSWERING, "sent"): CallState.ANSWERED,
    **{(state, "drop"): CallState.DROPPED for state in OPEN},
}


@attrs.define(eq=False)
class OpenCall:
    """One call.

    Attributes:
        key: ``call_id``, or the item's id where there is none.
        event: The call of the model.
        agent: The agent whose response it belongs to.
        tool: The tool; ``None`` for handoffs and unknown names.
        arguments: The decoded arguments.
        state: Its state.
        started: Whether `AgentToolStartEvent` was emitted.
        output: The answer.
        respond: Whether a response is asked for with the answer.
        image: An image that follows the answer.
    """

    key: str
    event: FunctionCallEvent
    agent: RealtimeAgent[Any]
    tool: FunctionTool | None = None
    arguments: Any = None
    state: CallState = CallState.RECEIVED
    started: bool = False
    output: str = ""
    respond: bool = True
    image: str | None = None

    @property
    def fingerprint(self) -> tuple[str, str]:
        """Name and arguments; a repeated call has the same."""
        return self.event.name, self.event.arguments

    @property
    def is_exclusive(self) -> bool:
        """Whether no other call may run at the same time."""
        return self.tool is not None and self.tool.execution == "exclusive"

    def advance(self, event: str) -> bool:
        """Apply *event*. Returns whether it changed the state."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True


@attrs.define(eq=False)
class ToolLedger:
    """All calls of a connection. It decides which may run; a call runs at most once.

    Args:
        max_concurrent: The number of calls that may run at once.
    """

    _max_concurrent: int
    _calls: dict[str, OpenCall] = attrs.field(init=False, factory=dict[str, OpenCall])
    _open: dict[str, OpenCall] = attrs.field(init=False, factory=dict[str, OpenCall])
    _yielding: dict[str, OpenCall] = attrs.field(init=False, factory=dict[str, OpenCall])
    _ready: deque[OpenCall] = attrs.field(init=False, factory=deque[OpenCall])
    _running: dict[str, OpenCall] = attrs.field(init=False, factory=dict[str, OpenCall])
    _answered: deque[str] = attrs.field(init=False, factory=deque[str])

    @property
    def is_full(self) -> bool:
        """Whether no more calls can be taken."""
        return len(self._open) >= MAX_OPEN_CALLS

    @property
    def open(self) -> tuple[OpenCall, ...]:
        """Calls whose answer has not been sent, oldest first."""
        return tuple(self._open.values())

    @property
    def yielding(self) -> tuple[OpenCall, ...]:
        """Those of the open calls that an interruption concerns, oldest first."""
        return tuple(self._yielding.values())

    @property
    def has_running(self) -> bool:
        """Whether a tool runs."""
        return bool(self._running)

    @property
    def running(self) -> tuple[OpenCall, ...]:
        """Calls whose tool runs, oldest first."""
        return tuple(self._running.values())

    def find(self, key: str) -> OpenCall | None:
        """The call of that key."""
        return self._calls.get(key)

    def judge(self, event: FunctionCallEvent) -> Literal["new", "repeated", "reused"]:
        """Whether a call is new, repeats a known one, or reuses the id of a known one."""
        known = self._calls.get(event.call_id or event.id)
        if known is None:
            return "new"
        return "repeated" if known.fingerprint == (event.name, event.arguments) else "reused"

    def add(self, event: FunctionCallEvent, agent: RealtimeAgent[Any], tool: FunctionTool | None = None) -> OpenCall:
        """Add a new call."""
        call = OpenCall(event.call_id or event.id, event, agent, tool)
        self._calls[call.key] = self._open[call.key] = call
        if tool is not None and tool.when_interrupted != "finish":
            self._yielding[call.key] = call
        return call

    def admit(self, call: OpenCall) -> bool:
        """Put a call in the queue to run. Returns whether its state allowed that."""
        if not call.advance("admit"):
            return False
        self._ready.append(call)
        return True

    def start(self) -> Iterator[OpenCall]:
        """Yield the calls that begin to run now, in order. An exclusive call runs alone."""
        while self._ready:
            call = self._ready[0]
            alone = any(other.is_exclusive for other in self._running.values()) or (
                call.is_exclusive and bool(self._running)
            )
            if call.state is CallState.READY and (alone or len(self._running) >= self._max_concurrent):
                return
            self._ready.popleft()
            if call.advance("start"):
                self._running[call.key] = call
                yield call

    def answer(self, call: OpenCall, output: str, *, respond: bool, image: str | None = None) -> bool:
        """Set the answer of a call. Returns whether it had none."""
        if not call.advance("answer"):
            return False
        self._running.pop(call.key, None)
        call.output, call.respond, call.image = output, respond, image
        return True

    def sent(self, call: OpenCall) -> bool:
        """Note that the answer was sent. Returns whether it was the first time."""
        if not call.advance("sent"):
            return False
        del self._open[call.key]
        self._yielding.pop(call.key, None)
        self._answered.append(call.key)
        if len(self._answered) > MAX_ANSWERED:
            del self._calls[self._answered.popleft()]
        return True

    def drop_all(self) -> list[OpenCall]:
        """Drop the open calls, since the connection is over, and return them."""
        dropped = [call for call in self._open.values() if call.advance("drop")]
        self._open.clear()
        self._yielding.clear()
        self._ready.clear()
        self._running.clear()
        return dropped

    def waits_in(self, response_id: str) -> bool:
        """Whether a call of a response still has to be answered; an answer that is being sent counts as given."""
        return any(
            call.event.response_id == response_id and call.state is not CallState.ANSWERING
            for call in self._open.values()
        )
