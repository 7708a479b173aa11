"""Requests that are malformed: each is answered with an HTTP error, and nothing is kept of it."""

from __future__ import annotations

import random
import re

import anyio
import httpx
import pytest

from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing import ManualClock
from tests.emulator.client import connect

pytestmark = pytest.mark.anyio

UPGRADE = (
    b"GET %s HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n%s\r\n"
)
GET = b"GET %s HTTP/1.1\r\nhost: h\r\n%s\r\n"
TARGET = b"/v1/realtime?model=gpt-realtime"


async def exchange(emulator: RealtimeEmulator, data: bytes, *, eof: bool = True) -> bytes:
    """What comes back for *data*, up to the end of the connection."""
    answer = b""
    async with await anyio.connect_tcp("127.0.0.1", emulator.port) as stream:
        with anyio.fail_after(20):
            try:
                await stream.send(data)
                if eof:
                    await stream.send_eof()
                while True:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer


TARGETS = [
    b"//[x",
    b"/[x",
    b"/v1/realtime]",
    b"x",
    b"*",
    b"/%",
    b"/%zz",
    b"/a%4",
    b"/a^b",
    b"/{}",
    b"http:///x",
    b"/a?b#c",
]


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize("request_", [UPGRADE, GET], ids=["upgrade", "plain"])
async def test_a_malformed_target_is_400(request_: bytes, target: bytes) -> None:
    async with RealtimeEmulator() as emulator:
        assert (await exchange(emulator, request_ % (target, b""))).startswith(b"HTTP/1.1 400 ")
        assert not emulator.sessions


