"""The model, step by step: what it sends for what it is told, what it tells, and how it ends.

On asyncio alone: the framework knows no other event loop. The server is in memory, so that one order of events is
possible.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from agents.exceptions import UserError
from agents.realtime import (
    RealtimeModelEvent,
    RealtimeModelListener,
    RealtimeModelSendAudio,
    RealtimeModelSendInterrupt,
    RealtimeModelSendRawMessage,
    RealtimeModelSendSessionUpdate,
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
    RealtimeModelToolCallEvent,
    RealtimePlaybackTracker,
)

from realtime_transport import (
    ConnectError,
    ConnectionLost,
    DecodeError,
    NotConnectedError,
    OpenAIRealtimeWebSocket,
)
from realtime_transport.adapters.openai_agents import TransportRealtimeModel
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from tests.adapters.openai_agents.talk import Listener

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_task_left")]

CREATED = {"type": "session.created", "event_id": "e", "session": {"type": "realtime", "tracing": "auto"}}


@pytest.fixture
async def no_task_left() -> AsyncGenerator[None]:
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before
    assert [task for task in left if "TestRunner" not in getattr(task.get_coro(), "__qualname__", "")] == []


async def settle() -> None:
    await ManualClock().advance(0)


def model_of(server: MemoryServer, **options: Any) -> TransportRealtimeModel:
    settings: dict[str, Any] = {"api_key": "sk", "ping_interval": None, "update_timeout": 0, **options}
    return TransportRealtimeModel(OpenAIRealtimeWebSocket(connector=server.connector, **settings))


@asynccontextmanager
async def connected(
    server: MemoryServer, config: Any = None, **options: Any
) -> AsyncGenerator[tuple[TransportRealtimeModel, Listener]]:
    model, listener = model_of(server, **options), Listener()
    model.add_listener(listener)
    server.send(CREATED)
    await model.connect(config or {})
    try:
        await settle()
        server.received.clear()
        yield model, listener
    finally:
        await model.close()


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "e", **fields}


def created(response_id: str = "r1") -> dict[str, Any]:
    return event("response.created", response={"id": response_id})


def done(response_id: str = "r1", **fields: Any) -> dict[str, Any]:
    return event("response.done", response={"id": response_id, "status": "completed", "output": [], **fields})


def audio(ms: int, item_id: str = "i1", response_id: str = "r1", content_index: int = 0) -> dict[str, Any]:
    names = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": content_index}
    return event("response.output_audio.delta", delta=base64.b64encode(bytes(ms * 48)).decode(), **names)


SPEECH = event("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u")
SERVER_CANCELS = event(
    "session.updated",
    session={"type": "realtime", "audio": {"input": {"turn_detection": {"interrupt_response": True}}}},
)


def truncations(server: MemoryServer) -> list[tuple[str, int, int]]:
    return [
        (message["item_id"], message["content_index"], message["audio_end_ms"])
        for message in server.received
        if message["type"] == "conversation.item.truncate"
    ]


# What it connects with


@pytest.mark.parametrize("kind", ["text", "function", "coroutine function"])
async def test_kinds_of_keys(kind: str) -> None:
    async def ask() -> str:
        return "sk-1"

    keys: dict[str, Any] = {"text": "sk-1", "function": lambda: "sk-1", "coroutine function": ask}
    server = MemoryServer()
    async with connected(server, {"api_key": keys[kind]}):
        assert server.requests[0].headers == {"Authorization": "Bearer sk-1"}


async def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-2")
    server = MemoryServer()
    async with connected(server, api_key=None):
        assert server.requests[0].headers == {"Authorization": "Bearer sk-2"}


async def test_with_headers_no_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-2")
    server = MemoryServer()
    async with connected(server, {"headers": {"api-key": "azure"}, "api_key": "sk-3", "url": "wss://h.example/x"}):
        assert server.requests[0].headers == {"api-key": "azure"}
        assert server.requests[0].url == "wss://h.example/x"


async def test_a_call_has_its_model_already() -> None:
    model = model_of(MemoryServer())
    with pytest.raises(UserError, match="call_id and model_name"):
        await model.connect({"call_id": "c", "initial_model_settings": {"model_name": "gpt-realtime"}})


# What it sends


CALL = RealtimeModelToolCallEvent(name="f", call_id="c1", arguments="{}", id="i9", previous_item_id="i8")
TEXT = {"type": "input_text", "text": "Hi"}
IMAGE = {"type": "input_image", "image_url": "data:,x", "detail": "low"}


def said(*parts: Any) -> RealtimeModelSendUserInput:
    return RealtimeModelSendUserInput(user_input={"type": "message", "role": "user", "content": list(parts)})


SENT: dict[str, tuple[Any, list[str], dict[str, Any]]] = {
    "a raw message": (
        RealtimeModelSendRawMessage(message={"type": "input_audio_buffer.clear", "other_data": {"x": 1}}),
        ["input_audio_buffer.clear"],
        {"type": "input_audio_buffer.clear", "x": 1},
    ),
    "a raw message of a vendor": (
        RealtimeModelSendRawMessage(message={"type": "vendor.something"}),
        ["vendor.something"],
        {"type": "vendor.something"},
    ),
    "text": (
        RealtimeModelSendUserInput(user_input="Hi"),
        ["conversation.item.create", "response.create"],
        {"item": {"type": "message", "role": "user", "content": [TEXT]}},
    ),
    "parts": (
        said(TEXT, IMAGE, {"type": "input_text", "text": None}, {"type": "of tomorrow"}, "?", {"type": "input_image"}),
        ["conversation.item.create", "response.create"],
        {"item": {"type": "message", "role": "user", "content": [TEXT, IMAGE]}},
    ),
    "audio": (
        RealtimeModelSendAudio(audio=b"\1\0", commit=True),
        ["input_audio_buffer.append", "input_audio_buffer.commit"],
        {"audio": "AQA="},
    ),
    "the output of a tool": (
        RealtimeModelSendToolOutput(tool_call=CALL, output="42", start_response=False),
        ["conversation.item.create"],
        {"item": {"type": "function_call_output", "call_id": "c1", "output": "42"}},
    ),
    "settings": (
        RealtimeModelSendSessionUpdate(session_settings={"instructions": "Sing."}),
        ["session.update"],
        {},
    ),
}


@pytest.mark.parametrize(("sent", "types", "first"), SENT.values(), ids=SENT)
async def test_what_is_sent(sent: Any, types: list[str], first: dict[str, Any]) -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        await model.send_event(sent)
        await settle()
        assert server.types() == types
        assert {name: server.received[0].get(name) for name in first} == first
        if isinstance(sent, RealtimeModelSendToolOutput):
            [update] = listener.of("item_updated")
            assert (update.item.status, update.item.output, update.item.previous_item_id) == ("completed", "42", "i8")


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(("sent", "types", "first"), SENT.values(), ids=SENT)
async def test_what_is_sent_on_a_condition(sent: Any, types: list[str], first: Any, allowed: bool) -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        assert await model.send_event_if(sent, lambda: allowed) is allowed
        await settle()
        assert server.types() == (types if allowed else [])
        assert bool(listener.of("item_updated")) is (allowed and isinstance(sent, RealtimeModelSendToolOutput))


async def test_the_condition_is_asked_when_there_is_room() -> None:
    server, allowed = MemoryServer(), True
    async with connected(server, max_outbox_bytes=1000) as (model, _):
        server.pause_writes()
        for _ in range(2):
            await model.send_event(RealtimeModelSendRawMessage(message={"type": "y", "other_data": {"x": "x" * 2000}}))
            await settle()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(
                model.send_event_if(RealtimeModelSendUserInput(user_input="too late"), lambda: allowed)
            )
            await settle()
            allowed = False
            server.resume_writes()
        assert task.result() is False
        assert set(server.types()) == {"y"}


async def test_a_message_on_a_condition_waits_for_no_other_response() -> None:
    server = MemoryServer()
    async with connected(server) as (model, _):
        server.send(created("r1"))
        await settle()
        await model.send_event(RealtimeModelSendUserInput(user_input="newer"))
        assert not await model.send_event_if(RealtimeModelSendUserInput(user_input="older"), lambda: True)
        server.send(done("r1"))
        await settle()
        server.send(created("r2"))
        await settle()
        assert await model.send_event_if(RealtimeModelSendUserInput(user_input="now"), lambda: True)


@pytest.mark.parametrize(
    "sent",
    [
        RealtimeModelSendRawMessage(message={}),  # type: ignore[typeddict-item]
        said({"type": "input_text"}),
        RealtimeModelSendSessionUpdate(session_settings={"voise": "x"}),  # type: ignore[typeddict-unknown-key]
        RealtimeModelSendSessionUpdate(session_settings={"speed": "fast"}),  # type: ignore[typeddict-item]
        RealtimeModelSendAudio(audio="text"),  # type: ignore[arg-type]
    ],
)
async def test_what_cannot_be_sent(sent: Any) -> None:
    server = MemoryServer()
    async with connected(server) as (model, _):
        with pytest.raises(UserError):
            await model.send_event(sent)
        await settle()
        assert server.received == []


async def test_without_a_connection_nothing_is_sent() -> None:
    model = model_of(MemoryServer())
    with pytest.raises(NotConnectedError):
        await model.send_event(RealtimeModelSendUserInput(user_input="Hi"))
    await model.send_event(RealtimeModelSendInterrupt())
    await model.close()


# Interruptions


async def test_speech_is_told_of_as_soon_as_the_server_knows_what_was_heard() -> None:
    server = MemoryServer()
    async with connected(server) as (_, listener):
        server.send(created(), audio(400))
        await settle()
        heard = len(listener.of("audio"))
        server.send(SPEECH, audio(100))
        turn, sent_at, told_at = 0, -1, -1
        while told_at < 0:
            await asyncio.sleep(0)
            turn += 1
            if truncations(server) and sent_at < 0:
                sent_at = turn
            if listener.of("audio_interrupted"):
                told_at = turn
        assert 0 < sent_at <= told_at <= sent_at + 2  # The task that reads, and the one that tells.
        await settle()
        assert len(listener.of("audio")) == heard


async def test_what_waits_for_a_slow_listener_is_taken_back() -> None:
    server, gate = MemoryServer(), asyncio.Event()

    class Slow(Listener):
        async def on_event(self, event: RealtimeModelEvent) -> None:
            await super().on_event(event)
            if event.type == "audio":
                await gate.wait()

    async with connected(server) as (model, _):
        slow = Slow()
        model.add_listener(slow)
        server.send(created(), *[audio(100)] * 50)
        await settle()
        server.send(SPEECH)
        await settle()
        assert truncations(server)
        gate.set()
        await settle()
        assert slow.types() == ["turn_started", "audio", "audio_interrupted"]


async def test_the_tracker_says_what_was_heard_part_by_part() -> None:
    server, tracker = MemoryServer(), RealtimePlaybackTracker()
    async with connected(server, {"playback_tracker": tracker}) as (_, listener):
        server.send(created(), audio(300, "heard"), audio(300, "playing", content_index=1), audio(300, "unheard"))
        await settle()
        tracker.on_play_ms("playing", 1, 120.0)
        server.send(SPEECH)
        await settle()
        assert truncations(server) == [("playing", 1, 120), ("unheard", 0, 0)]
        told = [(cut.item_id, cut.content_index) for cut in listener.of("audio_interrupted")]
        assert told == [("playing", 1), ("unheard", 0)]
        assert tracker.get_state()["current_item_id"] is None


@pytest.mark.parametrize(("audio_format", "played"), [("audio/pcm", 4800), ("audio/pcmu", 800)])
async def test_the_tracker_counts_in_the_format_of_the_session(audio_format: str, played: int) -> None:
    server, tracker = MemoryServer(), RealtimePlaybackTracker()
    async with connected(server, {"playback_tracker": tracker}):
        named = {"type": audio_format, **({"rate": 24000} if audio_format == "audio/pcm" else {})}
        server.send(event("session.updated", session={"type": "realtime", "audio": {"output": {"format": named}}}))
        server.send(created(), audio(1000))
        await settle()
        tracker.on_play_bytes("i1", 0, bytes(played))
        server.send(SPEECH)
        await settle()
        assert truncations(server) == [("i1", 0, 100)]


def interrupt(**fields: Any) -> RealtimeModelSendInterrupt:
    return RealtimeModelSendInterrupt(**fields)


@pytest.mark.parametrize(
    ("sent", "server_cancels", "cancels", "cuts"),
    [
        (interrupt(), False, [None], ["i1"]),
        (interrupt(), True, [], ["i1"]),
        (interrupt(force_response_cancel=True), True, [None], ["i1"]),
        (interrupt(response_id="r1"), False, ["r1"], ["i1"]),
        (interrupt(response_id="r1", playback_only=True), False, [], ["i1"]),
        (interrupt(response_id="r1", cancel_response_only=True), True, ["r1"], []),
        (interrupt(response_id="other"), False, [], []),
        (interrupt(response_id="other", cancel_response_only=True), False, [], []),
    ],
)
async def test_ways_to_interrupt(sent: Any, server_cancels: bool, cancels: list[Any], cuts: list[str]) -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        if server_cancels:
            server.send(SERVER_CANCELS)
        server.send(created(), audio(400))
        await settle()
        server.received.clear()
        await model.send_event(sent)
        await settle()
        cancelled = [message.get("response_id") for message in server.received if message["type"] == "response.cancel"]
        assert cancelled == cancels
        assert [cut[0] for cut in truncations(server)] == cuts
        assert [cut.item_id for cut in listener.of("audio_interrupted")] == cuts


async def test_audio_of_a_response_that_was_silenced_is_not_told() -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        server.send(created())
        await settle()
        await model.send_event(interrupt(response_id="r1", playback_only=True))
        server.send(audio(100))
        await settle()
        assert listener.of("audio") == []
        model._retire_response_audio("r1")
        server.send(audio(100))
        await settle()
        assert len(listener.of("audio")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"playback_only": True, "cancel_response_only": True, "response_id": "r"},
        {"playback_only": True, "force_response_cancel": True},
        {"cancel_response_only": True},
    ],
)
async def test_interruptions_that_make_no_sense(fields: dict[str, Any]) -> None:
    server = MemoryServer()
    async with connected(server) as (model, _):
        with pytest.raises(ValueError):
            await model.send_event(interrupt(**fields))


# What it tells


async def test_tokens() -> None:
    server = MemoryServer()
    usage = {
        "input_tokens": 7,
        "output_tokens": 5,
        "input_token_details": {"cached_tokens": 3, "text_tokens": 7, "cached_tokens_details": {"text_tokens": 3}},
        "output_token_details": {"audio_tokens": 5},
    }
    async with connected(server) as (_, listener):
        server.send(created(), done(usage=usage), created("r2"), done("r2"))
        await settle()
        assert listener.types()[-5:] == ["turn_started", "usage", "turn_ended", "turn_started", "turn_ended"]
        [told] = listener.of("usage")
        assert (told.usage.total_tokens, told.usage.requests) == (12, 1)
        assert told.usage.input_tokens_details.cached_tokens == 3
        assert told.input_tokens_details.cached_tokens_details.text_tokens == 3
        assert told.output_tokens_details.audio_tokens == 5
        assert [turn.response_id for turn in listener.of("turn_ended")] == ["r1", "r2"]


async def test_items_and_words() -> None:
    server = MemoryServer()
    parts = [{"type": "output_audio", "transcript": "a"}, {"type": "output_text", "text": "b"}, {"type": "new"}]
    message = {"id": "i1", "type": "message", "role": "assistant", "status": "weird", "content": parts}
    user = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    async with connected(server) as (_, listener):
        server.send(
            event("conversation.item.added", item=user, previous_item_id="i0"),
            event("response.output_item.done", item=message, response_id="r1", output_index=0),
            event(
                "conversation.item.input_audio_transcription.completed", item_id="u1", content_index=0, transcript="t"
            ),
            event("input_audio_buffer.timeout_triggered", item_id="u2", audio_start_ms=1, audio_end_ms=2),
            event("conversation.item.deleted", item_id="u1"),
            event("response.output_text.delta", item_id="i1", response_id="r1", delta="d"),
            event("vendor.something", x=1),
        )
        await settle()
        first, second = [update.item for update in listener.of("item_updated")]
        assert (first.role, first.previous_item_id, first.content[0].type) == ("user", "i0", "input_audio")
        assert (second.status, [part.type for part in second.content]) == ("completed", ["audio", "text"])
        assert listener.of("input_audio_transcription_completed")[0].transcript == "t"
        assert listener.of("input_audio_timeout_triggered")[0].audio_end_ms == 2
        assert listener.of("item_deleted")[0].item_id == "u1"
        assert listener.of("output_text_delta")[0].delta == "d"
        assert listener.of("raw_server_event")[-1].data == event("vendor.something", x=1)


async def test_what_the_framework_does_not_know_is_an_error_and_not_the_end() -> None:
    server = MemoryServer()
    async with connected(server) as (_, listener):
        server.send(event("conversation.item.added", item={"id": "i", "type": "message", "role": "of tomorrow"}))
        server.send("garbage")
        await settle()
        odd, garbage = listener.of("error")
        assert "of tomorrow" in str(odd.error)
        assert isinstance(garbage.error, DecodeError)
        assert listener.of("exception") == []


async def test_an_mcp_server_is_told_of_as_something_else() -> None:
    server = MemoryServer()
    item = {"id": "m", "type": "mcp_approval_request", "server_label": "s", "name": "n", "arguments": "{}"}
    async with connected(server) as (_, listener):
        server.send(event("conversation.item.done", item=item))
        await settle()
        [other] = listener.of("other")
        assert other.data.item.name == "n"


# How it ends


async def test_a_lost_connection_is_an_exception() -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        server.close(1006)
        await settle()
        assert listener.types()[-2:] == ["connection_status", "exception"]
        assert isinstance(listener.of("exception")[0].exception, ConnectionLost)
        with pytest.raises(ConnectionLost):
            await model.send_event(RealtimeModelSendUserInput(user_input="Hi"))


async def test_a_server_that_closes_ends_the_stream() -> None:
    server = MemoryServer()
    async with connected(server) as (_, listener):
        server.close(1000)
        await settle()
        assert [status.status for status in listener.of("connection_status")][-1] == "disconnected"
        assert listener.types()[-1] == "end_of_stream"


async def test_closing_sends_what_is_queued_and_tells_nothing_more() -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        told = len(listener.events)
        server.pause_writes()
        await model.send_event(RealtimeModelSendUserInput(user_input="Hi"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(model.close())
            await settle()
            server.resume_writes()
        assert "conversation.item.create" in server.types()
        assert len(listener.events) == told
        await model.close()


class Failing(RealtimeModelListener):
    """Raises at the events of some types."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    async def on_event(self, event: RealtimeModelEvent) -> None:
        if event.type in self.kinds:
            raise ZeroDivisionError(event.type)


