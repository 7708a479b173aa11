"""A connection of pydantic-ai on a transport of this package."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import attrs
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import BinaryAudio, BinaryImage, RealtimeSessionErrorEvent, RealtimeSessionReconnectEvent
from pydantic_ai.realtime.codec import (
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateResponse,
    RealtimeConnection,
    ResponseDone,
    TextContext,
    ToolResult,
    TruncateOutput,
)
from pydantic_ai.realtime.lifecycle import InputAdded, InputId, LifecycleEvent, ResponseEnded, StaleEvent

from realtime_transport.errors import NotConnectedError, TransportError

from .failures import as_of_the_user
from .frames import FrameMaker, begins_frame
from .history import History, content_item, is_message_of_client
from .inputs import Inputs
from .playing import Playing
from .responses import Responses, content_event_id
from .turns import UserTurns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.realtime import ReconnectPolicy
    from pydantic_ai.realtime.codec import RealtimeInput
    from pydantic_ai.realtime.lifecycle import RealtimeFrame

    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.events import Event

    from .line import Line

__all__ = ["ConnectionTraits", "TransportRealtimeConnection"]

NORMAL_CLOSES = (1000, 1001)


@attrs.frozen(kw_only=True)
class ConnectionTraits:
    """What a session must know about its connection.

    Attributes:
        transcribes: Whether the server transcribes the user's speech.
        stops_at_speech: Whether the server itself cancels a response when the user speaks.
        application_plays: Whether the application plays the audio, and reports how much was heard.
        server_plays: Whether the server plays the audio, in real time.
        hears: Whether audio arrives as events.
        attached: Whether the connection is attached to a call that another program opened.
        of_call: Whether the connection belongs to a call, and may end with it without an error.
        rate: Samples of input audio per second.
        output_rate: Samples of output audio per second.
        reconnect: How to connect again after a loss; ``None``: not at all.
    """

    transcribes: bool = True
    stops_at_speech: bool = False
    application_plays: bool = True
    server_plays: bool = False
    hears: bool = True
    attached: bool = False
    of_call: bool = False
    rate: int = 24000
    output_rate: int = 24000
    reconnect: ReconnectPolicy | None = None


class TransportRealtimeConnection(RealtimeConnection):
    """The connection that `TransportRealtimeModel.connect` gives to a session.

    Frames carry the protocol's ids of responses, items and calls.

    Args:
        line: Opens connections.
        events: The events of the first connection.
        traits: What the session must know about it.
        prefix: The prefix of the ids of items that this connection creates.
        foreign: The number of messages of the history that were sent before.
    """

    transport_errors: ClassVar[tuple[type[Exception], ...]] = (TransportError, NotConnectedError)

    def __init__(
        self, line: Line, events: Subscription[Event], traits: ConnectionTraits, *, prefix: str, foreign: int = 0
    ) -> None:
        self._line = line
        self._events = events
        self._traits = traits
        self._inputs = Inputs(prefix)
        self._inputs.foreign_sent(foreign)
        self._turns = UserTurns(traits.transcribes)
        self._responses = Responses(self._inputs.waiting, self._turns.take_unanswered)
        self._playing = Playing(traits.server_plays and traits.hears)
        self._maker = FrameMaker(
            inputs=self._inputs,
            responses=self._responses,
            turns=self._turns,
            playing=self._playing,
            server_plays=traits.server_plays,
            interrupted_by_wire=not traits.application_plays,
        )
        self._received = 0
        self._ahead: Event | None = None
        self._carried: list[InputId] = []  # Sent on a lost connection, not acknowledged.
        self._reconnects = 0
        self._gave_up = False
        self._message_history: Callable[[], Sequence[ModelMessage]] | None = None

    # What the session asks

    @property
    def model_name(self) -> str | None:
        """The model that the server names."""
        return self._maker.model_name

    @property
    def input_transcription_enabled(self) -> bool:
        """Whether transcripts of the user's speech arrive."""
        return self._traits.transcribes

    @property
    def interrupts_response_on_speech(self) -> bool:
        """Whether the server itself cancels a response when the user speaks."""
        return self._traits.stops_at_speech

    @property
    def reconnect_restores_in_flight_state(self) -> bool:
        """False: a new connection knows finished messages, not those in progress."""
        return False

    def set_message_history(self, message_history: Callable[[], Sequence[ModelMessage]]) -> None:
        """Set the function that gives the history for a new connection."""
        self._message_history = message_history

    @property
    def _answers_tool_calls_per_response(self) -> bool:
        return True

    @property
    def _can_reconnect(self) -> bool:
        policy = self._traits.reconnect
        return policy is not None and not self._gave_up and self._reconnects < policy.get("max_reconnects", 50)

    def _tool_call_unanswered(self, tool_call_id: str) -> None:
        self._responses.stays_unanswered(tool_call_id)

    def _stop_reading(self) -> Sequence[LifecycleEvent]:
        return self._turns.settle_commits()

    # Sending

    async def send(self, content: RealtimeInput) -> None:
        """Send an input. If cancelled, either nothing was queued, or everything except the request for a response.

        Raises:
            TransportError: The connection is lost.
            UserError: The input cannot be sent on this wire; nothing was sent.
        """
        input_id = self._received
        self._received += 1
        with as_of_the_user():
            await self._send(content, input_id)

    async def _send(self, content: RealtimeInput, input_id: InputId) -> None:
        transport = self._line.transport
        match content:
            case BinaryAudio():
                if content.media_type != "audio/pcm":
                    raise UserError(
                        f"audio is sent as raw samples (media_type='audio/pcm'), not {content.media_type!r}"
                    )
                await transport.send_audio(content.data)
                self._turns.audio_sent()
            case str():
                await self._send_message(input_id, _text_item(content))
                self._responses.ask(input_id)
                await self._send_requests()
            case TextContext():
                await self._send_message(input_id, _text_item(content))
            case BinaryImage():
                image = {"type": "input_image", "image_url": content.data_uri}
                await self._send_message(input_id, {"type": "message", "role": "user", "content": [image]})
            case ToolResult():
                await self._send_result(content, input_id)
            case CommitAudio():
                before = self._inputs.on_the_way
                await transport.commit_audio()
                self._turns.commit_sent(before)
            case ClearAudio():
                await transport.clear_audio()
                self._turns.clear_sent()
            case CreateResponse():
                self._responses.ask(input_id)
                await self._send_requests()
            case CancelResponse():
                self._cancel()
            case TruncateOutput():
                await self._truncate(content)
            case _:
                raise UserError(f"{type(content).__name__} cannot be sent over {transport.wire}")

    async def _send_message(self, input_id: InputId, item: dict[str, Any]) -> None:
        item = {"id": self._inputs.message_sent(input_id), **item}
        event = {"type": "conversation.item.create", "event_id": content_event_id(input_id), "item": item}
        try:
            await self._line.transport.send_event(event)
        except BaseException:
            self._inputs.refused(input_id)
            raise

    async def _send_result(self, result: ToolResult, input_id: InputId) -> None:
        more = content_item(result.content) if result.content else None
        output = {"type": "function_call_output", "call_id": result.tool_call_id, "output": result.output}
        self._inputs.output_sent(result.tool_call_id, input_id)
        await self._line.transport.send_event({"type": "conversation.item.create", "item": output})
        if more is not None:
            self._inputs.foreign_sent()
            await self._line.transport.send_event({"type": "conversation.item.create", "item": more})
        self._responses.answer(result.tool_call_id, input_id)
        await self._send_requests()

    async def _send_requests(self) -> None:
        for request in self._responses.take_requests():
            try:
                await self._line.transport.send_event(request.message())
            except BaseException:
                self._responses.not_sent(request)
                raise

    # Interrupting: these messages overtake what waits to be sent

    def _cancel(self) -> None:
        transport, traits = self._line.transport, self._traits
        running = self._responses.active
        cancels = self._responses.cancel()
        if traits.application_plays or traits.attached:
            self._playing.nothing_current()
            if cancels and running is not None:
                transport.cancel_response(running)
            if traits.attached and self._playing.by_server:
                transport.send_event_nowait({"type": "output_audio_buffer.clear"})
        elif cancels or self._playing.by_server or not traits.server_plays:
            transport.interrupt(cancel_ongoing_response=cancels)

    async def _truncate(self, cut: TruncateOutput) -> None:
        if not self._traits.application_plays:
            return  # The player has cut it off already, at the position that was heard.
        item = self._playing.item(cut.item_id)
        if item is None:
            return
        received_ms = item.received * 1000 // (2 * self._traits.output_rate)
        event = {
            "type": "conversation.item.truncate",
            "item_id": item.item_id,
            "content_index": item.content_index,
            "audio_end_ms": min(cut.audio_end_ms, received_ms),
        }
        try:
            self._line.transport.send_event_nowait(event)
        except anyio.WouldBlock:
            await self._line.transport.send_event(event)

    # Receiving

    async def frames(self) -> AsyncGenerator[RealtimeFrame, None]:
        """The model's output: one frame for each relevant message of the server.

        Ends when the connection is lost for good; by then every response has ended. If cancelled, unread events stay in
        the stream.
        """
        while True:
            error: Exception | None = None
            try:
                while group := await self._next_group():
                    for frame in self._maker.make(group):
                        yield frame
                    await self._act()
                error = self._line.closed_by_server()
            except (TransportError, NotConnectedError) as lost:
                error = lost
            for held in self._playing.release_all():
                yield held
            reconnects = self._can_reconnect and bool(self._loss_frame(error))
            settled: RealtimeFrame = [
                *self._responses.lose(ask_again=reconnects),
                *self._turns.lose(goes_on=reconnects),
            ]
            if reconnects and await self._reconnect():
                yield self._reconnected(settled)
                continue
            self._gave_up = True
            yield [*settled, *self._responses.lose(ask_again=False), *self._loss_frame(error, tried=reconnects)]
            return

    async def _next_group(self) -> list[Event]:
        """The events of the next message of the server; none at the end of the connection."""
        try:
            group = [self._ahead or await self._events.receive()]
        except anyio.EndOfStream:
            return []
        self._ahead = None
        while (event := self._at_once()) is not None:
            if begins_frame(event):
                self._ahead = event
                break
            group.append(event)
        return group

    def _at_once(self) -> Event | None:
        try:
            return self._events.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream, TransportError):
            return None  # The next wait raises or ends.

    async def _act(self) -> None:
        """Send what the last message allows."""
        if self._responses.take_cancel():
            if self._traits.application_plays or self._traits.attached:
                self._line.transport.cancel_response(self._responses.active)
            else:
                self._line.transport.interrupt()
        await self._send_requests()

    # The end of a connection

    def _loss_frame(self, error: Exception | None, *, tried: bool = False) -> RealtimeFrame:
        """The error event of a loss; nothing if the connection was closed on purpose, or its call is over."""
        if error is None or (self._traits.of_call and getattr(error, "code", None) in NORMAL_CLOSES):
            return []
        failed = "; connecting again failed" if tried else ""
        message = f"The connection to the model was lost{failed}: {error}"
        return [RealtimeSessionErrorEvent(message=message, recoverable=False)]

    async def _reconnect(self) -> bool:
        policy = self._traits.reconnect
        assert policy is not None
        for attempt in range(policy.get("max_attempts", 3)):
            await anyio.sleep(_delay(policy, attempt))
            if await self._redial():
                self._reconnects += 1
                return True
        return False

    def _reconnected(self, settled: RealtimeFrame) -> RealtimeFrame:
        """The frame for a new connection that replaces the lost one."""
        # Inputs that were on their way are part of the history that was sent again.
        added = [InputAdded(input_id=each) for each in self._carried]
        self._carried = []
        lost = any(isinstance(event, ResponseEnded) for event in settled)
        orphaned = [StaleEvent(ResponseDone(interrupted=True))] if lost else []
        event = RealtimeSessionReconnectEvent(state_restored=self._message_history is not None)
        return [*added, *settled, *orphaned, event]

    async def _redial(self) -> bool:
        history = None if self._message_history is None or self._traits.attached else self._message_history()
        items = History(self._traits.rate, with_media=False).items(history or ())
        self._carried += self._inputs.take_all()
        try:
            self._events = await self._line.dial(items)
            self._ahead = None
            self._inputs.foreign_sent(sum(map(is_message_of_client, items)))
            self._responses.ask_again()
            await self._send_requests()
        except (TransportError, NotConnectedError, TimeoutError):
            return False
        return True


def _text_item(content: str | TextContext) -> dict[str, Any]:
    """A user message, or a system message: pydantic-ai marks a system prompt that is sent in a session."""
    prompt = getattr(content, "system_prompt", None)
    text = content if isinstance(content, str) else content.text
    role, text = ("user", str(text)) if prompt is None else ("system", prompt)
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def _delay(policy: ReconnectPolicy, attempt: int) -> float:
    delay = min(policy.get("max_delay", 30.0), policy.get("base_delay", 0.5) * 2.0**attempt)
    return delay * random.uniform(0.5, 1.0) if policy.get("jitter", True) else delay
