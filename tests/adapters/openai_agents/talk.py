"""A session of ``openai-agents`` to test with: what it emits is kept, and waited for by a condition."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
from agents.realtime import (
    RealtimeAgent,
    RealtimeModelConfig,
    RealtimeModelEvent,
    RealtimeModelListener,
    RealtimeRunner,
    RealtimeSession,
    RealtimeSessionEvent,
)

from realtime_transport import OpenAIRealtimeBase
from realtime_transport.adapters.openai_agents import TransportRealtimeModel
from realtime_transport.task_groups import open_task_group

__all__ = ["Listener", "Talk", "talking"]


@attrs.define(eq=False)
class Listener(RealtimeModelListener):
    """Keeps the events of a model."""

    events: list[RealtimeModelEvent] = attrs.field(factory=list)

    async def on_event(self, event: RealtimeModelEvent) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    def types(self) -> list[str]:
        return [event.type for event in self.events if event.type != "raw_server_event"]


@attrs.define(eq=False)
class Talk:
    """A session that is being read.

    Attributes:
        session: The framework's.
        events: What it has emitted.
        error: What reading it raised.
        ended: It ended by itself.
    """

    session: RealtimeSession
    events: list[RealtimeSessionEvent] = attrs.field(factory=list)
    error: BaseException | None = None
    ended: bool = False
    _more: anyio.Event = attrs.field(factory=anyio.Event)

    async def read(self) -> None:
        try:
            async for event in self.session:
                self.events.append(event)
                self._tell()
            self.ended = True
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self._tell()

    def _tell(self) -> None:
        self._more.set()
        self._more = anyio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await self._more.wait()

    async def turns(self, count: int) -> None:
        """Wait until so many turns of the agent have ended."""
        await self.until(lambda: len(self.of("agent_end")) >= count)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    def types(self) -> list[str]:
        return [event.type for event in self.events if event.type != "raw_model_event"]

    def said(self) -> list[str]:
        """What the model has said, one text for each of its messages."""
        history: list[Any] = self.of("history_updated")[-1].history
        return [
            getattr(part, "transcript", None) or getattr(part, "text", None) or ""
            for item in history
            if item.type == "message" and item.role == "assistant"
            for part in item.content
        ]


@asynccontextmanager
async def talking(
    transport: OpenAIRealtimeBase,
    agent: RealtimeAgent[Any] | None = None,
    *,
    model_config: RealtimeModelConfig | None = None,
    **config: Any,
) -> AsyncGenerator[Talk]:
    agent = agent or RealtimeAgent(name="Assistant", instructions="Be brief.")
    runner = RealtimeRunner(agent, model=TransportRealtimeModel(transport), config={"tracing_disabled": True, **config})
    session = await runner.run(model_config=model_config)
    talk = Talk(session)
    async with open_task_group() as tasks, session:
        tasks.start_soon(talk.read)
        yield talk
