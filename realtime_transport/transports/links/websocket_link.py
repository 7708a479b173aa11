"""Opens a WebSocket: directly on a socket, or through an HTTP client if one is given or a proxy is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from realtime_transport.urls import http_url

from .direct_asyncio import AsyncioLink
from .direct_open import can_open_directly, open_directly
from .direct_trio import TrioLink
from .stream_link import StreamLink

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import httpx

    from ..endpoint.options import ConnectRequest

__all__ = ["WebSocketLink", "connect_websocket"]

WebSocketLink: TypeAlias = AsyncioLink | TrioLink | StreamLink
"""The links that `connect_websocket` opens; ``statistics()`` tells which."""


def connect_websocket(
    request: ConnectRequest, *, client: httpx.AsyncClient | None = None
) -> AbstractAsyncContextManager[WebSocketLink]:
    """Open a WebSocket as *request* says, with *client* (proxies, TLS, in-process ASGI) or directly on a socket.

    The client is any object with ``stream()`` like httpx's and the ``network_stream`` extension; it stays open. Without
    one, a proxy of the environment is used through a new client. If cancelled, no socket stays open.

    Raises:
        ConfigError: The URL is not a WebSocket URL, or would send the key unencrypted; or a header cannot be sent.
        UpgradeRejected: The server answered with another status than 101.
        NegotiationError: The answer does not fit the request.
        ConnectError: There was no connection, or no answer.
    """
    url = http_url(request.url)
    if client is None and can_open_directly(url):
        return open_directly(request, url)
    from .httpx_upgrade import upgrade_through, upgrade_through_own_client

    return upgrade_through_own_client(request, url) if client is None else upgrade_through(request, url, client)
