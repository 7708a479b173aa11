"""Runs a scenario against a WebSocket transport, through the emitter, and writes down what happens."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio
import attrs
import httpx

from realtime_transport.emitter import RealtimeEmitter
from realtime_transport.protocol.wire.server_events import SERVER_EVENTS
from realtime_transport.testing import ManualClock
from realtime_transport.transports.links.websocket_link import connect_websocket
from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

from . import trace
from .server import Pulse, ScriptedServer, serve
from .values import UNDEFINED, Reader, snake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from anyio.abc import TaskGroup

    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase
    from realtime_transport.transports.endpoint.options import ConnectRequest
    from realtime_transport.transports.links.websocket_link import WebSocketLink

    T = TypeVar("T")

__all__ = ["run_websocket"]

PATIENCE = 15.0
"""Seconds of real time that a scenario may take."""

ORIGIN = "x-conformance-origin"
"""A header in which the connector tells the server what host was asked for."""

OPTIONS = {"apiKey", "model", "url"}
"""``useInsecureApiKey`` is not among them: there it lifts a check that is made in browsers only."""

CONNECT_OPTIONS = {"apiKey", "model", "url", "callId", "initialSessionConfig"}

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "connect": (),
    "close": (),
    "sendEvent": ("event",),
    "sendMessage": ("message", "other_event_data"),
    "addImage": ("image",),
    "sendAudio": ("audio",),
    "sendFunctionCallOutput": ("tool_call", "output", "start_response"),
    "sendMcpResponse": ("approval_request", "approved", "reason"),
    "updateSessionConfig": ("config",),
    "requestResponse": ("response",),
    "resetHistory": ("old_history", "new_history"),
    "interrupt": ("cancel_ongoing_response",),
    "mute": ("muted",),
    "buildSessionPayload": ("config",),
}
"""The positional parameters of the reference's methods, as ours are called; an object beyond them holds options."""

AUTO_TYPES = {
    "response_create": ("response.create",),
    "history_create": ("conversation.item.create", "conversation.item.delete"),
    "history_delete": ("conversation.item.create", "conversation.item.delete"),
}
"""The frames that each count of generated ids runs over."""


def keywords(method: str, args: list[Any]) -> dict[str, Any]:
    """The arguments of a call, as keywords of ours."""
    names = PARAMETERS[method]
    given = {name: value for name, value in zip(names, args, strict=False) if value is not UNDEFINED}
    for extra in args[len(names) :]:
        if isinstance(extra, dict):
            given |= {snake(name): value for name, value in extra.items()}
    if method == "updateSessionConfig":
        given["reset"] = True
    return given


