"""The emulator as a server: a listener, its connections, and what tests may read from it."""

from __future__ import annotations

import collections
import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import orjson
from anyio.abc import SocketAttribute, SocketStream

from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.emulator.checks.validation import ANY_NAMES, SERVICE_NAMES
from realtime_transport.emulator.conversation.conversation import Conversation
from realtime_transport.emulator.conversation.session_object import MAX_SESSION_SECONDS, default_session, merged_session
from realtime_transport.emulator.conversation.transcription import placeholder
from realtime_transport.emulator.conversation.translation import Translation
from realtime_transport.emulator.conversation.vad import VoiceActivityDetector, silero_class
from realtime_transport.emulator.ids import IdSource
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.records import SessionRecord
from realtime_transport.emulator.responders.echo import echo_responder
from realtime_transport.emulator.responders.script import Script
from realtime_transport.errors import LocalProtocolError, NotConnectedError
from realtime_transport.protocol.vendors.profiles import profile_named

from .access import Access
from .admission import Admission, Rejection, UpgradeRequest, admit, is_realtime_path
from .calls_api import Calls
from .faults import Faults
from .rejected_peer import RejectedPeer
from .rest import HttpRequest, HttpResponse, RestApi, serve_http
from .vendor_profile import DialectPeer, Mismatch, as_ours
from .webrtc_call import Call, Sideband
from .websocket import WebSocketConnection, new_protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from websockets.http11 import Request

    from realtime_transport.emulator.replies import Responder
    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.rtc.host import AsyncioHost

    from .calls_api import CallRequest
    from .websocket import Peer

__all__ = ["RealtimeEmulator"]

_HEAD_LIMIT = 64 * 1024
_UPGRADE = re.compile(rb"^upgrade:[^\r\n]*websocket", re.IGNORECASE | re.MULTILINE)

MAX_RECORDS = 1000

DEFAULT_AUDIO_SPEED = 10.0
"""Audio comes ten times as fast as it plays: fast, and slow enough that a response can be interrupted."""


