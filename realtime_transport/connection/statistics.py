"""Counters of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_transport.late_classes import define, frozen

if TYPE_CHECKING:
    from .link import LinkStatistics
    from .outbox import OutboxStatistics
    from .subscription import SubscriptionStatistics

__all__ = ["ConnectionStatistics", "Traffic"]


@frozen()
class ConnectionStatistics:
    """Counters of one connection.

    Attributes:
        messages_received: Messages received from the link.
        characters_received: Their length.
        messages_sent: Messages handed to the link.
        characters_sent: Their length.
        link: The link's own counters and path; ``None`` if it has none.
        outbox: The messages that wait to be sent.
        subscriptions: The events that wait for consumers, the default stream first.
        dropped_events: Events that consumers were too slow for, those of closed subscriptions included.
        dropped_audio_bytes: Audio bytes in them.
    """

    messages_received: int
    characters_received: int
    messages_sent: int
    characters_sent: int
    link: LinkStatistics | None
    outbox: OutboxStatistics
    subscriptions: tuple[SubscriptionStatistics, ...]
    dropped_events: int
    dropped_audio_bytes: int


@define()
class Traffic:
    """Counts the messages of a link.

    Attributes:
        messages_received: Messages received from the link.
        characters_received: Their length.
        messages_sent: Messages handed to the link.
        characters_sent: Their length.
    """

    messages_received: int = 0
    characters_received: int = 0
    messages_sent: int = 0
    characters_sent: int = 0
