"""Changes of the active agent, one at a time and in order."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from ..agents.agent import RealtimeAgent
    from ..agents.handoff import Handoff
    from ..agents.scope import PreparedAgent
    from .ledger import OpenCall

__all__ = ["AgentSwitch", "SwitchRequest", "SwitchState"]


class SwitchState(enum.Enum):
    """The state of the change of agent at the head of the queue."""

    SETTLED = "settled"
    PREPARING = "preparing"
    SENDING = "sending"


@attrs.define(eq=False)
class SwitchRequest:
    """A requested change of agent.

    Attributes:
        target: The agent that is to take over.
        source: The agent that hands over; ``None``: the active one.
        call: The call that requested it; ``None``: the application did.
        handoff: The handoff that was called.
        input: The input of its ``on_handoff``.
        prepared: The prepared target.
        failure: Why it did not happen.
        done: Whether it has happened.
    """

    target: RealtimeAgent[Any]
    source: RealtimeAgent[Any] | None = None
    call: OpenCall | None = None
    handoff: Handoff | None = None
    input: Any = None
    prepared: PreparedAgent | None = None
    failure: Exception | None = None
    done: bool = False


@attrs.define(eq=False)
class AgentSwitch:
    """The queue of requests.

    Attributes:
        state: The state of the first request.
    """

    # | state     | request           | prepared        | sent                       | failed                     |
    # | SETTLED   | PREPARING, begins |                 |                            |                            |
    # | PREPARING | waits             | SENDING         |                            | the next begins or SETTLED |
    # | SENDING   | waits             |                 | the next begins or SETTLED | the next begins or SETTLED |
    state: SwitchState = attrs.field(init=False, default=SwitchState.SETTLED)
    _requests: deque[SwitchRequest] = attrs.field(init=False, factory=deque[SwitchRequest])

    def request(self, request: SwitchRequest) -> SwitchRequest | None:
        """Queue a request. Returns the request to prepare now, if any."""
        self._requests.append(request)
        return self._begin() if self.state is SwitchState.SETTLED else None

    def prepared(self, request: SwitchRequest) -> bool:
        """Note that the target is prepared. Returns whether that was expected."""
        if self.state is not SwitchState.PREPARING or self._requests[0] is not request:
            return False
        self.state = SwitchState.SENDING
        return True

    def finish(self, request: SwitchRequest) -> tuple[bool, SwitchRequest | None]:
        """Remove a request that is done or has failed.

        Returns whether it was under way, and the request to prepare now, if any.
        """
        if self.state is SwitchState.SETTLED or self._requests[0] is not request:
            return False, None
        self._requests.popleft()
        self.state = SwitchState.SETTLED
        return True, self._begin()

    def close(self) -> list[SwitchRequest]:
        """Remove all requests, since the connection is over, and return them."""
        rest = list(self._requests)
        self._requests.clear()
        self.state = SwitchState.SETTLED
        return rest

    def _begin(self) -> SwitchRequest | None:
        if not self._requests:
            return None
        self.state = SwitchState.PREPARING
        return self._requests[0]
