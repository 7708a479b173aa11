"""One interface to the socket that the provider opened, whatever server accepted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import anyio

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import ObjectStream

__all__ = ["PhoneSocket", "SocketEnded", "SocketLike", "open_socket"]


@runtime_checkable
class TextSocket(Protocol):
    """An accepted WebSocket of Starlette or FastAPI, or an object with the same methods.

    Cancelling either method has the effect that the server's framework gives it.
    """

    async def receive_text(self) -> str: ...
    async def send_text(self, data: str, /) -> None: ...


@runtime_checkable
class ServerConnection(Protocol):
    """A connection of the ``websockets`` server, or an object with the same methods.

    Cancelling either method has the effect that the server's library gives it.
    """

    async def recv(self) -> str | bytes: ...
    async def send(self, message: str, /) -> None: ...


SocketLike: TypeAlias = "TextSocket | ServerConnection | ObjectStream[str]"
"""The kinds of socket that are accepted."""


class SocketEnded(Exception):
    """The provider has closed its socket, or is gone."""


class PhoneSocket:
    """One interface to all kinds of socket. One task receives, one task sends; it is never closed here."""

    def __init__(self, receive: Callable[[], Awaitable[str | bytes]], send: Callable[[str], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send

    async def receive(self) -> str | bytes:
        """Wait for a message. If cancelled, none was lost.

        Raises:
            SocketEnded: There are no more messages.
            Exception: What the socket raised otherwise.
        """
        try:
            return await self._receive()
        except Exception as exc:
            if _is_end(exc):
                raise SocketEnded(str(exc) or type(exc).__name__) from exc
            raise

    async def send(self, text: str) -> None:
        """Send a message.

        If cancelled, it depends on the socket whether the message was sent.

        Raises:
            SocketEnded: The provider is gone.
            Exception: What the socket raised otherwise.
        """
        try:
            await self._send(text)
        except Exception as exc:
            if _is_end(exc):
                raise SocketEnded(str(exc) or type(exc).__name__) from exc
            raise


def open_socket(socket: SocketLike) -> PhoneSocket:
    """Make a `PhoneSocket` of *socket*.

    Raises:
        ConfigError: It is of no accepted kind.
    """
    if isinstance(socket, TextSocket):
        return PhoneSocket(socket.receive_text, socket.send_text)
    given = cast("Any", socket)
    if isinstance(given, anyio.abc.ObjectReceiveStream) and isinstance(given, anyio.abc.ObjectSendStream):
        stream: Any = given
        return PhoneSocket(stream.receive, stream.send)
    if isinstance(given, ServerConnection):
        return PhoneSocket(given.recv, given.send)
    raise ConfigError(
        "the socket of the provider needs receive_text() and send_text() (Starlette, FastAPI), recv() and send() "
        f"(websockets), or to be an anyio object stream of text, not {type(socket).__name__}",
        key="socket",
    )


_ENDS = ("WebSocketDisconnect", "ConnectionClosed", "ConnectionClosedOK", "ConnectionClosedError")
"""Names of the exceptions of Starlette and websockets for a peer that is gone; neither is imported for it."""


def _is_end(error: Exception) -> bool:
    if isinstance(error, anyio.EndOfStream | anyio.ClosedResourceError | anyio.BrokenResourceError):
        return True
    return any(cls.__name__ in _ENDS for cls in type(error).__mro__)
