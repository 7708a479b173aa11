"""Whether the provider is still there. Without I/O."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["Liveness"]

ASK_AFTER = 30.0
"""Seconds of silence after which the provider is asked for a sign of life: a muted caller is silent for longer, and
some providers send nothing meanwhile."""


@attrs.define(eq=False, repr=False)
class Liveness:
    """Watches for a provider that says nothing any more.

    Args:
        timeout: Seconds without any message after which it counts as gone; ``None``: never.
    """

    timeout: float | None
    _heard_at: float = attrs.field(default=0.0, init=False)
    _asked: bool = attrs.field(default=False, init=False)

    def heard(self, now: float) -> None:
        """The provider has said something."""
        self._heard_at = now
        self._asked = False

    def get_timer(self) -> float | None:
        """When `handle_timer` is to be called."""
        if self.timeout is None:
            return None
        return self._heard_at + (self.timeout if self._asked else min(ASK_AFTER, self.timeout / 2))

    def handle_timer(self, now: float) -> Literal["ask", "gone"] | None:
        """What to do because of the time: ask the provider for a sign of life, or give it up."""
        due = self.get_timer()
        if due is None or now < due:
            return None
        if self._asked:
            return "gone"
        self._asked = True
        return "ask"
