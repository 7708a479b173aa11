"""The sessions of a benchmark: which wire, which server, recorded or not."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from realtime_transport.cli.terminal import remark
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    import httpx

    from realtime_transport.bench import Line, Noted, Place
    from realtime_transport.cli.target import Target
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["BenchWire", "noted_by_emulator"]

CONNECT_TIMEOUT = 30.0
"""Seconds: many sessions connect at once."""


@attrs.frozen(kw_only=True)
class BenchWire:
    """Opens sessions.

    Attributes:
        target: The server.
        commit: No turn detection.
        recordings: The folder for a recording of each session; ``None``: none.
    """

    target: Target
    commit: bool = False
    recordings: Path | None = None

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncGenerator[Line]:
        """One session. If cancelled, it is closed.

        If cancelled, the session is closed.

        Raises:
            ConnectError: It cannot be opened.
        """
        from realtime_transport.bench import Line
        from realtime_transport.replay import WireWatch

        async with AsyncExitStack() as stack:
            options: dict[str, Any] = {}
            if place.transport == "webrtc":
                transport, url, options = await self._webrtc(stack)
            else:
                transport, url = self._websocket(), self.target.url
            watch = WireWatch()
            stack.enter_context(transport.observe(watch))
            recorded = await self._record(place, transport, stack)
            detection = None if self.commit else {"type": "server_vad"}
            config = {"audio": {"input": {"turn_detection": detection}}}
            connecting = transport.connect(api_key=self.target.key, url=url, initial_session_config=config)
            await stack.enter_async_context(connecting)
            yield Line(transport=transport, watch=watch, recorded=recorded, **options)

    def _websocket(self) -> OpenAIRealtimeBase:
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        return OpenAIRealtimeWebSocket(
            model=self.target.model, connect_timeout=CONNECT_TIMEOUT, session_timeout=CONNECT_TIMEOUT
        )

    async def _webrtc(self, stack: AsyncExitStack) -> tuple[OpenAIRealtimeBase, str | None, dict[str, Any]]:
        from realtime_transport.cli.webrtc import calls_url, webrtc_transport

        client = None
        if self.target.is_local:  # A proxy of the environment is for the world outside.
            client = await stack.enter_async_context(_direct_client())
        transport, send = webrtc_transport(self.target.model, client, CONNECT_TIMEOUT, stack, allow_insecure=False)
        return transport, calls_url(self.target.url), {"send": send, "sound": transport.audio_statistics}

    async def _record(self, place: Place, transport: OpenAIRealtimeBase, stack: AsyncExitStack) -> str | None:
        if self.recordings is None or place.repeat < 0:
            return None
        from realtime_transport.recording import record

        self.recordings.mkdir(parents=True, exist_ok=True)
        path, again = self.recordings / f"{place.name}.rtrec", 1
        while path.exists():  # Of a level that did not end, and runs again.
            again += 1
            path = self.recordings / f"{place.name}-{again}.rtrec"
        recorder = await stack.enter_async_context(record(transport, path))

        def complain() -> None:
            if recorder.error is not None:
                remark(f"{path} ended early: {recorder.error}")

        stack.callback(complain)
        return f"{self.recordings.name}/{path.name}"


def _direct_client() -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(trust_env=False)


async def noted_by_emulator(url: str) -> Mapping[str, Noted]:
    """What the emulator at *url* has noted of its sessions, by their ids. If cancelled, nothing is left behind.

    If cancelled, nothing has changed.

    Raises:
        ConfigError: It is no emulator, or cannot be asked.
    """
    import httpx

    from realtime_transport.bench import Noted

    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    asked = f"{scheme}://{parts.netloc}/emulator/sessions"
    try:
        async with _direct_client() as client:
            response = await client.get(asked, timeout=30.0)
            sessions = response.raise_for_status().json()["sessions"]
        return {
            one["id"]: Noted(
                segments=tuple((segment["start_ms"], segment["end_ms"]) for segment in one["segments"]),
                input_sha256=one["input_audio_sha256"],
            )
            for one in sessions
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"--known-answers: only the emulator knows them, and {parts.hostname} gave none ({type(exc).__name__})",
            key="known_answers",
        ) from exc
