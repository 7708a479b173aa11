"""Links: what carries the messages of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import ObjectStream

__all__ = ["KeepAliveLink", "LimitedLink", "Link", "LinkClosed", "ObjectStreamLink"]


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

    One task receives, one task sends; `aclose` is called when no task sends any more, while one may still receive.
    """

    async def receive(self) -> list[str | bytes]:
        """Wait for messages and return all that one read brought; binary messages are bytes.

        If cancelled, no message was lost.

        Raises:
            LinkClosed: The link has ended; what came before has been returned.
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
        """Say goodbye, wait for the answer, and close. If cancelled, the link is torn down at once. Idempotent."""
        ...


@runtime_checkable
class KeepAliveLink(Protocol):
    """A link that has control messages of its own, which only the writer may send."""

    def on_control(self, wake: Callable[[], None], /) -> None:
        """Call *wake* whenever a control message (a pong, say) waits for the next `Link.send`."""
        ...

    def ping(self) -> anyio.Event | None:
        """Queue a ping for the next `Link.send`; the event is set by its pong. ``None`` if pings are not possible."""
        ...


@runtime_checkable
class LimitedLink(Protocol):
    """A link that does not carry messages of any size."""

    def check_size(self, size: int, /) -> None:
        """Refuse a message of about *size* characters before it is queued, if it is too long.

        Raises:
            LocalProtocolError: It is.
        """
        ...


class ObjectStreamLink:
    """A link made of any object stream of messages; its end is reported as a close with 1000."""

    def __init__(self, stream: ObjectStream[str | bytes] | ObjectStream[str]) -> None:
        self._stream = stream

    async def receive(self) -> list[str | bytes]:
        try:
            return [await self._stream.receive()]
        except anyio.EndOfStream:
            raise LinkClosed(1000) from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise LinkClosed from exc

    async def send(self, messages: Sequence[str], /) -> None:
        try:
            for message in messages:
                await self._stream.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise LinkClosed from exc

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._stream.aclose()
