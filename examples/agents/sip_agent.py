"""An agent on a SIP call: `accept` answers the webhook that announces it, `attend` is the agent's side of the call."""

from typing import Any

from realtime_transport import OpenAIRealtimeSIP, RealtimeAgent, RealtimeRestClient, RealtimeSession
from realtime_transport.session_events import HistoryAddedEvent

agent = RealtimeAgent(
    name="Receptionist",
    instructions="Welcome the caller, answer questions about appointments, and hand over if a human is asked for.",
)
detection = {"type": "semantic_vad", "interrupt_response": True}
options: dict[str, Any] = {
    "model": "gpt-realtime-2.1",
    "config": {"audio": {"input": {"turn_detection": detection}}},
}


async def accept(call_id: str, rest: RealtimeRestClient) -> None:
    """Take the call, with what the agent will say again when it attaches."""
    config = await RealtimeSession.compute_initial_config(agent, transport=OpenAIRealtimeSIP(), **options)
    await rest.accept_call(call_id, config)


async def attend(call_id: str, key: str, url: str | None = None) -> None:
    """Serve the call until it ends."""
    session = RealtimeSession(agent, transport=OpenAIRealtimeSIP(url=url), **options)
    async with session.connect(api_key=key, call_id=call_id):
        await session.request_response()  # The agent speaks first.
        async for event in session:
            if isinstance(event, HistoryAddedEvent):
                print("Realtime update:", event.item.type)
