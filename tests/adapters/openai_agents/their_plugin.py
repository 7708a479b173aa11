"""A pytest plugin that puts our code under the framework's own tests; see `theirs`.

What their tests reach by private names, since the framework offers no other way, is ours here: how settings, messages,
items and tokens are converted. Whatever a session sends to a scripted model goes through a `TransportRealtimeModel` on
a server in memory, too.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import agents.realtime.runner as runner
import agents.realtime.testing as scripted
from agents.realtime import (
    RealtimeModelSendSessionUpdate,
    RealtimeModelSendToolOutput,
    RealtimeModelToolCallEvent,
    openai_realtime as theirs,
)
from agents.realtime.model_inputs import RealtimeModelSendEvent
from agents.tool import FunctionTool
from openai.types.realtime import ConversationItem
from openai.types.realtime.conversation_item_create_event import ConversationItemCreateEvent
from openai.types.realtime.input_audio_buffer_append_event import InputAudioBufferAppendEvent
from openai.types.realtime.realtime_conversation_item_user_message import RealtimeConversationItemUserMessage
from openai.types.realtime.realtime_function_tool import RealtimeFunctionTool
from openai.types.realtime.realtime_session_create_request import RealtimeSessionCreateRequest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.adapters.openai_agents import TransportRealtimeModel
from realtime_transport.adapters.openai_agents.items import message_item, usage_event
from realtime_transport.adapters.openai_agents.settings import DEFAULTS, session_config
from realtime_transport.testing.links import MemoryServer

CREATED = {"type": "session.created", "event_id": "e", "session": {"type": "realtime", "tracing": "auto"}}


async def through_ours(event: RealtimeModelSendEvent) -> list[dict[str, Any]]:
    """Send *event* with a model of ours; the messages that the server gets, those that open the session left out."""
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", update_timeout=0, ping_interval=None)
    model = TransportRealtimeModel(transport)
    server.send(CREATED)
    await model.connect({})
    try:
        await model.send_event(event)
    finally:
        await model.close()
    return [message for message in server.received if "tracing" not in message.get("session", {})][1:]


def sent_by_ours(event: RealtimeModelSendEvent) -> dict[str, Any]:
    """As `through_ours`, outside of an event loop: the first message."""
    messages: list[dict[str, Any]] = []
    # In a thread of its own: the caller may run within an event loop.
    thread = threading.Thread(target=lambda: messages.extend(asyncio.run(through_ours(event))))
    thread.start()
    thread.join()
    return messages[0]


# Conversions


def get_session_config(self: Any, settings: Any) -> RealtimeSessionCreateRequest:
    # A transport names its formats, unless it is attached to a call.
    config = session_config(settings, DEFAULTS if self._call_id else theirs.DEFAULT_MODEL_SETTINGS)
    model = settings.get("model_name") or self.model
    return RealtimeSessionCreateRequest.model_validate({"type": "realtime", "model": model, "tools": [], **config})


def tools_to_session_tools(_self: Any, tools: Any, handoffs: Any) -> list[RealtimeFunctionTool]:
    offered = session_config({"tools": tools, "handoffs": handoffs}, {})["tools"]
    return [RealtimeFunctionTool.model_validate(tool) for tool in offered]


def convert_user_input(event: Any) -> RealtimeConversationItemUserMessage:
    return RealtimeConversationItemUserMessage.model_validate(sent_by_ours(event)["item"])


def convert_created(event: Any) -> ConversationItemCreateEvent:
    return ConversationItemCreateEvent.model_validate(sent_by_ours(event))


def convert_tool_output(event: RealtimeModelSendToolOutput) -> ConversationItemCreateEvent:
    # Theirs are mocks, of which the framework's own model reads the call_id alone.
    call = RealtimeModelToolCallEvent(name="", call_id=event.tool_call.call_id, arguments="")
    return convert_created(RealtimeModelSendToolOutput(tool_call=call, output=event.output, start_response=False))


def convert_audio(event: Any) -> InputAudioBufferAppendEvent:
    return InputAudioBufferAppendEvent.model_validate(sent_by_ours(event))


def convert_usage(usage: Any) -> Any:
    return usage_event(usage.model_dump(exclude_unset=True))


def convert_item(item: ConversationItem, previous_item_id: str | None) -> Any:
    return message_item(json.loads(item.model_dump_json()), previous_item_id=previous_item_id)


theirs.OpenAIRealtimeWebSocketModel._get_session_config = get_session_config  # type: ignore[method-assign]
theirs.OpenAIRealtimeWebSocketModel._tools_to_session_tools = tools_to_session_tools  # type: ignore[method-assign]
for name, converter in {
    "convert_user_input_to_conversation_item": convert_user_input,
    "convert_user_input_to_item_create": convert_created,
    "convert_tool_output": convert_tool_output,
    "convert_audio_to_input_audio_buffer_append": convert_audio,
    "convert_response_usage": convert_usage,
    "conversation_item_to_realtime_message_item": convert_item,
}.items():
    setattr(theirs._ConversionHelper, name, staticmethod(converter))


# Sessions


class TeedModel(scripted.ScriptedRealtimeModel):
    """The framework's scripted model, which sends whatever it is given by a model of ours, too."""

    sent_by_ours: ClassVar[int] = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "send_event" in cls.__dict__:
            cls.send_event = teed(cls.__dict__["send_event"])  # type: ignore[method-assign]


def teed(send: Callable[..., Any]) -> Callable[..., Any]:
    async def send_event(self: Any, event: RealtimeModelSendEvent) -> None:
        if not _is_mocked(event):
            await through_ours(event)
            TeedModel.sent_by_ours += 1
        await send(self, event)

    return send_event


def _is_mocked(event: RealtimeModelSendEvent) -> bool:
    """Tools that are no tools would be refused, as the framework's own model refuses them."""
    if not isinstance(event, RealtimeModelSendSessionUpdate):
        return False
    return any(not isinstance(tool, FunctionTool) for tool in event.session_settings.get("tools", []))


TeedModel.send_event = teed(scripted.ScriptedRealtimeModel.send_event)  # type: ignore[method-assign]
scripted.ScriptedRealtimeModel = TeedModel  # type: ignore[misc]
runner.OpenAIRealtimeWebSocketModel = lambda: TransportRealtimeModel(OpenAIRealtimeWebSocket())  # type: ignore[assignment, misc]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{TeedModel.sent_by_ours} events of sessions were sent by our model, too")
