"""Opens a WebSocket directly on a socket: no HTTP client, no proxy, one TLS context."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from realtime_transport.clock import in_trio
from realtime_transport.errors import ConnectError
from realtime_transport.keys import usable_headers
from realtime_transport.urls import is_loopback, origin, require_encryption

from .direct_asyncio import AsyncioLink
from .direct_trio import TrioLink
from .frame_codec import FrameCodec
from .http_upgrade import UpgradeAnswer, UpgradeRequest, check_answer, rejection
from .stream_link import StreamLink, TLSOverTrio
from .tcp_race import open_tcp_socket

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from ..endpoint.options import ConnectRequest

__all__ = ["can_open_directly", "open_directly", "tls_context"]

BODY_SECONDS = 1.0
"""Seconds to wait for the body of a refusal, which matters less than its status."""

TLS_GOODBYE_SECONDS = 1.0
"""Seconds for the TLS shutdown after the WebSocket has closed."""

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


def can_open_directly(url: str) -> bool:
    """Whether *url*, an http or https URL, needs no proxy and no feature of an HTTP client.

    A loopback address never uses a proxy.
    """
    parts = urlsplit(url)
    if not url.isascii() or parts.username is not None or parts.password is not None:
        return False  # An HTTP client handles these.
    return is_loopback(url) or not _proxies()


def _proxies() -> bool:
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        return bool(getproxies())
    return any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_VARIABLES)


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS context of all directly opened connections, made once: reading the certificates takes 15 ms.

    As with httpx: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, or else the certificates of certifi.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _tls_context() -> ssl.SSLContext:
    if tls_context.cache_info().currsize:
        return tls_context()
    return await anyio.to_thread.run_sync(tls_context, abandon_on_cancel=True)


def open_directly(
    request: ConnectRequest, url: str
) -> AbstractAsyncContextManager[AsyncioLink | TrioLink | StreamLink]:
    """Open a WebSocket to *url*, an http or https URL, as *request* says.

    If cancelled, the socket is closed.

    Raises:
        ConfigError: A header cannot be sent, or the key would be sent unencrypted.
        UpgradeRejected: The server answered with another status than 101.
        NegotiationError: The answer does not fit the request.
        ConnectError: There was no connection, or no answer.
    """
    return _Opening(request, url)


class _Opening:
    __slots__ = ("_link", "_request", "_url")

    _link: AsyncioLink | TrioLink | StreamLink

    def __init__(self, request: ConnectRequest, url: str) -> None:
        self._request, self._url = request, url

    async def __aenter__(self) -> AsyncioLink | TrioLink | StreamLink:
        require_encryption(self._url, allow_insecure=self._request.allow_insecure)
        self._link = await _open(self._request, self._url)
        return self._link

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._link.abort()


async def _open(request: ConnectRequest, url: str) -> AsyncioLink | TrioLink | StreamLink:
    # A separate function, so that the objects of the handshake are not kept for the time of the connection.
    upgrade = UpgradeRequest(url=url, headers=usable_headers(request.headers), subprotocols=request.subprotocols)
    codec = FrameCodec(max_message_bytes=request.max_message_bytes)
    stream = await _connect(url)
    try:
        rest = await _shake_hands(stream, upgrade, request)
        if isinstance(stream, TLSOverTrio):
            return StreamLink(stream, codec, path="direct", rest=rest)
        stream.upgrade(codec, rest)
        return stream
    except BaseException:
        await stream.abort()
        raise


async def _connect(url: str) -> AsyncioLink | TrioLink | TLSOverTrio:
    parts = urlsplit(url)
    encrypted = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if encrypted else 80)
    context = await _tls_context() if encrypted else None
    try:
        if not in_trio():
            return await _connect_asyncio(host, port, context)
        if context is None:
            return TrioLink(await open_tcp_socket(host, port))
        return TLSOverTrio(
            await anyio.connect_tcp(host, port, tls_hostname=host, ssl_context=context, tls_standard_compatible=False)
        )
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, UnicodeError) as exc:
        raise ConnectError(f"could not connect to {_origin(url)}: {_reason(exc)}") from exc


async def _connect_asyncio(host: str, port: int, context: ssl.SSLContext | None) -> AsyncioLink:
    _, link = await asyncio.get_running_loop().create_connection(
        AsyncioLink,
        sock=await open_tcp_socket(host, port),
        ssl=context,
        server_hostname=None if context is None else host,
        ssl_shutdown_timeout=None if context is None else TLS_GOODBYE_SECONDS,
    )
    return link


async def _shake_hands(
    stream: AsyncioLink | TrioLink | TLSOverTrio, upgrade: UpgradeRequest, request: ConnectRequest
) -> bytes:
    answer = UpgradeAnswer()
    await stream.write(upgrade.encode())
    while answer.status is None:
        data = await stream.read()
        if not data:
            where = _origin(upgrade.url)
            raise ConnectError(f"could not connect to {where}: the server closed the connection before it answered")
        answer.feed(data)
    if answer.status != 101:
        with anyio.move_on_after(BODY_SECONDS):
            while not answer.body_is_whole:
                data = await stream.read()
                if not data:
                    break
                answer.rest += data
        raise rejection(answer.status, answer.headers, answer.body, url=upgrade.url, secrets=request.secrets)
    check_answer(answer.headers, upgrade.key, upgrade.subprotocols)
    return answer.rest


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return origin(parts.scheme, parts.hostname or "", parts.port)


def _reason(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if str(seen):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
