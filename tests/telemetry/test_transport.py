"""The telemetry of a transport, at known times: a memory link and a clock that the test moves."""

from __future__ import annotations

import base64
import gc
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from anyio import wait_all_tasks_blocked
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import StatusCode

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.errors import ConfigError, ConnectError, ConnectionLost, LocalProtocolError
from realtime_transport.events import AudioEvent, Event
from realtime_transport.telemetry import conventions, instrument
from realtime_transport.testing import ManualClock
from realtime_transport.testing.links import MemoryServer
from realtime_transport.testing.session import ScriptedTransport

from .collected import Collected, seconds

pytestmark = pytest.mark.anyio

CREATED = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "id": "sess_1"}}
USAGE = {
    "total_tokens": 130,
    "input_tokens": 100,
    "output_tokens": 30,
    "input_token_details": {"text_tokens": 20, "audio_tokens": 80, "cached_tokens": 64},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 20},
}
VAD = {"type": "server_vad", "interrupt_response": True}
UPDATED = {"type": "session.updated", "event_id": "e2", "session": {"audio": {"input": {"turn_detection": VAD}}}}
STARTED = {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 0, "item_id": "u1"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "event_id": "e", "audio_end_ms": 900, "item_id": "u1"}


def created(response: str) -> dict[str, Any]:
    return {"type": "response.created", "event_id": "e", "response": {"id": response, "status": "in_progress"}}


def done(response: str, status: str = "completed", **more: Any) -> dict[str, Any]:
    given = {"id": response, "status": status, "output": [], "usage": USAGE, **more}
    return {"type": "response.done", "event_id": "e", "response": given}


def delta(response: str, samples: int = 12_000) -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "event_id": "e",
        "response_id": response,
        "item_id": f"item_{response}",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(b"\1\0" * samples).decode(),
    }


def call(response: str, name: str = "get_weather", call_id: str = "c1") -> dict[str, Any]:
    item = {"type": "function_call", "id": f"i_{call_id}", "call_id": call_id, "name": name, "arguments": '{"a":1}'}
    return {
        "type": "response.output_item.done",
        "event_id": "e",
        "response_id": response,
        "output_index": 0,
        "item": item,
    }


@attrs.frozen
class Wire:
    """A transport, the server that the test plays, and the time."""

    server: MemoryServer
    clock: ManualClock
    transport: OpenAIRealtimeWebSocket
    seen: Collected

    async def happen(self, *events: dict[str, Any], after: float = 0.0) -> None:
        """Let time pass, and then events come."""
        if after:
            await self.clock.advance(after)
        self.server.send(*events)
        await wait_all_tasks_blocked()


def wire(**options: Any) -> Wire:
    server, clock = MemoryServer(), ManualClock()
    given = {"ping_interval": None, "update_timeout": 0, "model": "gpt-realtime", "api_key": "sk-test", "clock": clock}
    transport = OpenAIRealtimeWebSocket(connector=server.connector, **{**given, **options})
    return Wire(server, clock, transport, Collected())


@asynccontextmanager
async def connected(**options: Any) -> AsyncGenerator[Wire]:
    """Instrumented, and connected with turn detection."""
    given = wire(**options.pop("transport", {}))
    given.server.send(CREATED, UPDATED)
    with given.seen.instrument(given.transport, **options):
        async with given.transport.connect():
            await wait_all_tasks_blocked()
            yield given


COMMON = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-realtime",
    "server.address": "api.openai.com",
    "server.port": 443,
}


