"""The WebSocket link against a server that does what the test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import httpx
import pytest
from websockets.frames import Frame, Opcode

from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import (
    ConfigError,
    ConnectError,
    MessageTooBig,
    NegotiationError,
    RemoteProtocolError,
    UpgradeRejected,
)
from realtime_transport.transports.endpoint.options import ConnectRequest
from realtime_transport.transports.links.websocket_link import WebSocketLink, connect_websocket
from tests.servers import AcceptedConnection, serving

pytestmark = pytest.mark.anyio

OpenLink = Callable[[ConnectRequest], AbstractAsyncContextManager[WebSocketLink]]


@pytest.fixture(params=["direct", "client"])
def open_link(request: pytest.FixtureRequest) -> OpenLink:
    """Opens a link on a socket of our own, and through an HTTP client: both do the same."""
    if request.param == "direct":
        return connect_websocket

    @asynccontextmanager
    async def through_client(wanted: ConnectRequest) -> AsyncGenerator[WebSocketLink]:
        async with httpx.AsyncClient(trust_env=False) as client, connect_websocket(wanted, client=client) as link:
            yield link

    return through_client


async def test_messages_both_ways_whole_and_in_order(open_link: OpenLink) -> None:
    got: list[str] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.send("one", "zwei ü", "x" * 100_000)
        for _ in range(3):
            got.append((await peer.frame()).data.decode())
        assert await peer.until_closed() == 1000

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        messages: list[str | bytes] = []
        while len(messages) < 3:
            messages += await link.receive()
        assert messages == ["one", "zwei ü", "x" * 100_000]
        await link.send(["a", "ß"])
        await link.send(["c" * 70_000])
        await link.aclose()
    assert got == ["a", "ß", "c" * 70_000]


async def test_what_came_with_the_upgrade_is_delivered(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        request = await peer.request()
        peer.protocol.send_response(peer.protocol.accept(request))
        await peer.send("early")
        await peer.until_closed()

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        assert await link.receive() == ["early"]
        await link.aclose()


async def test_fragments_become_one_message_and_binary_stays_bytes(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        peer.protocol.send_text(b"frag", fin=False)
        peer.protocol.send_continuation(b"ment", fin=True)
        peer.protocol.send_binary(b"\x00\xff")
        await peer.flush()
        await peer.until_closed()

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        messages: list[str | bytes] = []
        while len(messages) < 2:
            messages += await link.receive()
        assert messages == ["fragment", b"\x00\xff"]
        await link.aclose()


async def test_a_ping_is_answered(open_link: OpenLink) -> None:
    frames: list[Frame] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        peer.protocol.send_ping(b"1234")
        await peer.send("after the ping")
        frames.append(await peer.frame())
        await peer.until_closed()

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        woken: list[bool] = []
        link.on_control(lambda: woken.append(True))
        assert await link.receive() == ["after the ping"]
        if link.statistics().path == "client":
            assert woken  # There the writer alone may write; on a socket of our own the answer is out already.
            await link.send([])
        await link.aclose()
        assert link.statistics().pings_received == 1
    assert (frames[0].opcode, bytes(frames[0].data)) == (Opcode.PONG, b"1234")


async def test_our_ping_is_answered_and_strange_pongs_are_legal(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        peer.protocol.send_pong(b"nobody asked")
        await peer.send("hello")
        assert (await peer.frame()).opcode is Opcode.PING
        await peer.send("bye")
        await peer.until_closed()

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        assert await link.receive() == ["hello"]
        heard = link.bytes_received
        assert link.ping()
        await link.send([])
        assert await link.receive() == ["bye"]
        assert link.bytes_received == heard + 6 + 5  # The pong and its four bytes, and "bye".
        await link.aclose()


async def test_the_close_of_the_server_is_reported_after_its_messages(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        peer.protocol.send_text(b"last words")
        peer.protocol.send_close(3000, "invalid_request_error.invalid_api_key")
        await peer.flush()
        assert await peer.until_closed() == 3000

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        assert await link.receive() == ["last words"]
        for _ in range(2):
            with pytest.raises(LinkClosed) as caught:
                await link.receive()
        assert (caught.value.code, caught.value.reason) == (3000, "invalid_request_error.invalid_api_key")
        await link.aclose()


async def test_a_dropped_connection_is_1006(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.receive()
        assert caught.value.code == 1006
        await link.aclose()


async def test_a_message_over_the_limit_is_closed_with_1009_and_said_so(open_link: OpenLink) -> None:
    closed: list[int | None] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.send("fits", "x" * 1001)
        closed.append(await peer.until_closed())

    async with serving(handler) as url:
        async with open_link(ConnectRequest(url=url, max_message_bytes=1000)) as link:
            assert await link.receive() == ["fits"]
            with pytest.raises(LinkClosed) as caught:
                await link.receive()
            assert caught.value.code == 1009
            cause = caught.value.__cause__
            assert isinstance(cause, MessageTooBig)
            assert cause.limit == 1000
            await link.aclose()
    assert closed == [1009]


async def test_text_that_is_not_utf8_is_closed_with_1007(open_link: OpenLink) -> None:
    closed: list[int | None] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        peer.protocol.send_text(b"\xff\xfe")
        await peer.flush()
        closed.append(await peer.until_closed())

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.receive()
        assert caught.value.code == 1007
        await link.aclose()
    assert closed == [1007]


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 2000, 5000, 65535])
async def test_a_close_code_that_no_peer_may_send_is_the_servers_fault(open_link: OpenLink, code: int) -> None:
    closed: list[int | None] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.stream.send(b"\x88\x02" + code.to_bytes(2, "big"))
        closed.append(await peer.until_closed())

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        with pytest.raises(LinkClosed) as caught:
            await link.receive()
        assert isinstance(caught.value.__cause__, RemoteProtocolError)
        assert "the server broke the WebSocket protocol" in str(caught.value.__cause__)
        await link.aclose()
    assert closed == [1002]


async def test_leaving_does_not_wait_for_a_server_that_never_answers(open_link: OpenLink) -> None:
    gone = anyio.Event()

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await gone.wait()

    async with serving(handler) as url, open_link(ConnectRequest(url=url)) as link:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await link.aclose()
        gone.set()


async def test_a_refused_upgrade_carries_status_and_body(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.request()
        body = b'{"error": {"message": "bad key"}}'
        await peer.stream.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(handler) as url:
        with pytest.raises(UpgradeRejected, match="401.*bad key") as caught:
            async with open_link(ConnectRequest(url=url)):
                pass
    assert caught.value.status == 401
    assert caught.value.body == '{"error": {"message": "bad key"}}'


async def test_a_wrong_accept_key_is_refused(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.request()
        await peer.stream.send(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    async with serving(handler) as url:
        with pytest.raises(NegotiationError, match="Sec-WebSocket-Accept"):
            async with open_link(ConnectRequest(url=url)):
                pass


async def test_a_subprotocol_that_nobody_offered_is_refused(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        response = peer.protocol.accept(await peer.request())
        response.headers["Sec-WebSocket-Protocol"] = "other"
        peer.protocol.send_response(response)
        await peer.flush()

    async with serving(handler) as url:
        with pytest.raises(NegotiationError, match="subprotocol"):
            async with open_link(ConnectRequest(url=url, subprotocols=("realtime",))):
                pass


async def test_nobody_listens(open_link: OpenLink) -> None:
    with pytest.raises(ConnectError, match="127.0.0.1:1"):
        async with open_link(ConnectRequest(url="ws://127.0.0.1:1/")):
            pass


async def test_the_server_hangs_up_before_it_answers(open_link: OpenLink) -> None:
    async def handler(peer: AcceptedConnection) -> None:
        await peer.request()

    async with serving(handler) as url:
        with pytest.raises(ConnectError):
            async with open_link(ConnectRequest(url=url)):
                pass


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host/", "ws://", "http://[::1"])
async def test_a_url_that_is_none_is_a_config_error(url: str, open_link: OpenLink) -> None:
    with pytest.raises(ConfigError, match="url") as caught:
        async with open_link(ConnectRequest(url=url)):
            pass
    assert caught.value.key == "url"


async def test_a_client_that_was_passed_in_is_used_and_stays_open() -> None:
    agents: list[str] = []

    async def handler(peer: AcceptedConnection) -> None:
        request = await peer.request()
        agents.append(request.headers["user-agent"])
        await peer.accept(request)
        await peer.until_closed()

    async with serving(handler) as url, httpx.AsyncClient(headers={"user-agent": "mine"}) as client:
        for _ in range(2):
            async with connect_websocket(ConnectRequest(url=url), client=client) as link:
                await link.aclose()
        assert not client.is_closed
    assert agents == ["mine", "mine"]


def test_a_request_never_shows_its_key() -> None:
    request = ConnectRequest(
        url="wss://host/",
        headers={"Authorization": "Bearer sk-secret"},
        subprotocols=("sk-secret",),
        api_key="sk-secret",
    )
    assert "secret" not in repr(request)
