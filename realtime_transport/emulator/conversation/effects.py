"""What the conversation core wants done to the connection, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["AbortConnection", "CloseWith", "Effect", "GoSilent", "SendFrame", "SendServerEvent"]


@attrs.frozen
class SendServerEvent:
    """Send this event."""

    event: ServerEvent


@attrs.frozen
class SendFrame:
    """Send this text as it is."""

    text: str = attrs.field(repr=lambda text: f"<{len(text)} characters>")


@attrs.frozen
class CloseWith:
    """Send a close frame; nothing follows."""

    code: int
    reason: str


@attrs.frozen
class AbortConnection:
    """Reset TCP."""


@attrs.frozen
class GoSilent:
    """Send nothing any more."""


Effect = SendServerEvent | SendFrame | CloseWith | AbortConnection | GoSilent
