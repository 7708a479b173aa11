"""The REST client: its requests beside those of the openai package, its results, its errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.parser import BytesParser
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from realtime_transport.errors import ConfigError, LocalProtocolError, RequestError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, RealtimeSessionConfig
from realtime_transport.protocol.vendors.profiles import CallRules, EndpointProfile
from realtime_transport.protocol.wire.session import RealtimeSession
from realtime_transport.rest import RealtimeRestClient
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket
from tests.canary import CANARY, everything_in

pytestmark = pytest.mark.anyio

SECRET = {
    "value": "ek_1",
    "expires_at": 1790000600,
    "session": {"type": "realtime", "id": "sess_1", "object": "realtime.session", "model": "gpt-realtime"},
}
SESSION: dict[str, Any] = {"type": "realtime", "model": "gpt-realtime", "audio": {"output": {"voice": "marin"}}}
TRANSLATION: dict[str, Any] = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "de"}}}
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"


class Recorder:
    """Answers requests, and keeps of each what a server can tell apart."""

    def __init__(self, answer: httpx.Response | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answer = answer

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.note(request.method, request.url.path, dict(request.headers), request.read())
        if self._answer is not None:
            return self._answer
        return self.answer(request.url.path)

    @staticmethod
    def answer(path: str) -> httpx.Response:
        if path.endswith("/client_secrets"):
            return httpx.Response(200, json=SECRET)
        if path.endswith("/calls"):
            headers = {"Location": "/v1/realtime/calls/rtc_7", "Content-Type": "application/sdp"}
            return httpx.Response(201, text="v=0 answer", headers=headers)
        return httpx.Response(200)

    def note(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        lower = {name.lower(): value for name, value in headers.items()}
        # The openai package names a type also for an empty body; no server can mean anything by that.
        kind = lower.get("content-type", "").partition(";")[0] if body else ""
        told: Any = body.decode()
        if kind == "application/json":
            told = json.loads(body)
        elif kind == "multipart/form-data":
            whole = b"Content-Type: " + lower["content-type"].encode() + b"\r\n\r\n" + body
            parts = BytesParser().parsebytes(whole).get_payload()
            assert isinstance(parts, list)
            told = [part_of(part) for part in parts]
        self.requests.append(
            {
                "method": method,
                "path": path,
                "accept": lower.get("accept"),
                "authorization": lower.get("authorization"),
                "type": kind,
                "body": told,
            }
        )


def part_of(part: Any) -> dict[str, Any]:
    text = part.get_payload(decode=True).decode()
    json_part = part.get_content_type() == "application/json"
    return {
        "name": part.get_param("name", header="content-disposition"),
        "filename": part.get_filename(),
        "type": part.get_content_type(),
        "content": json.loads(text) if json_part else text,
    }


Ours = Callable[[RealtimeRestClient], Awaitable[object]]
Theirs = Callable[[Any], Awaitable[object]]

CALLS: dict[str, tuple[Ours, Theirs]] = {
    "create": (lambda c: c.create_call(OFFER, SESSION), lambda r: r.calls.create(sdp=OFFER, session=SESSION)),
    "create without a session": (lambda c: c.create_call(OFFER), lambda r: r.calls.create(sdp=OFFER)),
    "accept": (
        lambda c: c.accept_call("rtc_1", {**SESSION, "instructions": "Hi."}),
        lambda r: r.calls.accept("rtc_1", **SESSION, instructions="Hi."),
    ),
    "reject": (
        lambda c: c.reject_call("rtc_1", status_code=486),
        lambda r: r.calls.reject("rtc_1", status_code=486),
    ),
    "reject without a status": (lambda c: c.reject_call("rtc_1"), lambda r: r.calls.reject("rtc_1")),
    "refer": (
        lambda c: c.refer_call("rtc_1", target_uri="tel:+15550100"),
        lambda r: r.calls.refer("rtc_1", target_uri="tel:+15550100"),
    ),
    "hang up": (lambda c: c.hang_up_call("rtc_1"), lambda r: r.calls.hangup("rtc_1")),
    "secret": (
        lambda c: c.create_client_secret(SESSION, expires_after=300),
        lambda r: r.client_secrets.create(session=SESSION, expires_after={"anchor": "created_at", "seconds": 300}),
    ),
    "secret without anything": (lambda c: c.create_client_secret(), lambda r: r.client_secrets.create()),
    "translation": (
        lambda c: c.create_translation_client_secret(TRANSLATION, expires_after=60),
        lambda r: r.translations.client_secrets.create(
            session=TRANSLATION, expires_after={"anchor": "created_at", "seconds": 60}
        ),
    ),
    "odd call id": (lambda c: c.hang_up_call("a/b c"), lambda r: r.calls.hangup("a/b c")),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_openai_package_makes_the_same_requests(name: str) -> None:
    import openai

    ours, theirs = CALLS[name]
    key = "ek_1" if name == "create without a session" else "sk-1"
    recorder, theirs_recorder = Recorder(), Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        await ours(RealtimeRestClient(api_key=key, client=client))
    package = _http_of(openai)

    def handle(request: Any) -> Any:
        theirs_recorder.note(request.method, request.url.path, dict(request.headers), request.read())
        answer = Recorder.answer(request.url.path)
        return package.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    async with package.AsyncClient(transport=package.MockTransport(handle)) as http_client:
        client = openai.AsyncOpenAI(api_key=key, http_client=http_client)
        await theirs(client.realtime)
    assert recorder.requests == theirs_recorder.requests


def _http_of(openai: Any) -> Any:
    """The HTTP package that the installed openai stands on: httpx, or its continuation."""
    for name in ("httpx2", "httpx"):
        try:
            package = __import__(name)
            openai.AsyncOpenAI(api_key="x", http_client=package.AsyncClient())
        except (ImportError, TypeError):
            continue
        return package
    raise AssertionError("no HTTP package that openai accepts")


async def test_a_key_that_is_no_client_secret_names_a_session() -> None:
    recorder = Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        await RealtimeRestClient(api_key="sk-1", client=client).create_call(OFFER)
    sdp, session = recorder.requests[0]["body"]
    assert (sdp["type"], sdp["content"]) == ("application/sdp", OFFER)
    assert (session["type"], session["content"]) == ("application/json", {"type": "realtime", "model": DEFAULT_MODEL})


async def test_a_call_made_with_a_client_secret_is_attached_to_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    found = list[str]()
    async with httpx.AsyncClient(transport=Recorder().transport()) as client:
        for key in ("ek_1", "sk-1"):
            answer = await RealtimeRestClient(api_key=key, client=client).create_call(OFFER)
            server = MemoryServer()
            transport = OpenAIRealtimeWebSocket(connector=server.connector, ping_interval=None)
            async with transport.connect(call_id=answer.call_id, wait_for_session=False):
                found.append(server.requests[0].headers["Authorization"])
    assert found == ["Bearer ek_1", "Bearer sk-environment"]


async def test_azure_takes_a_client_secret_for_a_call_and_one_credential_at_a_time() -> None:
    recorder, headers = Recorder(), list[httpx.Headers]()

    def handle(request: httpx.Request) -> httpx.Response:
        headers.append(request.headers)
        return recorder.handle(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        rest = RealtimeRestClient(
            profile="azure", base_url="https://r.openai.azure.com", api_key="long-lived", client=client
        )
        await rest.create_call(OFFER, {"model": "deployment"})
    assert [request["path"] for request in recorder.requests] == [
        "/openai/v1/realtime/client_secrets",
        "/openai/v1/realtime/calls",
    ]
    assert [(one.get("api-key"), one.get("authorization")) for one in headers] == [
        ("long-lived", None),
        (None, "Bearer ek_1"),
    ]
    assert recorder.requests[0]["body"] == {"session": {"type": "realtime", "model": "deployment"}}
    assert recorder.requests[1]["body"] == OFFER


@pytest.mark.parametrize(
    "base_url",
    ["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/realtime/calls", "ws://h:1/v1/realtime", "https://h:1/p/v1"],
)
async def test_a_base_url_means_the_same_everywhere(base_url: str) -> None:
    recorder, urls = Recorder(), list[str]()

    def handle(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return recorder.handle(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        await RealtimeRestClient(base_url=base_url, api_key="sk-1", client=client).create_call(OFFER)
    assert urls == ["https://h:1/p/v1/realtime/calls" if "/p/" in base_url else "http://h:1/v1/realtime/calls"]


async def test_a_base_url_that_is_none_is_told_with_the_likely_one() -> None:
    with pytest.raises(ConfigError, match="has to look like https://host/v1"):
        RealtimeRestClient(base_url="nonsense", api_key="sk-1")
    async with httpx.AsyncClient(transport=Recorder(httpx.Response(404)).transport()) as client:
        with pytest.raises(RequestError, match="http://h:1 was asked; perhaps http://h:1/v1 is meant"):
            await RealtimeRestClient(base_url="http://h:1", api_key="sk-1", client=client).hang_up_call("rtc_1")


async def test_the_results_are_typed() -> None:
    async with httpx.AsyncClient(transport=Recorder().transport()) as client:
        rest = RealtimeRestClient(api_key=lambda: "sk-1", client=client)
        answer = await rest.create_call(OFFER, RealtimeSessionConfig(instructions="Hi."))
        assert (answer.sdp, answer.call_id) == ("v=0 answer", "rtc_7")
        secret = await rest.create_client_secret()
        assert (secret.value, secret.expires_at) == ("ek_1", 1790000600)
        assert isinstance(secret.session, RealtimeSession)
        assert "ek_1" not in repr(secret)


async def test_a_refusal_holds_what_the_service_said() -> None:
    error = {
        "message": "No such call.",
        "type": "invalid_request_error",
        "param": "call_id",
        "code": "call_id_not_found",
    }
    recorder = Recorder(httpx.Response(404, json={"error": error}, headers={"x-request-id": "req_1"}))
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(RequestError, match="No such call") as caught:
            await RealtimeRestClient(api_key="sk-1", client=client).hang_up_call("rtc_1")
    refused = caught.value
    assert (refused.status, refused.code, refused.param, refused.request_id) == (
        404,
        "call_id_not_found",
        "call_id",
        "req_1",
    )


@pytest.mark.parametrize("body", ["<html>", "[]", '{"error": "no"}', '{"error": {"message": 3}}'])
async def test_a_refusal_that_is_no_envelope_is_one_all_the_same(body: str) -> None:
    recorder = Recorder(httpx.Response(502, text=body))
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(RequestError, match="502") as caught:
            await RealtimeRestClient(api_key="sk-1", client=client).reject_call("rtc_1")
    assert (caught.value.status, caught.value.code, caught.value.body) == (502, None, body)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"value": 1, "expires_at": 2}'])
async def test_an_answer_without_a_secret_is_an_error(body: str) -> None:
    recorder = Recorder(httpx.Response(200, text=body))
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(RequestError, match="no client secret"):
            await RealtimeRestClient(api_key="sk-1", client=client).create_client_secret()


async def test_no_answer_is_an_error() -> None:
    async with RealtimeRestClient(api_key="sk-1", base_url="http://127.0.0.1:9/v1") as rest:
        with pytest.raises(RequestError, match="no answer") as caught:
            await rest.hang_up_call("rtc_1")
    assert caught.value.status is None

    async def never(_request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(never)) as client:
        with pytest.raises(RequestError, match="within 0 s"):
            await RealtimeRestClient(api_key="sk-1", client=client, timeout=0).hang_up_call("rtc_1")


async def test_a_key_and_a_client_are_needed() -> None:
    with pytest.raises(LocalProtocolError, match="async with"):
        await RealtimeRestClient(api_key="sk-1").hang_up_call("rtc_1")
    async with RealtimeRestClient() as rest:
        with pytest.raises(ConfigError, match="API key"):
            await rest.hang_up_call("rtc_1")


async def test_the_search_finds_what_httpx_holds() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.post("http://127.0.0.1:9/", headers={"api-key": CANARY})
    assert CANARY in everything_in(caught.value)


@pytest.mark.parametrize("key", [f"{CANARY}\n", f" \t{CANARY} ", f"\ufeff{CANARY}"[1:]])
async def test_white_space_around_a_key_is_dropped(key: str) -> None:
    recorder = Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        await RealtimeRestClient(api_key=lambda: key, client=client).hang_up_call("rtc_1")
    assert recorder.requests[0]["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("odd", ["\n", "\x00", "\u00e9", "\u2013", "\udc80", "\x7f", "\ufeff"])
async def test_a_key_that_no_header_can_carry_is_refused_unseen(odd: str) -> None:
    recorder = Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(ConfigError) as caught:
            await RealtimeRestClient(api_key=f"sk-{odd}{CANARY}", client=client).hang_up_call("rtc_1")
    assert caught.value.key == "api_key"
    assert CANARY not in everything_in(caught.value)
    assert recorder.requests == []


def test_headers_that_cannot_be_sent_are_refused_unseen() -> None:
    for headers in ({"X-Token": f"{CANARY}\u00e9"}, {"X-Token": f"a\r\n{CANARY}"}, {f"X {CANARY}": "1"}, {"X": 3}):
        with pytest.raises(ConfigError) as caught:
            RealtimeRestClient(api_key="sk-1", headers=headers)  # type: ignore[arg-type]
        assert CANARY not in everything_in(caught.value)


async def test_a_key_stands_for_the_user_in_the_url() -> None:
    recorder = Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        await RealtimeRestClient(api_key="sk-1", base_url="http://u:p@127.0.0.1:9/v1", client=client).hang_up_call("r")
    assert recorder.requests[0]["authorization"] == "Bearer sk-1"


async def test_a_failure_keeps_no_request() -> None:
    async with RealtimeRestClient(api_key=CANARY, base_url=f"http://u:{CANARY}@127.0.0.1:9/v1") as rest:
        with pytest.raises(RequestError) as caught:
            await rest.hang_up_call("rtc_1")
    assert CANARY not in everything_in(caught.value)
    assert isinstance(caught.value.__cause__, OSError)

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError(f"Illegal header value b'Bearer {CANARY}'", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client:
        with pytest.raises(RequestError, match="header that cannot be sent") as caught:
            await RealtimeRestClient(api_key=CANARY, client=client).hang_up_call("rtc_1")
    assert CANARY not in everything_in(caught.value)


async def test_a_server_that_repeats_the_key_is_not_quoted() -> None:
    recorder = Recorder(httpx.Response(401, json={"error": {"message": f"Incorrect key: {CANARY}"}}))
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(RequestError, match=r"Incorrect key: \*\*\*") as caught:
            await RealtimeRestClient(api_key=CANARY, client=client).hang_up_call("rtc_1")
    assert CANARY not in everything_in(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("follow", [True, False])
async def test_no_redirect_to_another_origin_is_followed(status: int, follow: bool) -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(status, headers={"Location": f"https://evil.example/?key={CANARY}"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), follow_redirects=follow) as client:
        with pytest.raises(RequestError, match=r"evil\.example/\?key=\*\*\* that was not followed") as caught:
            await RealtimeRestClient(api_key=CANARY, client=client).hang_up_call("rtc_1")
    assert caught.value.status == status
    assert asked == ["api.openai.com"]


async def test_a_redirect_within_the_origin_is_followed_if_the_client_follows_any() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(308, headers={"Location": "/v2/x"}) if len(asked) == 1 else httpx.Response(200)

    transport = httpx.MockTransport(handle)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
        await RealtimeRestClient(api_key="sk-1", client=client).hang_up_call("rtc_1")
    assert asked == ["/v1/realtime/calls/rtc_1/hangup", "/v2/x"]
    async with httpx.AsyncClient(transport=transport) as client:
        asked.clear()
        with pytest.raises(RequestError, match="308"):
            await RealtimeRestClient(api_key="sk-1", client=client).hang_up_call("rtc_1")

    def around(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(307, headers={"Location": request.url.path})

    async with httpx.AsyncClient(transport=httpx.MockTransport(around), follow_redirects=True) as client:
        asked.clear()
        with pytest.raises(RequestError, match="307"):
            await RealtimeRestClient(api_key="sk-1", client=client).hang_up_call("rtc_1")
    assert len(asked) < 10


@pytest.mark.parametrize("base_url", ["http://10.0.0.1/v1", "ws://example.com/v1", "http://[fe80::1]/v1"])
def test_a_key_does_not_go_in_the_clear(base_url: str) -> None:
    with pytest.raises(ConfigError, match="allow_insecure"):
        RealtimeRestClient(api_key="sk-1", base_url=base_url)
    RealtimeRestClient(api_key="sk-1", base_url=base_url, allow_insecure=True)


@pytest.mark.parametrize(("status", "match"), [(200, "larger than"), (500, "500: xxx")])
async def test_an_answer_is_read_within_bounds(status: int, match: str) -> None:
    sent = 0

    async def endless(stream: SocketStream) -> None:
        nonlocal sent
        async with stream:
            await stream.receive()
            await stream.send(f"HTTP/1.1 {status} X\r\nContent-Length: 9999999999\r\n\r\n".encode())
            with suppress(anyio.BrokenResourceError):
                while True:
                    await stream.send(b"x" * 65536)
                    sent += 65536

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, endless)
        async with RealtimeRestClient(api_key="sk-1", base_url=f"http://127.0.0.1:{port}/v1") as rest:
            with pytest.raises(RequestError, match=match) as caught:
                await rest.create_client_secret()
        tasks.cancel_scope.cancel()
    assert caught.value.status == status
    assert len(caught.value.body) <= 64 * 1024
    assert sent < 32 * 1024 * 1024  # What the buffers of the sockets took.


async def test_no_compressed_answer_grows_here() -> None:
    bomb = gzip.compress(bytes(16 * 1024 * 1024))
    recorder = Recorder(httpx.Response(401, stream=Body(bomb), headers={"Content-Encoding": "gzip"}))
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        with pytest.raises(RequestError, match="401") as caught:
            await RealtimeRestClient(api_key="sk-1", client=client).hang_up_call("rtc_1")
    assert len(caught.value.body) <= len(bomb)


class Body(httpx.AsyncByteStream):
    """What a connection brings, in one piece; then it may never end."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._pieces, self._ends = pieces, ends

    async def __aiter__(self) -> Any:
        for piece in self._pieces:
            yield piece
        if not self._ends:
            await anyio.sleep_forever()


