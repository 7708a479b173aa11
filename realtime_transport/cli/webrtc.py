"""What the commands need for ``--transport webrtc``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import anyio

from realtime_transport.cli.running import require
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable
    from contextlib import AsyncExitStack

    import httpx

    from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

__all__ = ["calls_url", "check_replay", "webrtc_transport"]

FRAMES_AHEAD = 2
"""Frames that wait for the track: it sends each at once."""


def calls_url(url: str | None) -> str | None:
    """Where offers are posted, for the URL of the realtime endpoint; ``None``: where the library does by default."""
    if url is None:
        return None
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(scheme=scheme, path=path if path.endswith("/calls") else f"{path}/calls"))


def check_replay(arguments: argparse.Namespace) -> None:
    """See that a replay can go over WebRTC.

    Raises:
        ConfigError: It cannot: media has the pace of real time, and its own format.
        MissingExtraError: A package is not installed.
    """
    if arguments.speed != 1:
        raise ConfigError("--speed: over WebRTC audio goes at the pace of real time; leave it out", key="speed")
    if arguments.format != "pcm16":
        raise ConfigError("--format: over WebRTC audio is Opus; leave it out", key="format")
    if arguments.commit:
        raise ConfigError("--commit: over WebRTC the end of the audio is not known exactly; leave it out", key="commit")
    require("webrtc", "aiortc", "av")


def webrtc_transport(
    model: str, client: httpx.AsyncClient | None, timeout: float, stack: AsyncExitStack, *, allow_insecure: bool
) -> tuple[OpenAIRealtimeWebRTC, Callable[[bytes], Awaitable[None]]]:
    """A transport without devices, and what takes the audio for its track, until *stack* closes."""
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.sources import IterableSource
    from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

    sending, receiving = anyio.create_memory_object_stream[bytes](FRAMES_AHEAD)
    stack.callback(sending.close)
    stack.callback(receiving.close)
    transport = OpenAIRealtimeWebRTC(
        model=model,
        client=client,
        audio_source=IterableSource(receiving, AudioFormat.PCM24K),
        audio_sink=None,
        connect_timeout=timeout,
        session_timeout=timeout,
        allow_insecure=allow_insecure,
    )
    return transport, sending.send
