"""Mistakes that everybody makes once: the error says what was meant."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import realtime_transport
from realtime_transport import ConfigError, LocalProtocolError, OpenAIRealtimeWebSocket, ServerError
from realtime_transport.events import ErrorEvent
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio


async def test_a_connect_that_is_awaited_says_async_with() -> None:
    transport = OpenAIRealtimeWebSocket(api_key="k")
    with pytest.raises(LocalProtocolError, match=r"async with transport\.connect"):
        await transport.connect()  # type: ignore[misc]
    assert transport.status == "disconnected"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("apiKey", "api_key"),
        ("pingInterval", "ping_interval"),
        ("conect_timeout", "connect_timeout"),
        ("baseUrl", "base_url"),
    ],
)
def test_an_option_that_does_not_exist_names_the_nearest(name: str, meant: str) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(ConfigError, match=f"did you mean {meant}=") as caught:
        OpenAIRealtimeWebSocket(**options)
    assert caught.value.key == name
    with pytest.raises(ConfigError, match="no such option$"):
        OpenAIRealtimeWebSocket(nothing_like_it=1)  # type: ignore[arg-type]


async def test_a_second_reader_is_told_of_subscribe() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    async with transport.connect(wait_for_session=False), anyio.create_task_group() as tasks:

        async def read() -> None:
            async for _ in transport:
                pass

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match=r"async with transport\.subscribe\(\)"):
            await read()
        tasks.cancel_scope.cancel()


def test_the_package_lists_what_is_public() -> None:
    shown = {name for name in dir(realtime_transport) if not name.startswith("__")}
    assert shown == {*realtime_transport.__all__, "client_events", "errors", "events", "server_events"}
    assert "Settings" in shown


CALLS: dict[str, Any] = {
    "update_session_config": lambda transport: transport.update_session_config({"voice": "marin"}),
    "request_response": lambda transport: transport.request_response(),
    "send_message": lambda transport: transport.send_message("Hello", trigger_response=False),
    "send_function_call_output": lambda transport: transport.send_function_call_output(
        {"call_id": "c"}, "4 degrees", start_response=False
    ),
    "send_mcp_response": lambda transport: transport.send_mcp_response(
        {"type": "mcp_approval_request", "item_id": "i"}, True
    ),
    "reset_history": lambda transport: transport.reset_history(
        [{"type": "message", "item_id": "i", "role": "user", "content": []}], []
    ),
    "commit_audio": lambda transport: transport.commit_audio(),
    "clear_audio": lambda transport: transport.clear_audio(),
    "send_event": lambda transport: transport.send_event({"type": "conversation.item.retrieve", "item_id": "i"}),
}


@pytest.mark.parametrize("call", CALLS)
async def test_an_error_of_the_server_names_the_call(call: str) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    server.send({"type": "session.created", "session": {}}, {"type": "session.updated", "session": {}})
    server.send({"type": "session.updated", "session": {}})  # Of the tracing.
    async with transport.connect(), transport.subscribe(ErrorEvent) as errors:
        await anyio.wait_all_tasks_blocked()
        await CALLS[call](transport)
        await anyio.wait_all_tasks_blocked()
        sent = server.received[-1]
        error = {"type": "invalid_request_error", "code": "no", "message": "No.", "param": "x.y"}
        server.send({"type": "error", "error": {**error, "event_id": sent.get("event_id")}})
        event = await errors.receive()
        assert (event.refused_call, event.refused_type) == (call, sent["type"])
        assert isinstance(event.error, ServerError)
        assert (event.error.code, event.error.param, event.path) == ("no", "x.y", "x.y")
        assert event.event_id == sent.get("event_id")
        assert str(event.error) == "No. (no)"


@pytest.mark.parametrize(
    ("error", "call"),
    [
        ({"code": "invalid_tool_call_id"}, "send_function_call_output"),
        ({"code": "invalid_value", "param": "item.content[0].type"}, "send_function_call_output"),
        ({"code": "invalid_value", "param": "response.voice"}, "request_response"),
        ({"code": "invalid_value", "param": "session.audio"}, "update_session_config"),
        ({"code": "input_audio_buffer_full"}, "send_audio"),
        ({"code": "rate_limit_exceeded"}, None),
    ],
)
async def test_a_code_or_a_parameter_says_which_of_several_calls(error: dict[str, str], call: str | None) -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    server.send({"type": "session.created", "session": {}}, {"type": "session.updated", "session": {}})
    async with transport.connect(), transport.subscribe(ErrorEvent) as errors:
        await transport.send_audio(bytes(480))
        await transport.update_session_config({"voice": "marin"})
        await transport.send_function_call_output({"call_id": "c"}, "4 degrees")
        await anyio.wait_all_tasks_blocked()
        server.send({"type": "error", "error": error})
        assert (await errors.receive()).refused_call == call


async def test_a_message_of_another_role_is_not_passed_off_as_the_users() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    async with transport.connect(wait_for_session=False):
        message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
        with pytest.raises(LocalProtocolError, match=r"'assistant'.*reset_history\(\)"):
            await transport.send_message(message)
    assert "conversation.item.create" not in server.types()
