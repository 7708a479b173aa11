"""``/v1/realtime/calls``: WebRTC calls are opened by an SDP offer, and ended by a hang-up."""

from __future__ import annotations

import collections
import email
import email.policy
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
import attrs
import orjson

from realtime_transport.emulator.checks.schema import missing
from realtime_transport.emulator.checks.validation import read_session
from realtime_transport.emulator.conversation.session_object import DEFAULT_MODEL
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.errors import NegotiationError
from realtime_transport.rtc.host import asyncio_host

from .admission import bearer_token, check_model, incorrect_key
from .rest import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AsyncExitStack

    from anyio.abc import TaskGroup

    from realtime_transport.rtc.host import AsyncioHost

    from .access import Access
    from .rest import HttpRequest
    from .webrtc_call import Call

__all__ = ["CALLS_PATH", "CallRequest", "Calls"]

CALLS_PATH = "/v1/realtime/calls"

MAX_ENDED = 1000
"""The number of ended calls whose ids are remembered: attaching to one is refused as a call that does not exist."""


@attrs.frozen(kw_only=True)
class CallRequest:
    """A client's request for a call.

    Attributes:
        offer: The SDP offer.
        model: The model.
        settings: The session settings from the offer or the client secret.
        http: The HTTP request.
    """

    offer: str
    model: str
    settings: Mapping[str, Any]
    http: HttpRequest


@attrs.define(eq=False)
class Calls:
    """Opens calls and keeps them until they end.

    Args:
        access: Checks keys.
        make: Makes a call for a request, before its answer.
        on_error: Called with the exception of a call.
    """

    _access: Access
    _make: Callable[[CallRequest, AsyncioHost], Call]
    _on_error: Callable[[Exception], None]
    _tasks: TaskGroup | None = attrs.field(init=False, default=None)
    _stack: AsyncExitStack | None = attrs.field(init=False, default=None)
    _host: AsyncioHost | None = attrs.field(init=False, default=None)
    _starting: anyio.Lock = attrs.field(init=False, factory=anyio.Lock)
    _calls: dict[str, Call] = attrs.field(init=False, factory=dict[str, "Call"])
    _ended: collections.deque[str] = attrs.field(init=False, factory=lambda: collections.deque[str](maxlen=MAX_ENDED))

    def start(self, tasks: TaskGroup, stack: AsyncExitStack) -> None:
        """Set the task group of the calls, and the stack that closes what they need."""
        self._tasks, self._stack = tasks, stack
        self._host = None

    def find(self, call_id: str) -> Call | None:
        """The call of that id, if it has not ended."""
        return self._calls.get(call_id)

    def is_out_of_reach(self, call_id: str) -> bool:
        """Whether the call of that id is one of this server, but its media is not connected yet, or it has ended."""
        call = self._calls.get(call_id)
        return call_id in self._ended if call is None else not call.is_open

    async def answer(self, request: HttpRequest) -> HttpResponse | None:
        """The response to *request*, or ``None`` if it is about something else.

        If cancelled, a call that was being made is closed.
        """
        handler = self._handler(request)
        if handler is None or request.method != "POST":
            return None
        try:
            token = self._authenticate(request)
            return await handler(request, token)
        except NegotiationError as error:
            return HttpResponse.refusal(Refusal(str(error), code="invalid_offer", param="sdp"))
        except Refusal as refusal:
            return HttpResponse.refusal(refusal, 401 if refusal.code == "invalid_api_key" else 400)

    def _handler(self, request: HttpRequest) -> Callable[[HttpRequest, str], Awaitable[HttpResponse]] | None:
        if request.path.rstrip("/") == CALLS_PATH:
            return self._create
        call_id, _, verb = request.path.removeprefix(CALLS_PATH + "/").partition("/")
        if verb == "hangup" and call_id in self._calls:
            return self._hang_up
        return None

    def _authenticate(self, request: HttpRequest) -> str:
        token = bearer_token(request.headers)
        if token is None:
            raise Refusal("You didn't provide an API key.", code="invalid_api_key")
        if not self._access.accepts(token, time.time()):
            raise incorrect_key(token)
        return token

    async def _hang_up(self, request: HttpRequest, _token: str) -> HttpResponse:
        self._calls[request.path.split("/")[-2]].hang_up()
        return HttpResponse()

    async def _create(self, request: HttpRequest, token: str) -> HttpResponse:
        wanted = self._read(request, token)
        host = await self._start_host()
        call = self._make(wanted, host)
        try:
            answer = await call.answer(wanted.offer)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await call.aclose()
            raise
        self._calls[call.id] = call
        assert self._tasks is not None
        self._tasks.start_soon(self._run, call, name=f"emulator call {call.id}")
        return HttpResponse(
            status=201,
            body=answer.encode(),
            content_type="application/sdp",
            headers=(("location", f"{CALLS_PATH}/{call.id}"),),
        )

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except Exception as error:  # noqa: BLE001 - raised when the emulator's block is left
            self._on_error(error)
        finally:
            self._calls.pop(call.id, None)
            self._ended.append(call.id)

    async def _start_host(self) -> AsyncioHost:
        async with self._starting:
            if self._host is None:
                await anyio.to_thread.run_sync(import_module, "realtime_transport.rtc.peer")
                assert self._stack is not None
                self._host = await self._stack.enter_async_context(asyncio_host())
            return self._host

    def _read(self, request: HttpRequest, token: str) -> CallRequest:
        offer, given = _parse(request)
        if not offer.strip():
            raise missing("sdp")
        if given is not None:
            given = read_session(given, SessionKind.REALTIME)
        secret = self._access.secret(token)
        settings: dict[str, Any] = {**(secret.session if secret is not None else {}), **(given or {})}
        model = request.query.get("model") or settings.get("model") or DEFAULT_MODEL
        check_model(model)
        return CallRequest(offer=offer, model=model, settings=settings, http=request)


def _parse(request: HttpRequest) -> tuple[str, dict[str, Any] | None]:
    """The offer and the session settings in the body: SDP, a form of both, or JSON of both."""
    kind = request.headers.get("content-type", "application/sdp")
    if kind.startswith("multipart/form-data"):
        fields = _form(kind, request.body)
        return fields.get("sdp", ""), _object(fields["session"]) if "session" in fields else None
    text = request.body.decode("utf-8", "replace")
    if kind.startswith("application/json"):
        body = _object(text)
        session = body.get("session")
        if session is not None and not isinstance(session, dict):
            raise Refusal("session: an object is expected.", code="invalid_type", param="session")
        return str(body.get("sdp") or ""), cast("dict[str, Any] | None", session)
    return text, None


def _form(kind: str, body: bytes) -> dict[str, str]:
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode("utf-8", "replace")
    return fields


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refusal("We could not parse the JSON body of your request.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise Refusal("A JSON object is expected.", code="invalid_json")
    return cast("dict[str, Any]", value)
