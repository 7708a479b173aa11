"""The plain HTTP endpoints: client secrets, and the emulator's own records."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs
import orjson

from realtime_transport.emulator.checks.schema import Field, Integer, Object, Text, missing
from realtime_transport.emulator.checks.validation import read_session
from realtime_transport.emulator.conversation.session_object import DEFAULT_MODEL, default_session, merged_session
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.errors import missing_extra

from .admission import bearer_token, check_model, incorrect_key
from .request_head import split_target

try:
    import h11
except ImportError as _error:
    missing_extra(_error, "emulator")

if TYPE_CHECKING:
    from anyio.abc import ByteStream

    from realtime_transport.clock import Clock
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord

    from .access import Access

__all__ = ["HttpRequest", "HttpResponse", "RestApi", "json_body", "serve_http"]

MAX_BODY_BYTES = 1024 * 1024

_MAX_READ_BYTES = 16 * MAX_BODY_BYTES
"""Up to this much is read but not kept, so that the client gets the refusal."""

REQUEST_TIMEOUT = 60.0
"""Seconds that a client gets to send its request and to read the answer."""
DEFAULT_SECRET_SECONDS = 600

_EXPIRES_AFTER = Object(
    {
        "anchor": Field(Text(enum=("created_at",))),
        "seconds": Field(Integer(minimum=10, maximum=7200)),
    }
)

# Browsers on other origins may call, as with the service; Location holds the call id.
_CORS = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "Authorization, Content-Type, *"),  # The star does not cover Authorization.
    ("access-control-allow-methods", "GET, POST, OPTIONS"),
    ("access-control-expose-headers", "Location"),
]


_PRIVATE = [("cache-control", "no-store"), ("x-frame-options", "DENY")]


@attrs.frozen(kw_only=True)
class HttpRequest:
    """A whole request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen(kw_only=True)
class HttpResponse:
    """A whole response.

    Attributes:
        is_shared: Whether pages of other origins may read it.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()
    is_shared: bool = True

    @classmethod
    def json(cls, value: Any, status: int = 200) -> HttpResponse:
        """*value* as JSON."""
        return cls(status=status, body=orjson.dumps(value))

    @classmethod
    def refusal(cls, refusal: Refusal, status: int = 400) -> HttpResponse:
        """The error envelope of the service."""
        error = {"message": refusal.message, "type": refusal.family, "param": refusal.param, "code": refusal.code}
        return cls.json({"error": error}, status)


@attrs.define(eq=False)
class RestApi:
    """Answers requests. No I/O.

    Args:
        access: Checks keys and makes client secrets.
        ids: Makes session ids.
        sessions: Gives the records of all sessions so far.
    """

    _access: Access
    _ids: IdSource
    _sessions: Callable[[], list[SessionRecord]]

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to *request*."""
        if request.method == "OPTIONS":
            return HttpResponse(status=204)
        handlers = _ROUTES.get(request.path)
        if handlers is None:
            refusal = Refusal(f"Invalid URL ({request.method} {request.path})", code=None)
            return HttpResponse.refusal(refusal, 404)
        handler = handlers.get(request.method)
        if handler is None:
            return HttpResponse.refusal(Refusal(f"Not allowed: {request.method}", code="method_not_allowed"), 405)
        try:
            return handler(self, request)
        except Refusal as refusal:
            return HttpResponse.refusal(refusal, 401 if refusal.code == "invalid_api_key" else 400)

    def list_sessions(self, _request: HttpRequest) -> HttpResponse:
        """``GET /emulator/sessions``: `SessionRecord.as_json` of all sessions, for other processes."""
        return HttpResponse.json({"sessions": [record.as_json() for record in self._sessions()]})

    def create_secret(self, request: HttpRequest) -> HttpResponse:
        """``POST /v1/realtime/client_secrets``."""
        return self._mint(request, None)

    def create_translation_secret(self, request: HttpRequest) -> HttpResponse:
        """``POST /v1/realtime/translations/client_secrets``."""
        return self._mint(request, SessionKind.TRANSLATION)

    def _mint(self, request: HttpRequest, kind: SessionKind | None) -> HttpResponse:
        now = int(time.time())
        self._authenticate(request, now)
        body = json_body(request)
        for key in body:
            if key not in ("expires_after", "session"):
                raise Refusal(f"Unknown parameter: '{key}'.", code="unknown_parameter", param=key)
        given: Any = body.get("expires_after")
        expires_after: dict[str, Any] = {} if given is None else _EXPIRES_AFTER.read(given, "expires_after")
        settings = _checked_settings(body.get("session"), kind)
        session = self._effective(settings, kind)
        secret = self._access.mint(settings, now + expires_after.get("seconds", DEFAULT_SECRET_SECONDS))
        return HttpResponse.json({"value": secret.value, "expires_at": secret.expires_at, "session": session})

    def _authenticate(self, request: HttpRequest, now: int) -> None:
        token = bearer_token(request.headers)
        if token is None:
            raise Refusal("You didn't provide an API key.", code="invalid_api_key")
        if not self._access.accepts(token, now):
            raise incorrect_key(token)

    def _effective(self, settings: Mapping[str, Any], kind: SessionKind | None) -> dict[str, Any]:
        kind = kind or SessionKind(settings.get("type", "realtime"))
        model = settings.get("model", DEFAULT_MODEL)
        # The service shows 0 here: the session has not begun.
        session = default_session(kind, session_id=self._ids("sess"), model=model, expires_at=0)
        return merged_session(session, dict(settings), model_is_fixed=False)


