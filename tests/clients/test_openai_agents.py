"""``openai-agents``: an agent with a tool, over its own WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime_transport.emulator import RealtimeEmulator

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

agents = pytest.importorskip("agents")


async def test_two_turns_and_a_tool(emulator: RealtimeEmulator) -> None:
    from agents.realtime import RealtimeAgent, RealtimeRunner

    ran: list[str] = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        ran.append(city)
        return "12 degrees"

    agent: Any = RealtimeAgent(name="A", instructions="Be brief.", tools=[get_weather])
    settings: Any = {"model_name": "gpt-realtime-2.1", "voice": "marin", "max_output_tokens": None}
    runner = RealtimeRunner(agent, config={"model_settings": settings})
    url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
    session = await runner.run(model_config={"api_key": "sk-test", "url": url})
    kinds: list[str] = []

    async def talk() -> None:
        async with session:
            await session.send_message("Hello from agents")
            async for event in session:
                kinds.append(event.type)
                if event.type == "agent_end" and kinds.count("agent_end") == 1:
                    await session.send_message('/call get_weather {"city": "Oslo"}')
                if kinds.count("agent_end") == 3:
                    return

    await asyncio.wait_for(talk(), 60)
    assert ran == ["Oslo"]
    assert "error" not in kinds
    assert kinds.index("tool_start") < kinds.index("tool_end")
