"""What ``doctor`` looks at. Each check says what it found and, if that is not as it should be, what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import secrets
import socket
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import anyio
import attrs

from realtime_transport.errors import ConfigError, ConnectError, MissingExtraError, RealtimeError, UpgradeRejected
from realtime_transport.keys import usable_key
from realtime_transport.urls import REALTIME, endpoint_url, http_url, is_loopback, redact_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

__all__ = ["Finding", "check_devices", "check_extras", "check_key", "check_network", "check_versions"]

DISTRIBUTION = "realtime-transport"

STUN_PORT = 3478
"""Where the service receives media by UDP."""

PATIENCE = 5.0
"""Seconds that one step over the network may take."""

MAX_CLOCK_ERROR = 60
"""Seconds; webhooks are refused from 300 on, certificates may be from less."""


@attrs.frozen(kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        state: ``"good"``; ``"note"``: worth knowing, and only that; ``"wrong"``: something will not work.
        what: What was looked at.
        found: What was found.
        advice: What to do about it; empty if nothing.
    """

    state: Literal["good", "note", "wrong"]
    what: str
    found: str
    advice: str = ""


def check_versions() -> Iterator[Finding]:
    """Python, the package, and what it stands on."""
    running = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform(terse=True)}"
    yield Finding(state="good", what="python", found=running)
    names = (DISTRIBUTION, "anyio", "trio", "httpx", "httpx-ws", "websockets", "orjson", "aiortc")
    found = [f"{name} {version}" for name in names if (version := _version(name)) is not None]
    yield Finding(state="good", what="packages", found=", ".join(found))


def check_extras() -> Iterator[Finding]:
    """Which extras are installed, and what the others lack."""
    for extra, names in _extras().items():
        missing = [name for name in names if _version(name) is None]
        if missing:
            advice = f"if you need it, in a checkout (no index has it): python -m pip install '.[{extra}]'"
            yield Finding(state="note", what=f"extra {extra}", found=f"without {', '.join(missing)}", advice=advice)
        else:
            yield Finding(state="good", what=f"extra {extra}", found="installed")


def _extras() -> dict[str, list[str]]:
    extras: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires(DISTRIBUTION) or ():
        match = re.fullmatch(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"].*", requirement)
        if match and match[1] != DISTRIBUTION:
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_devices() -> Iterator[Finding]:
    """The microphone and the loudspeaker that are used by default."""
    from realtime_transport.audio.devices import list_devices

    try:
        devices = list_devices()
    except MissingExtraError:
        yield Finding(state="note", what="sound devices", found="not looked for: the extra devices is not installed")
        return
    except RealtimeError as error:
        yield Finding(state="note", what="sound devices", found=str(error))
        return
    for what, default in (
        ("microphone", next((device.name for device in devices if device.is_default_input), None)),
        ("loudspeaker", next((device.name for device in devices if device.is_default_output), None)),
    ):
        if default is None:
            advice = "plug one in, or use files: audio_source=FileSource(…), audio_sink=WavSink(…)"
            yield Finding(state="note", what=what, found="there is none", advice=advice)
        else:
            yield Finding(state="good", what=what, found=default)


def check_key(environment: Mapping[str, str], *, needed: bool, variable: str = "OPENAI_API_KEY") -> Iterator[Finding]:
    """The form of the key in the environment; never the key."""
    given = environment.get(variable, "")
    if not given.strip():
        state, advice = ("wrong", f"set {variable}, or pass api_key=") if needed else ("note", "")
        yield Finding(state="wrong" if state == "wrong" else "note", what=variable, found="not set", advice=advice)
        return
    try:
        key = usable_key(given)
    except ConfigError as error:
        yield Finding(state="wrong", what=variable, found=str(error), advice="copy it anew, as plain text")
        return
    if key[0] in "'\"" or key.lower().startswith("bearer "):
        advice = "leave out the quotation marks, and the word Bearer"
        yield Finding(state="wrong", what=variable, found="it is more than the key", advice=advice)
        return
    kinds = {"ek_": "a client secret, which is good for minutes", "sk-": "an API key"}
    kind = next((text for start, text in kinds.items() if key.startswith(start)), "of no form that is known here")
    spaces = ", with white space around it, which is dropped" if key != given else ""
    state = "good" if key.startswith(tuple(kinds)) else "note"
    yield Finding(state=state, what=variable, found=f"{kind}, {len(key)} characters{spaces}")


