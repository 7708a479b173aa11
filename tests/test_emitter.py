"""The emitter on a memory link: listeners, order, failures, life."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from realtime_transport import OpenAIRealtimeWebSocket, RealtimeEmitter
from realtime_transport.connection.subscription import SubscriptionLimits
from realtime_transport.errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    ConsumerTooSlow,
    ListenerError,
    LocalProtocolError,
    NotConnectedError,
    UnsupportedOperation,
    UpgradeRejected,
)
from realtime_transport.events import AudioEvent, ConnectionChangeEvent, DisconnectedEvent, ErrorEvent
from realtime_transport.server_events import ResponseDone, ResponseOutputAudioDelta
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryLink, MemoryServer
from realtime_transport.transports.endpoint.options import ConnectRequest

pytestmark = pytest.mark.anyio

CREATED = {"type": "response.created", "event_id": "e1", "response": {"id": "r1", "status": "in_progress"}}
DONE = {"type": "response.done", "event_id": "e2", "response": {"id": "r1", "status": "completed", "output": []}}
STATUS = ("connection_change", "connected", "disconnected", "error")


def delta(response: str = "r1", size: int = 4800) -> dict[str, Any]:
    audio = base64.b64encode(bytes(size)).decode()
    place = {"response_id": response, "item_id": f"i_{response}", "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.delta", "event_id": "d", **place, "delta": audio}


def emitter_to(server: MemoryServer, *, limits: SubscriptionLimits | None = None, **options: Any) -> RealtimeEmitter:
    defaults = {"connector": server.connector, "api_key": "sk-test", "ping_interval": None}
    return RealtimeEmitter(OpenAIRealtimeWebSocket(**{**defaults, **options}), limits=limits)


@asynccontextmanager
async def connected(server: MemoryServer, **options: Any) -> AsyncGenerator[RealtimeEmitter]:
    async with emitter_to(server, **options) as emitter:
        await emitter.connect()
        await settle()
        server.received.clear()
        yield emitter


async def settle() -> None:
    """Wait until all tasks wait."""
    await ManualClock().advance(0)


def log(emitter: RealtimeEmitter, *names: str) -> list[Any]:
    """Collect what the listeners of *names* get."""
    heard: list[Any] = []
    for name in names:
        emitter.on(name, heard.append)
    return heard


def kinds(heard: list[Any]) -> list[str]:
    return [event.status if isinstance(event, ConnectionChangeEvent) else event.event_name for event in heard]


# What listeners hear


async def test_a_connection_is_told_from_beginning_to_end() -> None:
    server = MemoryServer()
    async with emitter_to(server, model="m1") as emitter:
        heard = log(emitter, *STATUS)
        await emitter.connect(api_key="sk-2", initial_session_config={"instructions": "Be brief."})
        assert kinds(heard) == ["connecting", "connected", "connected"]
        assert emitter.status == emitter.connection_state.status == "connected"
        await settle()
        assert server.received[0]["session"]["instructions"] == "Be brief."
        assert server.requests[0].headers["Authorization"] == "Bearer sk-2"
        emitter.close()
        assert emitter.status == "disconnecting"
        emitter.close()
        await settle()
        assert kinds(heard)[3:] == ["disconnected", "disconnected"]
        assert heard[-1] == DisconnectedEvent(code=1000)
    assert server.closed_with == 1000


async def test_names_of_the_server_and_the_wildcard() -> None:
    server = MemoryServer()
    async with connected(server) as emitter:
        raw, typed, errors = log(emitter, "*"), log(emitter, "response.done"), log(emitter, "error")
        audio = log(emitter, "response.output_audio.delta", "audio")
        told = [
            CREATED,
            delta(),
            {**DONE, "vendor": 1},
            {"type": "brand.new", "event_id": "e3"},
            {"type": "error", "event_id": "e4", "error": {"message": "no"}},
            {"type": "response.done", "response": {"id": "r2"}},
        ]
        server.send(*told)
        await settle()
    assert raw == told
    assert [type(event) for event in typed] == [ResponseDone]
    assert typed[0].extra == {"vendor": 1}
    assert [type(event) for event in audio] == [ResponseOutputAudioDelta, AudioEvent]
    assert [type(event) for event in errors] == [ErrorEvent]
    assert errors[0].error.message == "no"


async def test_on_once_off_and_emit() -> None:
    heard: list[Any] = []

    def first(*args: Any) -> None:
        heard.append(("first", *args))

    def second(*args: Any) -> None:
        heard.append(("second", *args))

    emitter = emitter_to(MemoryServer())
    assert emitter.emit("turn_done", 1) is False
    assert (
        emitter.on("turn_done", first)
        .once("turn_done", second)
        .on("turn_done", second)
        .off("turn_done", first)
        .on("turn_done", first)
        is emitter
    )
    assert emitter.emit("turn_done", 1, "a") is True
    assert heard == [("second", 1, "a"), ("second", 1, "a"), ("first", 1, "a")]
    heard.clear()
    assert (
        emitter.off("turn_done", second).off("turn_done", second).off("turn_started", second).emit("turn_done") is True
    )
    assert heard == [("first",)]
    assert emitter.off("turn_done", first).emit("turn_done") is False


async def test_off_takes_the_last_registration() -> None:
    heard: list[str] = []

    def listener() -> None:
        heard.append("twice")

    emitter = (
        emitter_to(MemoryServer())
        .on("item_deleted", listener)
        .on("item_deleted", lambda: heard.append("between"))
        .on("item_deleted", listener)
    )
    emitter.off("item_deleted", listener).emit("item_deleted")
    assert heard == ["twice", "between"]


async def test_who_is_added_meanwhile_hears_the_next_event() -> None:
    heard: list[int] = []

    def adds(event: int) -> None:
        emitter.on("item_deleted", heard.append)

    emitter = emitter_to(MemoryServer()).once("item_deleted", lambda event: None).on("item_deleted", adds)
    emitter.emit("item_deleted", 1)
    emitter.off("item_deleted", adds).emit("item_deleted", 2)
    emitter.off("item_deleted", heard.append).on("item_deleted", adds).emit("item_deleted", 3)
    assert heard == [2]


async def test_a_listener_may_change_the_listeners() -> None:
    server = MemoryServer()
    heard: list[str] = []
    async with connected(server) as emitter:

        def removes_itself(event: object) -> None:
            heard.append("itself")
            emitter.off("turn_started", removes_itself).off("turn_started", removed)
            emitter.on("turn_started", lambda event: heard.append("new"))

        def removed(event: object) -> None:
            heard.append("removed")

        emitter.on("turn_started", removes_itself).on("turn_started", removed)
        server.send(CREATED)
        await settle()
        assert heard == ["itself"]
        server.send(CREATED)
        await settle()
        assert heard == ["itself", "new"]


# Coroutine functions


async def test_a_slow_listener_delays_nobody_and_keeps_the_order() -> None:
    server, go_on = MemoryServer(), anyio.Event()
    slow: list[int] = []

    async def slowly(event: AudioEvent) -> None:
        await go_on.wait()
        slow.append(len(event.data))

    async with connected(server) as emitter:
        emitter.on("audio", slowly)
        quick = log(emitter, "audio", "turn_done")
        server.send(CREATED, delta(size=2), delta(size=4), delta(size=6), DONE)
        await settle()
        assert [event.event_name for event in quick] == ["audio"] * 3 + ["turn_done"]
        assert slow == []
        go_on.set()
    assert slow == [2, 4, 6]  # Leaving waits for it.


async def test_any_awaitable_counts() -> None:
    server = MemoryServer()
    heard: list[object] = []

    async def listener(event: object) -> None:
        await settle()
        heard.append(event)

    async with connected(server) as emitter:
        emitter.once("turn_started", lambda event: listener(event))
        server.send(CREATED, CREATED)
    assert len(heard) == 1


async def test_an_interruption_takes_back_the_audio_that_waits() -> None:
    server, go_on = MemoryServer(), anyio.Event()
    heard: list[str] = []

    async def slowly(event: AudioEvent) -> None:
        await go_on.wait()
        heard.append(event.response_id)

    async with connected(server) as emitter:
        interrupted = log(emitter, "audio_interrupted")
        emitter.on("audio", slowly)
        server.send(CREATED, delta("r1"), delta("r1"), delta("r1"))
        await settle()
        emitter.interrupt()
        await settle()
        assert len(interrupted) == 1
        server.send(DONE, {**CREATED, "response": {"id": "r2"}}, delta("r2"))
        await settle()
        go_on.set()
    assert heard == ["r1", "r2"]


async def test_a_listener_that_was_removed_begins_nothing_more() -> None:
    server, go_on = MemoryServer(), anyio.Event()
    heard: list[object] = []

    async def slowly(event: AudioEvent) -> None:
        await go_on.wait()
        heard.append(event)

    async with connected(server) as emitter:
        emitter.on("audio", slowly)
        server.send(delta(), delta())
        await settle()
        emitter.off("audio", slowly)
        server.send(delta())
        go_on.set()
    assert len(heard) == 1


class Leave(Exception):
    pass


@pytest.mark.parametrize(
    ("limits", "event", "unit"),
    [
        (SubscriptionLimits(max_audio_bytes=6), delta(size=4), "bytes"),
        (SubscriptionLimits(max_events=2), CREATED, "events"),
    ],
)
async def test_what_waits_is_bounded(limits: SubscriptionLimits, event: dict[str, Any], unit: str) -> None:
    server = MemoryServer()

    async def slowly(event: object) -> None:
        await anyio.sleep_forever()

    with pytest.raises(Leave):
        async with connected(server, limits=limits) as emitter:
            emitter.on("audio", slowly).on("turn_started", slowly)
            heard = log(emitter, "error", "disconnected")
            server.send(event)
            await settle()
            assert heard == []
            server.send(event, event, event)
            await settle()
            assert [type(told) for told in heard] == [ErrorEvent, DisconnectedEvent]
            assert isinstance(heard[0].error, ConsumerTooSlow)
            assert heard[0].error.unit == unit
            raise Leave  # Leaving without would wait for the listener.


async def test_passing_the_bound_leaves_the_block_if_nobody_hears_of_it() -> None:
    server = MemoryServer()

    async def slowly(event: object) -> None:
        await anyio.sleep_forever()

    with pytest.raises(ConsumerTooSlow):
        async with connected(server, limits=SubscriptionLimits(max_events=1)) as emitter:
            emitter.on("turn_started", slowly)
            server.send(CREATED, CREATED, CREATED)
            await anyio.sleep_forever()


async def test_a_listener_may_lose_old_audio_by_choice() -> None:
    server, go_on = MemoryServer(), anyio.Event()
    heard: list[int] = []

    async def slowly(event: AudioEvent) -> None:
        await go_on.wait()
        heard.append(len(event.data))

    limits = SubscriptionLimits(max_audio_bytes=10, on_overflow="drop_audio")
    async with connected(server, limits=limits) as emitter:
        emitter.on("audio", slowly)
        server.send(delta(size=2))
        await settle()
        server.send(delta(size=4), delta(size=6), delta(size=4))
        await settle()
        go_on.set()
    assert heard == [2, 6, 4]


# Listeners that fail


@pytest.mark.parametrize("name", ["turn_done", "response.done", "*"])
@pytest.mark.parametrize("coroutine", [False, True])
async def test_what_a_listener_raises_is_told(name: str, coroutine: bool) -> None:
    server = MemoryServer()
    handled: list[Any] = []

    def fails(event: object) -> None:
        handled.append(event)
        raise KeyError("oops")

    async def fails_later(event: object) -> None:
        await settle()
        fails(event)

    async with connected(server) as emitter:
        errors = log(emitter, "error")
        emitter.on(name, fails_later if coroutine else fails)
        after = log(emitter, name)
        server.send(DONE)
        await settle()
        assert len(after) == 1
        emitter.request_response()  # The connection goes on.
    assert len(errors) == 1
    error = errors[0].error
    assert isinstance(error, ListenerError)
    assert error.event_name == name
    assert error.event is handled[0]
    assert isinstance(error.__cause__, KeyError)


@pytest.mark.parametrize("coroutine", [False, True])
@pytest.mark.parametrize("error_listener", [False, True])
async def test_without_a_listener_for_it_it_leaves_the_block(coroutine: bool, error_listener: bool) -> None:
    server = MemoryServer()
    left: list[bool] = []

    def fails(event: object) -> None:
        raise KeyError("oops")

    async def fails_later(event: object) -> None:
        fails(event)

    with pytest.raises(KeyError):
        async with connected(server) as emitter:
            emitter.on("turn_started", fails_later if coroutine else fails)
            if error_listener:
                emitter.on("error", fails)
            server.send(CREATED)
            try:
                await anyio.sleep_forever()
            finally:
                left.append(True)
    assert left == [True]
    assert emitter.status == "disconnected"


async def test_outside_of_the_block_it_is_raised_by_emit() -> None:
    def fails() -> None:
        raise KeyError("oops")

    async def coroutine() -> None:
        pass

    emitter = emitter_to(MemoryServer()).on("item_deleted", fails).on("item_update", coroutine)
    with pytest.raises(KeyError):
        emitter.emit("item_deleted")
    with pytest.raises(LocalProtocolError):
        emitter.emit("item_update")


# Connecting


async def test_a_refused_connection_is_told_and_raised() -> None:
    @asynccontextmanager
    async def refuse(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        raise UpgradeRejected("no", status=401, body="bad key")
        yield MemoryLink(MemoryServer())

    async with emitter_to(MemoryServer(), connector=refuse, model="m1") as emitter:
        heard = log(emitter, *STATUS)
        with pytest.raises(UpgradeRejected):
            await emitter.connect(model="m2")
        assert kinds(heard) == ["connecting", "error", "disconnected", "disconnected"]
        assert isinstance(heard[1].error, UpgradeRejected)
        assert heard[3].error is heard[1].error
        assert emitter.status == "disconnected"
        assert emitter.current_model == "m1"


async def fails() -> str:
    raise KeyError("vault")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"api_key": ""}, ConfigError),
        ({"api_key": fails}, KeyError),
        ({"url": "wss://host/{call_id}"}, ConfigError),
        ({"initial_session_config": {"audio": {"input": {"format": "opus"}}}}, ConfigError),
    ],
)
async def test_a_connection_that_never_began_only_raises(options: dict[str, Any], error: type[Exception]) -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        heard = log(emitter, *STATUS)
        with pytest.raises(error):
            await emitter.connect(**options)
        assert heard == []
        await emitter.connect()
        assert kinds(heard) == ["connecting", "connected", "connected"]


async def test_a_second_connect_leaves_the_first_alone() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        heard = log(emitter, *STATUS)
        first = emitter.connect()
        with pytest.raises(LocalProtocolError):
            await emitter.connect()
        await first
        with pytest.raises(LocalProtocolError):
            await emitter.connect()
        emitter.send_message("still here")
        await settle()
    assert "conversation.item.create" in server.types()
    assert kinds(heard) == ["connecting", "connected", "connected", "disconnected", "disconnected"]


async def test_a_transport_that_others_connected_is_left_alone() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk")
    async with transport.connect(wait_for_session=False), RealtimeEmitter(transport) as emitter:
        heard = log(emitter, "*", *STATUS)
        with pytest.raises(LocalProtocolError):
            await emitter.connect()
        server.send({"type": "a"})
        await settle()
        assert heard == []
        assert transport.status == "connected"
        assert await anext(aiter(transport)) == ConnectionChangeEvent(status="connecting")


async def test_a_listener_that_closes_at_once_makes_connect_fail() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        heard = log(emitter, *STATUS)
        emitter.once("connected", lambda event: emitter.close())
        with pytest.raises(ConnectError):
            await emitter.connect()
        assert kinds(heard) == ["connecting", "connected", "connected", "disconnected", "disconnected"]
        assert server.received == []
        await emitter.connect()
        assert emitter.status == "connected"


@pytest.mark.parametrize("when", ["at once", "while it opens"])
async def test_closing_while_it_opens(when: str) -> None:
    @asynccontextmanager
    async def never(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        await anyio.sleep_forever()
        yield MemoryLink(MemoryServer())

    async with emitter_to(MemoryServer(), connector=never) as emitter:
        heard = log(emitter, *STATUS)
        opening = emitter.connect()
        if when == "while it opens":
            await settle()
            assert emitter.status == "connecting"
        emitter.close()
        with pytest.raises(ConnectError):
            await opening
        assert kinds(heard) == ([] if when == "at once" else ["connecting", "disconnected", "disconnected"])


async def test_cancelling_a_connect_closes() -> None:
    @asynccontextmanager
    async def never(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        await anyio.sleep_forever()
        yield MemoryLink(MemoryServer())

    async with emitter_to(MemoryServer(), connector=never) as emitter:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(emitter.connect)
            await settle()
            tasks.cancel_scope.cancel()
        await settle()
        assert emitter.status == "disconnected"


async def test_connecting_again() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        heard = log(emitter, *STATUS)
        await emitter.connect()
        emitter.close()
        await emitter.connect()  # Waits until the old connection has gone.
        opened, closed = ["connecting", "connected", "connected"], ["disconnected", "disconnected"]
        assert kinds(heard) == [*opened, *closed, *opened]
        assert len(server.requests) == 2


async def test_connecting_again_from_a_listener() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:

        async def again(event: DisconnectedEvent) -> None:
            if event.error is not None:
                await emitter.connect()

        emitter.on("disconnected", again)
        heard = log(emitter, *STATUS)
        await emitter.connect()
        server.close(1011, "oops")
        await settle()
        assert emitter.status == "connected"
        assert heard[4].code == 1011
        assert heard[4].reason == "oops"
        assert isinstance(heard[4].error, ConnectionLost)
        emitter.send_message("hello again")
    assert len(server.requests) == 2


async def test_waiting_for_the_session_by_choice() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        opened: list[bool] = []

        async def connect() -> None:
            await emitter.connect(wait_for_session=True)
            opened.append(True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connect)
            await settle()
            assert opened == []
            server.send({"type": "session.created", "event_id": "s", "session": {"type": "realtime"}})
        assert opened == [True]


async def test_everything_is_told_before_connect_fails() -> None:
    server = MemoryServer()
    async with emitter_to(server) as emitter:
        heard = log(emitter, "*", "disconnected")
        server.send(*[{"type": "vendor.x", "number": number} for number in range(200)])
        server.close(4000, "beta_api_shape_disabled")
        with pytest.raises(ConnectError):
            await emitter.connect(wait_for_session=True)
        assert len(heard) == 201
        assert isinstance(heard[-1], DisconnectedEvent)


async def test_outside_of_the_block_there_are_no_connections() -> None:
    server = MemoryServer()
    emitter = emitter_to(server)
    emitter.close()
    with pytest.raises(LocalProtocolError):
        await emitter.connect()
    for _ in range(2):  # The block may be entered again.
        async with emitter:
            with pytest.raises(LocalProtocolError):
                await emitter.__aenter__()
            await emitter.connect()
    assert len(server.requests) == 2


# Leaving


async def test_a_loss_is_told_by_events_only() -> None:
    server = MemoryServer()
    async with connected(server) as emitter:
        heard = log(emitter, *STATUS)
        server.close(1006)
        await settle()
        assert kinds(heard) == ["disconnected", "disconnected"]
        with pytest.raises(ConnectionLost):
            emitter.send_message("too late")


async def test_leaving_sends_what_was_sent() -> None:
    server = MemoryServer()
    async with connected(server) as emitter:
        emitter.send_message("last words", trigger_response=False)
    assert server.types() == ["conversation.item.create"]


async def test_the_exception_of_the_body_is_the_one() -> None:
    server = MemoryServer()
    ended: list[bool] = []

    async def for_ever(event: object) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with pytest.raises(Leave):
        async with connected(server) as emitter:
            emitter.on("turn_started", for_ever)
            server.send(CREATED, CREATED)
            await settle()
            raise Leave
    assert ended == [True]
    assert emitter.status == "disconnected"


async def test_a_connect_that_is_left_behind_fails() -> None:
    @asynccontextmanager
    async def never(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        await anyio.sleep_forever()
        yield MemoryLink(MemoryServer())

    failures: list[Exception] = []

    async def connect(emitter: RealtimeEmitter) -> None:
        try:
            await emitter.connect()
        except ConnectError as exc:
            failures.append(exc)

    async with anyio.create_task_group() as tasks:
        async with emitter_to(MemoryServer(), connector=never) as emitter:
            tasks.start_soon(connect, emitter)
            await settle()
    assert len(failures) == 1


async def test_no_connection_begins_while_the_block_is_left() -> None:
    server = MemoryServer()
    refused: list[Exception] = []
    async with connected(server) as emitter:

        async def again(event: object) -> None:
            try:
                await emitter.connect()
            except LocalProtocolError as exc:
                refused.append(exc)

        emitter.on("disconnected", again)
    assert len(refused) == 1


async def test_what_is_no_error_of_ours_leaves_the_block() -> None:
    class Odd(MemoryLink):
        async def receive(self) -> list[str | bytes]:
            raise KeyError("a bug in a link")

    server = MemoryServer()

    @asynccontextmanager
    async def odd(request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        yield Odd(server)

    with pytest.raises(KeyError):
        async with emitter_to(server, connector=odd) as emitter:
            await emitter.connect()
            await anyio.sleep_forever()


async def test_cancelling_the_block_is_no_error() -> None:
    server = MemoryServer()
    with anyio.CancelScope() as scope:
        async with connected(server):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert server.closed_with == 1000


# What is passed through

SENDS: list[tuple[Callable[[RealtimeEmitter], None], list[str]]] = [
    (lambda e: e.send_event({"type": "input_audio_buffer.clear"}), ["input_audio_buffer.clear"]),
    (lambda e: e.send_message("hi", {"event_id": "mine"}), ["conversation.item.create", "response.create"]),
    (lambda e: e.add_image("data:image/png;base64,AA==", trigger_response=False), ["conversation.item.create"]),
    (lambda e: e.send_audio(b"\0\0", commit=True), ["input_audio_buffer.append", "input_audio_buffer.commit"]),
    (lambda e: e.send_function_call_output({"call_id": "c"}, "ok", start_response=False), ["conversation.item.create"]),
    (
        lambda e: e.send_mcp_response({"type": "mcp_approval_request", "item_id": "m"}, False, "no"),
        ["conversation.item.create"],
    ),
    (lambda e: e.update_session_config({"instructions": "x"}, reset=True), ["session.update"]),
    (lambda e: e.request_response({"instructions": "x"}), ["response.create"]),
    (
        lambda e: e.reset_history([{"type": "message", "item_id": "a", "role": "user"}], []),
        ["conversation.item.delete"],
    ),
]


@pytest.mark.parametrize(("send", "types"), SENDS)
async def test_sends_are_plain_functions(send: Callable[[RealtimeEmitter], None], types: list[str]) -> None:
    server = MemoryServer()
    with pytest.raises(NotConnectedError):
        send(emitter_to(server))
    async with connected(server) as emitter:
        send(emitter)
        await settle()
        assert server.types() == types


async def test_control() -> None:
    server = MemoryServer()
    async with connected(server, max_outbox_bytes=1000) as emitter:
        server.send(CREATED, delta())
        await settle()
        emitter.audio_played("i_r1", 0, 240)
        emitter.interrupt(cancel_ongoing_response=False)
        emitter.cancel_response()
        await settle()
        assert server.types() == ["conversation.item.truncate", "response.cancel"]
        with pytest.raises(UnsupportedOperation):
            emitter.mute(True)


async def test_a_full_outbox_is_told_and_nothing_queued() -> None:
    server = MemoryServer()
    async with connected(server, max_outbox_bytes=2000) as emitter:
        server.pause_writes()
        with pytest.raises(anyio.WouldBlock):
            for _ in range(100):
                emitter.send_audio(bytes(300))
        server.resume_writes()
        await settle()
        assert 1 <= len(server.received) < 10
        emitter.send_audio(bytes(300))


async def test_properties() -> None:
    server = MemoryServer()
    async with connected(server, model="m1") as emitter:
        assert emitter.transport.status == "connected"
        assert emitter.current_model == "m1"
        emitter.current_model = "m2"
        assert emitter.transport.current_model == "m2"
        assert emitter.build_session_payload({})["model"] == "m2"
        assert emitter.muted is None
        assert emitter.call_id is None
        assert emitter.tracing_config == emitter.transport.tracing_config
        assert emitter.statistics().messages_sent == 1
        assert [stream.events for stream in emitter.statistics().subscriptions] == [0]


async def test_iteration_beside_it_is_refused_and_subscriptions_are_not() -> None:
    server = MemoryServer()
    async with connected(server) as emitter:
        with pytest.raises(anyio.ClosedResourceError):
            await anext(aiter(emitter.transport))
        async with emitter.transport.subscribe(ResponseDone) as events:
            server.send(DONE)
            assert isinstance(await events.receive(), ResponseDone)


# Closing by hand


async def test_after_close_listeners_hear_of_the_end_and_of_nothing_else() -> None:
    """A function call behind the reason to hang up, in the same read, must not run."""
    server = MemoryServer()
    async with connected(server) as emitter:
        heard = log(emitter, "*", "audio", "function_call", "error", "connection_change", "disconnected")
        emitter.on("audio", lambda event: emitter.close())
        item = {"id": "f", "type": "function_call", "call_id": "c", "name": "pay", "arguments": "{}"}
        done = {"type": "response.output_item.done", "event_id": "e", "response_id": "r", "item": item}
        server.send(delta("r"), done, {"type": "error", "event_id": "x", "error": {"message": "no"}})
        await settle()
        assert [getattr(event, "event_name", "*") for event in heard] == [
            "*",
            "audio",
            "connection_change",
            "disconnected",
        ]


async def test_close_drops_what_waits_for_a_coroutine_listener() -> None:
    server = MemoryServer()
    begun: list[str] = []
    go_on = anyio.Event()

    async def slow(event: Any) -> None:
        begun.append(event.event_name)
        await go_on.wait()

    async with connected(server) as emitter:
        for name in ("audio", "disconnected"):
            emitter.on(name, slow)
        server.send(delta("r"), delta("r"), delta("r"))
        await settle()
        emitter.close()
        emitter.close()
        go_on.set()
        await settle()
        assert begun == ["audio", "disconnected"]


async def test_a_connection_that_breaks_while_it_is_closed_by_hand_is_an_error() -> None:
    server = MemoryServer()
    async with connected(server, max_events=10) as emitter:
        heard = log(emitter, "error", "disconnected")
        server.close(1011, "oops")
        await settle()
        assert [event.event_name for event in heard] == ["disconnected"]
        assert isinstance(heard[0].error, ConnectionLost)


@pytest.mark.parametrize("method", ["on", "once", "off"])
def test_an_unknown_name_is_an_error_that_names_the_nearest(method: str) -> None:
    emitter = emitter_to(MemoryServer())
    with pytest.raises(ConfigError, match="did you mean 'audio_interrupted'") as caught:
        getattr(emitter, method)("audio_interupted", print)
    assert caught.value.key == "event"
