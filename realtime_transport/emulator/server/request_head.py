"""Reads the head of a request on a new connection, within bounds, and tells upgrades from HTTP."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream

    from realtime_transport.clock import Clock

__all__ = ["is_upgrade", "read_head", "refused_head", "split_target"]

MAX_HEAD_BYTES = 64 * 1024

MAX_LINE_BYTES = 8 * 1024
"""Of the request line, and of each header, with its end."""

MAX_HEADERS = 128

HEAD_TIMEOUT = 10.0
"""Seconds that a client gets to send the head of its request."""

_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"^upgrade:[^\r\n]*websocket", re.IGNORECASE | re.MULTILINE)
# RFC 3986: a path of pchar and slashes. The query is read leniently, as servers do.
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_AUTHORITY = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


async def read_head(stream: ByteReceiveStream, clock: Clock) -> bytes | None:
    """Read up to the end of the request head, possibly more; ``None`` if no head arrives.

    If cancelled, what was read is lost.
    """
    data = b""
    try:
        with clock.move_on_at(clock.now() + HEAD_TIMEOUT):
            while _END not in data and len(data) < MAX_HEAD_BYTES:
                data += await stream.receive()
            return data
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    return None


def is_upgrade(data: bytes) -> bool:
    """Whether the head that *data* begins with asks for a WebSocket."""
    return _UPGRADE.search(data.partition(_END)[0]) is not None


def refused_head(data: bytes) -> tuple[int, str] | None:
    """The HTTP status and the reason with which the upgrade request that *data* begins with is refused, if it is.

    ``None`` for one that keeps to the limits and asks for a GET in HTTP/1.1: nothing else is looked at. ``websockets``
    answers the others differently from version to version, so they do not reach it.

    Args:
        data: What `read_head` returned.
    """
    head, end, _ = data.partition(_END)
    line, *headers = head.split(b"\r\n")
    if len(line) + 2 > MAX_LINE_BYTES:
        return 414, "The target of the request is too long."
    if not end or len(headers) > MAX_HEADERS or any(len(header) + 2 > MAX_LINE_BYTES for header in headers):
        return 431, "The head of the request is too large."
    parts = line.split(b" ")
    if len(parts) != 3:
        return 400, "The request line is malformed."
    method, _, version = parts
    if version == b"HTTP/1.0":
        return 505, "A WebSocket needs HTTP/1.1."
    if version != b"HTTP/1.1":
        return 400, "The request line is malformed."
    if method != b"GET":
        return 405, "A WebSocket is opened by GET."
    return None


def split_target(target: str) -> tuple[str, dict[str, str]] | None:
    """The path and the query of a request target, or ``None`` if it is malformed."""
    at = _AUTHORITY.match(target)
    path, _, query = target[at.end() if at else 0 :].partition("?")
    if not _PATH.fullmatch(path) or "#" in query or not query.isascii():
        return None
    return path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
