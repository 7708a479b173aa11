"""The transport on a memory link: connecting, iterating, sending, leaving, losing."""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import (
    DEFAULT_MODEL,
    BufferSink,
    OpenAIRealtimeSIP,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
    PlaybackPosition,
    TwilioRealtimeTransportLayer,
)
from realtime_transport.connection.link import Link
from realtime_transport.errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    ConsumerTooSlow,
    LocalProtocolError,
    NotConnectedError,
    SetupTimeout,
    UnsupportedOperation,
)
from realtime_transport.events import (
    AudioEvent,
    AudioInterruptedEvent,
    ConnectedEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
    Event,
)
from realtime_transport.server_events import (
    InputAudioBufferSpeechStarted,
    ResponseOutputAudioDelta,
    SessionCreated,
    UnknownServerEvent,
)
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.transports.endpoint.options import ConnectOptions, ConnectRequest
from tests.transports.phones import StarletteLike

pytestmark = pytest.mark.anyio

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "s1"}}
SERVER_CANCELS = {
    "type": "session.updated",
    "event_id": "e2",
    "session": {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": True}}}},
}


def transport_to(server: MemoryServer, **options: Any) -> OpenAIRealtimeWebSocket:
    defaults = {"connector": server.connector, "api_key": "sk-test", "ping_interval": None, "update_timeout": 0}
    return OpenAIRealtimeWebSocket(**{**defaults, **options})


def delta(response: str = "r1", samples: int = 2400) -> dict[str, Any]:
    audio = base64.b64encode(b"\x01\x02" * samples).decode()
    return {
        "type": "response.output_audio.delta",
        "event_id": "d",
        "response_id": response,
        "item_id": f"item_{response}",
        "output_index": 0,
        "content_index": 0,
        "delta": audio,
    }


@asynccontextmanager
async def connected(server: MemoryServer, **options: Any) -> AsyncGenerator[OpenAIRealtimeWebSocket]:
    transport = transport_to(server, **options)
    server.send(CREATED)
    async with transport.connect():
        await wait_all_tasks_blocked()
        server.received.clear()
        yield transport


URL = "wss://host.example/v1/realtime?model=of-the-url"


@pytest.mark.parametrize(
    ("built_with", "connected_with", "model"),
    [
        ({"url": URL}, {}, "of-the-url"),
        ({}, {"url": URL}, "of-the-url"),
        ({"query": {"model": "of-the-query"}}, {}, "of-the-query"),
        ({"url": URL}, {"url": "wss://host.example/v1/realtime"}, DEFAULT_MODEL),
        ({"url": URL, "model": "named"}, {}, "named"),
        ({"url": URL, "model": DEFAULT_MODEL}, {}, DEFAULT_MODEL),
        ({"url": URL}, {"model": "named"}, "named"),
        ({"model": "named"}, {"url": URL}, "named"),
        ({"url": "wss://host.example/realtime?model={model}"}, {}, DEFAULT_MODEL),
        ({}, {}, DEFAULT_MODEL),
    ],
)
async def test_a_model_that_the_url_alone_names_is_the_model(
    built_with: dict[str, Any], connected_with: dict[str, Any], model: str
) -> None:
    server = MemoryServer()
    transport = transport_to(server, **built_with)
    async with transport.connect(**connected_with, wait_for_session=False):
        assert transport.current_model == model
        await wait_all_tasks_blocked()
    assert server.received[0]["session"]["model"] == model


async def test_the_model_of_a_url_for_one_connection_is_for_that_one() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    for options, model in (({"url": URL}, "of-the-url"), ({}, DEFAULT_MODEL)):
        async with transport.connect(**options, wait_for_session=False):
            assert transport.current_model == model
    transport.current_model = "set"
    async with transport.connect(url=URL, wait_for_session=False):
        assert transport.current_model == "set"


async def test_connecting_configures_the_session_and_waits_for_it() -> None:
    server = MemoryServer()
    transport = transport_to(server, model="m1")
    assert transport.status == "disconnected"
    states: list[str] = []

    async def serve() -> None:
        await wait_all_tasks_blocked()
        states.append(transport.status)
        assert server.types() == ["session.update"]
        server.send(CREATED)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        async with transport.connect(initial_session_config={"instructions": "Be brief."}) as same:
            assert same is transport
            assert states == ["connected"]
    assert server.received[0]["session"]["instructions"] == "Be brief."
    assert server.received[0]["session"]["model"] == "m1"
    assert server.requests[0].url == "wss://api.openai.com/v1/realtime?model=m1"
    assert server.requests[0].headers["Authorization"] == "Bearer sk-test"
    assert transport.status == "disconnected"
    assert server.closed_with == 1000


async def test_iteration_sees_everything_from_before_the_handshake_on() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    server.send(CREATED, {"type": "brand.new", "event_id": "e2", "x": 1})
    async with transport.connect():
        events = [await anext(aiter(transport)) for _ in range(5)]
    assert [type(event) for event in events] == [
        ConnectionChangeEvent,
        ConnectionChangeEvent,
        ConnectedEvent,
        SessionCreated,
        UnknownServerEvent,
    ]
    assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    rest = [event async for event in transport]
    assert [type(event) for event in rest] == [ConnectionChangeEvent, DisconnectedEvent]


async def test_a_break_and_a_later_loop_go_on() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send({"type": "a"}, {"type": "b"})
        async for event in transport:
            if isinstance(event, UnknownServerEvent):
                assert event.type == "a"
                break
        async for event in transport:
            assert isinstance(event, UnknownServerEvent)
            assert event.type == "b"
            break


async def test_iterating_before_the_first_connect_is_told() -> None:
    with pytest.raises(NotConnectedError):
        aiter(transport_to(MemoryServer()))


async def test_the_typed_audio_delta_comes_only_to_who_asks() -> None:
    server = MemoryServer()
    async with connected(server) as transport, transport.subscribe(ResponseOutputAudioDelta) as deltas:
        server.send(delta())
        async for event in transport:
            assert not isinstance(event, ResponseOutputAudioDelta)
            if isinstance(event, AudioEvent):
                assert len(event.data) == 4800
                assert isinstance(event.server_event, ResponseOutputAudioDelta)
                break
        assert isinstance(await deltas.receive(), ResponseOutputAudioDelta)


async def test_subscribing_later_asks_the_engine_again() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send(delta("r1"))
        await wait_all_tasks_blocked()
        async with transport.subscribe(ResponseOutputAudioDelta) as deltas:
            server.send(delta("r2"))
            event = await deltas.receive()
            assert event.response_id == "r2"  # type: ignore[attr-defined]


async def test_sends_become_messages_in_call_order() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        await transport.send_audio(b"\x00\x00" * 10)
        transport.send_audio_nowait(b"\x00\x00" * 10, commit=True)
        await transport.send_message("hello", trigger_response=False)
        await transport.send_event({"type": "input_audio_buffer.clear"})
        await transport.request_response({"instructions": "x"})
        await wait_all_tasks_blocked()
        assert server.types() == [
            "input_audio_buffer.append",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "conversation.item.create",
            "input_audio_buffer.clear",
            "response.create",
        ]


async def test_bad_configuration_sends_nothing() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        with pytest.raises(ConfigError) as caught:
            await transport.update_session_config({"audio": {"input": {"format": "mp3"}}})
        assert caught.value.key == "audio.input.format"
        await wait_all_tasks_blocked()
        assert server.received == []
    with pytest.raises(ConfigError):
        async with transport.connect(
            initial_session_config={"audio": {"output": {"format": {"type": "audio/pcm", "rate": -1}}}}
        ):
            pass
    assert transport.status == "disconnected"
    assert len(server.requests) == 1


async def test_without_a_connection_everything_raises_but_interrupt() -> None:
    transport = transport_to(MemoryServer())
    for call in (
        lambda: transport.send_message("x"),
        lambda: transport.send_audio(b""),
        lambda: transport.request_response(),
        lambda: transport.send_event({"type": "x"}),
        lambda: transport.update_session_config({}),
    ):
        with pytest.raises(NotConnectedError):
            await call()
    with pytest.raises(NotConnectedError):
        transport.cancel_response()
    transport.interrupt()
    with pytest.raises(UnsupportedOperation):
        transport.mute(True)
    assert transport.muted is None
    await transport.aclose()


async def test_barge_in_the_order() -> None:
    """Ten seconds undelivered, a barge-in: truncation first, then who waits for it, then the slow consumer."""
    log: list[str] = []
    server = MemoryServer()

    @asynccontextmanager
    async def logging_connector(request: ConnectRequest) -> AsyncGenerator[Link]:
        async with server.connector(request) as link:
            send = link.send

            async def logged(messages: Any, /) -> None:
                await send(messages)
                log.extend(f"wire {message['type']}" for message in server.writes[-1])

            link.send = logged  # type: ignore[method-assign]
            yield link

    transport = transport_to(server, connector=logging_connector)
    server.send(CREATED, SERVER_CANCELS)
    slow = anyio.Event()
    async with transport.connect(), anyio.create_task_group() as tasks:

        async def watch() -> None:
            async with transport.subscribe(AudioInterruptedEvent) as interruptions:
                await interruptions.receive()
                log.append("watcher")

        async def consume() -> None:
            async for event in transport:
                if isinstance(event, AudioEvent):
                    log.append("audio")
                    await slow.wait()
                elif isinstance(event, InputAudioBufferSpeechStarted | AudioInterruptedEvent):
                    log.append(type(event).__name__)

        tasks.start_soon(watch)
        tasks.start_soon(consume)
        await wait_all_tasks_blocked()
        server.send({"type": "response.created", "response": {"id": "r1", "status": "in_progress"}})
        server.send(*[delta() for _ in range(100)])
        await wait_all_tasks_blocked()
        log.clear()
        server.send(
            {"type": "input_audio_buffer.speech_started", "event_id": "s", "audio_start_ms": 0, "item_id": "u"}, delta()
        )
        await wait_all_tasks_blocked()
        assert log == ["wire conversation.item.truncate", "watcher"]
        slow.set()
        await wait_all_tasks_blocked()
        assert log[2:] == ["InputAudioBufferSpeechStarted", "AudioInterruptedEvent"]
        assert transport.statistics().subscriptions[0].withdrawn_audio_bytes == 99 * 4800
        tasks.cancel_scope.cancel()


async def test_interrupt_overtakes_waiting_audio_on_the_wire() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send({"type": "response.created", "response": {"id": "r1", "status": "in_progress"}}, delta())
        await wait_all_tasks_blocked()
        server.pause_writes()
        await transport.send_audio(b"\x00" * 48_000)
        await wait_all_tasks_blocked()
        await transport.send_audio(b"\x00" * 60_000)
        transport.interrupt()
        server.resume_writes()
        await wait_all_tasks_blocked()
        assert server.types() == [
            "input_audio_buffer.append",
            "response.cancel",
            "conversation.item.truncate",
            "input_audio_buffer.append",
        ]


async def test_the_outbox_makes_senders_wait_and_nothing_is_lost() -> None:
    server = MemoryServer()
    async with connected(server, max_outbox_bytes=3000) as transport:
        server.pause_writes()
        sent = 0

        async def produce() -> None:
            nonlocal sent
            for _ in range(20):
                await transport.send_audio(b"\x00" * 960)
                sent += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            await wait_all_tasks_blocked()
            assert 0 < sent < 20
            with pytest.raises(anyio.WouldBlock):
                transport.send_message_nowait("x" * 5000)
            server.resume_writes()
        await wait_all_tasks_blocked()
        assert server.types() == ["input_audio_buffer.append"] * 20


async def test_leaving_sends_what_is_queued_and_an_exception_discards_it() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.pause_writes()
        await transport.send_message("last", trigger_response=False)
        server.resume_writes()
    assert server.types() == ["conversation.item.create"]

    with pytest.raises(ZeroDivisionError):
        async with connected(server) as transport:
            transport.send_message_nowait("never")
            raise ZeroDivisionError
    assert "conversation.item.create" not in server.types()
    assert server.closed_with == 1000


@pytest.mark.parametrize("trouble", ["no close", "no reading"])
async def test_leaving_is_bounded_whatever_the_server_does(trouble: str) -> None:
    clock, server, left = ManualClock(), MemoryServer(answers_close=trouble == "no reading"), []

    async def visit() -> None:
        server.send(CREATED)
        async with transport_to(server, clock=clock).connect() as transport:
            if trouble == "no reading":
                server.pause_writes()
            await transport.send_message("x")
        left.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(visit)
        await wait_all_tasks_blocked()
        assert not left
        await clock.advance(2.0)
        assert left


async def test_cancelling_the_block_is_not_an_error() -> None:
    server = MemoryServer()
    with anyio.CancelScope() as scope:
        async with connected(server):
            scope.cancel()
            await anyio.sleep(math.inf)
    assert scope.cancelled_caught
    assert server.closed_with == 1000


async def test_a_loss_does_not_cancel_the_block_and_is_told_by_the_iterator() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.send({"type": "last.words"})
        server.close(1011, "oops")
        seen: list[Event] = []
        with pytest.raises(ConnectionLost) as caught:
            async for event in transport:
                seen.append(event)
        assert (caught.value.code, caught.value.reason) == (1011, "oops")
        assert [event for event in seen if isinstance(event, DisconnectedEvent)][0].code == 1011
        assert not [event for event in seen if isinstance(event, ErrorEvent)]
        with pytest.raises(ConnectionLost):
            await anext(aiter(transport))
        with pytest.raises(ConnectionLost):
            await transport.send_message("late")
        assert transport.status == "disconnected"


async def test_leaving_raises_a_loss_that_nobody_was_told_of() -> None:
    server = MemoryServer()
    with pytest.raises(ConnectionLost, match="without a close frame"):
        async with connected(server):
            server.close(1006)
            await wait_all_tasks_blocked()


async def test_the_exception_of_the_block_wins() -> None:
    server = MemoryServer()
    with pytest.raises(KeyError):
        async with connected(server):
            server.close(1006)
            await wait_all_tasks_blocked()
            raise KeyError("mine")


async def test_a_clean_close_of_the_server_ends_the_loop() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        server.close(1000)
        events = [event async for event in transport]
        assert isinstance(events[-1], DisconnectedEvent)
        with pytest.raises(NotConnectedError):
            await transport.send_message("late")


async def test_a_slow_consumer_ends_the_connection_by_name() -> None:
    server = MemoryServer()
    async with connected(server, max_audio_bytes=10_000) as transport:
        stream = aiter(transport)
        await anext(stream)
        server.send(*[delta() for _ in range(3)])
        await wait_all_tasks_blocked()
        with pytest.raises(ConsumerTooSlow) as caught:
            async for _ in transport:
                pass
        assert caught.value.limit == 10_000


async def test_connecting_twice_at_once_leaves_the_first_alone() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        with pytest.raises(LocalProtocolError):
            async with transport.connect():
                pass
        assert transport.status == "connected"
        await transport.send_message("still here", trigger_response=False)
        await wait_all_tasks_blocked()
        assert server.types() == ["conversation.item.create"]


async def test_connecting_again_after_a_close_starts_afresh() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    for _ in range(2):
        server.send(CREATED)
        server.received.clear()
        async with transport.connect():
            await transport.request_response()
            await wait_all_tasks_blocked()
            # The second update switches tracing on, once the session is there to be traced.
            assert server.types() == ["session.update", "session.update", "response.create"]


async def test_aclose_from_inside_is_idempotent() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        await transport.aclose()
        assert transport.status == "disconnected"
        await transport.aclose()
        assert [type(event) async for event in transport][-1] is DisconnectedEvent


async def test_run_is_the_primitive_below() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    async with anyio.create_task_group() as tasks:
        await tasks.start(transport.run, ConnectOptions(model="other"))
        assert transport.status == "connected"
        assert transport.current_model == "other"
        await transport.aclose()
    assert server.closed_with == 1000


async def test_a_server_that_says_nothing_after_the_upgrade() -> None:
    clock, server = ManualClock(), MemoryServer()
    transport = transport_to(server, clock=clock)
    failed: list[SetupTimeout] = []

    async def connect() -> None:
        try:
            async with transport.connect(model="temporary"):
                pass
        except SetupTimeout as exc:
            failed.append(exc)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connect)
        await wait_all_tasks_blocked()
        await clock.advance(10)
    assert (failed[0].phase, failed[0].timeout) == ("session", 10)
    assert isinstance(failed[0], ConnectError)
    assert transport.current_model != "temporary"


