"""The same messages of a server, to pydantic-ai's own connection and to ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import anyio
from pydantic_ai.messages import RealtimeSessionErrorEvent
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.realtime.codec import RealtimeConnection, ToolCall
from pydantic_ai.realtime.lifecycle import UserTurnClosed, UserTurnEnded, UserTurnStarted
from pydantic_ai.realtime.openai import OpenAIRealtimeConnection

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.testing.links import MemoryServer

Message: TypeAlias = dict[str, Any]
Step: TypeAlias = "Message | list[Message] | Callable[[Sequence[Message]], Message] | Say | Lose"


class Say:
    """An input of the session."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Lose:
    """The connection is lost."""


def created(response_id: str) -> Callable[[Sequence[Message]], Message]:
    """The response that the last request asked for, with the metadata of that request."""

    def make(sent: Sequence[Message]) -> Message:
        asked = [message for message in sent if message["type"] == "response.create"][-1]
        metadata = asked.get("response", {}).get("metadata")
        return {
            "type": "response.created",
            "event_id": "e",
            "response": {
                "id": response_id,
                "object": "realtime.response",
                "status": "in_progress",
                "metadata": metadata,
            },
        }

    return make


def added(**item: Any) -> Callable[[Sequence[Message]], Message]:
    """The item that the client has created last, as it joins."""

    def make(sent: Sequence[Message]) -> Message:
        last = [message["item"] for message in sent if message["type"] == "conversation.item.create"][-1]
        return {
            "type": "conversation.item.added",
            "event_id": "e",
            "previous_item_id": None,
            "item": {"id": "item_x", "object": "realtime.item", "status": "completed", **last, **item},
        }

    return make


def refused(kind: str, code: str) -> Callable[[Sequence[Message]], Message]:
    """An error that names the last client event of a type."""

    def make(sent: Sequence[Message]) -> Message:
        last = [message for message in sent if message["type"] == kind][-1]
        error = {"type": "invalid_request_error", "code": code, "message": "no", "param": None}
        return {"type": "error", "event_id": "e", "error": {**error, "event_id": last.get("event_id")}}

    return make


class TheirSocket:
    """A WebSocket as pydantic-ai reads it."""

    close_code, close_reason = 1006, ""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self._messages, self._waiting = anyio.create_memory_object_stream[str](1000)

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def receive(self, message: Message) -> None:
        self._messages.send_nowait(json.dumps(message))

    def lose(self) -> None:
        self._messages.close()

    def __aiter__(self) -> Any:
        return self._waiting

    def close(self) -> None:
        self._messages.close()
        self._waiting.close()


async def run(
    connection: RealtimeConnection,
    steps: Sequence[Step],
    sent: Sequence[Message],
    receive: Callable[[Message], None],
    lose: Callable[[], None],
) -> list[list[Any]]:
    """What each step made."""
    frames: list[Any] = []
    told: list[list[Any]] = []

    async def read() -> None:
        async for frame in connection.frames():
            frames.extend(frame)

    reading = asyncio.create_task(read())
    for step in steps:
        if isinstance(step, Say):
            await connection.send(step.content)
        elif isinstance(step, Lose):
            lose()
        else:
            for message in step if isinstance(step, list) else [step]:
                receive(message(sent) if callable(message) else message)
        await settled()
        told.append([comparable(event) for event in frames])
        frames.clear()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return told


async def settled() -> None:
    """Let the tasks go on until they wait: there is neither a socket nor a timer in this."""
    for _ in range(30):
        await asyncio.sleep(0)


def comparable(event: Any) -> Any:
    """An event without what may differ: the item of a call, the words of an error, the name of a turn without one."""
    if isinstance(event, ToolCall):
        event.item_id = None
    if isinstance(event, RealtimeSessionErrorEvent) and event.code is event.type is None:
        event.message = ""
    if isinstance(event, UserTurnStarted | UserTurnEnded | UserTurnClosed) and event.turn_id.endswith("_1"):
        return type(event)(turn_id="made up")
    return event


async def theirs(steps: Sequence[Step], **options: Any) -> tuple[list[list[Any]], list[Message]]:
    socket = TheirSocket()
    connection = OpenAIRealtimeConnection(socket, interrupts_response_on_speech=True, **options)  # type: ignore[arg-type]
    told = await run(connection, steps, socket.sent, socket.receive, socket.lose)
    socket.close()
    return told, socket.sent


async def ours(steps: Sequence[Step], **settings: Any) -> tuple[list[list[Any]], list[Message]]:
    server = MemoryServer()
    session = {"type": "realtime", "id": "s"}
    server.send(*({"type": f"session.{how}", "event_id": "e", "session": session} for how in ("created", "updated")))
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k", ping_interval=None, update_timeout=0)
    made = TransportRealtimeModel(transport)
    async with made.connect(
        messages=[],
        model_settings=settings,
        model_request_parameters=ModelRequestParameters(),  # type: ignore[arg-type]
    ) as connection:
        await settled()
        server.received.clear()
        told = await run(connection, steps, server.received, server.send, lambda: server.close(1006))
    return told, server.received