async def test_a_spoken_turn_as_spans_with_known_times_and_counts() -> None:
    async with connected(attributes={"enduser.id": "42"}) as given:
        await given.happen(STARTED, after=1.0)
        await given.happen(STOPPED, after=0.9)
        await given.happen(created("r1"), after=0.2)
        await given.happen(delta("r1"), after=0.3)
        await given.happen(delta("r1"), done("r1"), after=1.0)
    seen = given.seen
    assert seen.tree() == [
        "realtime.connection gpt-realtime",
        "  realtime.turn",
        "    generate_live_content gpt-realtime",
    ]

    connection = seen.one("realtime.connection")
    assert connection.attributes == {
        **COMMON,
        "enduser.id": "42",
        "realtime.wire": "websocket",
        "gen_ai.conversation.id": "sess_1",
        "realtime.close.code": 1000,
    }
    turn = seen.one("realtime.turn")
    assert turn.attributes == {
        "realtime.turn.trigger": "speech",
        "realtime.speech.duration": pytest.approx(0.9),
        "realtime.turn.latency": pytest.approx(0.5),
    }
    assert seconds(turn) == 2.4
    response = seen.one("generate_live_content")
    assert response.kind is trace.SpanKind.CLIENT
    assert response.attributes == {
        **COMMON,
        "gen_ai.operation.name": "generate_live_content",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.5),
        "realtime.time_to_first_audio": pytest.approx(0.5),
        "gen_ai.output.type": "speech",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.audio.input_tokens": 80,
        "gen_ai.usage.audio.output_tokens": 20,
    }
    assert seconds(response) == 1.5  # From the end of the user's speech.

    (turn_duration,) = seen.points("realtime.turn.duration")
    assert turn_duration.value == pytest.approx(2.4)
    assert turn_duration.attributes == COMMON
    assert seen.total("realtime.turn.latency", realtime__turn__trigger="speech") == pytest.approx(0.5)
    assert seen.total("realtime.time_to_first_audio") == pytest.approx(0.5)
    assert seen.total("gen_ai.client.operation.time_to_first_chunk") == pytest.approx(0.5)
    assert seen.total("gen_ai.client.operation.duration") == pytest.approx(1.5)
    assert seen.total("gen_ai.client.token.usage", gen_ai__token__type="input") == 100
    assert seen.total("gen_ai.client.token.usage", gen_ai__token__type="output") == 30
    assert seen.total("realtime.audio.duration", realtime__audio__direction="received") == pytest.approx(1.0)
    assert seen.total("realtime.connection.duration") == pytest.approx(3.4)
    assert seen.total("realtime.connections") == 0
    assert [point.count for point in seen.points("realtime.connect.duration")] == [1]


async def test_an_interruption_belongs_to_the_reply_that_was_cut_off() -> None:
    async with connected() as given:
        await given.transport.send_message("Tell me a story")
        await given.happen(created("r1"), delta("r1", 48_000), after=0.5)
        await given.happen(STARTED, after=0.75)
        await given.happen(done("r1", "cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}))
        await given.happen(STOPPED, created("r2"), after=0.5)
        await given.happen(done("r2"), after=0.5)
    seen = given.seen
    assert seen.tree() == [
        "realtime.connection gpt-realtime",
        "  realtime.turn",
        "    generate_live_content gpt-realtime",
        "      realtime.interruption",
        "  realtime.turn",
        "    generate_live_content gpt-realtime",
    ]
    interruption = seen.one("realtime.interruption")
    assert interruption.attributes == {
        "realtime.audio.heard": 0.75,
        "gen_ai.response.id": "r1",
        "realtime.item.id": "item_r1",
    }
    first, second = seen.named("realtime.turn")
    assert (first.attributes or {})["realtime.turn.interrupted"] is True
    assert (first.attributes or {})["realtime.turn.trigger"] == "text"
    assert "realtime.turn.interrupted" not in (second.attributes or {})
    cut, _ = seen.named("generate_live_content")
    assert (cut.attributes or {})["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert (cut.attributes or {})["realtime.response.reason"] == "turn_detected"
    assert cut.status.status_code is StatusCode.UNSET
    assert seen.total("realtime.interruptions") == 1
    assert seen.total("realtime.interruption.heard") == 0.75


async def test_a_reply_can_be_cut_off_when_its_response_is_done() -> None:
    async with connected() as given:
        await given.transport.send_message("Tell me a story")
        await given.happen(created("r1"), delta("r1", 48_000), done("r1"))
        await given.happen(STARTED, after=0.5)
    response = given.seen.one("generate_live_content")
    interruption = given.seen.one("realtime.interruption")
    assert interruption.parent is not None
    assert interruption.parent.span_id == response.context.span_id


async def test_a_turn_lasts_until_its_calls_are_answered_and_the_answers_used() -> None:
    async with connected() as given:
        await given.transport.send_message("How is the weather?")
        await given.happen(created("r1"), call("r1"), after=0.25)
        await given.happen(done("r1", output=[call("r1")["item"]]), after=0.25)
        await given.clock.advance(0.5)
        await given.transport.send_function_call_output(
            {"call_id": "c1", "name": "get_weather", "arguments": "{}"}, "Snow"
        )
        await given.happen(created("r2"), after=0.25)
        await given.happen(done("r2"), after=0.25)
    seen = given.seen
    assert seen.tree() == [
        "realtime.connection gpt-realtime",
        "  realtime.turn",
        "    generate_live_content gpt-realtime",
        "    execute_tool get_weather",
        "    generate_live_content gpt-realtime",
    ]
    tool = seen.one("execute_tool")
    assert tool.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "realtime.tool.outcome": "answered",
    }
    assert seconds(tool) == 0.75
    assert seen.total("gen_ai.execute_tool.duration", gen_ai__tool__name="get_weather") == pytest.approx(0.75)
    assert seconds(seen.one("realtime.turn")) == 1.5
    first, second = seen.named("generate_live_content")
    assert (first.attributes or {})["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert (second.attributes or {})["gen_ai.response.finish_reasons"] == ("stop",)
    assert seen.total("gen_ai.client.token.usage", gen_ai__token__type="input") == 200


async def test_words_are_told_to_those_who_ask_for_them(anyio_backend: str) -> None:
    said = {
        "type": "message",
        "role": "assistant",
        "id": "i1",
        "content": [{"type": "output_audio", "transcript": "Canary"}],
    }
    heard = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e",
        "item_id": "u1",
        "content_index": 0,
        "transcript": "Canary?",
    }
    for content in (False, True):
        async with connected(content=content) as given:
            await given.happen(STARTED, STOPPED, created("r1"), heard, call("r1", "canary_tool"))
            await given.transport.send_function_call_output(
                {"call_id": "c1", "name": "x", "arguments": "{}"}, "Canary!"
            )
            await given.happen(done("r1", output=[said]))
        told = repr([(span.attributes, [event.attributes for event in span.events]) for span in given.seen.spans])
        assert ("Canary" in told) is content
    attributes = given.seen.one("generate_live_content").attributes or {}
    assert attributes["gen_ai.output.messages"] == (
        '[{"role": "assistant", "parts": [{"type": "text", "content": "Canary"}], "finish_reason": "stop"}]'
    )
    attributes = given.seen.one("realtime.turn").attributes or {}
    assert attributes["gen_ai.input.messages"] == (
        '[{"role": "user", "parts": [{"type": "text", "content": "Canary?"}]}]'
    )
    attributes = given.seen.one("execute_tool").attributes or {}
    assert attributes["gen_ai.tool.call.arguments"] == '{"a":1}'
    assert attributes["gen_ai.tool.call.result"] == "Canary!"


async def test_sent_audio_is_counted_in_seconds() -> None:
    async with connected() as given:
        await given.transport.send_audio(b"\0" * 24_001)
        await given.transport.send_audio(b"\0" * 23_999)
        await given.transport.send_event(
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(48_000)).decode()}
        )
    assert given.seen.total("realtime.audio.duration", realtime__audio__direction="sent") == pytest.approx(2.0)