@pytest.mark.parametrize("phase", ["key", "upgrade"])
async def test_the_connect_deadline(phase: str) -> None:
    clock = ManualClock()

    async def key() -> str:
        if phase == "key":
            await anyio.sleep(math.inf)
        return "sk"

    @asynccontextmanager
    async def connector(request: ConnectRequest) -> AsyncGenerator[Link]:
        await anyio.sleep(math.inf)
        raise AssertionError
        yield

    transport = OpenAIRealtimeWebSocket(connector=connector, api_key=key, clock=clock)
    failed: list[SetupTimeout] = []

    async def connect() -> None:
        try:
            async with transport.connect():
                pass
        except SetupTimeout as exc:
            failed.append(exc)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connect)
        await wait_all_tasks_blocked()
        await clock.advance(10)
    assert failed[0].phase == phase
    assert transport.status == "disconnected"


async def test_an_error_and_a_close_before_the_session_is_a_connect_error() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    server.send(
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "code": "invalid_api_key", "message": "Incorrect key"},
        }
    )
    server.close(3000, "invalid_request_error.invalid_api_key")
    with pytest.raises(ConnectError, match=r"3000.*Incorrect key") as caught:
        async with transport.connect():
            pass
    assert caught.value.code == "invalid_api_key"


async def test_a_close_while_connecting_fails_the_connect() -> None:
    started = anyio.Event()

    async def key() -> str:
        started.set()
        await anyio.sleep(math.inf)
        return ""

    transport = OpenAIRealtimeWebSocket(api_key=key)

    async def close() -> None:
        await started.wait()
        await transport.aclose()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        with pytest.raises(ConnectError, match="closed before"):
            async with transport.connect():
                pass


