"""The transport for Python Workers at Cloudflare, where ``fetch()`` opens WebSockets to other hosts."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, Unpack

import anyio
import anyio.lowlevel

from realtime_transport.argument_names import named
from realtime_transport.connection.life_cycle import Phase
from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import ConfigError, ConnectError, MessageTooBig, upgrade_rejected
from realtime_transport.keys import usable_headers
from realtime_transport.urls import http_url, require_encryption, scrub

from .base.realtime import OpenAIRealtimeBase
from .endpoint.endpoint import Endpoint
from .links.http_upgrade import error_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from .endpoint.endpoint import Prepare
    from .endpoint.options import ApiKey, Connector, ConnectRequest, TransportOptions

__all__ = ["CloudflareRealtimeTransportLayer", "Fetch", "FetchedSocketLink"]

Fetch: TypeAlias = "Callable[[str, dict[str, Any]], Awaitable[Any]]"
"""``fetch(url, init)`` as in a Worker: returns a response with ``status``, ``webSocket`` and ``text()``."""

FETCH = Phase("fetch", "the server to answer the upgrade request of fetch()")

MAX_REJECTION_CHARACTERS = 64 * 1024
"""The number of characters of a refusal's body that are kept."""


class CloudflareRealtimeTransportLayer(OpenAIRealtimeBase):
    """The Realtime API from a Worker. The client owns playback, as with `OpenAIRealtimeWebSocket`.

    ::

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                transport = CloudflareRealtimeTransportLayer(api_key=self.env.OPENAI_API_KEY)
                async with transport.connect():
                    await transport.send_message("Hello")
                    async for event in transport:
                        ...
                return Response(...)

    The upgrade is ``fetch()`` with ``Upgrade: websocket``; the socket of the response is accepted and used. Deadlines
    are those of every transport; there are no pings, since the Worker's runtime cannot send any.

    Args:
        fetch: Opens the socket; the ``fetch`` of the Worker if not given.
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key, or a function or coroutine function that is called at each connect; ``OPENAI_API_KEY`` if not
            given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        options: Deadlines, bounds, audio ends and clock; see `Settings`.
    """

    @named
    def __init__(
        self,
        *,
        fetch: Fetch | None = None,
        model: str | None = None,
        api_key: ApiKey | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        super().__init__(
            endpoint=Endpoint(
                wire="cloudflare",
                # The fetch belongs to the preparation: if it fails, no event is emitted.
                prepare=_fetching(fetch or _worker_fetch),
                preparing=FETCH,
            ),
            model=model,
            api_key=api_key,
            url=url,
            headers=headers,
            query=query,
            **options,
        )


def _fetching(fetch: Fetch) -> Prepare:
    async def prepare(request: ConnectRequest) -> Connector:
        socket = await _upgrade(fetch, request)

        def connect(request: ConnectRequest) -> AbstractAsyncContextManager[FetchedSocketLink]:
            return _accepted(socket, request)

        return connect

    return prepare


@asynccontextmanager
async def _accepted(socket: Any, request: ConnectRequest) -> AsyncGenerator[FetchedSocketLink]:
    link = FetchedSocketLink(socket, max_message_bytes=request.max_message_bytes)
    try:
        yield link
    finally:
        link.release()


async def _upgrade(fetch: Fetch, request: ConnectRequest) -> Any:
    headers = {
        **usable_headers(request.headers),
        "Sec-WebSocket-Protocol": "realtime",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
    }
    url = http_url(request.url)
    require_encryption(url, allow_insecure=request.allow_insecure)
    secrets = request.secrets
    try:
        # A redirect would be followed with all headers, the key included.
        response = await fetch(url, {"method": "GET", "headers": headers, "redirect": "manual"})
    except Exception as exc:  # noqa: BLE001 - whatever the runtime raises
        failure = ConnectError(f"fetch() failed: {scrub(str(exc), secrets) or type(exc).__name__}")
    else:
        return getattr(response, "webSocket", None) or await _refuse(response, secrets)
    raise failure  # Raised here, so that the runtime's exception, which may hold the request, is not its context.


async def _refuse(response: Any, secrets: Collection[str]) -> NoReturn:
    status, body = int(response.status), ""
    with suppress(Exception):  # The status is what matters.
        body = scrub(await _text(response), secrets)[:MAX_REJECTION_CHARACTERS]
    said = f": {body[:500].strip()}" if body.strip() else ""
    raise upgrade_rejected(
        f"the server refused the upgrade with status {status}{said}",
        status=status,
        body=body,
        code=error_code(body),
        headers={name: scrub(value, secrets) for name, value in _headers(response).items()},
    )


def _headers(response: Any) -> dict[str, str]:
    with suppress(Exception):  # The headers are only for information.
        return {str(name): str(value) for name, value in response.headers.items()}
    return {}


async def _text(response: Any) -> str:
    """The beginning of the body; the rest is not read."""
    if not hasattr(getattr(response, "body", None), "getReader"):
        return str(await response.text())
    reader, read = response.body.getReader(), b""
    while len(read) < MAX_REJECTION_CHARACTERS:
        chunk = await reader.read()
        if chunk.done:
            break
        read += bytes(chunk.value.to_bytes() if hasattr(chunk.value, "to_bytes") else chunk.value)
    else:
        await reader.cancel()
    return read.decode("utf-8", "replace")


class FetchedSocketLink:
    """A link over the WebSocket of a Worker; see `realtime_transport.connection.link.Link`.

    Args:
        socket: With ``accept()``, ``addEventListener()``, ``send()`` and ``close()`` as in a Worker. It is accepted.
        max_message_bytes: See `ConnectRequest`; counted in characters for text.
    """

    def __init__(self, socket: Any, *, max_message_bytes: int | None = None) -> None:
        self._socket = socket
        self._limit = max_message_bytes
        self._messages: deque[str | bytes] = deque()
        self._closed: LinkClosed | None = None
        self._change = anyio.Event()
        handlers = {"message": self._on_message, "close": self._on_close, "error": self._on_error}
        self._listeners = {name: _as_callback(handler) for name, handler in handlers.items()}
        for name, listener in self._listeners.items():
            socket.addEventListener(name, listener)
        socket.accept()

    # The runtime calls these between two turns of the event loop, never during a method of this class.

    def _on_message(self, event: Any) -> None:
        data = event.data
        message = data if isinstance(data, str) else bytes(data.to_bytes() if hasattr(data, "to_bytes") else data)
        if self._limit is not None and len(message) > self._limit:
            reason = f"the server sent a message above the limit of {self._limit}; raise max_message_bytes to admit it"
            self._end(1009, "message too big", MessageTooBig(reason, limit=self._limit))
            return
        self._messages.append(message)
        self._changed()

    def _on_close(self, event: Any) -> None:
        self._end(int(event.code or 1006), str(event.reason or ""))

    def _on_error(self, _event: Any) -> None:
        self._end(1006, "")

    def _end(self, code: int, reason: str, cause: Exception | None = None) -> None:
        if self._closed is None:
            self._closed = LinkClosed(code, reason)
            self._closed.__cause__ = cause
            self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    # The link

    async def receive(self) -> list[str | bytes]:
        """See `Link.receive`. If cancelled, no message is lost."""
        while not self._messages:
            self._raise_if_closed()
            await self._change.wait()
        messages = list(self._messages)
        self._messages.clear()
        return messages

    async def send(self, messages: Sequence[str], /) -> None:
        """See `Link.send`. If cancelled, all messages were passed to the runtime."""
        self._raise_if_closed()
        for message in messages:
            try:
                self._socket.send(message)
            except Exception as exc:
                raise LinkClosed from exc
        # The runtime buffers without bound or feedback; let other tasks run.
        await anyio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`. If cancelled, the close was passed to the runtime."""
        with suppress(Exception):  # It is closed already.
            self._socket.close(code, reason)
        while self._closed is None:
            await self._change.wait()

    def release(self) -> None:
        """Close at once, and release what the runtime holds."""
        with suppress(Exception):
            if self._closed is None:
                self._socket.close(1000, "")
        for name, listener in self._listeners.items():
            with suppress(Exception):
                self._socket.removeEventListener(name, listener)
            if hasattr(listener, "destroy"):
                listener.destroy()
        self._listeners = {}

    def _raise_if_closed(self) -> None:
        if self._closed is not None:
            raise LinkClosed(self._closed.code, self._closed.reason) from self._closed.__cause__


def _as_callback(function: Callable[[Any], None]) -> Any:
    """*function* as an object that JavaScript may keep."""
    if sys.platform != "emscripten":
        return function
    from pyodide.ffi import create_proxy  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

    return create_proxy(function)  # pyright: ignore[reportUnknownVariableType]


async def _worker_fetch(url: str, init: dict[str, Any]) -> Any:
    """The ``fetch`` of the runtime."""
    try:
        import js  # pyright: ignore[reportMissingImports]
        from pyodide.ffi import to_js  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
    except ImportError as exc:
        raise ConfigError("fetch: there is none here; pass one, or run in a Worker (Pyodide)", key="fetch") from exc
    runtime: Any = js
    return await runtime.fetch(url, to_js(init, dict_converter=runtime.Object.fromEntries))
