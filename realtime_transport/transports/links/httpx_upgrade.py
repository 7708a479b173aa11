"""A WebSocket through an HTTP client: proxies, a TLS context or a transport of the caller's, an application in-process.

httpx and httpx-ws perform the handshake. httpx-ws's own receive loop does not answer pings behind an unread message and
has no bounds, so a `StreamLink` drives the network stream.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx
import httpx_ws

from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import ConfigError, ConnectError, RealtimeError
from realtime_transport.http_client import (
    client_errors,
    harmless_cause,
    new_client,
    open_request,
    origin_of,
    read_body,
    reason_of,
)
from realtime_transport.keys import usable_headers

from .frame_codec import FrameCodec
from .http_upgrade import MAX_BODY_BYTES, check_answer, rejection
from .stream_link import StreamLink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..endpoint.options import ConnectRequest

__all__ = ["upgrade_through", "upgrade_through_own_client"]


@asynccontextmanager
async def upgrade_through_own_client(request: ConnectRequest, url: str) -> AsyncGenerator[StreamLink]:
    """`upgrade_through` a new client, which uses the proxies of the environment.

    If cancelled, no socket stays open.
    """
    async with new_client(url) as client, upgrade_through(request, url, client) as link:
        yield link


@asynccontextmanager
async def upgrade_through(request: ConnectRequest, url: str, client: httpx.AsyncClient) -> AsyncGenerator[StreamLink]:
    """Open a WebSocket to *url*, an http or https URL, as *request* says, over *client*; see `connect_websocket`."""
    failure: Exception | None = None
    opened = False
    try:
        async with httpx_ws.aconnect_ws(
            url,
            cast("httpx.AsyncClient", _UpgradeClient(client, allow_insecure=request.allow_insecure)),
            subprotocols=list(request.subprotocols) or None,
            session_class=_Handshake,
            headers=usable_headers(request.headers),
            timeout=None,
        ) as handshake:
            response = handshake.response
            assert response is not None
            check_answer(response.headers, response.request.headers["sec-websocket-key"], request.subprotocols)
            opened = True
            codec = FrameCodec(max_message_bytes=request.max_message_bytes)
            # The in-process ASGI stream of httpx-ws has no socket, fails on pings and does not answer a close.
            has_socket = handshake.stream.get_extra_info("socket") is not None
            yield StreamLink(handshake.stream, codec, path="client", has_socket=has_socket)
    except (RealtimeError, LinkClosed):
        raise  # Already of this package; some are also an OSError.
    except Exception as exc:
        failure = None if opened else _failure(exc, request, url, client)
        if failure is None:
            raise
    # Raised here, so that the exception of httpx, which holds the key, is not its context.
    if failure is not None:
        raise failure


def _failure(error: Exception, request: ConnectRequest, url: str, client: object) -> Exception | None:
    """The error of this package for *error*, raised before the link was open; ``None`` if it is not a network error."""
    secrets = request.secrets
    if isinstance(error, httpx_ws.WebSocketUpgradeError):
        response = error.response
        body = bytes(response.extensions.get("rejection_body", b""))
        return rejection(response.status_code, response.headers, body, url=str(response.request.url), secrets=secrets)
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return ConfigError(f"url: {reason_of(error, secrets)}", key="url")
    if isinstance(error, client_errors(client)):
        failure = ConnectError(f"could not connect to {origin_of(url)}: {reason_of(error, secrets)}")
        failure.__cause__ = harmless_cause(error)
        return failure
    return None


class _Handshake(httpx_ws.AsyncWebSocketSession):
    """The session of httpx-ws, of which only the stream is used."""

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[_Handshake]:
        yield self


class _UpgradeClient:
    """A client that reads the body of a response that is not an upgrade, for the error message."""

    def __init__(self, client: httpx.AsyncClient, *, allow_insecure: bool) -> None:
        self._client = client
        self._allow_insecure = allow_insecure

    @asynccontextmanager
    async def stream(self, method: str, url: str, **kwargs: Any) -> AsyncGenerator[httpx.Response]:
        async with open_request(self._client, method, url, allow_insecure=self._allow_insecure, **kwargs) as response:
            if response.status_code != 101:
                response.extensions["rejection_body"], _ = await read_body(response, MAX_BODY_BYTES)
            yield response