@pytest.mark.parametrize("key", ["", "  ", None])
async def test_a_missing_key_is_told_before_anything_is_opened(key: str | None) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        async with transport.connect(api_key=key):
            pass
    assert caught.value.key == "api_key"
    assert server.requests == []


async def test_the_key_is_asked_anew_at_each_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MemoryServer()
    keys = iter(["one", "two"])
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key=lambda: next(keys))
    for _ in range(2):
        server.send(CREATED)
        async with transport.connect():
            pass
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
    server.send(CREATED)
    async with OpenAIRealtimeWebSocket(connector=server.connector).connect():
        pass
    assert [request.api_key for request in server.requests] == ["one", "two", "from the environment"]


async def test_what_the_key_function_raises_passes_as_it_is() -> None:
    def key() -> str:
        raise PermissionError("vault closed")

    transport = OpenAIRealtimeWebSocket(api_key=key)
    with pytest.raises(PermissionError, match="vault closed"):
        async with transport.connect(model="temporary"):
            pass
    assert transport.current_model != "temporary"


async def test_the_key_as_a_subprotocol() -> None:
    server = MemoryServer()
    async with connected(server, use_insecure_api_key=True):
        request = server.requests[0]
        assert "Authorization" not in request.headers
        assert request.subprotocols == ("realtime", "openai-insecure-api-key.sk-test")