async def test_what_a_listener_raises_is_told_as_an_exception() -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        model.add_listener(Failing("turn_started"))
        server.send(created(), done())
        await settle()
        [told] = listener.of("exception")
        assert isinstance(told.exception, ZeroDivisionError)
        assert listener.types()[-1] == "turn_ended"


async def test_a_listener_that_does_not_even_take_that_ends_the_connection() -> None:
    server, model = MemoryServer(), None
    with pytest.raises(ZeroDivisionError, match="exception"):
        async with connected(server) as (model, _):
            model.add_listener(Failing("turn_started", "exception"))
            server.send(created())
            await settle()
            assert server.closed_with == 1000
    assert model is not None
    await model.close()


async def test_a_listener_may_close() -> None:
    server = MemoryServer()

    class Closing(RealtimeModelListener):
        async def on_event(self, event: RealtimeModelEvent) -> None:
            if event.type == "turn_started":
                await model.close()

    async with connected(server) as (model, listener):
        model.add_listener(Closing())
        server.send(created(), done())
        await settle()
        assert server.closed_with == 1000
        assert listener.types()[-1] == "turn_started"


async def test_closing_stops_a_listener_that_waits() -> None:
    server, stopped = MemoryServer(), asyncio.Event()

    class Waiting(RealtimeModelListener):
        async def on_event(self, event: RealtimeModelEvent) -> None:
            if event.type == "turn_started":
                try:
                    await anyio.sleep_forever()
                finally:
                    stopped.set()

    async with connected(server) as (model, _):
        model.add_listener(Waiting())
        server.send(created())
        await settle()
        await model.close()
        assert stopped.is_set()
        assert server.closed_with == 1000


async def test_connecting_can_be_cancelled() -> None:
    server = MemoryServer()
    model = model_of(server)
    task = asyncio.create_task(model.connect({}))
    await settle()
    assert len(server.requests) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.transport.status == "disconnected"
    async with connected(server):
        pass


async def test_closing_while_connecting() -> None:
    server = MemoryServer()
    model = model_of(server)
    task = asyncio.create_task(model.connect({}))
    await settle()
    await model.close()
    with pytest.raises(ConnectError):
        await task


async def test_closing_can_be_cancelled_and_still_closes() -> None:
    server = MemoryServer(answers_close=False)
    clock = ManualClock()
    async with connected(server, clock=clock) as (model, _):
        task = asyncio.create_task(model.close())
        await settle()
        task.cancel()
        await settle()
        assert not task.done()
        await clock.advance(2.0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.transport.status == "disconnected"


async def test_listeners_come_and_go() -> None:
    server = MemoryServer()
    async with connected(server) as (model, listener):
        model.add_listener(listener)
        server.send(created())
        await settle()
        assert len(listener.of("turn_started")) == 1
        model.remove_listener(listener)
        model.remove_listener(listener)
        server.send(done())
        await settle()
        assert listener.of("turn_ended") == []
