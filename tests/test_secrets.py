"""No key is shown: everything printed, logged, raised and written is searched for one, at the level that tells most."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from realtime_transport import (
    ConfigError,
    ConnectError,
    ConnectRequest,
    OpenAIRealtimeSIP,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
    RealtimeEmitter,
    RealtimeError,
    RealtimeRestClient,
    UpgradeRejected,
)
from realtime_transport.cli import main
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.events import AudioEvent, ConnectionChangeEvent, ErrorEvent, TurnDoneEvent
from realtime_transport.protocol.vendors.profiles import EndpointProfile
from realtime_transport.transports.cloudflare import CloudflareRealtimeTransportLayer
from realtime_transport.wire_logging import frame_logger
from tests.canary import CANARY, everything_in
from tests.servers import AcceptedConnection, serving

pytestmark = pytest.mark.anyio

SPOKEN = "the words of a conversation"


class Watch:
    """Collects what is shown while it is on: every record of every logger, and whatever is handed to it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def saw(self, value: object) -> None:
        self.found.append(everything_in(value))

    def text(self) -> str:
        return "\n".join(self.found)


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.NOTSET)
        self._watch = watch
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.found.append(self.format(record))
        self._watch.saw(record.args)
        if record.exc_info:
            self._watch.saw(record.exc_info[1])