_TOO_LARGE = HttpResponse.refusal(Refusal("The body is too large.", code=None), 413)

Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]

_Handler = Callable[[RestApi, HttpRequest], HttpResponse]

_ROUTES: dict[str, dict[str, _Handler]] = {
    "/v1/realtime/client_secrets": {"POST": RestApi.create_secret},
    "/v1/realtime/translations/client_secrets": {"POST": RestApi.create_translation_secret},
    "/emulator/sessions": {"GET": RestApi.list_sessions},
}


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body of *request*; an empty one if there is no body.

    Raises:
        Refusal: The body is not a JSON object.
    """
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        raise Refusal("We could not parse the JSON body of your request.", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal("The body must be a JSON object.", code="invalid_json")
    return cast("dict[str, Any]", body)


def _checked_settings(session: Any, kind: SessionKind | None) -> dict[str, Any]:
    if kind is SessionKind.TRANSLATION:
        if not isinstance(session, dict):
            raise missing("session.model")
        given = cast("dict[str, Any]", session)
        model = given.get("model")
        if model is None:
            raise missing("session.model")
        others = {key: value for key, value in given.items() if key != "model"}
        return {"model": Text().read(model, "session.model"), **read_session(others, kind)}
    if session is None:
        return {}
    is_transcription = isinstance(session, dict) and cast("dict[str, Any]", session).get("type") == "transcription"
    settings = read_session(session, SessionKind.TRANSCRIPTION if is_transcription else SessionKind.REALTIME)
    if "model" in settings:
        check_model(settings["model"])
    return settings


async def serve_http(stream: ByteStream, first: bytes, answer: Answer, clock: Clock) -> None:
    """Serve one request on *stream* with *answer*, and end the connection; *first* was already read.

    If cancelled, the connection is broken off.
    """
    with clock.move_on_at(clock.now() + REQUEST_TIMEOUT):
        await _serve_http(stream, first, answer)


async def _serve_http(stream: ByteStream, first: bytes, answer: Answer) -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(first)
    try:
        response = await _answer(stream, connection, answer)
        head = h11.Response(
            status_code=response.status,
            headers=[
                ("content-type", response.content_type),
                ("content-length", str(len(response.body))),
                ("connection", "close"),
                *response.headers,
                *(_CORS if response.is_shared else _PRIVATE),
            ],
        )
        data = connection.send(head) or b""
        data += connection.send(h11.Data(data=response.body)) or b""
        data += connection.send(h11.EndOfMessage()) or b""
        await stream.send(data)
        await stream.send_eof()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, h11.LocalProtocolError, OSError):
        return  # The client has left.


async def _answer(stream: ByteStream, connection: h11.Connection, answer: Answer) -> HttpResponse:
    head: h11.Request | None = None
    body, size = bytearray(), 0
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive())
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size <= MAX_BODY_BYTES:
                    body += event.data
                elif size > _MAX_READ_BYTES:
                    return _TOO_LARGE
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                break
            else:
                raise anyio.EndOfStream
    except h11.RemoteProtocolError as error:
        return HttpResponse.refusal(Refusal(f"Bad request: {error}", code=None), error.error_status_hint)
    if size > MAX_BODY_BYTES:
        return _TOO_LARGE
    parts = split_target(head.target.decode("ascii", "replace"))
    if parts is None:
        return HttpResponse.refusal(Refusal("Bad request: the target is malformed.", code=None), 400)
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    request = HttpRequest(method=head.method.decode(), path=parts[0], headers=headers, body=bytes(body), query=parts[1])
    return await answer(request)
