"""When several calls of one response have been answered: holds the request for the next response back until then."""

from __future__ import annotations

import attrs

from realtime_transport.late_classes import define

__all__ = ["AnswerGate"]

MAX_RESPONSES = 256
"""Responses with calls that are remembered; a call that is never answered must not be kept for ever."""


@define()
class _Calls:
    unanswered: set[str] = attrs.field(factory=set[str])
    ended: bool = False
    wanted: bool = False

    @property
    def settled(self) -> bool:
        return self.ended and not self.unanswered


@define()
class AnswerGate:
    """Asks for one response after all calls of a response have been answered.

    Args:
        enabled: Otherwise every answer asks for itself.
    """

    _enabled: bool = False
    _calls: dict[str, _Calls] = attrs.field(factory=dict[str, _Calls], init=False)

    def handle_call(self, response_id: str, call_id: str) -> None:
        """The model calls a function."""
        if self._enabled:
            self._calls.setdefault(response_id, _Calls()).unanswered.add(call_id)
            if len(self._calls) > MAX_RESPONSES:
                del self._calls[next(iter(self._calls))]

    def handle_answer(self, call_id: str, *, wants_response: bool) -> bool:
        """A call is answered. Whether a response is to be asked for now."""
        for response_id, calls in self._calls.items():
            if call_id in calls.unanswered:
                calls.unanswered.discard(call_id)
                calls.wanted = calls.wanted or wants_response
                return self._settle(response_id)
        return wants_response

    def handle_done(self, response_id: str) -> bool:
        """A response has ended, and makes no further calls. Whether the next is to be asked for now."""
        calls = self._calls.get(response_id)
        if calls is None:
            return False
        calls.ended = True
        return self._settle(response_id)

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self._calls.clear()

    def _settle(self, response_id: str) -> bool:
        calls = self._calls[response_id]
        if not calls.settled:
            return False
        del self._calls[response_id]
        return calls.wanted