@pytest.fixture
def watch(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    watch, root = Watch(), logging.getLogger()
    level, handler = root.level, _Handler(watch)
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    logging.getLogger("tests").debug("heard")
    yield watch
    root.removeHandler(handler)
    root.setLevel(level)
    told = capfd.readouterr()
    watch.found += [told.out, told.err]
    for path in tmp_path.rglob("*"):
        watch.found += [str(path), path.read_bytes().decode("utf-8", "replace")] if path.is_file() else [str(path)]
    text = watch.text()
    assert "DEBUG" in text, "the loggers were not heard"
    at = text.find(CANARY)
    assert at < 0, text[max(0, at - 300) : at + 300]
    assert SPOKEN not in text


@asynccontextmanager
async def raises_unseen(watch: Watch, *kinds: type[BaseException]) -> AsyncGenerator[pytest.ExceptionInfo[Any]]:
    """As ``pytest.raises``; what was raised is searched."""
    with pytest.raises(kinds or RealtimeError) as caught:
        yield caught
    watch.saw(caught.value)


async def take_turn(watch: Watch, transport: Any, **options: Any) -> None:
    """Say something and hear the reply."""
    async with transport.connect(**options):
        watch.saw(transport.connection_state)
        await transport.send_message(SPOKEN)
        async for event in transport:
            if isinstance(event, TurnDoneEvent):
                break
            if isinstance(event, (ConnectionChangeEvent, ErrorEvent)):
                watch.saw(event)


KEY_IN_QUERY = EndpointProfile(name="query", path="/v1/realtime?model={model}", auth="query", auth_name="api_key")


@pytest.mark.parametrize(
    ("transport", "options"),
    [
        (lambda url: OpenAIRealtimeWebSocket(url=url), {"api_key": CANARY}),
        (lambda url: OpenAIRealtimeWebSocket(url=url, use_insecure_api_key=True), {"api_key": f" {CANARY}\n"}),
        (lambda url: OpenAIRealtimeWebSocket(url=f"{url}?key={CANARY}"), {"api_key": CANARY}),
        (lambda url: OpenAIRealtimeWebSocket(url=url, headers={"X-Token": CANARY}), {"api_key": lambda: CANARY}),
        (lambda url: OpenAIRealtimeWebSocket(url=url.replace("://", f"://u:{CANARY}@")), {"api_key": CANARY}),
        (lambda url: OpenAIRealtimeWebSocket(url=url, profile=KEY_IN_QUERY), {"api_key": CANARY}),
    ],
    ids=["bearer", "subprotocol", "query", "header", "user info", "profile"],
)
async def test_a_conversation(watch: Watch, transport: Callable[[str], Any], options: dict[str, Any]) -> None:
    async with RealtimeEmulator(audio_speed=None) as emulator:
        try:
            await take_turn(watch, transport(emulator.base_url), **options)
        except ConnectError as error:  # The emulator takes no keys in a query: its refusal is searched as well.
            watch.saw(error)
        async with httpx.AsyncClient(trust_env=False) as client:
            sessions = await client.get(emulator.base_url.removesuffix("/v1") + "/emulator/sessions")
        watch.saw(sessions.text)
        assert sessions.status_code == 200


async def test_calls_and_secrets(watch: Watch) -> None:
    async with RealtimeEmulator(audio_speed=None) as emulator:
        async with RealtimeRestClient(api_key=f"{CANARY}\n", base_url=emulator.base_url) as rest:
            watch.saw(await rest.create_client_secret())
            async with raises_unseen(watch):
                await rest.create_call("v=0", {"model": "nonsense"})
            async with raises_unseen(watch):
                await rest.accept_call("rtc_none", {"instructions": SPOKEN})
        transport = OpenAIRealtimeWebRTC(base_url=emulator.base_url, audio_source=None, audio_sink=None)
        await take_turn(watch, transport, api_key=CANARY)


async def test_an_emulator_that_wants_another_key(watch: Watch) -> None:
    async with RealtimeEmulator(api_key="sk-right") as emulator:
        transport = OpenAIRealtimeWebSocket(url=emulator.base_url, api_key=CANARY)
        async with raises_unseen(watch, ConnectError):
            async with transport.connect():
                pass
        emitter = RealtimeEmitter(OpenAIRealtimeWebSocket(url=emulator.base_url))
        gone = anyio.Event()
        emitter.on("*", watch.saw).on("error", watch.saw).on("connection_change", watch.saw)
        emitter.on("disconnected", lambda *_: gone.set())
        async with emitter:
            await emitter.connect(api_key=CANARY)
            await gone.wait()


Wire = Callable[[str, httpx.AsyncClient | None], Any]

WIRES: dict[str, Wire] = {
    "websocket": lambda url, client: OpenAIRealtimeWebSocket(url=url, client=client),
    "subprotocol": lambda url, client: OpenAIRealtimeWebSocket(url=url, client=client, use_insecure_api_key=True),
    "api-key": lambda url, client: OpenAIRealtimeWebSocket(url=url, client=client, profile="azure"),
    "sip": lambda url, client: OpenAIRealtimeSIP(url=url, client=client),
    "webrtc": lambda url, client: OpenAIRealtimeWebRTC(base_url=url, client=client, audio_source=None, audio_sink=None),
}


def connect(wire: str, url: str, key: Any, client: httpx.AsyncClient | None = None) -> Any:
    options = {"call_id": "rtc_1"} if wire == "sip" else {}
    return WIRES[wire](url, client).connect(api_key=key, **options)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("argument", f"sk-\n{CANARY}"),
        ("argument", f"{CANARY}\udc80\x00"),
        ("function", f"{CANARY}\u00e9"),
        ("coroutine", f"\u201c{CANARY}\u201d"),
        ("environment", f"{CANARY}\u2013x"),
    ],
    ids=["line break", "surrogate", "letter", "quotation marks", "dash"],
)
async def test_a_key_that_no_header_can_carry(
    watch: Watch, wire: str, key: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> str:
        return key

    given: Any = {"argument": key, "function": lambda: key, "coroutine": ask, "environment": None}[source]
    if source == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", key)
    async with raises_unseen(watch, ConfigError) as caught:
        async with connect(wire, "wss://unreachable.invalid/v1", given):
            pass
    assert caught.value.key == "api_key"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_server_that_is_not_there(watch: Watch, wire: str) -> None:
    url = f"ws://user:{CANARY}@127.0.0.1:9/v1/realtime?token={CANARY}"
    async with raises_unseen(watch, ConnectError) as caught:
        async with connect(wire, url, CANARY):
            pass
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("wire", WIRES)
async def test_urls_that_are_none(watch: Watch, wire: str) -> None:
    for url in (f"nonsense?key={CANARY}", f"ftp://{CANARY}@h/", f"wss://?{CANARY}", f"ws://h:port/{CANARY}", CANARY):
        async with raises_unseen(watch, ConfigError, ConnectError):
            async with connect(wire, url, "sk-1"):
                pass
    watch.saw(ConnectRequest(url=f"wss://u:{CANARY}@h/?key={CANARY}", headers={"X": CANARY}, api_key=CANARY))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_key_does_not_go_in_the_clear(watch: Watch, wire: str) -> None:
    for host in ("10.0.0.1", "169.254.7.7", "[fe80::1]", "192.168.1.1:8000", "example.com", "127.0.0.1.example.com"):
        async with raises_unseen(watch, ConfigError) as caught:
            async with connect(wire, f"ws://{host}/v1/realtime?key={CANARY}", CANARY):
                pass
        assert "allow_insecure" in str(caught.value)


async def test_a_worker_keeps_the_rules(watch: Watch) -> None:
    asked: list[dict[str, Any]] = []

    async def fetch(url: str, init: dict[str, Any]) -> Any:
        asked.append(init)
        raise RuntimeError(f"could not fetch {url} with {init}")

    def transport(url: str) -> CloudflareRealtimeTransportLayer:
        return CloudflareRealtimeTransportLayer(fetch=fetch, url=url, api_key=CANARY)

    async with raises_unseen(watch, ConnectError):
        async with transport(f"wss://u:{CANARY}@h/?key={CANARY}").connect():
            pass
    assert asked[0]["redirect"] == "manual"
    async with raises_unseen(watch, ConfigError):
        async with transport("ws://h/").connect():
            pass
    assert len(asked) == 1


async def test_a_worker_reads_no_more_of_a_refusal_than_it_keeps() -> None:
    class Reader:
        reads = 0
        cancelled = False

        async def read(self) -> Any:
            self.reads += 1
            return SimpleNamespace(done=False, value=b"no " * 10_000)

        async def cancel(self) -> None:
            self.cancelled = True

    reader = Reader()

    async def fetch(url: str, init: dict[str, Any]) -> Any:
        return SimpleNamespace(status=401, webSocket=None, body=SimpleNamespace(getReader=lambda: reader))

    with pytest.raises(UpgradeRejected, match="401: no no") as caught:
        async with CloudflareRealtimeTransportLayer(fetch=fetch, api_key=CANARY).connect():
            pass
    assert len(caught.value.body) == 64 * 1024
    assert (reader.reads, reader.cancelled) == (3, True)


@asynccontextmanager
async def answering(answer: str, heard: list[str]) -> AsyncGenerator[str]:
    """An HTTP server that answers each request in the same way, and notes it; gives host and port."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                heard.append((await stream.receive()).decode())
                await stream.send(answer.encode())
                async for _ in stream:
                    pass
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [302, 308])
async def test_no_redirect_leads_to_another_origin(watch: Watch, wire: str, status: int) -> None:
    heard: list[str] = []
    elsewhere: list[str] = []
    async with answering("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", elsewhere) as other:
        answer = f"HTTP/1.1 {status} Go\r\nLocation: http://{other}/?key={CANARY}\r\nContent-Length: 0\r\n\r\n"
        async with answering(answer, heard) as first, httpx.AsyncClient(follow_redirects=True) as client:
            async with raises_unseen(watch, UpgradeRejected) as caught:
                async with connect(wire, f"ws://{first}/v1/realtime?key={CANARY}", CANARY, client):
                    pass
    assert heard
    assert elsewhere == []
    assert caught.value.status == status
    assert f"http://{other}/?key=***" in str(caught.value)


async def test_a_redirect_within_the_origin_is_followed_if_the_client_follows_any(watch: Watch) -> None:
    paths: list[str] = []

    async def handler(peer: AcceptedConnection) -> None:
        request = await peer.request()
        paths.append(request.path)
        if request.path != "/there":
            response = peer.protocol.reject(302, "")
            response.headers["Location"] = "/there"
            peer.protocol.send_response(response)
            await peer.flush()
            return
        await peer.accept(request)
        await peer.until_closed()

    async with serving(handler) as url:
        for follow in (True, False):
            async with httpx.AsyncClient(follow_redirects=follow) as client:
                connecting = OpenAIRealtimeWebSocket(url=url, client=client).connect(
                    api_key=CANARY, wait_for_session=False
                )
                if follow:
                    async with connecting:
                        pass
                else:
                    async with raises_unseen(watch, UpgradeRejected):
                        async with connecting:
                            pass
    assert paths == ["/v1/realtime", "/there", "/v1/realtime"]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_refusal_that_repeats_the_key_and_never_ends(watch: Watch, wire: str) -> None:
    heard: list[str] = []
    body = f"you said {CANARY} " + "x" * (1024 * 1024)
    async with answering(f"HTTP/1.1 401 No\r\nContent-Length: {len(body)}\r\n\r\n{body}", heard) as first:
        async with raises_unseen(watch, UpgradeRejected) as caught:
            async with connect(wire, f"ws://{first}/v1/realtime", CANARY):
                pass
    assert caught.value.status == 401
    assert len(caught.value.body) <= 64 * 1024
    assert "you said ***" in caught.value.body


async def test_no_proxy_is_asked_for_this_machine(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    async with answering("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", heard) as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        async with RealtimeEmulator(audio_speed=None) as emulator:
            await take_turn(watch, OpenAIRealtimeWebSocket(url=emulator.base_url), api_key=CANARY)
            async with RealtimeRestClient(api_key=CANARY, base_url=emulator.base_url) as rest:
                await rest.create_client_secret()
    assert heard == []


async def logged(level: int, caplog: pytest.LogCaptureFixture, **options: Any) -> list[str]:
    """What the package logs of one turn."""
    with caplog.at_level(level, logger="realtime_transport"):
        caplog.clear()
        async with RealtimeEmulator(audio_speed=None) as emulator:
            transport = OpenAIRealtimeWebSocket(url=emulator.base_url, **options)
            async with transport.connect(api_key=CANARY):
                await transport.send_message(SPOKEN)
                async for event in transport:
                    if isinstance(event, TurnDoneEvent):
                        break
    return [
        f"{record.levelname} {record.getMessage()}" for record in caplog.records if record.name == "realtime_transport"
    ]


async def test_an_interruption_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="realtime_transport"):
        async with RealtimeEmulator(audio_speed=None) as emulator:
            transport = OpenAIRealtimeWebSocket(url=emulator.base_url)
            async with transport.connect(api_key=CANARY), transport.subscribe(AudioEvent) as audio:
                await transport.send_message("/say 2")
                response = (await audio.receive()).response_id
                transport.interrupt()
    (told,) = [record for record in caplog.records if record.getMessage().startswith("audio_interrupted")]
    assert told.levelno == logging.INFO
    assert response in told.getMessage()


async def test_events_are_logged_by_type_ids_and_sizes(caplog: pytest.LogCaptureFixture) -> None:
    told = await logged(logging.INFO, caplog)
    assert told == ["INFO connected", "INFO disconnected code 1000"]
    told = await logged(logging.DEBUG, caplog)
    assert any(line.startswith("DEBUG session.created event_id ") for line in told)
    assert any(line.startswith("DEBUG audio ") and line.endswith(" bytes") for line in told)
    assert SPOKEN not in "".join(told)
    told = await logged(logging.DEBUG, caplog, log_content=True)
    assert SPOKEN in "".join(told)
    assert CANARY not in "".join(told)
    assert await logged(logging.WARNING, caplog) == []


def test_the_command_line(watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anyio.from_thread import start_blocking_portal

    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    recording = str(Path(__file__).parents[1] / "examples/audio/vm-options.wav")
    fast = ["--speed", "20", "--settle", "0.1", "--out", str(tmp_path / "out")]
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(RealtimeEmulator(audio_speed=None)) as emulator:
            host = emulator.websocket_url.partition("://")[2]
            assert main(["replay", recording, *fast, "--url", f"ws://{host}?key={CANARY}"]) == 0
            assert main(["replay", recording, *fast, "--url", f"ws://u:{CANARY}@{host}", "--json"]) in (0, 2)
    for url in (
        f"nonsense?key={CANARY}",
        f"ws://h:x/{CANARY}",
        f"ws://u:{CANARY}@10.0.0.1/",
        f"ws://127.0.0.1:9/?{CANARY}",
    ):
        assert main(["replay", recording, *fast, "--url", url]) == 2
    assert main(["talk", "--url", f"ftp://{CANARY}@h/"]) == 2


def test_the_frames_logger_cannot_be_switched_on() -> None:
    logger = frame_logger()
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        logger.setLevel(logging.DEBUG)
        assert not logger.isEnabledFor(logging.CRITICAL)
    finally:
        logging.getLogger().setLevel(logging.WARNING)
        logger.setLevel(logging.NOTSET)


def test_the_search_finds_what_is_hidden_deep(watch: Watch) -> None:
    inner = httpx.ConnectError("no", request=httpx.Request("GET", "https://h/", headers={"X": "sk-other-1"}))
    outer = ConnectError("no")
    outer.__context__ = inner
    assert "sk-other-1" in everything_in(outer)
    assert "sk-other-1" in everything_in(ExceptionGroup("", [ValueError(json.dumps({"a": "sk-other-1"}))]))
    assert sys.exc_info() == (None, None, None)
