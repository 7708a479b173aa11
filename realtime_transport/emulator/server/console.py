"""The console: a page that shows the sessions of the emulator, talks to it, and injects faults."""

from __future__ import annotations

import functools
import ipaddress
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import attrs

from realtime_transport.emulator.checks.schema import Field, Number, Object, Text
from realtime_transport.emulator.refusal import Refusal

from .rest import HttpResponse, json_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.emulator.records import SessionRecord

    from .access import Access
    from .rest import HttpRequest
    from .timeline import Timeline

__all__ = ["Console", "Export", "OpenSession", "is_loopback"]

SECRET_SECONDS = 60
SESSION_PATH = "/emulator/sessions/"

_SECONDS = Number(minimum=0.0, maximum=600.0)
_DIRECTIVE = Object({"text": Field(Text(max_length=4096), required=True)})
_FAULTS = Object({"stall": Field(_SECONDS), "delay": Field(_SECONDS), "jitter": Field(_SECONDS)})


Export = Callable[["SessionRecord", Sequence[tuple[float, str, str]]], bytes]
"""Makes a file of a session from its record and its messages: seconds, ``"client"`` or ``"server"``, and text."""


class OpenSession(Protocol):
    """An open session, as the console controls it."""

    def obey(self, directive: str) -> None:
        """Obey *directive*, as if the user had written it.

        Raises:
            Refusal: A response is active.
        """
        ...

    def hurt(self, *, stall: float, delay: float | None, jitter: float | None) -> None:
        """Change the faults from now on.

        Raises:
            Refusal: This wire has no faults.
        """
        ...


@attrs.define(eq=False)
class Console:
    """Answers the requests of the page. No I/O.

    A page of another origin can neither read nor change anything here: responses carry no CORS headers, the ``Host``
    must be a name of this machine, and a request that changes something must have the page's own ``Origin``, if it has
    one.

    Args:
        access: Mints the secret with which the page opens its session; it is never shown.
        timeline: The messages of all sessions.
        sessions: Gives the records of all sessions so far.
        any_host: Whether any ``Host`` is accepted, since the emulator listens beyond this machine.
        export: Makes the file of a recording, if recordings are offered; called in a thread.
        may_mint: Whether the page gets a client secret; not where others could use it to avoid the required key.
    """

    _access: Access
    _timeline: Timeline
    _sessions: Callable[[], list[SessionRecord]]
    _any_host: bool = attrs.field(alias="any_host")
    _may_mint: bool = attrs.field(alias="may_mint")
    _export: Export | None = attrs.field(alias="export")
    _open: list[tuple[SessionRecord, OpenSession]] = attrs.field(
        init=False, factory=list["tuple[SessionRecord, OpenSession]"]
    )

    def add(self, record: SessionRecord, session: OpenSession) -> None:
        """Make *session* available by the id of *record* until it ends."""
        self._open = [entry for entry in self._open if entry[0].is_open]
        self._open.append((record, session))

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """The response to *request*, or ``None`` if it is about something else."""
        handler = self._handler(request)
        if handler is None:
            return None
        try:
            self._check_origin(request)
            return attrs.evolve(handler(request), is_shared=False)
        except Refusal as refusal:
            return attrs.evolve(HttpResponse.refusal(refusal, _STATUS.get(refusal.code or "", 400)), is_shared=False)

    def _handler(self, request: HttpRequest) -> Callable[[HttpRequest], HttpResponse] | None:
        handlers: Mapping[tuple[str, str], Callable[[HttpRequest], HttpResponse]] = {
            ("GET", "/"): self._page,
            ("GET", "/emulator/timeline"): self._show_timeline,
            ("POST", "/emulator/console/secret"): self._make_secret,
        }
        if request.method == "POST" and request.path.startswith(SESSION_PATH):
            session_id, _, verb = request.path.removeprefix(SESSION_PATH).partition("/")
            verbs = {"directive": self._obey, "faults": self._hurt}
            return functools.partial(verbs[verb], session_id) if verb in verbs else None
        return handlers.get((request.method, request.path))

    def _check_origin(self, request: HttpRequest) -> None:
        host = request.headers.get("host", "")
        if not self._any_host and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            raise Refusal(f"The console is not at {host}.", code="forbidden")
        origin = request.headers.get("origin")
        if request.method == "POST" and origin is not None and urlsplit(origin).netloc != host:
            raise Refusal("The console takes requests of its own page only.", code="forbidden")

    def _page(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponse(body=_page(), content_type="text/html; charset=utf-8")

    def _show_timeline(self, request: HttpRequest) -> HttpResponse:
        after = request.query.get("after", "0")
        last, events = self._timeline.after(int(after) if after.isdecimal() else 0)
        sessions = [record.as_json() for record in self._sessions()]
        offers = self._export is not None
        return HttpResponse.json({"next": last, "sessions": sessions, "events": events, "offers_recordings": offers})

    async def recording(self, request: HttpRequest) -> HttpResponse | None:
        """The recording that *request* asks for; ``None`` if it asks for something else. If cancelled, none is made."""
        session_id, _, verb = request.path.removeprefix(SESSION_PATH).partition("/")
        record = next((record for record in self._sessions() if record.id == session_id), None)
        is_asked = request.method == "GET" and request.path.startswith(SESSION_PATH) and verb == "recording"
        if not is_asked or record is None or self._export is None:
            return None
        try:
            self._check_origin(request)
        except Refusal as refusal:
            return HttpResponse.refusal(refusal, 403)
        messages = self._timeline.of_session(session_id)
        try:
            data = await anyio.to_thread.run_sync(self._export, record, messages)
        except OSError as error:
            return HttpResponse.refusal(Refusal(f"The recording cannot be written: {error.strerror}", code=None), 507)
        name = f'attachment; filename="{session_id}.rtrec.zip"'
        return HttpResponse(
            body=data, content_type="application/zip", headers=(("content-disposition", name),), is_shared=False
        )

    def _make_secret(self, _request: HttpRequest) -> HttpResponse:
        if not self._may_mint:
            raise Refusal("A key is asked for here, which the console does not have.", code="forbidden")
        secret = self._access.mint({}, int(time.time()) + SECRET_SECONDS)
        return HttpResponse.json({"value": secret.value})

    def _obey(self, session_id: str, request: HttpRequest) -> HttpResponse:
        wanted: dict[str, Any] = _DIRECTIVE.read(json_body(request), "")
        self._session(session_id).obey(wanted["text"])
        return HttpResponse.json({})

    def _hurt(self, session_id: str, request: HttpRequest) -> HttpResponse:
        wanted: dict[str, Any] = _FAULTS.read(json_body(request), "")
        self._session(session_id).hurt(
            stall=wanted.get("stall", 0.0), delay=wanted.get("delay"), jitter=wanted.get("jitter")
        )
        return HttpResponse.json({})

    def _session(self, session_id: str) -> OpenSession:
        for record, session in self._open:
            if record.id == session_id and record.is_open:
                return session
        raise Refusal(f"No open session '{session_id}'.", code="session_not_found")


_STATUS = {"forbidden": 403, "session_not_found": 404, "conversation_already_has_active_response": 409}


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine and no other."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@functools.cache
def _page() -> bytes:
    return resources.files("realtime_transport.emulator").joinpath("assets", "console.html").read_bytes()