@attrs.define(eq=False)
class Run:
    """One scenario."""

    options: ClassVar[set[str]] = OPTIONS
    """The constructor options that are passed on."""

    scenario: Mapping[str, Any]
    clock: ManualClock = attrs.field(factory=ManualClock)
    pulse: Pulse = attrs.field(factory=Pulse)
    step: int | str = "before"
    recording: bool = True
    activity: int = 0
    waiting_keys: dict[str, tuple[anyio.Event, list[Any]]] = attrs.field(factory=dict)
    settled_keys: dict[str, Any] = attrs.field(factory=dict)
    pending: int = 0
    auto_ids: list[tuple[str, str]] = attrs.field(factory=list)
    caller_ids: set[str] = attrs.field(factory=set)
    record: dict[str, Any] = attrs.field(init=False)
    server: ScriptedServer = attrs.field(init=False)
    reader: Reader = attrs.field(init=False)
    tasks: TaskGroup = attrs.field(init=False)
    client: httpx.AsyncClient = attrs.field(init=False)
    emitter: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        names = ("handshake", "client_frames", "events", "calls", "closes", "uncaught")
        self.record = {name: [] for name in names}

    # Writing down

    def _note(self, name: str, **entry: Any) -> None:
        if self.recording:
            self.activity += 1
            self.record[name].append({"step": self.step, **entry})
            self.pulse.beat()

    def _upgrade(self, path: str, headers: dict[str, str]) -> None:
        origin = headers.pop(ORIGIN, "{{ws}}")
        self._note("handshake", url=origin + path, path=path, headers=headers)

    def _frame(self, number: int, frame: Any) -> None:
        event_id = frame.get("event_id") if isinstance(frame, dict) else None
        if isinstance(event_id, str) and event_id not in self.caller_ids:
            self.auto_ids.append((str(frame.get("type")), event_id))
        self._note("client_frames", conn=number, frame=frame)

    def _close(self, number: int, code: int, reason: str) -> None:
        self._note("closes", conn=number, code=code, reason=reason)

    def _auto(self, kind: str, number: int) -> str | None:
        ids = [event_id for frame_type, event_id in self.auto_ids if frame_type in AUTO_TYPES.get(kind, ())]
        return ids[number - 1] if number <= len(ids) else None

    # The life of a scenario

    async def execute(self) -> None:
        scenario = self.scenario
        async with (
            serve(self.pulse, on_upgrade=self._upgrade, on_frame=self._frame, on_close=self._close) as self.server,
            httpx.AsyncClient(timeout=None, trust_env=False, verify=False) as self.client,
            anyio.create_task_group() as self.tasks,
        ):
            self.server.policy = scenario.get("server", {}).get("upgrade", "accept")
            self.reader = Reader(self.server.base, self._key, self._auto)
            if scenario.get("no_construct"):
                for self.step, step in enumerate(scenario["steps"]):
                    await self._perform(step)
            else:
                await self._with_transport()
            self.tasks.cancel_scope.cancel()

    async def _with_transport(self) -> None:
        self.emitter = self._emitter()
        self._listen()
        try:
            async with self.emitter:
                await self._steps()
                self.record["final"] = {"status": self.emitter.status}
                self.recording = False
                self.tasks.cancel_scope.cancel()
                await anyio.lowlevel.checkpoint()
        except Exception as exc:  # noqa: BLE001 - what nobody listened to
            self._note("uncaught", error=trace.error(exc))

    def _emitter(self) -> Any:
        """What the scenario is about: an emitter of the transport; other kinds of scenarios have others."""
        return RealtimeEmitter(self._construct(self.scenario.get("options", {})))

    async def _steps(self) -> None:
        for step in self.scenario.get("before", []):
            await self._perform(step)
            await self._settle()
        if "connect" in self.scenario:
            self.step = "connect"
            self._call("connect", [self.scenario["connect"]])
            await self._settle()
        for index, step in enumerate(self.scenario["steps"]):
            self.step = index
            await self._perform(step)
            await self._settle()

    def _make(self, **options: Any) -> OpenAIRealtimeBase:
        """The transport; other kinds of scenarios have others."""
        return OpenAIRealtimeWebSocket(**options)

    def _construct(self, options: Mapping[str, Any]) -> OpenAIRealtimeBase:
        given = self.reader.read({name: value for name, value in options.items() if name in self.options})
        return self._make(
            **{snake(name): value for name, value in given.items()},
            connector=self._connector,
            clock=self.clock,
            connect_timeout=None,
            session_timeout=None,
            create_timeout=None,
            ping_interval=None,
            max_outbox_bytes=2**30,  # There is no bound in the reference, and a burst leaves the writer no time.
        )

    @asynccontextmanager
    async def _connector(self, request: ConnectRequest) -> AsyncIterator[WebSocketLink]:
        scheme, _, rest = request.url.partition("://")
        host, slash, path = rest.partition("/")
        if not host.startswith(("127.0.0.1", "localhost")):
            headers = {**request.headers, ORIGIN: f"{scheme}://{host}"}
            request = attrs.evolve(request, url=self.server.base + slash + path, headers=headers)
        async with connect_websocket(request, client=self.client) as link:
            yield link

    def _listen(self) -> None:
        def heard(kind: str, name: str, args: Callable[[Any], list[Any]], event: Any) -> None:
            self._note("events", kind=kind, type=name, args=args(event))

        def wire(event: Any) -> list[Any]:
            return [trace.to_json(event)]

        self.emitter.on("*", partial(heard, "raw", "*", wire))
        for cls in SERVER_EVENTS:
            if cls.type == "error":
                continue  # The SDK's own event has the name.
            self.emitter.on(cls.type, partial(heard, "server", cls.type, wire))
        for name in trace.SDK_NAMES:
            if name != "error" or not self.scenario.get("no_error_listener"):
                self.emitter.on(name, partial(heard, "sdk", name, trace.event_args))

    # Settling

    async def _settle(self) -> None:
        while True:
            before = self.activity
            await self._round()
            if self.activity == before:
                return

    async def _round(self) -> None:
        await self.clock.advance(0)
        await self.pulse.until(self._is_stable)
        peer = self.server.current
        if peer is not None:
            peer.ping()
            number = peer.pings
            await self.pulse.until(lambda: peer.pongs >= number or not peer.open)
        await self.clock.advance(0)

    def _is_stable(self) -> bool:
        """Both ends have seen what the other did, or wait for a later step."""
        server, status = self.server, self.emitter.status
        if status == "disconnecting" or not server.at_rest:
            return False
        if self.pending:
            return bool(server.held) or bool(self.waiting_keys)
        if status == "connected":
            return server.current is not None
        return all(peer.ended for peer in server.peers)

    # Steps

    async def _perform(self, step: Mapping[str, Any]) -> None:
        ((name, value),) = step.items()
        match name:
            case "burst":
                for inner in value:
                    await self._perform(inner)
            case "advance_ms":
                await self._advance(value / 1000)
            case "wait_client_frames":
                await self.pulse.until(lambda: len(self.record["client_frames"]) >= value)
            case _:
                if "{{auto:" in json.dumps(step) and "{{auto:" in json.dumps(self.reader.read(value), default=str):
                    await self._settle()  # The id that is meant is on its way.
                self._act(name, value)

    async def _advance(self, seconds: float) -> None:
        target = self.clock.now() + seconds
        while self.clock.deadlines and self.clock.deadlines[0] <= target:
            await self.clock.advance(max(0.0, self.clock.deadlines[0] - self.clock.now()))
            await self._settle()
        await self.clock.advance(max(0.0, target - self.clock.now()))

    def _act(self, name: str, value: Any) -> None:
        """What needs no waiting."""
        peer = self.server.current
        match name, value:
            case "client" | "transport", {"method": method}:
                self._call(method, value.get("args", []))
            case "get", str():
                self._get(value)
            case "set", dict():
                for path, new in value.items():
                    self._set(path, new)
            case "on", {"event": event}:
                (self.emitter.once if value.get("once") else self.emitter.on)(event, self._listener(value))
            case "construct", dict():
                self._outcome({"method": "constructor"}, lambda: self._construct(value) and None)
            case "resolve", {"name": key, "value": answer}:
                self._answer_key(key, self.reader.read(answer))
            case "reject_key", {"name": key, "message": message}:
                self._answer_key(key, RuntimeError(message))
            case "clock_jump", _:
                pass  # Nothing reads the wall clock.
            case "server_policy", policy:
                self.server.policy = policy
            case "server_accept", _:
                self.server.accept_held()
            case "server_drop", _:
                self.server.drop_held()
            case _ if peer is None and name.startswith("server"):
                pass  # The connection that is meant has gone.
            case "server", event:
                peer.send_text(json.dumps(self.reader.read(event)))
            case "server_raw", text:
                peer.send_text(self.reader.read(text))
            case "server_binary", text:
                peer.send_binary(base64.b64decode(text))
            case "server_close", {"code": code, **rest}:
                peer.close(code, rest.get("reason", ""))
            case "server_close", code:
                peer.close(code if type(code) is int else 1000, "")
            case "server_terminate", _:
                peer.terminate()
            case _:
                raise ValueError(f"an unknown step: {name}")

    def _listener(self, step: Mapping[str, Any]) -> Callable[[Any], None]:
        def listener(event: Any) -> None:
            if "throw" in step:
                raise RuntimeError(step["throw"])
            for inner in step.get("do", []):
                ((name, value),) = inner.items()
                if name in ("burst", "advance_ms", "wait_client_frames"):
                    self.tasks.start_soon(self._perform, inner)
                else:
                    self._act(name, value)

        return listener

    # Calls

    def _call(self, method: str, args: list[Any]) -> None:
        given = [self.reader.read(arg) for arg in args]
        self.caller_ids |= _event_ids(given)
        if method == "connect":
            self._connect(given)
            return
        function = getattr(self.emitter, snake(method), None)
        if function is None:
            self._outcome({"method": method}, partial(_missing, method))
        elif method in PARAMETERS:
            self._outcome({"method": method}, partial(function, **keywords(method, given)))
        else:
            self._outcome({"method": method}, partial(function, *given))

    def _outcome(self, entry: dict[str, Any], function: Callable[[], Any]) -> None:
        """Call *function*; *entry* is listed before what it causes."""
        self._note("calls", **entry, outcome="pending")
        noted = self.record["calls"][-1]
        try:
            value = function()
        except Exception as exc:  # noqa: BLE001 - that is what is recorded
            noted |= {"outcome": "threw", "error": trace.error(exc)}
        else:
            noted |= {"outcome": "returned"} | ({} if value is None else {"value": trace.to_json(value)})

    def _connect(self, args: list[Any]) -> None:
        options = args[0] if args and isinstance(args[0], dict) else {}
        given = {snake(name): value for name, value in options.items() if name in CONNECT_OPTIONS}
        self._note("calls", method="connect", outcome="pending")
        entry = self.record["calls"][-1]
        try:
            opened = self.emitter.connect(**given)
        except Exception as exc:  # noqa: BLE001 - that is what is recorded
            entry |= {"outcome": "rejected", "error": trace.error(exc)}
            return
        self.pending += 1
        self.tasks.start_soon(self._await_connect, opened, entry)

    async def _await_connect(self, opened: Coroutine[Any, Any, None], entry: dict[str, Any]) -> None:
        outcome: dict[str, Any] = {"outcome": "resolved"}
        try:
            await opened
        except Exception as exc:  # noqa: BLE001 - that is what is recorded
            outcome = {"outcome": "rejected", "error": trace.error(exc)}
        if self.recording:
            entry |= outcome | ({} if entry["step"] == self.step else {"settled_step": self.step})
        self.pending -= 1
        self.activity += 1
        self.pulse.beat()

    def _key(self, value: dict[str, Any]) -> Callable[[], Coroutine[Any, Any, str]]:
        async def key() -> str:
            match value:
                case {"$fn_returns": answer}:
                    return answer
                case {"$fn_throws": message}:
                    raise RuntimeError(message)
                case _:
                    return await self._pending_key(value["$fn_pending"])

        return key

    async def _pending_key(self, name: str) -> str:
        if name not in self.settled_keys:
            settled = anyio.Event()
            self.waiting_keys[name] = (settled, [])
            self.pulse.beat()
            try:
                await settled.wait()
            finally:
                del self.waiting_keys[name]
        answer = self.settled_keys[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer_key(self, name: str, answer: Any) -> None:
        self.settled_keys[name] = answer
        if name in self.waiting_keys:
            self.waiting_keys[name][0].set()

    # Properties

    def _get(self, path: str) -> None:
        self._note("calls", get=path, outcome="pending")
        entry = self.record["calls"][-1]
        try:
            value: Any = self.emitter
            for segment in path.split("."):
                value = _attribute(value, segment)
        except Exception as exc:  # noqa: BLE001 - that is what is recorded
            entry |= {"outcome": "threw", "error": trace.error(exc)}
        else:
            entry |= {"outcome": "returned", "value": trace.to_json(value)}

    def _set(self, path: str, value: Any) -> None:
        *owners, name = path.split(".")
        owner: Any = self.emitter
        for segment in owners:
            owner = _attribute(owner, segment)
        self._outcome({"set": path}, partial(setattr, owner, snake(name), self.reader.read(value)))


def _attribute(owner: Any, name: str) -> Any:
    for candidate in (snake(name), snake(name).lstrip("_")):
        for holder in (owner, getattr(owner, "transport", None)):
            if hasattr(holder, candidate):
                return getattr(holder, candidate)
    return {"$undefined": True}


def _missing(method: str) -> None:
    raise AttributeError(f"there is no method {method}")


def _event_ids(value: Any) -> set[str]:
    match value:
        case dict():
            own = {value["event_id"]} if isinstance(value.get("event_id"), str) else set()
            return own.union(*map(_event_ids, value.values()))
        case list():
            return set().union(*map(_event_ids, value))
        case _:
            return set()


async def run_websocket(
    scenario: Mapping[str, Any], kind: type[Run] = Run, *, patience: float = PATIENCE
) -> dict[str, Any]:
    """Run *scenario* as one of *kind* and return its trace; after *patience* seconds as far as it got."""
    run = kind({name: value for name, value in scenario.items() if name != "expected"})
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(_watch, run, scope, patience)
            try:
                await run.execute()
            except Exception as exc:  # noqa: BLE001 - one bad scenario must not spoil the others
                run.record["uncaught"].append({"step": run.step, "error": trace.error(exc)})
        tasks.cancel_scope.cancel()
    return run.record


async def _watch(run: Run, scope: anyio.CancelScope, patience: float) -> None:
    await anyio.sleep(patience)
    run.record["stalled"] = [{"step": run.step}]
    run.recording = False
    scope.cancel()
    while True:
        # Leaving is shielded until the close deadline, which only this clock brings about.
        await anyio.sleep(0.1)
        with suppress(anyio.BusyResourceError):
            await run.clock.advance(10)
