"""What may watch a wire: a recorder, a meter, a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from realtime_transport.connection.link import Link

    from .options import ConnectRequest

__all__ = ["WireObserver"]


class WireObserver(Protocol):
    """Sees what goes over the wires of a transport; see `OpenAIRealtimeBase.observe`. Neither call may wait."""

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        """Give the link to use instead of *link*, which was opened for *request*; it may be *link* itself.

        What the link can do besides (pings, counters, limits) is wanted of the other one, too; a link that
        hides a direct link behind another is slower.
        """
        ...

    def media(self, data: bytes, *, sent: bool) -> None:
        """Take sound that goes beside the messages, as over WebRTC: 24 kHz 16-bit mono; ours if *sent*."""
        ...