async def test_a_refusal_whose_body_never_ends_is_a_refusal() -> None:
    answer = httpx.Response(401, stream=Body(b'{"error": {"code": "invalid', ends=False))
    async with httpx.AsyncClient(transport=Recorder(answer).transport()) as client:
        with pytest.raises(RequestError, match="answered 401") as caught:
            await RealtimeRestClient(api_key="sk-1", client=client, timeout=0.05).hang_up_call("rtc_1")
    assert caught.value.status == 401
    answer = httpx.Response(200, stream=Body(b"{", ends=False))
    async with httpx.AsyncClient(transport=Recorder(answer).transport()) as client:
        with pytest.raises(RequestError, match="broke off"):
            await RealtimeRestClient(api_key="sk-1", client=client, timeout=0.05).create_client_secret()


async def test_what_cannot_be_written_is_told_before_anything_is_sent() -> None:
    recorder = Recorder()
    async with httpx.AsyncClient(transport=recorder.transport()) as client:
        rest = RealtimeRestClient(api_key="sk-1", client=client)
        for session in ({"instructions": "\udc80"}, {"n": 2**70}, {"x": object()}):
            with pytest.raises(ConfigError):
                await rest.accept_call("rtc_1", session)
        with pytest.raises(ConfigError):
            await rest.create_call("\udc80")
        for call_id in ("", "\udc80"):
            with pytest.raises(ConfigError):
                await rest.hang_up_call(call_id)
    assert recorder.requests == []


@pytest.mark.parametrize("auth", ["bearer", "header", "query", "none"])
async def test_one_credential_for_a_request(auth: Any) -> None:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    profile = EndpointProfile(name="x", auth=auth, auth_name="api-key", calls=CallRules(), base_url="https://h")
    mine = {"authorization": "Bearer other", "Api-Key": "other", "X-Mine": "1"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        rest = RealtimeRestClient(api_key="k-1", client=client, profile=profile, headers=mine)
        await rest.hang_up_call("rtc_1")
    sent = requests[0]
    given = [sent.headers.get("authorization"), sent.headers.get("api-key"), sent.url.params.get("api-key")]
    expected = {"bearer": "Bearer k-1", "header": "k-1", "query": "k-1", "none": None}[auth]
    assert [value for value in given if value] == ([expected] if expected else [])
    assert sent.headers["x-mine"] == "1"
