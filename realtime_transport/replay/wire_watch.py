"""Tells when messages go to the wire, without slowing it: a `WireObserver`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import attrs

from realtime_transport.connection.link import CountingLink, DirectLink
from realtime_transport.connection.wrapped_link import WrappedLink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from realtime_transport.connection.link import Link, LinkEnds, LinkStatistics
    from realtime_transport.transports.endpoint.options import ConnectRequest

__all__ = ["WireWatch"]


@attrs.define(eq=False)
class WireWatch:
    """Calls *sent* with every message at the moment at which it is written. It must not wait.

    Give it to `OpenAIRealtimeBase.observe` before the connection, and *sent* whenever it is known.
    """

    sent: Callable[[str], None] | None = None

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        """*link*, watched; a direct link stays direct."""
        kind = _WatchedDirectLink if isinstance(link, DirectLink) else _WatchedLink
        return kind(link, self._tell)

    def media(self, data: bytes, *, sent: bool) -> None:
        """Nothing: media has its own pace."""

    def _tell(self, messages: Sequence[str]) -> None:
        if self.sent is not None:
            for message in messages:
                self.sent(message)


@attrs.define(eq=False)
class _WatchedLink(WrappedLink):
    _tell: Callable[[Sequence[str]], None]

    async def send(self, messages: Sequence[str], /) -> None:
        self._tell(messages)
        await self._link.send(messages)


class _Direct(CountingLink, DirectLink, Protocol):
    """What the links on a socket of our own are besides."""


@attrs.define(eq=False)
class _WatchedDirectLink(_WatchedLink):
    def attach(self, ends: LinkEnds, /) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        def take() -> list[str]:
            messages = ends.take()
            self._tell(messages)
            return messages

        return self._direct.attach(attrs.evolve(ends, take=take))

    def poke(self, *, at_once: bool = False) -> None:
        self._direct.poke(at_once=at_once)

    def offer(self, text: str, /) -> bool:
        went = self._direct.offer(text)
        if went:
            self._tell((text,))
        return went

    async def drain(self) -> None:
        await self._direct.drain()

    def statistics(self) -> LinkStatistics:
        return self._direct.statistics()

    @property
    def _direct(self) -> _Direct:
        return cast("_Direct", self._link)