class RealtimeEmulator:
    """A server on this machine that speaks the Realtime protocol. Runs under trio and asyncio.

    Listens from entering ``async with`` to leaving it; leaving ends all connections at once:

        async with RealtimeEmulator() as emulator:
            async with transport.connect(url=f"{emulator.websocket_url}?model=gpt-realtime-2.1", api_key="any"):
                ...

    Args:
        host: Address to listen at.
        port: TCP port; 0: a free one.
        api_key: The only key that is accepted, beside the secrets minted with it; ``None``: any but ``sk-invalid``.
        responder: Decides what is said; `echo_responder` by default.
        script: A script that decides first: a `Script`, its JSON value, or the path of its file.
        faults: What goes wrong on the way to the client.
        clock: Time; `realtime_transport.testing.ManualClock` in tests.
        seed: Makes identifiers; the same seed gives the same ones.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
        profile: Play this server, a name in `PROFILES` or an `EndpointProfile`: its path, its authentication, its
            names of events and fields. A client that takes it for another is refused with the difference.
        keep_transcripts: Keep every event in `SessionRecord.transcript`.
        ice_lite: In WebRTC calls, never start a connectivity check, as the service does not: a client that waits for
            one never connects. ``False``: do both, as a browser does.

    Raises:
        ConfigError: The script is none.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        responder: Responder | None = None,
        script: Script | Mapping[str, Any] | str | Path | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
        seed: int = 0,
        audio_speed: float | None = DEFAULT_AUDIO_SPEED,
        profile: str | EndpointProfile | None = None,
        keep_transcripts: bool = False,
        ice_lite: bool = True,
    ) -> None:
        self._host = host
        self._port = port
        self._responder = responder or echo_responder
        self._script = _script_of(script)
        self._faults = faults or Faults()
        self._clock = clock or EventLoopClock()
        self._seed = seed
        self._audio_speed = audio_speed
        self._profile = None if profile is None else profile_named(profile)
        self._keep_transcripts = keep_transcripts
        self._ice_lite = ice_lite
        ids = IdSource.seeded(f"{seed}/server")
        self._access = Access(api_key, ids)
        self._api = RestApi(self._access, ids, lambda: self.sessions)
        self._calls = Calls(self._access, self._make_call, self._note_crash)
        self._records: collections.deque[SessionRecord] = collections.deque(maxlen=MAX_RECORDS)
        self._rejected: collections.deque[SessionRecord] = collections.deque(maxlen=MAX_RECORDS)
        self._connections = 0
        self._crash: Exception | None = None
        self._bound_port: int | None = None
        self._stack: contextlib.AsyncExitStack | None = None

    # Life

    async def __aenter__(self) -> Self:
        """Begin to listen. When this returns, TCP connections are accepted.

        Raises:
            OSError: The port is taken.
            MissingExtraError: A package of the extra ``emulator`` is not installed.
            LocalProtocolError: The emulator is running already.
        """
        if self._stack is not None:
            raise LocalProtocolError("the emulator is running already")
        silero_class()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._serve())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End all connections and stop listening.

        Raises:
            Exception: What a responder or the emulator itself raised while serving, if the body did not raise.
        """
        stack, self._stack = self._stack, None
        return None if stack is None else await stack.__aexit__(kind, error, traceback)

    @contextlib.asynccontextmanager
    async def _serve(self) -> AsyncGenerator[None]:
        body_error: Exception | None = None
        async with await anyio.create_tcp_listener(local_host=self._host, local_port=self._port) as listener:
            self._bound_port = listener.extra(SocketAttribute.local_port)
            async with contextlib.AsyncExitStack() as stack, anyio.create_task_group() as tasks:
                self._calls.start(tasks, stack)
                tasks.start_soon(listener.serve, self._handle, name="emulator listener")
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - raised again below.
                    body_error = error  # Kept out of the task group, which would wrap it.
                tasks.cancel_scope.cancel()
        if body_error is not None:
            raise body_error
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash

    # What users read

    @property
    def port(self) -> int:
        """The TCP port.

        Raises:
            NotConnectedError: The emulator has not listened yet.
        """
        if self._bound_port is None:
            raise NotConnectedError("the emulator listens only within its async with block")
        return self._bound_port

    @property
    def base_url(self) -> str:
        """URL of the HTTP API, such as ``http://127.0.0.1:8642/v1``."""
        return f"http://{self._authority}/v1"

    @property
    def root_url(self) -> str:
        """URL without a path, ``http://127.0.0.1:8642``: what ``url=`` may be beside a ``profile=``."""
        return f"http://{self._authority}"

    @property
    def websocket_url(self) -> str:
        """URL of the realtime endpoint, such as ``ws://127.0.0.1:8642/v1/realtime``, without a query."""
        return f"ws://{self._authority}/v1/realtime"

    @property
    def sessions(self) -> list[SessionRecord]:
        """The sessions so far, oldest first; of very many, the last thousand."""
        return list(self._records)

    @property
    def rejected(self) -> list[SessionRecord]:
        """Connections that were refused with an ``error`` and a close, oldest first."""
        return list(self._rejected)

    @property
    def _authority(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    # Connections

    async def _handle(self, stream: SocketStream) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_close_quietly, stream)
            try:
                await self._serve_connection(stream)
            except Exception as error:  # noqa: BLE001 - kept, and raised where the emulator is left.
                self._note_crash(error)

    def _note_crash(self, error: Exception) -> None:
        self._crash = self._crash or error

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        return await self._calls.answer(request) or self._api.answer(request)

    async def _serve_connection(self, stream: SocketStream) -> None:
        head = await _read_head(stream)
        if head is None:
            return
        if not _UPGRADE.search(head):
            await serve_http(stream, head, self._answer)
            return
        protocol = new_protocol()
        protocol.receive_data(head)
        events = protocol.events_received()
        if not events:  # A request that cannot be read was answered by the protocol.
            await _send_all(stream, protocol.data_to_send())
            return
        handshake = cast("Request", events[0])
        request = UpgradeRequest.parse(handshake.path, handshake.headers.raw_items())
        if self._profile is not None:
            ours = as_ours(request, self._profile)
            if isinstance(ours, Mismatch):
                protocol.send_response(protocol.reject(ours.status, f"{ours.reason}\n"))
                await _send_all(stream, protocol.data_to_send())
                return
            request = ours
        if not is_realtime_path(request.path):
            protocol.send_response(protocol.reject(404, f"No WebSocket here: {request.path}\n"))
            await _send_all(stream, protocol.data_to_send())
            return
        response = protocol.accept(handshake)
        protocol.send_response(response)
        if response.status_code != 101:
            await _send_all(stream, protocol.data_to_send())
            return
        self._connections += 1
        peer, record = self._peer(request, response.headers.get("Sec-WebSocket-Protocol"))
        if self._profile is not None and self._profile.dialect is not None:
            peer = DialectPeer(peer, self._profile.dialect)
        connection = WebSocketConnection(
            stream,
            protocol,
            peer,
            record,
            self._faults.lane(self._connections),
            self._clock,
            _keeper(record) if self._keep_transcripts else None,
        )
        if isinstance(peer, Sideband):
            peer.wake = connection.wake
        await connection.run()

    def _peer(self, request: UpgradeRequest, subprotocol: str | None) -> tuple[Peer, SessionRecord]:
        ids = IdSource.seeded(f"{self._seed}/{self._connections}")
        now = time.time()
        decision = admit(request, self._access, now)
        is_rejected = isinstance(decision, Rejection)
        record = SessionRecord(
            id="" if is_rejected else ids("sess"),
            kind="" if is_rejected else decision.kind.value,
            model="" if is_rejected else decision.model,
            query=request.query,
            headers=request.public_headers,
            subprotocol=subprotocol,
        )
        if isinstance(decision, Rejection):
            self._rejected.append(record)
            return RejectedPeer.of(decision, ids, record), record
        self._records.append(record)
        call = self._calls.find(request.query.get("call_id"))
        if call is not None:
            return Sideband(call), record
        return self._session(decision, record, ids, int(now)), record

    def _make_call(self, request: CallRequest, host: AsyncioHost) -> Call:
        self._connections += 1
        ids = IdSource.seeded(f"{self._seed}/{self._connections}")
        call_id = ids("rtc")
        upgrade = UpgradeRequest(path=request.http.path, query=request.http.query, headers=request.http.headers)
        record = SessionRecord(
            id=ids("sess"),
            kind=SessionKind.REALTIME.value,
            model=request.model,
            query=upgrade.query,
            headers=upgrade.public_headers,
            subprotocol=None,
        )
        self._records.append(record)
        admission = Admission(
            kind=SessionKind.REALTIME, model=request.model, settings=request.settings, model_is_fixed=False
        )
        conversation = self._session(admission, record, ids, int(time.time()))
        keeper = _keeper(record) if self._keep_transcripts else None
        return Call(call_id, cast("Conversation", conversation), host, ids, self._clock, keeper, self._ice_lite)

    def _session(self, admission: Admission, record: SessionRecord, ids: IdSource, now: int) -> Peer:
        session = default_session(
            admission.kind, session_id=record.id, model=admission.model, expires_at=now + MAX_SESSION_SECONDS
        )
        settings = {key: value for key, value in admission.settings.items() if key != "model"}
        if settings.get("type", admission.kind.value) == admission.kind.value:
            session = merged_session(session, settings)
        if admission.kind is SessionKind.TRANSLATION:
            return Translation(session, record, ids)
        responder, recognize = self._responder, placeholder
        if self._script is not None:
            responder = player = self._script.player(self._responder)
            recognize = player.recognize
        return Conversation(
            session,
            record,
            responder,
            recognize,
            VoiceActivityDetector.silero,
            ids,
            audio_speed=self._audio_speed,
            model_is_fixed=admission.model_is_fixed,
            names=SERVICE_NAMES if self._profile is None or self._profile.name == "openai" else ANY_NAMES,
        )


def _script_of(script: Script | Mapping[str, Any] | str | Path | None) -> Script | None:
    if script is None or isinstance(script, Script):
        return script
    return Script.load(script) if isinstance(script, str | Path) else Script.parse(script)


def _keeper(record: SessionRecord) -> Callable[[str, str | bytes], None]:
    def keep(who: str, message: str | bytes) -> None:
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        kept = cast("dict[str, Any]", event) if isinstance(event, dict) else {"type": "(invalid)"}
        record.transcript.append((who, kept))

    return keep


async def _read_head(stream: SocketStream) -> bytes | None:
    """What came up to the end of the request head, and perhaps more."""
    data = b""
    try:
        while b"\r\n\r\n" not in data and len(data) < _HEAD_LIMIT:
            data += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return None
    return data


async def _send_all(stream: SocketStream, data: Iterable[bytes]) -> None:
    try:
        await stream.send(b"".join(data))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # The client left; there is nobody to tell.


async def _close_quietly(stream: SocketStream) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.aclose_forcefully(stream)
