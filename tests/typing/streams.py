"""What type checkers know of what a stream gives. Nothing here is run."""

from __future__ import annotations

from typing import assert_type

from realtime_transport import OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession
from realtime_transport.connection.subscription import Subscription
from realtime_transport.events import AudioEvent, AudioInterruptedEvent, ErrorEvent, Event, SemanticEvent, TurnDoneEvent
from realtime_transport.server_events import ResponseDone
from realtime_transport.session_events import AgentEndEvent, AgentHandoffEvent


async def of_a_transport(transport: OpenAIRealtimeWebSocket | OpenAIRealtimeWebRTC) -> None:
    async with transport.connect() as connected:
        assert_type(connected, OpenAIRealtimeWebSocket | OpenAIRealtimeWebRTC)
    async for event in transport:
        assert_type(event, Event)
    async with transport.subscribe() as everything:
        assert_type(everything, Subscription[Event])
    async with transport.subscribe(AudioEvent) as audio:
        assert_type(audio, Subscription[AudioEvent])
        assert_type((await audio.receive()).data, bytes)
    async with transport.subscribe(AudioEvent, ResponseDone) as two:
        async for either in two:
            assert_type(either, AudioEvent | ResponseDone)
            match either:  # Nothing else can come.
                case AudioEvent():
                    pass
                case ResponseDone():
                    pass
    async with transport.subscribe(AudioEvent, AudioInterruptedEvent, TurnDoneEvent, ErrorEvent) as four:
        assert_type(four.receive_nowait(), AudioEvent | AudioInterruptedEvent | TurnDoneEvent | ErrorEvent)
    kinds: list[type[Event]] = [AudioEvent, ErrorEvent]
    async with transport.subscribe(*kinds) as some:
        assert_type(some, Subscription[Event])


async def of_a_session(session: RealtimeSession[int], agent: RealtimeAgent[int]) -> None:
    async with session.connect() as connected:
        assert_type(connected, RealtimeSession[int])
    assert_type(session.context.context, int)
    async with session.subscribe(AgentEndEvent, AgentHandoffEvent, agent=agent) as events:
        async for event in events:
            assert_type(event, AgentEndEvent | AgentHandoffEvent)
            if isinstance(event, AgentEndEvent):
                assert_type(event.output, str)
            else:
                assert_type(event, AgentHandoffEvent)
    async with session.subscribe(agent=agent) as everything:
        assert_type(everything, Subscription[SemanticEvent])
    async for any_event in session:
        assert_type(any_event, SemanticEvent)
        assert_type(any_event.event_name, str)
