"""Pings that detect a peer that is gone without a close. Sans-IO: the connection's timer runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.errors import ConnectionLost
from realtime_transport.late_classes import define

if TYPE_CHECKING:
    from .link import KeepAliveLink

__all__ = ["KeepAlive"]

BLOCKED_SECONDS = 0.1
"""Seconds. A timer that is later than this shows that the event loop was blocked, not only busy."""


@define()
class KeepAlive:
    """Pings a link every *interval* seconds and expects any bytes at all within *timeout* of each ping.

    A peer that sends audio is alive, however late its pong. ``timeout=None`` never gives up.

    Attributes:
        deadline: When to call `handle_timer`; ``None``: never again.
        last_chance: Whether the deadline has passed without a byte: read the socket once more, then call `give_up`.
    """

    _link: KeepAliveLink
    _interval: float
    _timeout: float | None
    deadline: float | None
    last_chance: bool = attrs.field(default=False, init=False)
    _pinged_at: float | None = attrs.field(default=None, init=False)
    _heard: int = attrs.field(default=0, init=False)
    _blocked: float = attrs.field(default=0.0, init=False)

    @classmethod
    def starting(cls, link: KeepAliveLink, interval: float, timeout: float | None, now: float) -> KeepAlive:
        """The keepalive of a connection that opens *now*."""
        return cls(link, interval, timeout, now + interval)

    def handle_timer(self, now: float) -> bool:
        """Act on the deadline if it has passed. Returns whether a ping was queued.

        If `last_chance` is set afterwards, read what the socket holds, and call `give_up`.
        """
        if self.deadline is None or now < self.deadline:
            return False
        late = now - self.deadline
        if late > BLOCKED_SECONDS:
            self._blocked += late
        pinged_at = self._pinged_at
        if pinged_at is not None and self._timeout is not None and not self._is_alive():
            self.deadline = pinged_at + self._timeout
            self.last_chance = now >= self.deadline
            return False
        return self._continue(now)

    def give_up(self, now: float) -> bool:
        """As `handle_timer`, after the socket was read once more.

        Raises:
            ConnectionLost: Nothing has arrived.
        """
        self.last_chance = False
        if self._is_alive():
            return self._continue(now)
        raise ConnectionLost(
            f"the server did not answer a ping within {self._timeout:g} s, and sent nothing else"
            + (f"; this event loop was blocked for {self._blocked:.1f} s meanwhile" if self._blocked else "")
        )

    def _continue(self, now: float) -> bool:
        if self._pinged_at is not None and now < self._pinged_at + self._interval:
            self.deadline = self._pinged_at + self._interval
            return False
        return self._ping(now)

    def _is_alive(self) -> bool:
        return self._link.bytes_received != self._heard

    def _ping(self, now: float) -> bool:
        if not self._link.ping():
            self.deadline = None
            return False
        self._pinged_at, self._heard, self._blocked = now, self._link.bytes_received, 0.0
        self.deadline = now + (self._interval if self._timeout is None else min(self._interval, self._timeout))
        return True