async def check_network(
    url: str, *, udp_port: int | None = None, allow_insecure: bool = False
) -> AsyncIterator[Finding]:
    """Each step on the way to *url*, until one fails. No key is sent. If cancelled, what was opened is closed.

    Args:
        url: As for a transport.
        udp_port: Where to ask by UDP; ``None``: where the service receives media, and on this machine nowhere.
        allow_insecure: As for a transport.
    """
    try:
        address = http_url(endpoint_url(url, REALTIME))
    except ConfigError as error:
        yield Finding(state="wrong", what="url", found=str(error))
        return
    parts = urlsplit(address)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    if not encrypted and not is_loopback(address) and not allow_insecure:
        advice = "use wss:// or https://, or pass allow_insecure=True to every transport"
        yield Finding(state="wrong", what="url", found=f"{redact_url(url)} is not encrypted", advice=advice)
    proxies = [] if is_loopback(address) else [name for name in _PROXIES if os.environ.get(name)]
    if proxies:
        found = f"WebSockets go through that of {', '.join(proxies)}; UDP does not"
        yield Finding(state="note", what="proxy", found=found)
    steps: list[Finding] = []
    async for finding in _reach(host, parts.port or (443 if encrypted else 80), encrypted=encrypted):
        steps.append(finding)
        yield finding
    if proxies or steps[-1].state == "good":
        yield await _web_socket(address, allow_insecure=allow_insecure)
        yield await _clock(address)
    if steps[0].state != "good":
        return
    if udp_port is None and is_loopback(address):
        found = "not asked: the emulator takes media on any free port; --udp-port asks one"
        yield Finding(state="note", what="UDP", found=found)
    else:
        yield await anyio.to_thread.run_sync(_udp, host, udp_port or STUN_PORT)


_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


async def _reach(host: str, port: int, *, encrypted: bool) -> AsyncIterator[Finding]:
    try:
        with anyio.fail_after(PATIENCE):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        advice = "check the spelling, the network, and the DNS server"
        yield Finding(state="wrong", what="name", found=f"{host}: {error or 'no answer'}", advice=advice)
        return
    yield Finding(state="good", what="name", found=f"{host} is {', '.join(sorted({str(one[4][0]) for one in found}))}")
    try:
        with anyio.fail_after(PATIENCE):
            stream = await anyio.connect_tcp(host, port, tls=encrypted, tls_standard_compatible=False)
            await stream.aclose()
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        told = next((str(one) for one in (error.__cause__, error) if one is not None and str(one)), "no answer")
        is_tls = "CERTIFICATE" in told or "SSL" in told
        advice = (
            "give httpx the certificate of your organisation: client=httpx.AsyncClient(verify=…)"
            if is_tls
            else "is the server running, and does a firewall let TCP through?"
        )
        yield Finding(
            state="wrong", what="TLS" if is_tls else "connection", found=f"{host}:{port}: {told}", advice=advice
        )
        return
    yield Finding(state="good", what="connection", found=f"{host}:{port} answers{', with TLS' if encrypted else ''}")


async def _web_socket(url: str, *, allow_insecure: bool) -> Finding:
    from realtime_transport.transports.endpoint.options import ConnectRequest
    from realtime_transport.transports.links.websocket_link import connect_websocket

    try:
        with anyio.fail_after(PATIENCE):
            async with connect_websocket(ConnectRequest(url=url, allow_insecure=allow_insecure)) as link:
                with anyio.move_on_after(1):
                    await link.aclose()
    except UpgradeRejected as error:
        if error.status in (401, 403):
            return Finding(state="good", what="WebSocket", found=f"asks for a key (status {error.status})")
        return Finding(state="wrong", what="WebSocket", found=str(error)[:300], advice="is the URL that of the API?")
    except (ConnectError, ConfigError) as error:
        return Finding(state="wrong", what="WebSocket", found=str(error)[:300], advice="does a proxy block upgrades?")
    except TimeoutError:
        return Finding(state="wrong", what="WebSocket", found="no answer", advice="does a proxy block upgrades?")
    return Finding(state="good", what="WebSocket", found="opens")


async def _clock(url: str) -> Finding:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    from realtime_transport.http_client import client_errors, new_client

    told = ""
    async with new_client(url) as client:
        try:
            with anyio.move_on_after(PATIENCE):
                async with client.stream("GET", url.partition("?")[0]) as response:
                    told = response.headers.get("date", "")
        except client_errors(client):
            told = ""
    try:
        off = (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds()
    except ValueError:
        return Finding(state="note", what="clock", found="the server does not say what time it is")
    if abs(off) > MAX_CLOCK_ERROR:
        direction = "ahead of" if off > 0 else "behind"
        advice = "set it: certificates and webhooks depend on it"
        return Finding(state="wrong", what="clock", found=f"{abs(off):.0f} s {direction} the server's", advice=advice)
    return Finding(state="good", what="clock", found="agrees with the server's")


def _udp(host: str, port: int) -> Finding:
    """Whether anything answers by UDP, asked as ICE asks (RFC 8489: a binding request). Takes three seconds at most."""
    advice = "WebRTC needs it: allow UDP to the server, or use the WebSocket"
    transaction = secrets.token_bytes(12)
    request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + transaction
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as endpoint:
            endpoint.settimeout(1)
            endpoint.connect(address)
            for _ in range(3):
                endpoint.send(request)
                try:
                    answer = endpoint.recv(2048)
                except TimeoutError:
                    continue
                if answer[8:20] == transaction:
                    return Finding(state="good", what="UDP", found=f"{host}:{port} answers")
    except ConnectionRefusedError:
        return Finding(state="note", what="UDP", found=f"{host}:{port} refuses", advice=advice)
    except (OSError, UnicodeError) as error:
        return Finding(state="note", what="UDP", found=f"{host}:{port}: {error}", advice=advice)
    return Finding(
        state="note", what="UDP", found=f"{host}:{port} does not answer; a firewall may drop it", advice=advice
    )
