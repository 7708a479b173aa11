"""The inputs that have been sent, until they join the conversation of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.protocol.wire.items import FunctionCallOutputItem, InputAudioPart, MessageItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_ai.realtime.lifecycle import InputId

__all__ = ["Inputs"]


@attrs.define(eq=False)
class Inputs:
    """Finds the input that an item of the conversation is.

    The id of an input is its number among all calls of `TransportRealtimeConnection.send`. A message is created with an
    item id that holds the number; the output of a function is found by its call.

    Args:
        prefix: The prefix of the item ids of this connection; at most 20 characters, since an id has at most 32.
    """

    _prefix: str
    _messages: dict[str, InputId] = attrs.field(factory=dict[str, "InputId"], init=False)
    _outputs: dict[str, InputId] = attrs.field(factory=dict[str, "InputId"], init=False)
    _foreign: int = attrs.field(default=0, init=False)  # Sent messages that are not inputs: history, extra content.
    _ids_kept: bool = attrs.field(default=False, init=False)
    acknowledged: bool = attrs.field(default=False, init=False)

    def message_sent(self, input_id: InputId) -> str:
        """Note that a message is sent. Returns the id for its item."""
        item_id = f"{self._prefix}{input_id}"
        self._messages[item_id] = input_id
        return item_id

    def foreign_sent(self, count: int = 1) -> None:
        """Note that messages are sent that are not inputs."""
        self._foreign += count

    def output_sent(self, call_id: str, input_id: InputId) -> None:
        """Note that the output of a function is sent."""
        self._outputs[call_id] = input_id

    def item_added(self, item: object) -> InputId | None:
        """Note that an item joined the conversation. Returns the input that it is, if it is one that had not joined."""
        self.acknowledged = True
        if isinstance(item, FunctionCallOutputItem):
            return self._outputs.pop(item.call_id, None) if isinstance(item.call_id, str) else None
        if not isinstance(item, MessageItem) or not _may_be_ours(item):
            return None
        item_id = item.id if isinstance(item.id, str) else ""
        if item_id.startswith(self._prefix):
            self._ids_kept = True
            return self._messages.pop(item_id, None)
        if self._ids_kept:
            return None
        if self._foreign:
            self._foreign -= 1
            return None
        # A server that assigns its own ids adds items in the order in which it receives them.
        first = next(iter(self._messages), None)
        return None if first is None else self._messages.pop(first)

    def refused(self, input_id: InputId) -> None:
        """Note that the server refused a message: it will not join."""
        self._messages.pop(f"{self._prefix}{input_id}", None)

    def waiting(self, input_ids: Iterable[InputId]) -> bool:
        """Whether one of *input_ids* has not joined, on a server that reports what joins."""
        return self.acknowledged and not set(self.on_the_way).isdisjoint(input_ids)

    @property
    def on_the_way(self) -> list[InputId]:
        """The inputs that are not known to have joined, in the order in which they were sent."""
        return sorted((*self._messages.values(), *self._outputs.values()))

    def take(self, input_ids: Sequence[InputId]) -> list[InputId]:
        """Note that *input_ids* have joined. Returns those that had not been reported."""
        taken = [each for each in input_ids if each in self.on_the_way]
        for each in taken:
            self._messages.pop(f"{self._prefix}{each}", None)
        self._outputs = {call: each for call, each in self._outputs.items() if each not in taken}
        return taken

    def take_all(self) -> list[InputId]:
        """Forget the inputs that have not joined. Returns them in the order in which they were sent."""
        left = self.on_the_way
        self._messages.clear()
        self._outputs.clear()
        self._foreign = 0
        return left


def _may_be_ours(item: MessageItem) -> bool:
    """Whether a client made the message: it is of the user or the system, and not speech."""
    content = item.content if isinstance(item.content, list | tuple) else ()
    return item.role in ("user", "system") and not any(isinstance(part, InputAudioPart) for part in content)
