"""The emulator as a server: a listener, its connections, and its public properties."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
from anyio.abc import SocketAttribute, SocketStream

from realtime_transport.argument_names import named
from realtime_transport.argument_types import expect, expect_callable, expect_number
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.emulator.conversation.conversation import Conversation
from realtime_transport.emulator.conversation.vad import silero_class
from realtime_transport.emulator.ids import IdSource
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.responders.echo import echo_responder
from realtime_transport.emulator.responders.script import Script
from realtime_transport.errors import ConfigError, DecodeError, LocalProtocolError, NotConnectedError
from realtime_transport.protocol.vendors.profiles import profile_named
from realtime_transport.protocol.wire.codec import parse_json

from .access import Access
from .admission import UpgradeRequest, is_realtime_path
from .calls_api import Calls
from .console import Console, is_loopback
from .console_sessions import CallSession, WebSocketSession
from .faults import Faults
from .request_head import is_upgrade, read_head, refused_head
from .rest import HttpRequest, HttpResponse, RestApi, serve_http
from .sessions import SessionFactory
from .timeline import Timeline
from .vendor_profile import DialectPeer, Mismatch, as_our_call, as_ours
from .webrtc_call import Call, Sideband
from .websocket import Peer, WebSocketConnection, new_protocol, read_handshake

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.emulator.replies import Responder
    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.rtc.host import AsyncioHost

    from .calls_api import CallRequest
    from .console import Export

__all__ = ["RealtimeEmulator"]

DEFAULT_AUDIO_SPEED = 10.0
"""Audio is sent ten times as fast as it plays: fast, but slow enough that a response can be interrupted."""


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
        script: A script that is asked before the responder: a `Script`, its JSON value, or the path of its file.
        peers: Makes the peer of a WebSocket instead of a conversation, such as a `recording.RecordedServer`.
        faults: The faults on the way to the client.
        clock: The clock; `realtime_transport.testing.ManualClock` in tests.
        seed: The seed of identifiers; the same seed gives the same ones.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
        latency: Seconds between the creation of a response and its first output.
        profile: Emulate this server, a name in `PROFILES` or an `EndpointProfile`: its path, its authentication, its
            names of events and fields. A client that expects another server is refused with the difference.
        keep_transcripts: Keep every event in `SessionRecord.transcript`.
        ice_lite: In WebRTC calls, never start a connectivity check, as the service does: a client that waits for one
            never connects. ``False``: full ICE, as a browser.
        console: Answer ``GET /`` with a page that shows the sessions and talks to the emulator; ``None``: if *host* is
            a loopback address.
        export: Makes the file that the console offers as the recording of a session; called in a thread.

    Raises:
        ConfigError: An argument has a wrong type or value, or the script is invalid.
    """

    @named
    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        responder: Responder | None = None,
        script: Script | Mapping[str, Any] | str | Path | None = None,
        peers: Callable[[SessionRecord], Peer] | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
        seed: int = 0,
        audio_speed: float | None = DEFAULT_AUDIO_SPEED,
        latency: float = 0.0,
        profile: str | EndpointProfile | None = None,
        keep_transcripts: bool = False,
        ice_lite: bool = True,
        console: bool | None = None,
        export: Export | None = None,
    ) -> None:
        expect(host, str, "host", "text")
        expect_number(port, "port", whole=True, optional=False)
        expect(api_key, str, "api_key", "text")
        expect_callable(responder, "responder")
        expect_callable(peers, "peers")
        expect(faults, Faults, "faults", "Faults")
        expect_number(audio_speed, "audio_speed")
        expect_number(latency, "latency", optional=False)
        if audio_speed == 0:
            raise ConfigError("audio_speed: None sends all at once, 0 never sends", key="audio_speed")
        self._host = host
        self._port = port
        self._faults = faults or Faults()
        self._clock = clock or EventLoopClock()
        self._profile = None if profile is None else profile_named(profile)
        self._keep_transcripts = keep_transcripts
        self._ice_lite = ice_lite
        ids = IdSource.seeded(f"{seed}/server")
        self._access = Access(api_key, ids)
        self._sessions = SessionFactory(
            access=self._access,
            responder=responder or echo_responder,
            script=_script_of(script),
            profile=self._profile,
            seed=seed,
            audio_speed=audio_speed,
            latency=latency,
            peers=peers,
        )
        self._api = RestApi(self._access, ids, lambda: self.sessions)
        self._calls = Calls(self._access, self._make_call, self._note_crash)
        self._timeline = Timeline(self._clock)
        self._console: Console | None = None
        if is_loopback(host) if console is None else console:
            is_local = is_loopback(host)
            self._console = Console(
                self._access,
                self._timeline,
                lambda: self.sessions,
                any_host=not is_local,
                may_mint=is_local or api_key is None,
                export=export,
            )
        self._crash: Exception | None = None
        self._bound_port: int | None = None
        self._stack: contextlib.AsyncExitStack | None = None

    # Life

    async def __aenter__(self) -> Self:
        """Begin to listen. When this returns, TCP connections are accepted. If cancelled, nothing listens.

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
        """End all connections and stop listening. If cancelled, they end all the same.

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
                    body_error = error  # Not raised within the task group, which would wrap it.
                tasks.cancel_scope.cancel()
        if body_error is not None:
            raise body_error
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash

    # Properties for users

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
        """URL without a path, ``http://127.0.0.1:8642``: for ``url=`` with a ``profile=``."""
        return f"http://{self._authority}"

    @property
    def websocket_url(self) -> str:
        """URL of the realtime endpoint, such as ``ws://127.0.0.1:8642/v1/realtime``, without a query."""
        return f"ws://{self._authority}/v1/realtime"

    @property
    def has_console(self) -> bool:
        """Whether ``GET /`` answers with the console."""
        return self._console is not None

    @property
    def sessions(self) -> list[SessionRecord]:
        """The sessions so far, oldest first; at most the last thousand."""
        return list(self._sessions.records)

    @property
    def rejected(self) -> list[SessionRecord]:
        """Connections that were refused with an ``error`` and a close, oldest first."""
        return list(self._sessions.rejected)

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
            except Exception as error:  # noqa: BLE001 - kept, and raised when the emulator's block is left.
                self._note_crash(error)

    def _note_crash(self, error: Exception) -> None:
        self._crash = self._crash or error

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if self._profile is not None:
            ours = as_our_call(request, self._profile)
            if isinstance(ours, Mismatch):
                return HttpResponse.refusal(Refusal(ours.reason, code="invalid_api_key"), ours.status)
            request = ours
        shown = None
        if self._console is not None:
            shown = self._console.answer(request) or await self._console.recording(request)
        return shown or await self._calls.answer(request) or self._api.answer(request)

    async def _serve_connection(self, stream: SocketStream) -> None:
        head = await read_head(stream, self._clock)
        if head is None:
            return
        if not is_upgrade(head):
            await serve_http(stream, head, self._answer, self._clock)
            return
        protocol = new_protocol()
        refusal = refused_head(head)
        if refusal is not None:
            await _reject(stream, protocol, *refusal)
            return
        handshake = read_handshake(protocol, head)
        if handshake is None:
            await _reject(stream, new_protocol(), 400, "The request is malformed.")
            return
        await self._upgrade(stream, protocol, handshake)

    async def _upgrade(self, stream: SocketStream, protocol: ServerProtocol, handshake: Request) -> None:
        request = UpgradeRequest.parse(handshake.path, handshake.headers.raw_items())
        if request is None:
            await _reject(stream, protocol, 400, "The target of the request is malformed.")
            return
        if self._profile is not None:
            ours = as_ours(request, self._profile)
            if isinstance(ours, Mismatch):
                await _reject(stream, protocol, ours.status, ours.reason)
                return
            request = ours
        if not is_realtime_path(request.path):
            await _reject(stream, protocol, 404, f"No WebSocket here: {request.path}")
            return
        call_id = request.query.get("call_id", "")
        if self._calls.is_out_of_reach(call_id):
            refusal = Refusal(f"No session found for call_id '{call_id}'.", code="call_id_not_found", param="call_id")
            await _reject(stream, protocol, 404, HttpResponse.refusal(refusal, 404).body.decode())
            return
        response = protocol.accept(handshake)
        protocol.send_response(response)
        if response.status_code != 101:
            await _send_all(stream, protocol.data_to_send())
            return
        await self._run(stream, protocol, request, response.headers.get("Sec-WebSocket-Protocol"))

    async def _run(
        self, stream: SocketStream, protocol: ServerProtocol, request: UpgradeRequest, subprotocol: str | None
    ) -> None:
        peer, record = self._sessions.open(request, subprotocol, self._sideband)
        conversation = peer
        sideband = peer if isinstance(peer, Sideband) else None
        if self._profile is not None and self._profile.dialect is not None:
            peer = DialectPeer(peer, self._profile.dialect)
        connection = WebSocketConnection(
            stream,
            protocol,
            peer,
            record,
            self._faults.lane(self._sessions.connections),
            self._clock,
            self._watcher(record),
        )
        if self._console is not None and isinstance(conversation, Conversation):
            self._console.add(record, WebSocketSession(connection, conversation))
        if sideband is not None:
            sideband.wake = connection.wake
        try:
            await connection.run()
        finally:
            if sideband is not None:
                sideband.detach()

    def _sideband(self, call_id: str) -> Sideband | None:
        call = self._calls.find(call_id)
        return None if call is None else Sideband(call)

    def _make_call(self, request: CallRequest, host: AsyncioHost) -> Call:
        ids = self._sessions.next_ids()
        call_id = ids("rtc")
        upgrade = UpgradeRequest(path=request.http.path, query=request.http.query, headers=request.http.headers)
        conversation = self._sessions.conversation_of_call(
            model=request.model, settings=request.settings, upgrade=upgrade, ids=ids
        )
        watcher = self._watcher(conversation.record)
        call = Call(call_id, conversation, host, ids, self._clock, watcher, self._ice_lite)
        if self._console is not None:
            self._console.add(conversation.record, CallSession(call))
        return call

    def _watcher(self, record: SessionRecord) -> Callable[[str, str | bytes], None] | None:
        """The function that gets each message of a session."""
        keep = _keeper(record) if self._keep_transcripts else None
        if self._console is None:
            return keep

        def watch(who: str, message: str | bytes) -> None:
            self._timeline.add(record.id, who, message)
            if keep is not None:
                keep(who, message)

        return watch


def _script_of(script: Script | Mapping[str, Any] | str | Path | None) -> Script | None:
    if script is None or isinstance(script, Script):
        return script
    return Script.load(script) if isinstance(script, str | Path) else Script.parse(script)


def _keeper(record: SessionRecord) -> Callable[[str, str | bytes], None]:
    def keep(who: str, message: str | bytes) -> None:
        try:
            event = parse_json(message)
        except DecodeError:
            event = None
        kept = cast("dict[str, Any]", event) if isinstance(event, dict) else {"type": "(invalid)"}
        record.transcript.append((who, kept))

    return keep


async def _reject(stream: SocketStream, protocol: ServerProtocol, status: int, reason: str) -> None:
    """Answer an upgrade request with an HTTP response instead of a WebSocket."""
    response = protocol.reject(status, f"{reason}\n")
    if status == 405:
        response.headers["Allow"] = "GET"
    protocol.send_response(response)
    await _send_all(stream, protocol.data_to_send())


async def _send_all(stream: SocketStream, data: Iterable[bytes]) -> None:
    try:
        await stream.send(b"".join(data))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # The client has left.


async def _close_quietly(stream: SocketStream) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.aclose_forcefully(stream)
