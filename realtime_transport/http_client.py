"""HTTP requests that carry a key: bounded, never redirected to another origin, without the key in logs and errors.

Three kinds of requests are made this way: the upgrade to a WebSocket, the SDP offer, and those of the REST interface.
"""

from __future__ import annotations

import logging
import ssl
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
import httpx

from .urls import is_loopback, origin, require_encryption, scrub, secrets_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator

__all__ = [
    "BROKEN",
    "client_errors",
    "harmless_cause",
    "new_client",
    "open_request",
    "origin_of",
    "quiet_logs",
    "read_body",
    "reason_of",
]

MAX_REDIRECTS = 5
"""Redirects within one origin; a server that adds a slash or a version needs one."""

REFUSAL_PATIENCE = 1.0
"""Seconds to wait for the body of a refusal, which a server may never end."""

MAX_REST = 8
"""The number of pieces of a body that httpx may hold when the connection is closed; it holds one."""

BROKEN: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,  # httpx lets it through when a TLS peer aborts, on asyncio
    ssl.SSLError,
    OSError,
)
"""The exceptions of a network stream of httpx when its connection breaks."""


def new_client(url: str) -> httpx.AsyncClient:
    """A new client for *url*. For a loopback address it uses no proxy of the environment."""
    return httpx.AsyncClient(verify=_ssl_context(), timeout=None, trust_env=not is_loopback(url))


@cache
def _ssl_context() -> ssl.SSLContext:
    """The default context of httpx, made once: reading the certificates takes 15 ms, with or without TLS."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_request(
    client: httpx.AsyncClient, method: str, url: str, *, allow_insecure: bool, **arguments: Any
) -> AsyncGenerator[httpx.Response]:
    """``client.stream()``, with the body still unread.

    A redirect is followed if the client follows redirects and the target has the origin of *url*; otherwise the
    redirect itself is the answer: httpx would forward every header but ``Authorization`` to another origin. If
    cancelled, the request is closed; the server may have acted on it.

    Args:
        client: An ``httpx.AsyncClient``, or an object with the same interface.
        method: The HTTP method.
        url: An http or https URL.
        allow_insecure: See `require_encryption`.
        arguments: Further arguments of ``stream()``.

    Raises:
        ConfigError: The key would be sent in the clear.
    """
    require_encryption(url, allow_insecure=allow_insecure, client=client)
    remaining = MAX_REDIRECTS if getattr(client, "follow_redirects", False) is True else 0
    while True:
        async with AsyncExitStack() as stack:
            with quiet_logs(secrets_in(url)):
                answer = client.stream(method, url, follow_redirects=False, **arguments)
                response = await stack.enter_async_context(answer)
            target = _redirect_within_origin(method, url, response)
            if target is None or not remaining:
                yield response
                return
        url, remaining = target, remaining - 1


def _redirect_within_origin(method: str, url: str, response: httpx.Response) -> str | None:
    # 301 to 303 turn a POST into a GET, which would lose its body.
    followed = (301, 302, 303, 307, 308) if method == "GET" else (307, 308)
    location = response.headers.get("location", "")
    if response.status_code not in followed or not location:
        return None
    try:
        target = httpx.URL(url).join(location)
    except (httpx.InvalidURL, ValueError):
        return None
    return str(target) if origin_of(str(target)) == origin_of(url) and not target.userinfo else None


def origin_of(url: str) -> str:
    """Host and port of *url*, with the scheme where it is not encrypted."""
    parsed = httpx.URL(url)
    return origin(parsed.scheme, parsed.host, parsed.port)


async def read_body(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Up to *limit* bytes of the body, as they are on the wire, and whether that is the whole body.

    A compressed body is not decompressed: a few bytes could become gigabytes. A body that breaks off is returned as far
    as it came. The body of a refusal is read for at most `REFUSAL_PATIENCE`: its status matters more. If cancelled,
    what was read is lost.
    """
    if response.is_stream_consumed:  # A hook of the client has read it.
        return response.content[:limit], len(response.content) <= limit
    body, chunks, whole = b"", response.aiter_raw(), False
    with anyio.move_on_after(None if response.is_success else REFUSAL_PATIENCE):
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
            else:
                whole = True
        except (httpx.HTTPError, *BROKEN):
            return body[:limit], False
    if not whole:
        await response.aclose()
        # On a closed connection the generators yield what they hold, and end. trio warns of unfinished ones.
        with suppress(Exception):
            for _ in range(MAX_REST):
                await anext(chunks)
    return body[:limit], whole


# Error messages


def client_errors(client: object) -> tuple[type[Exception], ...]:
    """The transport errors of *client*: those of httpx, or of the package with the same interface."""
    package = sys.modules.get(type(client).__module__.partition(".")[0])
    theirs = getattr(package, "HTTPError", httpx.HTTPError)
    return (httpx.HTTPError, theirs, *BROKEN)


def reason_of(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The first message in the chain of *error*, without *secrets*; on trio, TLS errors have no message themselves."""
    for seen in _chain(error):
        if type(seen).__name__ == "LocalProtocolError":
            # Its message quotes the header, which may hold the key.
            return "the request has a header that cannot be sent; look at the headers of the client"
        if str(seen):
            return scrub(str(seen), secrets)
    return type(error).__name__


def harmless_cause(error: BaseException) -> BaseException | None:
    """The error of the operating system or of TLS in the chain of *error*; ``None`` if there is none.

    Only that is safe to chain.

    The exceptions of httpx hold the request, with its URL and headers; those of h11 quote it.
    """
    found = next((seen for seen in _chain(error) if isinstance(seen, OSError)), None)
    if found is None or any(_package(seen) not in _HARMLESS for seen in _chain(found)):
        return None
    return found


_HARMLESS = frozenset({"builtins", "ssl", "socket", "anyio", "trio"})


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


# Logs

_SECRETS: ContextVar[frozenset[str]] = ContextVar("realtime_transport_secrets", default=frozenset())

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks")
"""httpx prints URLs at INFO; httpcore the headers of answers, a ``Location`` among them, at DEBUG."""


@contextmanager
def quiet_logs(secrets: Iterable[str]) -> Generator[None]:
    """Within the block, remove *secrets* from what the HTTP libraries log in this task."""
    found = frozenset(secrets)
    if found:
        _install_filter()
    token = _SECRETS.set(found)
    try:
        yield
    finally:
        _SECRETS.reset(token)


@cache
def _install_filter() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_scrub_record)


def _scrub_record(record: logging.LogRecord) -> bool:
    secrets = _SECRETS.get()
    if secrets:
        message = record.getMessage()
        scrubbed = scrub(message, secrets)
        if scrubbed != message:
            record.msg, record.args = scrubbed, None
    return True
