"""Pings that notice a peer that has gone without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.clock import Clock

    from .link import KeepAliveLink

__all__ = ["KeepAlive"]


@attrs.define(eq=False)
class KeepAlive:
    """Pings a link every *interval* seconds and expects each pong within *timeout* (``None``: never gives up)."""

    link: KeepAliveLink
    clock: Clock
    interval: float
    timeout: float | None
    wake: Callable[[], None]

    async def run(self) -> None:
        """Ping until cancelled, or for ever do nothing on a link without pings.

        Raises:
            ConnectionLost: A pong did not come in time.
        """
        clock, timeout = self.clock, self.timeout
        while True:
            await clock.sleep_until(clock.now() + self.interval)
            pong = self.link.ping()
            if pong is None:
                return
            self.wake()
            with clock.move_on_at(None if timeout is None else clock.now() + timeout):
                await pong.wait()
            if not pong.is_set():
                raise ConnectionLost(f"the server did not answer a ping within {timeout:g} s")
