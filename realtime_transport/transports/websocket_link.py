"""The WebSocket link: httpx and httpx-ws shake hands, then a sans-IO codec drives the network stream.

httpx-ws's own receive loop does not answer pings behind an unread message and bounds nothing, so only its handshake
is used. The codec is the client side of ``websockets`` (masking in C).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, cast

import anyio
import httpx
import httpx_ws
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import (
    ConfigError,
    ConnectError,
    MessageTooBig,
    NegotiationError,
    RealtimeError,
    UpgradeRejected,
)
from realtime_transport.http_client import (
    BROKEN,
    client_errors,
    harmless_cause,
    new_client,
    open_request,
    origin_of,
    read_body,
    reason_of,
)
from realtime_transport.keys import usable_headers
from realtime_transport.urls import REALTIME, address_hint, http_url, redact_url, scrub, secrets_in
from realtime_transport.wire_logging import frame_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence

    import httpcore

    from .options import ConnectRequest

__all__ = ["WebSocketLink", "connect_websocket"]

READ_BYTES = 128 * 1024
"""Some twenty audio deltas of 100 ms: under load one read brings many messages (64 KiB: a third more CPU)."""

MAX_REJECTION_BYTES = 64 * 1024
"""How much of the body of a refused upgrade is kept."""

_ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class WebSocketLink:
    """An open WebSocket on an httpx network stream: whole messages in, whole frames out, one write for many.

    Args:
        stream: The network stream (``response.extensions["network_stream"]``) after the upgrade.
        max_message_bytes: See `ConnectRequest`.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, max_message_bytes: int | None) -> None:
        self._stream = stream
        self._max_message_bytes = max_message_bytes
        self._protocol = ClientProtocol(
            parse_uri("ws://unused"), state=State.OPEN, max_size=max_message_bytes, logger=frame_logger()
        )
        # The in-process ASGI stream of httpx-ws has no socket, fails on pings and does not answer a close.
        self._has_socket = stream.get_extra_info("socket") is not None
        self._fragments: list[Frame] = []
        self._pongs: dict[bytes, anyio.Event] = {}
        self._wake: Callable[[], None] | None = None
        self._sending = False
        self._torn = False

    async def receive(self) -> list[str | bytes]:
        """Wait for messages; see `realtime_transport.connection.link.Link.receive`."""
        protocol = self._protocol
        while True:
            if protocol.state is not State.OPEN:
                self._raise_closed()
            await self._read()
            messages = self._messages()
            if protocol.writes and self._wake is not None:
                self._wake()
            if messages:
                return messages

    async def _read(self) -> None:
        try:
            data = await self._stream.read(READ_BYTES)
        except BROKEN:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()

    def _messages(self) -> list[str | bytes]:
        messages: list[str | bytes] = []
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame):
                continue
            opcode = frame.opcode
            if opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
                if not frame.fin or self._fragments:
                    self._fragments.append(frame)
                    if not frame.fin:
                        continue
                    frame = Frame(self._fragments[0].opcode, b"".join(part.data for part in self._fragments))
                    self._fragments.clear()
                if frame.opcode is Opcode.BINARY:
                    messages.append(bytes(frame.data))
                    continue
                try:
                    messages.append(str(frame.data, "utf-8"))
                except UnicodeDecodeError:
                    self._protocol.fail(1007, "text that is not UTF-8")
                    break
            elif opcode is Opcode.PONG:
                self._pong(bytes(frame.data))
        return messages

    def _pong(self, payload: bytes) -> None:
        if payload not in self._pongs:
            return  # Unsolicited pongs are legal (RFC 6455, section 5.5.3).
        for sent in list(self._pongs):  # A pong answers every ping before it, too.
            self._pongs.pop(sent).set()
            if sent == payload:
                break

    def _raise_closed(self) -> NoReturn:
        protocol = self._protocol
        if isinstance(protocol.parser_exc, PayloadTooBig):
            limit = self._max_message_bytes or 0
            raise LinkClosed(1009, "message too big") from MessageTooBig(
                f"the server sent a message above the limit of {limit} bytes; raise max_message_bytes to admit it",
                limit=limit,
            )
        if protocol.close_rcvd is not None:
            raise LinkClosed(protocol.close_rcvd.code, protocol.close_rcvd.reason)
        if protocol.close_sent is not None and protocol.close_sent.code != 1000:
            raise LinkClosed(protocol.close_sent.code, protocol.close_sent.reason)
        raise LinkClosed

    async def send(self, messages: Sequence[str], /) -> None:
        """Send *messages*, and whatever control frames wait, in one write."""
        protocol = self._protocol
        try:
            for message in messages:
                protocol.send_text(message.encode())
        except InvalidState:
            # The peer has begun to close: the frames are lost, the reader tells why.
            pass
        await self._flush()

    async def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return
        self._torn = True  # Unless the write comes back, the stream ends in the middle of a frame.
        try:
            await self._stream.write(data)
        except BROKEN as exc:
            self._protocol.receive_eof()
            raise LinkClosed from exc
        self._torn = False

    def on_control(self, wake: Callable[[], None], /) -> None:
        """Call *wake* whenever a pong waits to be sent."""
        self._wake = wake

    def ping(self) -> anyio.Event | None:
        """Queue a ping; the event is set by its pong. ``None`` where the stream cannot carry pings."""
        if not self._has_socket or self._protocol.state is not State.OPEN:
            return None
        payload = secrets.token_bytes(4)
        pong = self._pongs[payload] = anyio.Event()
        self._protocol.send_ping(payload)
        return pong

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, read until the server's answer or its end, and close the stream.

        If cancelled, the stream is closed at once.
        """
        protocol = self._protocol
        try:
            if not self._torn:
                if protocol.state is State.OPEN:
                    protocol.send_close(code, reason)
                await self._flush()
                while self._has_socket and protocol.state is not State.CLOSED and protocol.close_rcvd is None:
                    await self._read()
                    protocol.events_received()
        except LinkClosed:
            pass  # Closed is what was wanted.
        finally:
            with anyio.CancelScope(shield=True):
                await self._aclose_stream()

    async def _aclose_stream(self) -> None:
        with suppress(*BROKEN):  # A stream that is broken already is closed.
            await self._stream.aclose()


@asynccontextmanager
async def connect_websocket(
    request: ConnectRequest, *, client: httpx.AsyncClient | None = None
) -> AsyncGenerator[WebSocketLink]:
    """Open a WebSocket as *request* says, over *client* (proxies, TLS, in-process ASGI) or one of our own.

    The client is any object with ``stream()`` as httpx has it and the ``network_stream`` extension; it stays open.

    Raises:
        ConfigError: The URL is not a WebSocket URL, or would send the key in the clear; or a header cannot be sent.
        UpgradeRejected: The server answered with another status than 101.
        NegotiationError: The answer does not fit the request.
        ConnectError: No connection, or no answer.
    """
    url = http_url(request.url)
    if client is None:
        async with new_client(url) as own, _upgrade(request, url, own) as link:
            yield link
    else:
        async with _upgrade(request, url, client) as link:
            yield link


@asynccontextmanager
async def _upgrade(request: ConnectRequest, url: str, client: httpx.AsyncClient) -> AsyncGenerator[WebSocketLink]:
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
            _check(response, request)
            opened = True
            yield WebSocketLink(handshake.stream, max_message_bytes=request.max_message_bytes)
    except (RealtimeError, LinkClosed):
        raise  # Ours already; some are an OSError as well.
    except Exception as exc:
        failure = None if opened else _failure(exc, request, url, client)
        if failure is None:
            raise
    # Here, so that what httpx raised is not its context: it holds the request, and with it the key.
    if failure is not None:
        raise failure


def _failure(error: Exception, request: ConnectRequest, url: str, client: object) -> Exception | None:
    """What *error*, raised before the link was open, means; ``None`` if it is not of the network."""
    secrets = {*secrets_in(url), request.api_key or ""}
    if isinstance(error, httpx_ws.WebSocketUpgradeError):
        return _rejection(error.response, secrets)
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return ConfigError(f"url: {reason_of(error, secrets)}", key="url")
    if isinstance(error, client_errors(client)):
        failure = ConnectError(f"could not connect to {origin_of(url)}: {reason_of(error, secrets)}")
        failure.__cause__ = harmless_cause(error)
        return failure
    return None


class _Handshake(httpx_ws.AsyncWebSocketSession):
    """What httpx-ws makes of an upgraded response: for us, only the stream."""

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[_Handshake]:
        yield self


class _UpgradeClient:
    """A client that has read the body of whatever is not an upgrade, so that the rejection can quote it."""

    def __init__(self, client: httpx.AsyncClient, *, allow_insecure: bool) -> None:
        self._client = client
        self._allow_insecure = allow_insecure

    @asynccontextmanager
    async def stream(self, method: str, url: str, **kwargs: Any) -> AsyncGenerator[httpx.Response]:
        async with open_request(self._client, method, url, allow_insecure=self._allow_insecure, **kwargs) as response:
            if response.status_code != 101:
                response.extensions["rejection_body"], _ = await read_body(response, MAX_REJECTION_BYTES)
            yield response


def _check(response: httpx.Response, request: ConnectRequest) -> None:
    # httpx-ws accepts any answer with status 101.
    key = response.request.headers["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1((key + _ACCEPT_GUID).encode(), usedforsecurity=False).digest()).decode()
    if response.headers.get("sec-websocket-accept", "").strip() != accept:
        raise NegotiationError("the server's Sec-WebSocket-Accept does not fit our key: is this a WebSocket server?")
    chosen = response.headers.get("sec-websocket-protocol")
    if chosen is not None and chosen not in request.subprotocols:
        raise NegotiationError("the server chose a subprotocol that was not offered")


def _rejection(response: httpx.Response, secrets: Collection[str]) -> UpgradeRejected:
    body = scrub(bytes(response.extensions.get("rejection_body", b"")).decode("utf-8", "replace"), secrets)
    said = f": {body[:500].strip()}" if body.strip() else ""
    location = response.headers.get("location")
    where = f", a redirect to {redact_url(location, *secrets)} that was not followed" if location else ""
    if response.status_code in (404, 405):
        where = f" ({address_hint(str(response.request.url), REALTIME, *secrets)})"
    return UpgradeRejected(
        f"the server refused the upgrade with status {response.status_code}{where}{said}",
        status=response.status_code,
        body=body,
    )
