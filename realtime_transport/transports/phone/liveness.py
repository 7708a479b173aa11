"""Whether the provider is still there. Without I/O."""

from __future__ import annotations

from typing import Literal

import attrs

from realtime_transport.late_classes import define

__all__ = ["Liveness"]

ASK_AFTER = 30.0
"""Seconds without a message after which a mark is sent, which a live provider returns: while the caller is muted, some
providers send nothing for longer."""


@define()
class Liveness:
    """Detects a provider that sends nothing any more.

    Args:
        timeout: Seconds without any message after which it counts as gone; ``None``: never.
    """

    timeout: float | None
    _heard_at: float = attrs.field(default=0.0, init=False)
    _asked: bool = attrs.field(default=False, init=False)

    def heard(self, now: float) -> None:
        """Note that a message arrived."""
        self._heard_at = now
        self._asked = False

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
        if self.timeout is None:
            return None
        return self._heard_at + (self.timeout if self._asked else min(ASK_AFTER, self.timeout / 2))

    def handle_timer(self, now: float) -> Literal["ask", "gone"] | None:
        """What to do because of the time: send a mark, or give the provider up."""
        due = self.get_timer()
        if due is None or now < due:
            return None
        if self._asked:
            return "gone"
        self._asked = True
        return "ask"
