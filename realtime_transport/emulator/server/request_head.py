"""Reads the head of a request on a new connection, within bounds, and tells upgrades from HTTP."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream

    from realtime_transport.clock import Clock

__all__ = ["MAX_HEAD_BYTES", "is_upgrade", "read_head", "split_target"]

MAX_HEAD_BYTES = 64 * 1024

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


def split_target(target: str) -> tuple[str, dict[str, str]] | None:
    """The path and the query of a request target, or ``None`` if it is malformed."""
    at = _AUTHORITY.match(target)
    path, _, query = target[at.end() if at else 0 :].partition("?")
    if not _PATH.fullmatch(path) or "#" in query:
        return None
    return path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