URLS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"),
    ({"model": "a b&c"}, {}, "wss://api.openai.com/v1/realtime?model=a%20b%26c"),
    ({}, {"call_id": "rtc_1"}, "wss://api.openai.com/v1/realtime?call_id=rtc_1"),
    ({"url": "ws://h/p?x=a%20b"}, {}, "ws://h/p?x=a%20b"),
    ({"url": "ws://h/p?model=m"}, {"call_id": "rtc_1"}, "ws://h/p?call_id=rtc_1"),
    ({"url": "ws://h/one"}, {"url": "ws://h/two?y=1", "call_id": "rtc_1"}, "ws://h/two?y=1"),
    ({"url": "ws://h/{model}/x", "model": "a/b"}, {}, "ws://h/a%2Fb/x"),
    ({"url": "ws://h/{call_id}"}, {"call_id": "c?"}, "ws://h/c%3F"),
    ({"query": {"tenant": "t 1"}}, {}, "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1&tenant=t%201"),
]


@pytest.mark.parametrize(("own", "given", "expected"), URLS)
async def test_urls(own: dict[str, Any], given: dict[str, Any], expected: str) -> None:
    server = MemoryServer()
    transport = transport_to(server, **own)
    async with transport.connect(wait_for_session=False, **given):
        assert transport.call_id == given.get("call_id")
        assert transport.connection_state.url == expected
    assert server.requests[0].url == expected


