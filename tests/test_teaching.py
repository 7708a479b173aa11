"""Mistakes that everybody makes once: the error says what was meant."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from typing import Any

import anyio
import attrs
import pytest

import realtime_transport
from realtime_transport import (
    Batch,
    BufferSink,
    BytesSource,
    CloudflareRealtimeTransportLayer,
    ConfigError,
    ConnectOptions,
    Endpoint,
    EndpointProfile,
    FileSource,
    FunctionTool,
    GuardrailSettings,
    Handoff,
    HostedMcpTool,
    IceServer,
    LocalProtocolError,
    Microphone,
    NotConnectedError,
    OpenAIRealtimeBase,
    OpenAIRealtimeSIP,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
    OpusSettings,
    OutputGuardrail,
    PacedSink,
    RealtimeAgent,
    RealtimeEmitter,
    RealtimeRestClient,
    RealtimeSession,
    RealtimeSessionConfig,
    RealtimeSessionEmitter,
    ServerError,
    Settings,
    Speaker,
    SubscriptionLimits,
    TelnyxCodec,
    ToolGuardrail,
    ToolSettings,
    TwilioCodec,
    TwilioRealtimeTransportLayer,
    client_events,
    events,
    handoff,
    server_events,
    session_events,
    telemetry,
)
from realtime_transport.bench import BenchPlan, Price, Utterance
from realtime_transport.emulator import Faults, RealtimeEmulator, Stall
from realtime_transport.emulator.replies import FunctionCall
from realtime_transport.events import ErrorEvent
from realtime_transport.protocol.config.rules import LEGACY_NAMES, PASSED_ON
from realtime_transport.replay import Recording, Replay
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio


async def test_a_connect_that_is_awaited_says_async_with() -> None:
    transport = OpenAIRealtimeWebSocket(api_key="k")
    with pytest.raises(LocalProtocolError, match=r"async with transport\.connect"):
        await transport.connect()  # type: ignore[misc]
    assert transport.status == "disconnected"


async def test_a_subscription_that_is_iterated_or_awaited_says_async_with() -> None:
    transport = OpenAIRealtimeWebSocket(api_key="k")
    session = RealtimeSession(RealtimeAgent(name="a"), transport=transport)
    for subscription in (transport.subscribe(ErrorEvent), session.subscribe(ErrorEvent)):
        with pytest.raises(LocalProtocolError, match=r"async with ….subscribe\(…\) as events"):
            async for _ in subscription:  # type: ignore[attr-defined]
                pass
        with pytest.raises(LocalProtocolError, match=r"async with ….subscribe\(…\) as events"):
            await subscription  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("apiKey", "api_key"),
        ("pingInterval", "ping_interval"),
        ("conect_timeout", "connect_timeout"),
        ("baseUrl", "url"),
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


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


BUILT = [
    OpenAIRealtimeBase,
    OpenAIRealtimeWebSocket,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeSIP,
    CloudflareRealtimeTransportLayer,
    TwilioRealtimeTransportLayer,
    RealtimeRestClient,
    RealtimeEmulator,
    RealtimeSession,
    RealtimeAgent,
    FunctionTool,
    HostedMcpTool,
    OutputGuardrail,
    ToolGuardrail,
    GuardrailSettings,
    ToolSettings,
    IceServer,
    OpusSettings,
    EndpointProfile,
    Endpoint,
    RealtimeSessionConfig,
    Settings,
    ConnectOptions,
    SubscriptionLimits,
    FileSource,
    BytesSource,
    BufferSink,
    PacedSink,
    Microphone,
    Speaker,
    TwilioCodec,
    TelnyxCodec,
    Handoff,
    Recording,
    Replay,
    BenchPlan,
    Price,
    Utterance,
    Faults,
    Stall,
    FunctionCall,
]
CALLED = [
    *(
        getattr(cls, name)
        for cls in (OpenAIRealtimeWebSocket, RealtimeEmitter)
        for name in ("connect", "send_message", "add_image", "send_function_call_output", "interrupt")
    ),
    OpenAIRealtimeWebSocket.update_session_config,
    RealtimeEmitter.update_session_config,
    OpenAIRealtimeWebSocket.batch,
    Batch.send_message,
    Batch.add_image,
    Batch.send_function_call_output,
    RealtimeRestClient.create_client_secret,
    RealtimeRestClient.create_translation_client_secret,
    RealtimeSession.send_message,
    RealtimeSession.add_image,
    RealtimeSessionEmitter.add_image,
    telemetry.instrument,
    RealtimeSession.connect,
    RealtimeSessionEmitter.connect,
    handoff,
]


NEEDED: dict[Any, tuple[list[Any], dict[str, Any]]] = {
    OpenAIRealtimeBase: ([], {"connector": MemoryServer().connector}),
    TwilioRealtimeTransportLayer: ([object()], {}),
    handoff: ([RealtimeAgent(name="a")], {}),
}


def options_of(function: Any) -> list[str]:
    """The options of two words: those that are written otherwise in JavaScript."""
    parameters = inspect.signature(function).parameters.values()
    named = [each.name for each in parameters if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if inspect.isclass(function) and issubclass(function, OpenAIRealtimeBase):
        named += [field.name for field in attrs.fields(Settings)]
    return [name for name in named if camel(name) != name]


@pytest.mark.parametrize("function", [*BUILT, *CALLED], ids=lambda function: function.__qualname__)
async def test_every_option_in_camel_case_names_the_one_that_was_meant(function: Any, anyio_backend: str) -> None:
    place, more = NEEDED.get(function, ([] if inspect.isclass(function) else [None], {}))
    for name in options_of(function):
        with pytest.raises(ConfigError, match=f"did you mean {name}=") as caught:
            made = function(*place, **{camel(name): 1}, **more)
            if inspect.isawaitable(made):
                await made
        assert caught.value.key == camel(name)


def test_these_lists_have_options() -> None:
    assert sum(len(options_of(function)) for function in [*BUILT, *CALLED]) > 180


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("turnDetection", '{"audio": {"input": {"turn_detection": …}}}'),
        ("inputAudioFormat", '{"audio": {"input": {"format": …}}}'),
        ("speed", '{"audio": {"output": {"speed": …}}}'),
        ("modalities", '{"output_modalities": …}'),
        ("toolChoice", '{"tool_choice": …}'),
        ("voice", '{"voice": …}'),
    ],
)
async def test_a_setting_that_is_passed_as_an_argument_is_shown_where_it_belongs(name: str, written: str) -> None:
    options: dict[str, Any] = {name: "x"}
    transport = OpenAIRealtimeWebSocket(api_key="k")
    with pytest.raises(ConfigError, match=re.escape(f"settings go into config={written}")) as caught:
        await transport.update_session_config(**options)
    assert caught.value.key == name
    for call in (transport.connect, RealtimeEmitter(transport).connect):
        with pytest.raises(ConfigError, match=re.escape(f"settings go into initial_session_config={written}")):
            made = call(**options)
            if inspect.isawaitable(made):
                await made
    if "audio" in written:
        nested = written.removeprefix('{"audio": ').removesuffix("}")
        with pytest.raises(
            ConfigError, match=re.escape(f"RealtimeSessionConfig has no such option; it is written audio={nested}")
        ):
            RealtimeSessionConfig(**options)


SETTINGS = [field.name for field in attrs.fields(RealtimeSessionConfig) if field.name != "model"]


@pytest.mark.parametrize("name", [*LEGACY_NAMES, *sorted(PASSED_ON), *SETTINGS])
async def test_every_setting_is_shown_where_it_belongs(name: str) -> None:
    options: dict[str, Any] = {name: None}
    with pytest.raises(ConfigError, match="settings go into config="):
        await OpenAIRealtimeWebSocket(api_key="k").update_session_config(**options)


@pytest.mark.parametrize("call", [OpenAIRealtimeWebSocket, OpenAIRealtimeWebSocket(api_key="k").connect])
def test_an_object_of_options_is_written_as_keyword_arguments(call: Any) -> None:
    with pytest.raises(ConfigError, match=r"\(api_key=…, initial_session_config=…\)$"):
        call({"apiKey": "k", "initialSessionConfig": {}})


async def test_a_session_whose_connect_is_awaited_says_async_with() -> None:
    session = RealtimeSession(RealtimeAgent(name="a"), transport=OpenAIRealtimeWebSocket(api_key="k"))
    with pytest.raises(LocalProtocolError, match=r"async with session\.connect.*RealtimeSessionEmitter"):
        await session.connect()  # type: ignore[misc]


EMITTED: dict[str, Any] = {
    "send_event": lambda emitter: emitter.send_event({"type": "input_audio_buffer.clear"}),
    "send_message": lambda emitter: emitter.send_message("Hello"),
    "add_image": lambda emitter: emitter.add_image("data:image/png;base64,AAAA"),
    "send_audio": lambda emitter: emitter.send_audio(bytes(480)),
    "commit_audio": lambda emitter: emitter.commit_audio(),
    "clear_audio": lambda emitter: emitter.clear_audio(),
    "send_function_call_output": lambda emitter: emitter.send_function_call_output({"call_id": "c"}, "x"),
    "send_mcp_response": lambda emitter: emitter.send_mcp_response(
        {"type": "mcp_approval_request", "item_id": "i"}, True
    ),
    "update_session_config": lambda emitter: emitter.update_session_config({"voice": "marin"}),
    "request_response": lambda emitter: emitter.request_response(),
    "reset_history": lambda emitter: emitter.reset_history([], []),
    "cancel_response": lambda emitter: emitter.cancel_response(),
    "audio_played": lambda emitter: emitter.audio_played("i", 0, 1),
    "statistics": lambda emitter: emitter.statistics(),
}


@pytest.mark.parametrize("call", EMITTED)
async def test_an_emitter_speaks_of_its_own_connect(call: str) -> None:
    async with RealtimeEmitter(OpenAIRealtimeWebSocket(api_key="k")) as emitter:
        with pytest.raises(NotConnectedError, match=r"await emitter\.connect") as caught:
            EMITTED[call](emitter)
    assert "async with" not in str(caught.value)
    assert "async for" not in str(caught.value)


async def test_the_emitter_of_a_session_speaks_of_its_own_connect() -> None:
    agent = RealtimeAgent(name="a")
    session = RealtimeSession(agent, transport=OpenAIRealtimeWebSocket(api_key="k"))
    async with RealtimeSessionEmitter(session) as emitter:
        for call in (
            lambda: emitter.send_message("Hello"),
            lambda: emitter.update_agent(agent),
            lambda: emitter.update_history([]),
        ):
            with pytest.raises(NotConnectedError, match=r"await emitter\.connect"):
                call()


async def test_an_emitter_says_what_to_do_with_audio_for_which_there_is_no_room() -> None:
    server = MemoryServer()
    server.pause_writes()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k", max_outbox_bytes=1000)
    async with RealtimeEmitter(transport) as emitter:
        await emitter.connect()
        emitter.send_audio(bytes(2400))
        with pytest.raises(anyio.WouldBlock, match=r"await emitter\.transport\.send_audio"):
            for _ in range(3):
                emitter.send_audio(bytes(2400))
        with pytest.raises(anyio.WouldBlock, match="max_outbox_bytes"):
            transport.send_audio_nowait(bytes(2400))
        with pytest.raises(LocalProtocolError, match=r"emitter\.close\(\) first"):
            await emitter.connect()
        server.resume_writes()


MODULES = (realtime_transport, events, server_events, client_events, session_events, telemetry)


def described() -> Iterator[tuple[Any, str, str]]:
    """Each public name and its members: the owner, where, and the docstring."""
    for module in MODULES:
        for name in module.__all__:
            owner = getattr(module, name)
            if not (inspect.isclass(owner) or inspect.isroutine(owner)):
                continue
            yield owner, name, inspect.getdoc(owner) or ""
            for member, value in vars(owner).items() if inspect.isclass(owner) else ():
                function = getattr(value, "fget", getattr(value, "__func__", value))
                if not member.startswith("_") and inspect.isroutine(function):
                    yield owner, f"{name}.{member}", inspect.getdoc(function) or ""


def leads_somewhere(name: str, owner: Any) -> bool:
    if name.startswith("realtime_transport."):
        module, _, last = name.rpartition(".")
        return importlib.util.find_spec(name) is not None or hasattr(importlib.import_module(module), last)
    head = name.partition(".")[0]
    return any(hasattr(place, head) for place in (*MODULES, owner, OpenAIRealtimeBase)) or head in OF_OTHERS


OF_OTHERS = {"anyio"}


def test_every_name_in_a_docstring_can_be_imported_from_the_top() -> None:
    wrong = [
        f"{where}: {name}"
        for owner, where, text in described()
        for name in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", text)
        if not leads_somewhere(name, owner)
    ]
    assert wrong == []


def test_the_check_of_docstrings_finds_something() -> None:
    assert sum(text.count("`") for _, _, text in described()) > 500
    assert not leads_somewhere("JitterBuffer", realtime_transport.JitterStatistics)


@pytest.mark.parametrize("listener", [None, "audio", 5])
def test_a_listener_is_a_function(listener: Any) -> None:
    emitter: Any = RealtimeEmitter(OpenAIRealtimeWebSocket(api_key="k"))
    for add in (emitter.on, emitter.once):
        with pytest.raises(ConfigError, match="^listener: a function expected, not"):
            add("audio", listener)


def test_each_emitter_names_the_other() -> None:
    transport: Any = OpenAIRealtimeWebSocket(api_key="k")
    session: Any = RealtimeSession(RealtimeAgent(name="a"), transport=transport)
    with pytest.raises(ConfigError, match=r"^transport: .*RealtimeSessionEmitter"):
        RealtimeEmitter(session)
    with pytest.raises(ConfigError, match=r"^session: .*RealtimeEmitter"):
        RealtimeSessionEmitter(transport)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": 5}, "host: text expected, not 5"),
        ({"port": "8642"}, "port: a whole number from 0 expected, not '8642'"),
        ({"api_key": 5}, "api_key: text expected, not 5"),
        ({"responder": "echo"}, "responder: a function expected, not 'echo'"),
        ({"faults": {"delay": 1}}, "faults: Faults expected, not {'delay': 1}"),
        ({"latency": -1}, "latency: a number from 0 expected, not -1"),
        ({"audio_speed": 0}, "audio_speed: None sends all at once, 0 never sends"),
    ],
)
def test_an_argument_of_the_emulator_is_named(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        RealtimeEmulator(**options)
