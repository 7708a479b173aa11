"""HTTP requests that carry a key: bounded, never redirected to another origin, and nothing shows the key.

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
"""Within one origin; servers add a slash or a version, once."""

REFUSAL_PATIENCE = 1.0
"""Seconds. A server that has refused may never end its explanation."""

MAX_REST = 8
"""Pieces of a body that httpx may hold already when the connection is closed; it is one."""

BROKEN: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,  # httpx lets it through when a TLS peer aborts, on asyncio
    ssl.SSLError,
    OSError,
)
"""What a network stream of httpx raises when its connection breaks."""


def new_client(url: str) -> httpx.AsyncClient:
    """A client of our own for *url*. A proxy of the environment is never asked for what is on this machine."""
    return httpx.AsyncClient(verify=_ssl_context(), timeout=None, trust_env=not is_loopback(url))


@cache
def _ssl_context() -> ssl.SSLContext:
    """The default context of httpx, made once: reading the certificates takes 15 ms, with or without TLS."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_request(
    client: httpx.AsyncClient, method: str, url: str, *, allow_insecure: bool, **arguments: Any
) -> AsyncGenerator[httpx.Response]:
    """``client.stream()``, with the body yet to be read.

    A redirect is followed where the client follows any and it stays at the origin of *url*; otherwise the redirect is
    the answer. httpx forwards every header but ``Authorization`` to wherever it is sent. If cancelled, the request is
    given up; the server may have acted on it.

    Args:
        client: An ``httpx.AsyncClient``, or what offers the same.
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
    # 301 to 303 turn a POST into a GET: following one would lose the request.
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
    """Up to *limit* bytes of the body, as they are on the wire, and whether it has ended there.

    What is compressed stays so: a few bytes could become gigabytes. A body that breaks off ends where it does. That of
    a refusal is not waited for longer than `REFUSAL_PATIENCE`: the status is what matters. If cancelled, what has come
    of it is lost.
    """
    if response.is_stream_consumed:  # By a hook of the client.
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
        # On a closed connection the generators give what they hold, and end. trio warns of those that are left.
        with suppress(Exception):
            for _ in range(MAX_REST):
                await anext(chunks)
    return body[:limit], whole


# What is told of a failure


def client_errors(client: object) -> tuple[type[Exception], ...]:
    """The transport errors of *client*: those of httpx, or of the package that offers the same interface."""
    package = sys.modules.get(type(client).__module__.partition(".")[0])
    theirs = getattr(package, "HTTPError", httpx.HTTPError)
    return (httpx.HTTPError, theirs, *BROKEN)


def reason_of(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The first message in the chain of *error*, without *secrets*: on trio, TLS errors have none of their own."""
    for seen in _chain(error):
        if type(seen).__name__ == "LocalProtocolError":
            # It quotes the header, and in it what nobody may see.
            return "the request has a header that cannot be sent; look at the headers of the client"
        if str(seen):
            return scrub(str(seen), secrets)
    return type(error).__name__


def harmless_cause(error: BaseException) -> BaseException | None:
    """What of the chain of *error* may be kept: the error of the operating system or of TLS below those of httpx.

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
    """Keep *secrets* out of what the HTTP libraries log in this task, for the time of the block."""
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