async def test_a_url_that_needs_a_call_id_without_one() -> None:
    with pytest.raises(ConfigError, match="call_id"):
        async with transport_to(MemoryServer(), url="ws://h/{call_id}").connect():
            pass


async def test_the_model_can_be_set_later() -> None:
    server = MemoryServer()
    async with connected(server) as transport:
        transport.current_model = "gpt-realtime-2"
        await transport.update_session_config({})
        await wait_all_tasks_blocked()
        assert server.received[0]["session"]["model"] == "gpt-realtime-2"


async def test_malformed_messages_are_reported_and_the_connection_kept() -> None:
    server = MemoryServer()
    async with connected(server) as transport, transport.subscribe(ErrorEvent) as errors:
        server.send("{not json", "[]", '{"no": "type"}', '{"type": 5}')
        for _ in range(4):
            await errors.receive()
        bad = delta()
        bad["delta"] = "***"
        server.send(bad)
        assert "base64" in str((await errors.receive()).error)  # type: ignore[attr-defined]
        await transport.send_message("still here")
    assert "conversation.item.create" in server.types()


# What a connection is told of its own


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"X-Own": "1", "Authorization": "Bearer sk-test"}),
        ({"headers": {"x-own": "2", "api-key": "secret"}}, {"x-own": "2", "api-key": "secret"}),
        ({"headers": {"Authorization": "Bearer other"}}, {"X-Own": "1", "Authorization": "Bearer other"}),
        ({"headers": {"A": "b"}, "api_key": "k"}, {"X-Own": "1", "A": "b", "Authorization": "Bearer k"}),
    ],
)
async def test_headers_of_a_connection_stand_for_its_key(given: dict[str, Any], sent: dict[str, str]) -> None:
    server = MemoryServer()
    transport = transport_to(server, headers={"X-Own": "1"})
    async with transport.connect(**given, wait_for_session=False):
        assert server.requests[0].headers == sent
    assert {"other", "secret"} & server.requests[0].secrets == {"other", "secret"} & {
        value.removeprefix("Bearer ") for value in sent.values()
    }


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({"api_key": "k"}, "ws://127.0.0.1:1/v1"),
        ({"headers": {"authorization": "Bearer other"}}, "ws://127.0.0.1:1/v1"),
        ({"headers": {"A": "b"}}, "ws://user:pass@127.0.0.1:1/v1"),
    ],
)
async def test_a_key_stands_for_the_user_in_the_url(given: dict[str, Any], host: str) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, url="ws://user:pass@127.0.0.1:1/v1")
    async with transport.connect(**given, wait_for_session=False):
        assert server.requests[0].url.startswith(host)


