"""Collects what the rules of a session put out: events for the application, actions for the session's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.protocol.engine.events import ErrorEvent, Usage

from ..tools.context import RunContext, add_usage
from .events import HistoryAddedEvent, HistoryUpdatedEvent

if TYPE_CHECKING:
    from realtime_transport.errors import RealtimeError
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.protocol.wire.model import Event

    from .actions import Action
    from .history import History

__all__ = ["CoreOutput", "Tally"]

MAX_COUNTED = 1024
"""The number of responses whose usage is kept one by one."""


@attrs.define(eq=False)
class Tally:
    """The tokens of a session, over all its connections."""

    total: Usage = attrs.field(init=False, factory=lambda: Usage(requests=0))
    by_response: dict[str, Usage] = attrs.field(init=False, factory=dict[str, Usage])

    def add(self, usage: Usage) -> None:
        """Count the tokens of a response."""
        self.total = add_usage(self.total, usage)

    def add_response(self, response_id: str, usage: Usage) -> None:
        """Remember the tokens of one response."""
        if response_id:
            self.by_response[response_id] = usage
            if len(self.by_response) > MAX_COUNTED:
                del self.by_response[next(iter(self.by_response))]


@attrs.define(eq=False)
class CoreOutput:
    """Collects events and actions, and holds the state that events carry.

    Attributes:
        application: The application's own object.
        tally: The tokens so far.
        history: The conversation.
        sequence: The sequence number of the transport's event that is being handled.
    """

    application: Any
    tally: Tally
    history: History
    sequence: int = attrs.field(init=False, default=0)
    _events: list[Event] = attrs.field(init=False, factory=list["Event"])
    _actions: list[Action] = attrs.field(init=False, factory=list["Action"])

    def context(self) -> RunContext[Any]:
        """The state now, for an event or a callback."""
        return RunContext(context=self.application, history=self.history.snapshot, usage=self.tally.total)

    def facts(self) -> dict[str, Any]:
        """The fields that every event of the session has."""
        return {"context": self.context(), "sequence": self.sequence}

    def emit(self, event: Event) -> None:
        """Emit an event for the application."""
        self._events.append(event)

    def error(self, error: RealtimeError) -> None:
        """Emit an `ErrorEvent`: something went wrong."""
        self.emit(ErrorEvent(error=error, sequence=self.sequence))

    def act(self, action: Action) -> None:
        """Add an action for the tasks of the session."""
        self._actions.append(action)

    def take(self) -> tuple[list[Event], list[Action]]:
        """The events and the actions since the last call."""
        taken = self._events, self._actions
        self._events, self._actions = [], []
        return taken

    def update_item(self, item: RealtimeItem) -> None:
        """Put an item into the history, and emit the change."""
        is_new = self.history.update(item)
        if is_new is None:
            return
        if is_new:
            kept = self.history.find(item.item_id)
            assert kept is not None
            self.emit(HistoryAddedEvent(item=kept, **self.facts()))
        self.history_changed()

    def history_changed(self) -> None:
        """Emit the whole history, as it is now."""
        self.emit(HistoryUpdatedEvent(history=self.history.snapshot, **self.facts()))