async def test_dropped_audio_is_counted_also_of_streams_that_are_closed() -> None:
    async with connected(transport={"max_audio_bytes": 48_000, "on_overflow": "drop_audio"}) as given:
        async with given.transport.subscribe(AudioEvent) as events:
            await given.happen(created("r1"), delta("r1", 24_000))
            assert isinstance(await events.receive(), AudioEvent)
            await given.happen(delta("r1", 24_000), delta("r1", 24_000), delta("r1", 24_000))
            counted = events.statistics()
        assert counted.dropped_audio_bytes == 2 * 48_000
    assert given.seen.total("realtime.dropped.events") == 2
    assert given.seen.total("realtime.dropped.audio") == pytest.approx(2.0)


async def test_a_connection_that_is_lost_says_so_and_leaves_nothing_open() -> None:
    given = wire()
    given.server.send(CREATED)
    with pytest.raises(ConnectionLost), given.seen.instrument(given.transport):
        async with given.transport.connect():
            await given.transport.send_message("Hello")
            await given.happen(created("r1"), call("r1"))
            given.server.close(1006)
            await wait_all_tasks_blocked()
    seen = given.seen
    assert len(seen.spans) == 4
    connection = seen.one("realtime.connection")
    assert connection.status.status_code is StatusCode.ERROR
    assert (connection.attributes or {})["error.type"] == "ConnectionLost"
    assert (connection.attributes or {})["realtime.close.code"] == 1006
    response = seen.one("generate_live_content")
    assert (response.attributes or {})["error.type"] == "ConnectionLost"
    assert (seen.one("execute_tool").attributes or {})["realtime.tool.outcome"] == "unanswered"
    assert seen.total("realtime.connections") == 0
    assert seen.points("realtime.connection.duration")[0].attributes["error.type"] == "ConnectionLost"


async def test_a_connection_that_is_never_opened_is_a_span_with_its_error() -> None:
    given = wire(connect_timeout=None)
    given.server.close(1011)
    with given.seen.instrument(given.transport), pytest.raises(ConnectError):
        async with given.transport.connect():
            raise AssertionError("never")

    async def no_key() -> str:
        raise KeyError("mine")

    with given.seen.instrument(given.transport), pytest.raises(KeyError):
        async with given.transport.connect(api_key=no_key):
            raise AssertionError("never")
    _, unborn = given.seen.named("realtime.connection")
    assert (unborn.attributes or {})["error.type"] == "KeyError"
    failed = [point for point in given.seen.points("realtime.connect.duration") if "error.type" in point.attributes]
    assert [point.attributes["error.type"] for point in failed] == ["KeyError"]