async def test_headers_need_no_key_at_all() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, use_insecure_api_key=True)
    async with transport.connect(headers={"api-key": "x"}, wait_for_session=False):
        assert server.requests[0].headers == {"api-key": "x"}
        assert server.requests[0].subprotocols == ()


async def test_who_plays_is_asked_how_much_was_heard() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    asked: list[int] = []

    def position() -> PlaybackPosition:
        asked.append(1)
        return PlaybackPosition(item_id="item_r1", samples=1200)

    server.send(CREATED)
    async with transport.connect(playback_position=position):
        await wait_all_tasks_blocked()
        server.received.clear()
        server.send({"type": "response.created", "event_id": "c", "response": {"id": "r1"}}, delta())
        await wait_all_tasks_blocked()
        assert not asked
        async with transport.batch() as batch:  # A rehearsal asks nobody, and is no reason to copy whom it could ask.
            batch.commit_audio()
        server.send({"type": "input_audio_buffer.speech_started", "event_id": "s", "audio_start_ms": 0, "item_id": "u"})
        await wait_all_tasks_blocked()
        assert asked
        cuts = [message for message in server.received if message["type"] == "conversation.item.truncate"]
        assert [(cut["item_id"], cut["audio_end_ms"]) for cut in cuts] == [("item_r1", 50)]


