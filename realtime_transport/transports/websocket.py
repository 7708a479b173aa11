"""The WebSocket transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_callable, expect_client
from realtime_transport.protocol.vendors.profiles import profile_named
from realtime_transport.protocol.wire.server_events import SessionCreated, SessionUpdated

from .base.realtime import OpenAIRealtimeBase
from .endpoint.endpoint import Endpoint
from .endpoint.opening import bearer_request, subprotocol_request
from .links.preloading import ensure_loaded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    import httpx

    from realtime_transport.connection.link import Link
    from realtime_transport.protocol.vendors.profiles import EndpointProfile

    from .endpoint.options import ApiKey, Connector, ConnectRequest, TransportOptions

__all__ = ["OpenAIRealtimeWebSocket", "websocket_connector"]


class OpenAIRealtimeWebSocket(OpenAIRealtimeBase):
    """The Realtime API over a WebSocket. The client owns playback: an interruption is a cancel and truncations.

    ::

        transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1")
        async with transport.connect(api_key=key):
            await transport.send_message("Hello")
            async for event in transport:
                ...

    Args:
        model: The model; `current_model` changes it. If not given, the one that the URL names, or `DEFAULT_MODEL`.
        api_key: A key, or a function or coroutine function that is called at each connect; ``OPENAI_API_KEY`` if not
            given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        client: An ``httpx.AsyncClient`` to connect with (proxies, TLS, in-process ASGI). It stays open.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        use_insecure_api_key: Send the key as a subprotocol, as browsers must, instead of as a header.
        profile: How the server differs from the service: a name in `PROFILES` (``"azure"``, ``"xai"``,
            ``"speaches"``, …) or an `EndpointProfile`. Then *url* may be an address without a path.
        connector: Opens the link instead of `connect_websocket`.
        options: Deadlines, bounds, audio ends and clock; see `Settings`.
    """

    @named
    def __init__(
        self,
        *,
        model: str | None = None,
        api_key: ApiKey | None = None,
        url: str | None = None,
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        use_insecure_api_key: bool = False,
        profile: str | EndpointProfile | None = None,
        connector: Connector | None = None,
        **options: Unpack[TransportOptions],
    ) -> None:
        expect(url, str, "url", "text")
        expect_callable(connector, "connector")
        found = None if profile is None else profile_named(profile)
        super().__init__(
            endpoint=Endpoint(
                connector=connector or websocket_connector(client),
                profile=found,
                ready_events=(SessionCreated,) if found is None or found.speaks_first else (SessionUpdated,),
                build_request=subprotocol_request if use_insecure_api_key else bearer_request,
            ),
            model=model,
            api_key=api_key,
            url=url if found is None else found.url(url),
            headers=headers,
            query=query,
            **options,
        )


def websocket_connector(client: httpx.AsyncClient | None) -> Connector:
    """A connector that opens WebSocket links with *client*, or on new sockets.

    Raises:
        ConfigError: *client* is not an ``httpx.AsyncClient``.
    """
    expect_client(client)
    return lambda request: _Opening(request, client)


class _Opening:
    """`connect_websocket`, imported on entering."""

    __slots__ = ("_client", "_manager", "_request")

    _manager: AbstractAsyncContextManager[Link]

    def __init__(self, request: ConnectRequest, client: httpx.AsyncClient | None) -> None:
        self._request, self._client = request, client

    async def __aenter__(self) -> Link:
        await ensure_loaded()
        from .links.websocket_link import connect_websocket

        self._manager = connect_websocket(self._request, client=self._client)
        return await self._manager.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)
