"""Whether a session has opened as it was asked for: it is ready, and the server has answered our first update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.late_classes import define
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.protocol.wire.server_events import SessionCreated, SessionUpdated

from .events import ErrorEvent

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import Event, ServerEvent

__all__ = ["SessionOpening"]


@define()
class SessionOpening:
    """Follows the beginning of a session by its events.

    Args:
        ready_events: The first of these makes the session ready.
        greeted_by_update: The server greets with ``session.updated``, as it does on a call that exists already; the
            next one is the answer to our update.
        answers: Whether the server answers an update at all.

    Attributes:
        ready: The session is ready.
        answered: The server has taken our first update.
        error: What the server has reported, unless it names another event of ours as the cause.
    """

    ready_events: tuple[type[ServerEvent], ...] = (SessionCreated,)
    greeted_by_update: bool = False
    answers: bool = True
    ready: bool = attrs.field(default=False, init=False)
    answered: bool = attrs.field(default=False, init=False)
    error: ServerError | None = attrs.field(default=None, init=False)
    _greeted: bool = attrs.field(default=False, init=False)

    @property
    def refusal(self) -> ServerError | None:
        """What the server has against our first update: an error after its greeting, in place of an answer."""
        speaks_first = SessionCreated in self.ready_events
        return self.error if not self.answered and (self._greeted or not speaks_first) else None

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.refusal is not None or (self.ready and (self.answered or not self.answers))

    def concerns(self, kind: type[Event]) -> bool:
        """Whether `receive` has to be given events of the class *kind*."""
        return issubclass(kind, (*self.ready_events, SessionCreated, SessionUpdated, ErrorEvent))

    def receive(self, event: Event) -> None:
        """*event* has come."""
        if isinstance(event, ErrorEvent):
            if isinstance(event.error, ServerError) and event.event_id is None and not self.answered:
                self.error = event.error
            return
        greets, refused = not self._greeted, self.refusal is not None
        self._greeted = True
        self.ready = self.ready or isinstance(event, self.ready_events)
        # After a refusal it is the answer to a later update (tracing, say).
        if isinstance(event, SessionUpdated) and not refused and not (greets and self.greeted_by_update):
            self.answered = True
