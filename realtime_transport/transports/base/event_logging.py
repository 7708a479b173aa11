"""Logs the events of a connection: types, ids and sizes; words only with ``log_content``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from realtime_transport.connection.hub import Tap
from realtime_transport.protocol.engine.events import (
    AudioInterruptedEvent,
    ConnectedEvent,
    DisconnectedEvent,
    SemanticEvent,
    Withdrawal,
)

if TYPE_CHECKING:
    from realtime_transport.connection.interface import Event

__all__ = ["logging_tap"]

logger: logging.Logger = logging.getLogger("realtime_transport")

_AT_INFO: tuple[type[SemanticEvent], ...] = (ConnectedEvent, DisconnectedEvent, AudioInterruptedEvent)

_IDS = ("event_id", "item_id", "response_id", "call_id")


def logging_tap(*, content: bool) -> Tap | None:
    """The tap that logs the events of a connection; ``None`` if the log level is above INFO, so that no event is made
    for it.

    Args:
        content: Log at ``DEBUG`` what the events hold, words included.
    """
    if not logger.isEnabledFor(logging.INFO):
        return None
    everything = logger.isEnabledFor(logging.DEBUG)

    def put(event: Event) -> None:
        if isinstance(event, _AT_INFO):
            logger.info("%s", _described(event))
        elif content:
            logger.debug("%s %r", _described(event), event)
        else:
            logger.debug("%s", _described(event))

    def accepts(kind: type[Event]) -> bool:
        return issubclass(kind, _AT_INFO) or (everything and not issubclass(kind, Withdrawal))

    return Tap(accepts=accepts, put=put, withdraw=lambda _: None)


def _described(event: Event) -> str:
    name = event.event_name if isinstance(event, SemanticEvent) else getattr(event, "type", type(event).__name__)
    parts = [f"{key} {value}" for key in _IDS if isinstance(value := getattr(event, key, None), str)]
    if isinstance(event, DisconnectedEvent):
        parts.append(f"code {event.code}")
    data = getattr(event, "data", None)
    if isinstance(data, bytes):
        parts.append(f"{len(data)} bytes")
    return " ".join([f"{name}", *parts])
