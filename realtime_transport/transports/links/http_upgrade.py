"""The handshake of a WebSocket, RFC 6455 section 4.1, without I/O: the request as bytes, the answer from bytes."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import orjson

from realtime_transport.errors import NegotiationError, upgrade_rejected
from realtime_transport.late_classes import define, frozen
from realtime_transport.urls import REALTIME, address_hint, redact_url, scrub

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from realtime_transport.errors import UpgradeRejected

__all__ = ["UpgradeAnswer", "UpgradeRequest", "accept_key", "check_answer", "error_code", "rejection"]

MAX_HEAD_BYTES = 64 * 1024
"""The limit of an answer's head, as in h11."""

MAX_BODY_BYTES = 64 * 1024
"""The number of bytes of a refusal's body that are kept."""

_ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")


def accept_key(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that a server must send for the key of an upgrade request."""
    digest = hashlib.sha1((key + _ACCEPT_GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def check_answer(headers: Mapping[str, str], key: str, subprotocols: Sequence[str]) -> None:
    """Check an answer with status 101.

    Args:
        headers: Its headers, found by lower-case names.
        key: The key of the request.
        subprotocols: The offered subprotocols.

    Raises:
        NegotiationError: It does not fit the request.
    """
    if headers.get("sec-websocket-accept", "").strip() != accept_key(key):
        raise NegotiationError("the server's Sec-WebSocket-Accept does not fit our key: is this a WebSocket server?")
    chosen = headers.get("sec-websocket-protocol")
    if chosen is not None and chosen not in subprotocols:
        raise NegotiationError("the server chose a subprotocol that was not offered")
    if headers.get("sec-websocket-extensions"):
        raise NegotiationError("the server chose an extension that was not offered")


def rejection(
    status: int, headers: Mapping[str, str], body: bytes, *, url: str, secrets: Collection[str]
) -> UpgradeRejected:
    """The error for an answer with another status than 101.

    Args:
        status: Its status.
        headers: Its headers, found by lower-case names.
        body: What was read of its body.
        url: The requested URL.
        secrets: Text to mask in the message.
    """
    text = scrub(body.decode("utf-8", "replace"), secrets)
    said = f": {text[:500].strip()}" if text.strip() else ""
    location = headers.get("location")
    where = f", a redirect to {redact_url(location, *secrets)} that was not followed" if location else ""
    if status in (404, 405):
        where = f" ({address_hint(url, REALTIME, *secrets)})"
    return upgrade_rejected(
        f"the server refused the upgrade with status {status}{where}{said}",
        status=status,
        body=text,
        code=error_code(text),
        headers={name: scrub(value, secrets) for name, value in headers.items()},
    )


def error_code(body: str) -> str | None:
    """The code in *body*, if it is an error envelope."""
    try:
        code = orjson.loads(body)["error"]["code"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None
    return code if isinstance(code, str) else None


@frozen()
class UpgradeRequest:
    """A request to upgrade.

    Attributes:
        url: An http or https URL without user info.
        headers: Further headers; they can be sent as they are.
        subprotocols: Subprotocols to offer.
        key: The nonce.
    """

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    subprotocols: Sequence[str] = attrs.field(default=(), repr=False)
    key: str = attrs.field(factory=lambda: base64.b64encode(secrets.token_bytes(16)).decode(), repr=False)

    def encode(self) -> bytes:
        """The request as bytes."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {
            "Host": parts.netloc,
            "Accept": "*/*",
            "User-Agent": "realtime-transport",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": self.key,
            "Sec-WebSocket-Version": "13",
        }
        if self.subprotocols:
            fields["Sec-WebSocket-Protocol"] = ", ".join(self.subprotocols)
        # A header of the caller replaces the default one, in upper or lower case.
        given = {name.lower() for name in self.headers}
        lines = [f"GET {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@define()
class UpgradeAnswer:
    """The answer, as it is received.

    Attributes:
        status: Its status, once the head is complete; interim answers are skipped.
        headers: Its headers, by lower-case name.
        rest: The data after the head: frames after 101, else a body.
    """

    status: int | None = attrs.field(default=None, init=False)
    headers: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    rest: bytes = attrs.field(default=b"", init=False)

    def feed(self, data: bytes) -> None:
        """Take what was read.

        Raises:
            NegotiationError: It is not an HTTP answer.
        """
        self.rest += data
        while self.status is None:
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                if len(self.rest) > MAX_HEAD_BYTES or not self.rest.startswith(b"HTTP/1."[: len(self.rest)]):
                    raise NegotiationError("the server's answer is not HTTP/1.1: is this a WebSocket server?")
                return
            self.rest = rest
            self._read_head(head)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(first)
        fields = [_FIELD_LINE.fullmatch(line) for line in lines]
        if status is None or None in fields:
            raise NegotiationError("the server's answer has a malformed head: is this a WebSocket server?")
        code = int(status[1])
        if 100 <= code < 200 and code != 101:
            return
        self.status = code
        for field in fields:
            if field is not None:
                name, value = field[1].decode("latin-1").lower(), field[2].decode("latin-1")
                self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    @property
    def body_is_whole(self) -> bool:
        """Whether `rest` holds the whole body, or as much of it as is kept."""
        length = self.headers.get("content-length", "")
        if len(self.rest) >= MAX_BODY_BYTES or (
            length.isascii() and length.isdigit() and len(self.rest) >= int(length)
        ):
            return True
        return self._is_chunked and self.rest.endswith(b"0\r\n\r\n")

    @property
    def _is_chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def body(self) -> bytes:
        """The received part of the body."""
        return (_dechunk(self.rest) if self._is_chunked else self.rest)[:MAX_BODY_BYTES]


def _dechunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if not length:
            break
        body, data = body + data[:length], data[length + 2 :]
    return body
