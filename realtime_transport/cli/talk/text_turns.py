"""Lines of text as turns of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import anyio
import attrs

from realtime_transport.protocol.engine.events import ErrorEvent, TurnDoneEvent
from realtime_transport.protocol.wire.server_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)

if TYPE_CHECKING:
    from realtime_transport.cli.talk.levels import MeteredSpeaker
    from realtime_transport.cli.talk.screen import Screen
    from realtime_transport.cli.talk.transcript import Transcript
    from realtime_transport.cli.talk.typed import TypedInput

__all__ = ["Conversation", "TextTurns"]

LATE = 2.0
"""Seconds by which the loudspeaker may be late with the last reply before it is given up."""


class Conversation(Protocol):
    """A transport, or a session with an agent."""

    async def send_message(self, message: str) -> None:
        """Send a message of the user, and ask for a response. If cancelled, nothing was sent."""
        ...

    def interrupt(self) -> Any:
        """Stop the reply that is being made or played."""
        ...


@attrs.define(eq=False)
class TextTurns:
    """Sends each line, and knows whether it is answered.

    Somebody who types interrupts the reply, as somebody who speaks does. A line from a pipe or a file waits until the
    one before is answered.

    Attributes:
        conversation: Takes the lines.
        typed: Gives them.
        screen: Shows them.
        transcript: Knows how much audio came.
        speaker: Plays it; ``None``: nothing does, or not from here.
        has_voice: The user can speak, too.
    """

    conversation: Conversation
    typed: TypedInput
    screen: Screen
    transcript: Transcript
    speaker: MeteredSpeaker | None
    has_voice: bool
    _answered: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _silent: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    def __attrs_post_init__(self) -> None:
        self._answered.set()
        self._silent.set()

    def tell(self, event: object) -> None:
        """Something happened in the conversation."""
        match event:
            case TurnDoneEvent() if event.status != "cancelled" and not _calls(event):
                self._answered.set()
            case ErrorEvent():
                self._answered.set()
            case OutputAudioBufferStarted():
                self._silent = anyio.Event()
            case OutputAudioBufferStopped() | OutputAudioBufferCleared():
                self._silent.set()
            case _:
                pass

    async def run(self) -> bool:
        """Send the lines, to the end of the input; whether the conversation ends with them, once the last is answered.

        It goes on where nothing was piped in and the user can speak. If cancelled, the last line may be unanswered.
        """
        asked = False
        async for line in self.typed.lines(self.screen.draw):
            if not line.strip():
                continue
            asked = True
            if self.typed.is_terminal:
                self.conversation.interrupt()
            if self.typed.is_edited or not self.typed.is_terminal:  # Nothing else shows it.
                self.screen.say(f"you:   {line.strip()}")
            self._answered = anyio.Event()
            await self.conversation.send_message(line.strip())
            if not self.typed.is_terminal:
                await self._answered.wait()
        if self.has_voice and not asked and not self.typed.is_terminal:
            return False
        await self._answered.wait()
        await self._until_heard()
        return True

    async def _until_heard(self) -> None:
        """The last reply may be playing still."""
        await self._silent.wait()
        if self.speaker is None:
            return
        behind = self.speaker.format.seconds(max(0, self.transcript.samples_received - self.speaker.samples_sent))
        with anyio.move_on_after(behind + LATE):
            await self.speaker.until_sent(self.transcript.samples_received)
            await self.speaker.drain()


def _calls(event: TurnDoneEvent) -> bool:
    """Whether the response asks for the output of a function: another one follows."""
    return any(getattr(item, "type", None) == "function_call" for item in event.output)
