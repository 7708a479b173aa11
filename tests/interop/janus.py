"""Janus, a WebRTC server that is ICE-lite: started with a configuration of its own, and talked to by its HTTP API."""

from __future__ import annotations

import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx

from realtime_transport.rtc.host import asyncio_host
from realtime_transport.rtc.sdp import Description, without_candidates
from tests.transports.webrtc_server import posted

from .scripted_service import ScriptedService

__all__ = ["Bridge", "bridge", "is_installed", "janus"]

SETTINGS = """\
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{libraries}/plugins"
    transports_folder = "{libraries}/transports"
    events_folder = "{libraries}/events"
    loggers_folder = "{libraries}/loggers"
    debug_level = 4
    debug_colors = false
}}
nat: {{
    ice_lite = true
    ice_tcp = true
}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""

HTTP = """\
general: {{
    json = "compact"
    base_path = "/janus"
    http = true
    port = {port}
    ip = "127.0.0.1"
    https = false
}}
admin: {{ admin_http = false }}
"""

PLUGIN = "janus.plugin.videocall"
"""Puts two clients through to each other: sound, and messages of the data channels."""


def is_installed() -> bool:
    """Whether there is a Janus to start."""
    return libraries() is not None


def libraries() -> Path | None:
    """Where Debian keeps the modules of Janus; ``None``: it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/janus")) if shutil.which("janus") else []
    return found[0] if found else None


def _others(folder: Path, kept: str) -> str:
    return ",".join(file.name for file in folder.glob("*.so") if kept not in file.name)


@contextmanager
def janus(folder: Path) -> Iterator[str]:
    """A server for the time of the block: the URL of its API. What it says is in ``janus.log`` in *folder*."""
    modules = libraries()
    assert modules is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = SETTINGS.format(
        folder=folder,
        libraries=modules,
        plugins=_others(modules / "plugins", "videocall"),
        transports=_others(modules / "transports", "http"),
    )
    (folder / "janus.jcfg").write_text(settings)
    (folder / "janus.transport.http.jcfg").write_text(HTTP.format(port=port))
    command = ["janus", "-F", str(folder)]
    with (folder / "janus.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}/janus"
        finally:
            process.terminate()


@attrs.define(eq=False)
class Client:
    """One that is registered with the plugin."""

    http: httpx.AsyncClient
    url: str
    handle_url: str = ""

    @classmethod
    async def register(cls, http: httpx.AsyncClient, url: str, name: str) -> Client:
        session = await _ask(http, url, {"janus": "create"})
        client = cls(http, f"{url}/{session['data']['id']}")
        handle = await _ask(http, client.url, {"janus": "attach", "plugin": PLUGIN})
        client.handle_url = f"{client.url}/{handle['data']['id']}"
        await client.say({"request": "register", "username": name})
        await client.until("registered")
        return client

    async def say(self, body: dict[str, Any], kind: str = "", sdp: str = "") -> None:
        message: dict[str, Any] = {"janus": "message", "body": body}
        if sdp:
            message["jsep"] = {"type": kind, "sdp": sdp}
        await _ask(self.http, self.handle_url, message)

    async def until(self, what: str) -> str:
        """Wait for the event *what*; the description that came with it."""
        while True:
            event = (await self.http.get(self.url, params={"maxev": "1"}, timeout=40)).json()
            event = event[0] if isinstance(event, list) else event
            data = event.get("plugindata", {}).get("data", {})
            if "error" in data:
                raise RuntimeError(data["error"])
            if what in (event["janus"], data.get("result", {}).get("event")):
                return event.get("jsep", {}).get("sdp", "")

    async def leave(self) -> None:
        await _ask(self.http, self.url, {"janus": "destroy"})


async def _ask(http: httpx.AsyncClient, url: str, message: dict[str, Any]) -> dict[str, Any]:
    answer = (await http.post(url, json={**message, "transaction": uuid.uuid4().hex})).json()
    if answer["janus"] == "error":
        raise RuntimeError(answer["error"]["reason"])
    return answer


@attrs.define(eq=False)
class Bridge:
    """Answers ``POST …/calls`` with Janus, and puts the caller through to a service behind it.

    Janus sends checks to the candidates that it knows, ICE-lite or not: it is told none.

    Attributes:
        service: The service.
        in_first_section_only: Leave the candidates to the first section, as the service does; Janus names them in each.
        answer_sdp: What was answered.
    """

    http: httpx.AsyncClient
    janus_url: str
    service: ScriptedService
    in_first_section_only: bool
    answer_sdp: str = ""
    _clients: list[Client] = attrs.field(factory=list[Client])

    async def answer(self, request: httpx.Request) -> httpx.Response:
        for name in ("caller", "service"):
            self._clients.append(await Client.register(self.http, self.janus_url, name))
        caller, service = self._clients
        offer = without_candidates(posted(request)["sdp"])
        await caller.say({"request": "call", "username": "service"}, "offer", offer)
        answer = await self.service.answer(await service.until("incomingcall"))
        await service.say({"request": "accept"}, "answer", without_candidates(answer))
        await service.until("webrtcup")
        self.answer_sdp = await caller.until("accepted")
        if self.in_first_section_only:
            description = Description.parse(self.answer_sdp)
            last = description.sections[-1]
            last.lines[:] = [line for line in last.lines if "candidate" not in line]
            self.answer_sdp = str(description)
        return httpx.Response(201, text=self.answer_sdp, headers={"location": "/v1/realtime/calls/rtc_janus"})

    async def aclose(self) -> None:
        for client in self._clients:
            await client.leave()
        await self.service.aclose()


@asynccontextmanager
async def bridge(janus_url: str, *, in_first_section_only: bool) -> AsyncGenerator[Bridge]:
    """A bridge for the time of the block, once Janus is ready."""
    async with httpx.AsyncClient(trust_env=False) as http, asyncio_host() as host:
        with anyio.fail_after(15):
            while not await _is_ready(http, janus_url):
                await anyio.sleep(0.05)
        made = Bridge(http, janus_url, ScriptedService(host), in_first_section_only)
        try:
            yield made
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await made.aclose()


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/info")).is_success
    except httpx.TransportError:
        return False
