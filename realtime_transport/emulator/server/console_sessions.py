"""The console's control of open sessions, for each wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.responders.echo import echo_responder

if TYPE_CHECKING:
    from realtime_transport.emulator.conversation.conversation import Conversation

    from .webrtc_call import Call
    from .websocket import WebSocketConnection

__all__ = ["CallSession", "WebSocketSession"]


@attrs.frozen
class WebSocketSession:
    """A session over a WebSocket."""

    _connection: WebSocketConnection
    _conversation: Conversation

    def obey(self, directive: str) -> None:
        """Obey *directive*.

        Raises:
            Refusal: A response is active.
        """
        self._conversation.obey(echo_responder, directive, self._connection.now())
        self._connection.wake()

    def hurt(self, *, stall: float, delay: float | None, jitter: float | None) -> None:
        """Change the faults of the connection."""
        self._connection.hurt(stall=stall, delay=delay, jitter=jitter)


@attrs.frozen
class CallSession:
    """A session over WebRTC."""

    _call: Call

    def obey(self, directive: str) -> None:
        """Obey *directive*.

        Raises:
            Refusal: A response is active.
        """
        self._call.conversation.check_free()
        self._call.put(("obey", (echo_responder, directive)))

    def hurt(self, *, stall: float, delay: float | None, jitter: float | None) -> None:
        """Refuse, since faults are only for WebSockets.

        Raises:
            Refusal: Always.
        """
        raise Refusal("Faults of the wire are for WebSockets; spoil the network of a call instead.", code="no_faults")
