"""A guardrail that stops the model: ``python guardrail.py URL [webrtc]``."""

import os
import sys

import anyio
import wire

from realtime_transport import GuardrailResult, OutputGuardrail, RealtimeAgent, RealtimeSession, RunContext
from realtime_transport.session_events import GuardrailTrippedEvent


def no_secrets(ctx: RunContext, agent: RealtimeAgent, text: str) -> GuardrailResult:
    """Trip on a word."""
    return GuardrailResult("secret" in text, {"word": "secret"} if "secret" in text else None)


async def main() -> None:
    agent = RealtimeAgent(name="Keeper", instructions="Keep what is confided to you.")
    session = RealtimeSession(
        agent,
        transport=wire.chosen(),
        model="gpt-realtime-2.1",
        output_guardrails=[OutputGuardrail(name="no_secrets", run=no_secrets)],
    )
    async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), url=sys.argv[1]):
        await session.send_message("/say 6 " + "This is a long story about many things. " * 3 + "There is a secret.")
        async for event in session:
            match event:
                case GuardrailTrippedEvent(error=error):
                    print(f"stopped by {error.guardrail}: {error.output_info}")
                    break
                case _:
                    pass


anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
