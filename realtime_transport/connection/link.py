"""Links, which carry the messages of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard, runtime_checkable

import anyio

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import ObjectStream

__all__ = [
    "CountingLink",
    "DirectLink",
    "KeepAliveLink",
    "LimitedLink",
    "Link",
    "LinkClosed",
    "LinkEnds",
    "LinkStatistics",
    "ObjectStreamLink",
    "is_direct",
    "is_limited",
    "keeps_alive",
]


class LinkClosed(Exception):
    """The link has ended.

    Attributes:
        code: The close code that the peer sent; 1006 if the link ended without one.
        reason: The reason that the peer gave, possibly empty.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"the link was closed with code {code}" + (f": {reason}" if reason else ""))
        self.code = code
        self.reason = reason


class Link(Protocol):
    """An open, ordered, reliable channel of messages.

    One task receives, one task sends; `aclose` is called when no task sends any more; one may still receive.
    """

    async def receive(self) -> list[str | bytes]:
        """Wait for messages and return all messages of one read; binary messages are bytes.

        If cancelled, no message was lost.

        Raises:
            LinkClosed: The link has ended; all messages before have been returned.
        """
        ...

    async def send(self, messages: Sequence[str], /) -> None:
        """Send *messages* in one write.

        If cancelled, the link may be broken in the middle of a message; only `aclose` is allowed then.

        Raises:
            LinkClosed: The link has ended.
        """
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Perform the closing handshake and close. If cancelled, the link is closed at once. Idempotent."""
        ...


@runtime_checkable
class KeepAliveLink(Protocol):
    """A link with its own control messages, which only the writer may send."""

    @property
    def bytes_received(self) -> int:
        """Bytes received from the peer so far, of any kind: each shows that it is alive."""
        ...

    def on_control(self, wake: Callable[[], None], /) -> None:
        """Call *wake* whenever a control message, such as a pong, waits for the next `Link.send`."""
        ...

    def ping(self) -> bool:
        """Queue a ping for the next `Link.send`. ``False`` if pings are not possible."""
        ...


@runtime_checkable
class DirectLink(Protocol):
    """A link without reader and writer tasks: it hands over what it reads, and takes what to write.

    This saves two task switches for each message. Without `attach` it is a link like any other.
    """

    def attach(self, ends: LinkEnds, /) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """Read from now on, and write what *ends* gives. Returns the tasks to run, if any, by name."""
        ...

    def poke(self, *, at_once: bool = False) -> None:
        """Note that messages wait to be sent. Never waits.

        An idle link writes at once. Messages that follow shortly after a write are sent together, a turn of the event
        loop later, unless *at_once*. While the peer does not read, nothing more is taken.
        """
        ...

    def offer(self, text: str, /) -> bool:
        """The short path for one message: write it at once if the link is idle. Returns whether it did.

        If not, queue the message; this call has the effect of `poke`. Only if nothing else waits.
        """
        ...

    async def drain(self) -> None:
        """Wait until everything has been taken and written to the socket, or the link has ended.

        If cancelled, nothing has changed.
        """
        ...


@frozen()
class LinkEnds:
    """The functions that a `DirectLink` calls; none of them waits or raises.

    Attributes:
        received: Takes the messages of one read.
        ended: Called when the link has ended, after the last messages.
        take: Returns the messages to write now; empty if there are none.
    """

    received: Callable[[list[str | bytes]], None]
    ended: Callable[[LinkClosed], None]
    take: Callable[[], list[str]]


@frozen()
class LinkStatistics:
    """The counters of a WebSocket link.

    Attributes:
        path: ``"direct"``: on the socket itself; ``"client"``: through the stream that an HTTP client opened.
        bytes_received: Bytes received, of frames of every kind.
        pings_received: Pings of the peer. Only the newest that waits is answered.
    """

    path: Literal["direct", "client"]
    bytes_received: int
    pings_received: int


@runtime_checkable
class CountingLink(Protocol):
    """A link with counters."""

    def statistics(self) -> LinkStatistics:
        """The counters right now."""
        ...


@runtime_checkable
class LimitedLink(Protocol):
    """A link with a limit for the size of messages."""

    def check_size(self, size: int, /) -> None:
        """Refuse a message of about *size* characters before it is queued, if it is too long.

        Raises:
            LocalProtocolError: It is too long.
        """
        ...


# As `isinstance`, which takes 10 µs for a protocol under Python 3.11; a connection asks three times.


def is_direct(link: object) -> TypeGuard[DirectLink]:
    """Whether *link* is a `DirectLink`."""
    return hasattr(link, "attach") and hasattr(link, "poke") and hasattr(link, "drain")


def keeps_alive(link: object) -> TypeGuard[KeepAliveLink]:
    """Whether *link* is a `KeepAliveLink`."""
    return hasattr(link, "ping") and hasattr(link, "on_control") and hasattr(link, "bytes_received")


def is_limited(link: object) -> TypeGuard[LimitedLink]:
    """Whether *link* is a `LimitedLink`."""
    return hasattr(link, "check_size")


class ObjectStreamLink:
    """A link made of any object stream of messages; its end is reported as a close with 1000."""

    def __init__(self, stream: ObjectStream[str | bytes] | ObjectStream[str]) -> None:
        self._stream = stream

    async def receive(self) -> list[str | bytes]:
        """See `Link.receive`. If cancelled, no message was lost."""
        try:
            return [await self._stream.receive()]
        except anyio.EndOfStream:
            raise LinkClosed(1000) from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise LinkClosed from exc

    async def send(self, messages: Sequence[str], /) -> None:
        """See `Link.send`. If cancelled, some of the messages may have been sent."""
        try:
            for message in messages:
                await self._stream.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise LinkClosed from exc

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`. If cancelled, the stream closes as its own ``aclose`` does then."""
        await self._stream.aclose()
