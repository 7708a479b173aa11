"""An agent in a Cloudflare Worker: the ``fetch`` of ``examples/cloudflare_worker`` may return what `answer` says."""

from typing import Any

from realtime_transport import CloudflareRealtimeTransportLayer, RealtimeAgent, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent


@function_tool(thread=False)  # A Worker has no threads.
def opening_hours(day: str) -> str:
    """When the shop is open."""
    return f"On {day} from nine to five."


agent = RealtimeAgent(name="Shop", instructions="Answer customers. Be brief.", tools=[opening_hours])


async def answer(question: str, key: str, url: str | None = None, fetch: Any = None) -> str:
    """Ask the agent; *fetch* is the Worker's own unless given."""
    transport = CloudflareRealtimeTransportLayer(fetch=fetch, url=url)
    session = RealtimeSession(agent, transport=transport, model="gpt-realtime-2.1")
    async with session.connect(api_key=key):
        await session.send_message(question)
        async for event in session:
            if isinstance(event, AgentEndEvent) and event.output:
                return event.output
    return ""
