"""The peer of a refused connection: sends the error and closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.emulator.conversation.event_sender import EventSender

if TYPE_CHECKING:
    from realtime_transport.emulator.conversation.effects import Effect
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord

    from .admission import Rejection

__all__ = ["RejectedPeer"]


@attrs.define(eq=False)
class RejectedPeer:
    """An ``error`` event, then the close frame."""

    _rejection: Rejection
    _sender: EventSender

    @classmethod
    def of(cls, rejection: Rejection, ids: IdSource, record: SessionRecord) -> RejectedPeer:
        """A peer that sends *rejection*."""
        return cls(rejection, EventSender(ids, record))

    def open(self, now: float) -> None:
        """Send the error and the close."""
        self._sender.refuse(self._rejection.refusal, None)
        self._sender.close(self._rejection.close_code, self._rejection.close_reason)

    def receive(self, data: str | bytes, now: float) -> None:
        """Ignore the client's messages."""

    def get_timer(self) -> float | None:
        """``None``: no timer is needed."""
        return None

    def handle_timer(self, now: float) -> None:
        """Do nothing: there is no timer."""

    def take_effects(self) -> list[Effect]:
        """The effects on the connection."""
        return self._sender.take()
