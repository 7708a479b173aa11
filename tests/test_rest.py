"""The REST client: its requests beside those of the openai package, its results, its errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from email.parser import BytesParser
from typing import Any

import anyio
import httpx
import pytest

from realtime_transport.errors import ConfigError, LocalProtocolError, RequestError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, RealtimeSessionConfig
from realtime_transport.protocol.wire.session import RealtimeSession
from realtime_transport.rest import RealtimeRestClient

pytestmark = pytest.mark.anyio

SECRET = {
    "value": "ek_1",
    "expires_at": 1790000600,
    "session": {"type": "realtime", "id": "sess_1", "object": "realtime.session", "model": "gpt-realtime"},
}
SESSION: dict[str, Any] = {"type": "realtime", "model": "gpt-realtime", "audio": {"output": {"voice": "marin"}}}
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
