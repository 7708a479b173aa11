"""Gives events their ids, counts them, and keeps them until the connection takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.codec import decode_server_event
from realtime_transport.protocol.wire.objects import ServerError

from . import effects

if TYPE_CHECKING:
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.emulator.refusal import Refusal
    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["EventSender"]

_PADDED_LENGTH = 16


@attrs.define(eq=False)
class EventSender:
    """Collects effects in order. After a close, an abort or falling silent, nothing more is taken."""

    ids: IdSource
    record: SessionRecord
    _effects: list[effects.Effect] = attrs.field(init=False, factory=list[effects.Effect])
    is_over: bool = attrs.field(init=False, default=False)

    def take(self) -> list[effects.Effect]:
        """What is to be done to the connection now."""
        taken, self._effects = self._effects, []
        return taken

    def emit(self, event: ServerEvent) -> None:
        """Send *event* with a fresh id."""
        if not self.is_over:
            self.record.sent[event.type] += 1
            self._effects.append(effects.SendServerEvent(attrs.evolve(event, event_id=self.ids("event"))))

    def emit_raw(self, event: dict[str, Any]) -> None:
        """Send an event of any type with a fresh id."""
        self.emit(decode_server_event(event)[0])

    def send_text(self, text: str) -> None:
        """Send a frame as it is."""
        if not self.is_over:
            self.record.sent["(raw)"] += 1
            self._effects.append(effects.SendFrame(text))

    def refuse(self, refusal: Refusal, event_id: str | None) -> None:
        """Send the ``error`` event for *refusal*."""
        self.record.add_error(refusal.code)
        self.emit(
            ev.Error(
                error=ServerError(
                    type=refusal.family,
                    code=refusal.code,
                    message=refusal.message,
                    param=refusal.param,
                    event_id=event_id,
                )
            )
        )

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self._end(effects.CloseWith(code, reason))

    def abort(self) -> None:
        """Reset TCP."""
        self._end(effects.AbortConnection())

    def go_silent(self) -> None:
        """Send nothing more, not even an answer to CLOSE."""
        self._end(effects.GoSilent())

    def padding(self, text: str) -> dict[str, str]:
        """The ``obfuscation`` that fills a delta with this text up, as the service does."""
        return {"obfuscation": self.ids.padding(_PADDED_LENGTH - len(text) % _PADDED_LENGTH)}

    def _end(self, effect: effects.Effect) -> None:
        if not self.is_over:
            self._effects.append(effect)
            self.is_over = True