MALFORMED = {
    "no target": (b"GET HTTP/1.1\r\nupgrade: websocket\r\n\r\n", 400),
    "empty target": (UPGRADE % (b"", b""), 400),
    "no version": (b"GET /v1/realtime\r\nupgrade: websocket\r\n\r\n", 400),
    "another version": (b"GET /v1/realtime HTTP/9.9\r\nupgrade: websocket\r\n\r\n", 400),
    "HTTP/1.0": ((UPGRADE % (TARGET, b"")).replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
    "another method": ((UPGRADE % (TARGET, b"")).replace(b"GET", b"POST"), 405),
    "a target that is not ASCII": (UPGRADE % (b"/v1/realtime?model=\xff", b""), 400),
    "a header without a colon": (UPGRADE % (TARGET, b"nonsense\r\n"), 400),
    "a header without a name": (UPGRADE % (TARGET, b": x\r\n"), 400),
    "a folded header": (UPGRADE % (TARGET, b"x: y\r\n z\r\n"), 400),
    "a control character": (UPGRADE % (TARGET, b"x: a\x00b\r\n"), 400),
    "a body": (UPGRADE % (TARGET, b"content-length: 5\r\n"), 400),
    "chunks": (UPGRADE % (TARGET, b"transfer-encoding: chunked\r\n"), 400),
    "another WebSocket version": ((UPGRADE % (TARGET, b"")).replace(b"version: 13", b"version: 8"), 400),
    "a connection that is not ASCII": (
        (UPGRADE % (TARGET, b"")).replace(b"connection: up", b"connection: \xff[up"),
        400,
    ),
    "a bad key": ((UPGRADE % (TARGET, b"")).replace(b"AAAAAAAA", b"?"), 400),
    "too many headers": (UPGRADE % (TARGET, b"x: y\r\n" * 1000), 431),
    "a long header": (UPGRADE % (TARGET, b"x: " + b"y" * 60_000 + b"\r\n"), 431),
    "a long target": (UPGRADE % (TARGET + b"y" * 60_000, b""), 414),
    "a long head of few headers": (UPGRADE % (TARGET, (b"x: " + b"y" * 8000 + b"\r\n") * 12), 431),
    "an endless head": (b"GET /v1/realtime HTTP/1.1\r\nupgrade: websocket\r\n" + b"x: y\r\n" * 20_000, 431),
    "plain, without a host": (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
    "plain, two hosts": (GET % (b"/v1/models", b"host: i\r\n"), 400),
    "plain, a bad length": (GET % (b"/v1/models", b"content-length: -1\r\n"), 400),
}


@pytest.mark.parametrize(("data", "status"), MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_is_answered_with_an_error(data: bytes, status: int) -> None:
    async with RealtimeEmulator() as emulator:
        answer = await exchange(emulator, data, eof=False)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        async with connect(emulator) as client:
            assert (await client.receive())["type"] == "session.created"


async def test_headers_that_are_not_ascii_are_read_as_latin_1() -> None:
    """Text that JSON can carry, whatever the version of websockets makes of them."""
    async with RealtimeEmulator() as emulator, httpx.AsyncClient() as http:
        await exchange(emulator, UPGRADE % (TARGET, b"authorization: Bearer k\r\nx-name: Andr\xe9\r\n"))
        assert emulator.sessions[0].headers["x-name"] == "André"
        answer = await http.get(f"{emulator.base_url.removesuffix('/v1')}/emulator/sessions")
        assert answer.json()["sessions"][0]["id"] == emulator.sessions[0].id


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_leaves_anything_behind(seed: int) -> None:
    """Requests with bytes replaced, removed and added, wherever it may be."""
    chosen = random.Random(seed)
    form = b'--b\r\ncontent-disposition: form-data; name="sdp"\r\n\r\nv=0\r\n--b--\r\n'
    posted = b"POST /v1/realtime/calls HTTP/1.1\r\nhost: h\r\nauthorization: Bearer k\r\n"
    posted += b"content-type: multipart/form-data; boundary=b\r\ncontent-length: %d\r\n\r\n" % len(form)
    secret = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: h\r\nauthorization: Bearer k\r\n"
    secret += b"content-length: 2\r\n\r\n{}"
    seeds = [
        UPGRADE % (TARGET, b"authorization: Bearer k\r\n"),
        GET % (b"/emulator/sessions", b""),
        posted + form,
        secret,
    ]
    async with RealtimeEmulator() as emulator:
        for _ in range(60):
            data = bytearray(chosen.choice(seeds))
            for _ in range(chosen.randint(1, 4)):
                at = chosen.randrange(len(data))
                data[at : at + chosen.randint(0, 2)] = bytes(
                    chosen.choices(b'\x00\xff%[]{}"\r\n :/;=?#x', k=chosen.randint(0, 2))
                )
            answer = await exchange(emulator, bytes(data))
            assert re.match(rb"HTTP/1\.1 (101|[24]\d\d|505) ", answer) or not answer, bytes(data)


async def test_a_body_that_speaks_of_an_upgrade_is_no_upgrade() -> None:
    async with RealtimeEmulator() as emulator, httpx.AsyncClient() as http:
        answer = await http.post(f"{emulator.base_url}/realtime/client_secrets", content=b"\nupgrade: websocket\n")
        assert answer.status_code == 401


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    clock = ManualClock()
    async with RealtimeEmulator(clock=clock) as emulator:
        async with await anyio.connect_tcp("127.0.0.1", emulator.port) as stream:
            await stream.send(b"GET /v1")
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_advance_for_ever, clock)
                    await _receive_end(stream)
                    tasks.cancel_scope.cancel()


async def _receive_end(stream: anyio.abc.SocketStream) -> None:
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await stream.receive()


async def _advance_for_ever(clock: ManualClock) -> None:
    while True:
        await clock.advance(5.0)
        await anyio.lowlevel.checkpoint()


async def test_a_preflight_names_the_authorization_header() -> None:
    async with RealtimeEmulator() as emulator, httpx.AsyncClient() as http:
        for path in ("/realtime/calls", "/realtime/client_secrets"):
            wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
            answer = await http.request(
                "OPTIONS", f"{emulator.base_url}{path}", headers={"origin": "http://o", **wanted}
            )
            allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
            assert "authorization" in allowed  # The star would not cover it.
