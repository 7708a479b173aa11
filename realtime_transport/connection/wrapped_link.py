"""A link around another, for observers of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .link import KeepAliveLink, LimitedLink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .link import Link

__all__ = ["WrappedLink"]


@attrs.define(eq=False)
class WrappedLink:
    """Passes everything on, also the optional features of the link. Override what is to be observed.

    It is not a `DirectLink`, whatever link it wraps: all messages pass through `receive` and `send`.
    """

    _link: Link

    async def receive(self) -> list[str | bytes]:
        """See `Link.receive`."""
        return await self._link.receive()

    async def send(self, messages: Sequence[str], /) -> None:
        """See `Link.send`."""
        await self._link.send(messages)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`."""
        await self._link.aclose(code, reason)

    @property
    def bytes_received(self) -> int:
        """See `KeepAliveLink`; 0 if the other link does not count."""
        return self._link.bytes_received if isinstance(self._link, KeepAliveLink) else 0

    def on_control(self, wake: Callable[[], None], /) -> None:
        """See `KeepAliveLink`."""
        if isinstance(self._link, KeepAliveLink):
            self._link.on_control(wake)

    def ping(self) -> bool:
        """Queue a ping, if the link can. Returns whether it was queued."""
        return isinstance(self._link, KeepAliveLink) and self._link.ping()

    def check_size(self, size: int, /) -> None:
        """See `LimitedLink`."""
        if isinstance(self._link, LimitedLink):
            self._link.check_size(size)
