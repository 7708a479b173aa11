"""The items of the default conversation, in order, with their audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs
import pybase64

from realtime_transport.emulator.refusal import Refusal
from realtime_transport.protocol.wire.items import (
    AssistantMessageItem,
    ContentPart,
    FunctionCallItem,
    InputAudioPart,
    Item,
    McpApprovalRequestItem,
    MessageItem,
    OutputAudioPart,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realtime_transport.emulator.sound import AudioClip

__all__ = ["Entry", "History"]

MAX_AUDIO_BYTES = 64 * 1024 * 1024
"""Audio kept for ``conversation.item.retrieve``: more than twenty minutes; the oldest goes first."""

MAX_ITEMS = 10_000
"""A session of an hour has some hundreds. Of more, the oldest are forgotten."""

MAX_CONTENT_BYTES = 64 * 1024 * 1024
"""Text and pictures in all items; if there is more, the oldest are forgotten."""


@attrs.define(eq=False)
class Entry:
    """An item and its sound.

    Attributes:
        item: As it is sent, without audio.
        sound: All of its audio, of a user message or an assistant message.
        sent: How many bytes of it count, while the assistant is still speaking; ``None``: all.
        is_cut: The client truncated it: what is said later does not count.
        heard: What the recognizer made of the user's audio, whether or not the client wants a transcription.
        size: Bytes of the message that created it.
    """

    item: Item
    sound: AudioClip | None = None
    sent: int | None = None
    is_cut: bool = False
    heard: str | None = None
    size: int = 0

    @property
    def audio(self) -> AudioClip | None:
        """Its audio so far."""
        if self.sound is None or self.sent is None:
            return self.sound
        return attrs.evolve(self.sound, data=self.sound.data[: self.sent])

    @property
    def id(self) -> str:
        """The item's id; the conversation gives one to each."""
        return cast("str", self.item.id)

    def with_audio(self) -> Item:
        """The item as ``conversation.item.retrieved`` shows it."""
        audio = self.audio
        if audio is None or not isinstance(self.item, MessageItem):
            return self.item
        data = pybase64.b64encode(audio.data).decode()
        parts = cast("Sequence[ContentPart]", self.item.content)
        filled = [
            attrs.evolve(part, audio=data) if isinstance(part, InputAudioPart | OutputAudioPart) else part
            for part in parts
        ]
        return attrs.evolve(self.item, content=filled)

    def set_transcript(self, text: str) -> None:
        """Write the transcription into the user's audio parts."""
        if isinstance(self.item, MessageItem):
            parts = [
                attrs.evolve(part, transcript=text) if isinstance(part, InputAudioPart) else part
                for part in cast("Sequence[ContentPart]", self.item.content)
            ]
            self.item = attrs.evolve(self.item, content=parts)


@attrs.define(eq=False)
class History:
    """Items in the order of the conversation. Refuses what the service refuses.

    Args:
        on_drop: Called for each item that is forgotten because there are too many.
    """

    _on_drop: Callable[[Entry], None]
    _entries: list[Entry] = attrs.field(init=False, factory=list[Entry])
    _content_bytes: int = attrs.field(init=False, default=0)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, item_id: str) -> Entry | None:
        """The item of that id; of several, the latest."""
        return next((entry for entry in reversed(self._entries) if entry.id == item_id), None)

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self._entries[-1].id if self._entries else None

    @property
    def has_assistant_audio(self) -> bool:
        """Whether the assistant has spoken."""
        return any(entry.sound is not None and isinstance(entry.item, AssistantMessageItem) for entry in self._entries)

    def append(self, entry: Entry) -> str | None:
        """Add at the end; returns the id of the item before."""
        previous = self.last_id
        self._add(len(self._entries), entry)
        return previous

    def insert(self, entry: Entry, previous_item_id: str | None) -> str | None:
        """Add where the client says; returns the id of the item before.

        Args:
            entry: The new item.
            previous_item_id: ``None`` or empty: at the end. ``root``: first. Else after the item of that id.

        Raises:
            Refusal: There is no such item; nothing was added.
        """
        if not previous_item_id:
            return self.append(entry)
        if previous_item_id == "root":
            self._add(0, entry)
            return None
        at = next((i for i, known in enumerate(self._entries) if known.id == previous_item_id), None)
        if at is None:
            raise Refusal(
                f"Error creating item: the previous item with id '{previous_item_id}' does not exist.",
                code="item_create_invalid_previous_item_id",
                param="previous_item_id",
            )
        self._add(at + 1, entry)
        return previous_item_id

    def _add(self, at: int, entry: Entry) -> None:
        self._entries.insert(at, entry)
        self._forget_old_audio()
        self._content_bytes += entry.size
        while len(self._entries) > MAX_ITEMS or self._content_bytes > MAX_CONTENT_BYTES:
            oldest = self._entries.pop(0)
            self._content_bytes -= oldest.size
            self._on_drop(oldest)

    def get(self, item_id: str, *, verb: str) -> Entry:
        """The item of that id.

        Raises:
            Refusal: There is none; *verb* (``delete``, ``retrieve``, ``truncate``) makes the code.
        """
        entry = self.find(item_id)
        if entry is None:
            doing = f"{verb[:-1]}ing"
            raise Refusal(
                f"Error {doing} item: the item with id '{item_id}' does not exist.",
                code=f"item_{verb}_invalid_item_id",
            )
        return entry

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            Refusal: There is none.
        """
        entry = self.get(item_id, verb="delete")
        self._entries.remove(entry)
        self._content_bytes -= entry.size

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut the assistant's audio and wipe its transcript.

        Raises:
            Refusal: There is no such item, it is not spoken by the assistant, or it is shorter already.
        """
        entry = self.get(item_id, verb="truncate")
        audio = entry.audio
        if not isinstance(entry.item, AssistantMessageItem) or audio is None or not audio.data:
            raise Refusal("Only model output audio messages can be truncated.", code="unsupported_content_type")
        if content_index != 0:
            raise Refusal(
                f"Invalid content index {content_index}: the item has one content part.",
                code="invalid_value",
                param="content_index",
            )
        if audio_end_ms > audio.ms:
            raise Refusal(
                f"Audio content of {audio.ms}ms is already shorter than {audio_end_ms}ms",
                code="invalid_value",
                param="audio_end_ms",
            )
        entry.sound, entry.sent, entry.is_cut = audio.first_ms(audio_end_ms), None, True
        entry.item = attrs.evolve(entry.item, content=[OutputAudioPart()])

    def function_call(self, call_id: str) -> FunctionCallItem | None:
        """The function call of that call id."""
        found = (e.item for e in self._entries if isinstance(e.item, FunctionCallItem) and e.item.call_id == call_id)
        return next(found, None)

    def approval_request(self, request_id: str) -> McpApprovalRequestItem | None:
        """The approval request of that id."""
        entry = self.find(request_id)
        return entry.item if entry is not None and isinstance(entry.item, McpApprovalRequestItem) else None

    def _forget_old_audio(self) -> None:
        total = sum(len(entry.sound.data) for entry in self._entries if entry.sound is not None)
        for entry in self._entries:
            if total <= MAX_AUDIO_BYTES:
                return
            if entry.sound is not None:
                total -= len(entry.sound.data)
                entry.sound = attrs.evolve(entry.sound, data=b"")
