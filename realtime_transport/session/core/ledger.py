"""The calls of one connection: who is called, what state each call is in, and what was answered."""

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
"""Calls that may be open at once; what is beyond is answered with an error."""

MAX_ANSWERED = 2000
"""Answered calls that are remembered, so that a call that the server repeats gets its answer again."""


class CallState(enum.Enum):
    """Where a call stands."""

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

# What may happen to a call, and what it is then. Anything else comes too late and changes nothing.
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
        event: What the model asked for.
        agent: The agent that it asked.
        tool: The tool; ``None`` for handoffs and for what is not there.
        arguments: What the tool takes, decoded.
        state: Where it stands.
        started: `AgentToolStartEvent` was emitted.
        output: What is or was answered.
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
        """Name and arguments: the same for a call that is repeated."""
        return self.event.name, self.event.arguments

    @property
    def is_exclusive(self) -> bool:
        """No other call may run beside it."""
        return self.tool is not None and self.tool.execution == "exclusive"

    def advance(self, event: str) -> bool:
        """Let *event* happen. Whether it changed the state."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True


@attrs.define(eq=False)
class ToolLedger:
    """All calls of a connection. It decides which may run; a call runs at most once.

    Args:
        max_concurrent: Calls that may run at once.
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
        """No more calls can be taken."""
        return len(self._open) >= MAX_OPEN_CALLS

    @property
    def open(self) -> tuple[OpenCall, ...]:
        """Calls that have no answer yet, oldest first."""
        return tuple(self._open.values())

    @property
    def yielding(self) -> tuple[OpenCall, ...]:
        """Calls without an answer whose tool minds an interruption, oldest first."""
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
        """Whether a call is new, the repetition of one, or another under the id of one."""
        known = self._calls.get(event.call_id or event.id)
        if known is None:
            return "new"
        return "repeated" if known.fingerprint == (event.name, event.arguments) else "reused"

    def add(self, event: FunctionCallEvent, agent: RealtimeAgent[Any], tool: FunctionTool | None = None) -> OpenCall:
        """Take a new call."""
        call = OpenCall(event.call_id or event.id, event, agent, tool)
        self._calls[call.key] = self._open[call.key] = call
        if tool is not None and tool.when_interrupted != "finish":
            self._yielding[call.key] = call
        return call

    def admit(self, call: OpenCall) -> bool:
        """The call may run. Whether it could be admitted."""
        if not call.advance("admit"):
            return False
        self._ready.append(call)
        return True

    def start(self) -> Iterator[OpenCall]:
        """The calls that begin to run now, first come first served. Exclusive ones wait until they are alone."""
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
        """The call is to be answered. Whether it still was to be."""
        if not call.advance("answer"):
            return False
        self._running.pop(call.key, None)
        call.output, call.respond, call.image = output, respond, image
        return True

    def sent(self, call: OpenCall) -> bool:
        """The answer was sent. Whether it was the first time."""
        if not call.advance("sent"):
            return False
        del self._open[call.key]
        self._yielding.pop(call.key, None)
        self._answered.append(call.key)
        if len(self._answered) > MAX_ANSWERED:
            del self._calls[self._answered.popleft()]
        return True

    def drop_all(self) -> list[OpenCall]:
        """The connection is over: nothing is answered any more. The calls that were open."""
        dropped = [call for call in self._open.values() if call.advance("drop")]
        self._open.clear()
        self._yielding.clear()
        self._ready.clear()
        self._running.clear()
        return dropped

    def waits_in(self, response_id: str) -> bool:
        """Whether a call of a response has no answer yet, one that is being sent aside."""
        return any(
            call.event.response_id == response_id and call.state is not CallState.ANSWERING
            for call in self._open.values()
        )