async def test_a_failed_response_and_a_refused_request() -> None:
    error = {"type": "server_error", "code": "overloaded", "message": "Canary"}
    async with connected() as given:
        await given.transport.send_message("Hello")
        await given.happen(created("r1"), done("r1", "failed", status_details={"type": "failed", "error": error}))
        await given.transport.request_response({"instructions": "x"})
        await given.happen(
            {
                "type": "error",
                "event_id": "e",
                "error": {
                    "type": "invalid_request_error",
                    "code": "no",
                    "message": "Canary",
                    "event_id": given.server.received[-1].get("event_id"),
                },
            }
        )
        await given.transport.send_message("Again")
        await given.happen(created("r2"), after=0.5)
        await given.happen(done("r2"), after=0.5)
    failed, again = given.seen.named("generate_live_content")
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "overloaded"
    assert seconds(again) == 1.0
    assert given.seen.total("realtime.errors", error__type="no") == 1
    (reported,) = given.seen.one("realtime.connection").events
    assert reported.attributes == {"error.type": "no"}
    assert "Canary" not in repr([span.to_json() for span in given.seen.spans])


async def test_a_connection_belongs_to_the_span_that_is_current_where_it_is_opened() -> None:
    given = wire()
    given.server.send(CREATED)
    tracer = given.seen.tracers.get_tracer("test")
    with given.seen.instrument(given.transport), tracer.start_as_current_span("request") as request:
        async with given.transport.connect():
            pass
    parent = given.seen.one("realtime.connection").parent
    assert parent is not None
    assert parent.span_id == request.get_span_context().span_id


async def test_it_lasts_as_long_as_the_transport_where_nobody_keeps_it() -> None:
    given = wire()
    given.seen.instrument(given.transport)
    gc.collect()
    given.server.send(CREATED)
    async with given.transport.connect():
        pass
    assert given.seen.tree() == ["realtime.connection gpt-realtime"]


async def test_only_what_begins_while_it_is_attached_is_told() -> None:
    given = wire()
    given.server.send(CREATED)
    async with given.transport.connect():
        with pytest.raises(LocalProtocolError, match="put this around connect"):
            given.seen.instrument(given.transport)
    instrumentation = given.seen.instrument(given.transport)
    with pytest.raises(LocalProtocolError, match="instrumented already"):
        given.seen.instrument(given.transport)
    given.server.send(CREATED)
    async with given.transport.connect():
        instrumentation.close()
    given.server.send(CREATED)
    async with given.transport.connect():
        pass
    instrumentation.close()
    assert given.seen.tree() == ["realtime.connection gpt-realtime"]
    given.seen.instrument(given.transport).close()


async def test_what_is_no_transport_is_refused() -> None:
    with pytest.raises(ConfigError, match="target: a transport of this package"):
        instrument(ScriptedTransport())  # type: ignore[arg-type]


async def test_a_fault_of_the_telemetry_ends_it_and_not_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []
    async with connected() as given:
        monkeypatch.setattr("opentelemetry.sdk.metrics._internal.instrument.Histogram.record", None)
        await given.transport.send_message("Hello")
        await given.happen(created("r1"), delta("r1"), done("r1"))
        given.transport.close_nowait()
        events = [event async for event in given.transport]
    assert any(isinstance(event, AudioEvent) for event in events)
    (logged,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "switched off" in logged.message


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
def test_nothing_is_loaded_for_a_connection_that_is_not_instrumented(anyio_backend: str) -> None:
    code = """
import sys, anyio
from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.testing.links import MemoryServer

async def main():
    server = MemoryServer()
    server.send({"type": "session.created", "event_id": "1", "session": {}})
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk-test", update_timeout=0)
    async with transport.connect():
        await transport.send_message("Hello")

anyio.run(main)
print([name for name in sys.modules if "opentelemetry" in name or "telemetry" in name])
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_the_names_are_those_of_the_conventions() -> None:
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    ours = {value for value in vars(conventions).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    # Younger than the package that lists them.
    assert ours - known == {"gen_ai.usage.audio.input_tokens", "gen_ai.usage.audio.output_tokens"}


def test_without_opentelemetry_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from realtime_transport import MissingExtraError
try:
    import realtime_transport.telemetry
except MissingExtraError as error:
    print(error)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'opentelemetry'" in finished.stdout
    assert ".[otel]" in finished.stdout
