"""The WebSocket transport."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Unpack

import attrs

from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL
from realtime_transport.protocol.vendors.profiles import profile_named
from realtime_transport.protocol.wire.server_events import SessionUpdated

from .base import OpenAIRealtimeBase
from .opening import with_query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    import httpx

    from realtime_transport.connection.link import Link
    from realtime_transport.protocol.vendors.profiles import EndpointProfile

    from .options import ApiKey, ConnectOptions, Connector, ConnectRequest, TransportOptions

__all__ = ["OpenAIRealtimeWebSocket"]


class OpenAIRealtimeWebSocket(OpenAIRealtimeBase):
    """The Realtime API over a WebSocket. The client owns playback: an interruption is a cancel and truncations.

    ::

        transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1")
        async with transport.connect(api_key=key):
            await transport.send_message("Hello")
            async for event in transport:
                ...

    Args:
        model: The model; `current_model` changes it.
        api_key: A key, or a sync or async function that is asked at each connect; ``OPENAI_API_KEY`` if not given.
        url: Used as written, except that a call id becomes its query; the default host if not given.
        client: An ``httpx.AsyncClient`` to connect with (proxies, TLS, in-process ASGI). It stays open.
        headers: Further headers of the upgrade request.
        query: Further query parameters of the URL.
        use_insecure_api_key: Send the key as a subprotocol, as browsers have to, instead of as a header.
        profile: In what the server differs from the service: a name in `PROFILES` (``"azure"``, ``"xai"``,
            ``"speaches"``, …) or an `EndpointProfile`. Then *url* may be an address without a path.
        connector: Opens the link instead of `connect_websocket`.
        options: Deadlines, bounds, audio ends and clock; see `Settings`.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
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
        found = None if profile is None else profile_named(profile)
        super().__init__(
            connector=connector or _websocket_connector(client),
            model=model,
            api_key=api_key,
            url=url if found is None else found.url(url),
            headers=headers,
            query=query,
            **options,
        )
        self._use_subprotocol = use_insecure_api_key
        self._profile = found
        if found is not None and not found.speaks_first:
            # For every other server it is a fact about the class.
            self._ready_event = SessionUpdated  # pyright: ignore[reportAttributeAccessIssue]

    def _request(self, options: ConnectOptions, key: str) -> ConnectRequest:
        request = super()._request(options, key)
        if self._profile is not None:
            return _with_credentials(request, self._profile, key)
        if not self._use_subprotocol:
            return request
        if re.search(r"[,\s]", key):
            raise ConfigError("api_key: no subprotocol can carry a key with a comma or a space in it", key="api_key")
        headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
        return attrs.evolve(request, headers=headers, subprotocols=("realtime", f"openai-insecure-api-key.{key}"))


def _websocket_connector(client: httpx.AsyncClient | None) -> Connector:
    def connect(request: ConnectRequest) -> AbstractAsyncContextManager[Link]:
        from .websocket_link import connect_websocket  # httpx takes its time to import: at the first connect.

        return connect_websocket(request, client=client)

    return connect


def _with_credentials(request: ConnectRequest, profile: EndpointProfile, key: str) -> ConnectRequest:
    headers, query, subprotocols = profile.credentials(key)
    others = {name: value for name, value in request.headers.items() if name != "Authorization"}
    return attrs.evolve(
        request,
        url=with_query(request.url, query),
        headers={**profile.headers, **others, **headers},
        subprotocols=subprotocols,
    )
