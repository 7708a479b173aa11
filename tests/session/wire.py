"""Server events for tests of sessions, and a session core that is driven by them."""

from __future__ import annotations

from typing import Any

import attrs

from realtime_transport import FunctionTool, RealtimeAgent
from realtime_transport.events import (
    AudioDoneEvent,
    AudioEvent,
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    Event,
    FunctionCallEvent,
    ItemUpdateEvent,
    OutputTextDeltaEvent,
    TurnDoneEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.engine.realtime_items import RealtimeToolCallItem
from realtime_transport.protocol.wire.items import MessageItem, OutputAudioPart, OutputTextPart
from realtime_transport.session.agents.scope import PreparedAgent
from realtime_transport.session.core import actions as do
from realtime_transport.session.core.core import SessionCore
from realtime_transport.session.core.settings import CoreSettings


async def _never(ctx: Any, arguments: Any) -> Any:
    raise AssertionError("a core runs nothing")


def tool(name: str = "get_weather", **options: Any) -> FunctionTool:
    """A tool that the core can only talk about."""
    return FunctionTool(name=name, invoke=_never, **options)


def prepared(agent: RealtimeAgent[Any], **more: Any) -> PreparedAgent:
    """An agent whose tools and handoffs are all enabled."""
    tools = tuple(entry for entry in agent.tools if isinstance(entry, FunctionTool))
    return PreparedAgent(agent=agent, tools=tools, handoffs=agent.resolve_handoffs(), **more)


@attrs.define(eq=False)
class Driver:
    """A core, its events and its actions."""

    core: SessionCore
    events: list[Event] = attrs.field(factory=list)
    actions: list[do.Action] = attrs.field(factory=list)

    @classmethod
    def of(cls, agent: RealtimeAgent[Any], **settings: Any) -> Driver:
        return cls(SessionCore(prepared(agent), CoreSettings(**settings)))

    def take(self) -> Driver:
        events, actions = self.core.take()
        self.events += events
        self.actions += actions
        return self

    def receive(self, *events: Event) -> Driver:
        for event in events:
            self.core.receive(event)
        return self.take()

    def send_all(self) -> Driver:
        """Let everything that is to be sent be sent."""
        for action in self.of_type(do.SendOutput, do.SendConfig):
            if isinstance(action, do.SendOutput):
                self.core.output_sent(action.call)
            else:
                self.core.config_sent(action.request)
        return self.take()

    def of_type(self, *kinds: Any) -> list[Any]:
        """Take the actions of these classes."""
        found = [action for action in self.actions if isinstance(action, kinds)]
        self.actions = [action for action in self.actions if not isinstance(action, kinds)]
        return found

    def told(self, kind: Any) -> list[Any]:
        """The events of a class so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def names(self) -> list[str]:
        """The names of the session's own events so far."""
        return [type(event).__name__.removesuffix("Event") for event in self.events if hasattr(event, "context")]

    def outputs(self) -> list[tuple[str, str, bool]]:
        """Take the answers: call, text, whether a response is asked for."""
        return [(a.call.key, a.call.output, a.call.respond) for a in self.of_type(do.SendOutput)]


def started(response: str) -> TurnStartedEvent:
    return TurnStartedEvent(response_id=response)


def done(response: str, text: str | None = None, *, spoken: bool = True) -> TurnDoneEvent:
    part = OutputAudioPart(transcript=text) if spoken else OutputTextPart(text=text or "")
    output = () if text is None else (MessageItem(id=f"m_{response}", role="assistant", content=[part]),)
    return TurnDoneEvent(response_id=response, status="completed", output=output)


def function_call(
    number: int, name: str = "get_weather", arguments: str = "{}", response: str = "r1", **more: Any
) -> FunctionCallEvent:
    fields = {"id": f"f{number}", "call_id": f"c{number}", **more}
    return FunctionCallEvent(name=name, arguments=arguments, response_id=response, **fields)


def call_item(number: int, name: str = "get_weather", output: str | None = None) -> ItemUpdateEvent:
    status = "in_progress" if output is None else "completed"
    return ItemUpdateEvent(
        item=RealtimeToolCallItem(item_id=f"f{number}", name=name, arguments="{}", status=status, output=output)
    )


def audio(response: str, data: bytes = bytes(4)) -> AudioEvent:
    return AudioEvent(data=data, response_id=response, item_id=f"m_{response}")


def audio_done(response: str) -> AudioDoneEvent:
    return AudioDoneEvent(response_id=response, item_id=f"m_{response}")


def spoken(response: str, delta: str) -> AudioTranscriptDeltaEvent:
    return AudioTranscriptDeltaEvent(delta=delta, item_id=f"m_{response}", response_id=response)


def written(response: str, delta: str) -> OutputTextDeltaEvent:
    return OutputTextDeltaEvent(delta=delta, item_id=f"m_{response}", response_id=response)


def interrupted(*responses: str) -> AudioInterruptedEvent:
    return AudioInterruptedEvent(withdraws=frozenset(responses))