async def test_whether_a_response_was_asked_for_that_has_not_begun() -> None:
    server = MemoryServer()
    transport = transport_to(server)
    assert not transport.response_requested
    async with transport.connect(wait_for_session=False):
        assert not transport.response_requested
        await transport.send_message("Hello")
        assert transport.response_requested
        server.send({"type": "response.created", "event_id": "c", "response": {"id": "r1"}})
        await wait_all_tasks_blocked()
        assert not transport.response_requested
        await transport.request_response()
        assert transport.response_requested


SPEECH = {"type": "input_audio_buffer.speech_started", "event_id": "s", "audio_start_ms": 0, "item_id": "u"}


async def test_speech_is_only_told_where_the_caller_interrupts() -> None:
    server = MemoryServer()
    server.send(CREATED, SERVER_CANCELS)
    transport = transport_to(server, audio_events=True)
    async with transport.connect(interrupt_on_speech=False), transport.subscribe() as events:
        server.send({"type": "response.created", "event_id": "c", "response": {"id": "r1"}}, delta(), SPEECH)
        await wait_all_tasks_blocked()
        told = [type(events.receive_nowait()) for _ in range(events.statistics().events + 1)]
        assert told[-2:] == [AudioEvent, InputAudioBufferSpeechStarted]  # Nothing overtakes, nothing is taken back.
        assert "conversation.item.truncate" not in server.types()
        transport.interrupt(cancel_ongoing_response=False)
        await wait_all_tasks_blocked()
        assert server.types()[-1] == "conversation.item.truncate"
        assert type(events.receive_nowait()) is AudioInterruptedEvent


def test_who_plays_and_whether_audio_is_told() -> None:
    transports = {
        "application": OpenAIRealtimeWebSocket(),
        "sink": OpenAIRealtimeWebSocket(audio_sink=BufferSink()),
        "server": OpenAIRealtimeWebRTC(audio_source=None, audio_sink=BufferSink()),
        "provider": TwilioRealtimeTransportLayer(StarletteLike(None)),  # type: ignore[arg-type]
    }
    assert {name: transport.playback for name, transport in transports.items()} == {name: name for name in transports}
    assert [transport.audio_events for transport in transports.values()] == [True, False, False, True]
    assert OpenAIRealtimeSIP().playback == "server"
    assert OpenAIRealtimeWebRTC(audio_source=None, audio_sink=None).audio_events
    assert OpenAIRealtimeWebSocket(audio_sink=BufferSink(), audio_events=True).audio_events
