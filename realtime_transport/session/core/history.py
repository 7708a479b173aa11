"""The history of a session, built from the server's events about its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.protocol.engine.realtime_items import RealtimeMessageItem, RealtimeToolCallItem
from realtime_transport.protocol.wire.items import InputAudioPart, OutputAudioPart
from realtime_transport.protocol.wire.json_types import UNSET

if TYPE_CHECKING:
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.protocol.wire.json_types import Unset

__all__ = ["History"]


@attrs.define(eq=False)
class History:
    """The items of a conversation, in order.

    A known item is replaced in its place. A new one is inserted after the predecessor that the server names; at the
    front if that is null; at the end if the server names none, or an unknown one. An empty transcript does not
    overwrite another, and a call that has its output does not go back to being in progress.
    """

    _keep_audio: bool = False
    _items: list[RealtimeItem] = attrs.field(init=False, factory=list["RealtimeItem"])
    _ids: set[str] = attrs.field(init=False, factory=set[str])
    _places: dict[str, str | None] = attrs.field(init=False, factory=dict[str, "str | None"])
    _snapshot: tuple[RealtimeItem, ...] | None = attrs.field(init=False, default=None)

    @property
    def snapshot(self) -> tuple[RealtimeItem, ...]:
        """The items now, immutable."""
        if self._snapshot is None:
            self._snapshot = tuple(self._items)
        return self._snapshot

    def update(self, item: RealtimeItem) -> bool | None:
        """Insert or replace *item*. Returns whether it is new; ``None`` if nothing changed."""
        item = self._stripped(item)
        if item.item_id in self._ids:
            return self._replace(self._index(item.item_id), item)
        self._insert(item, self._predecessor(item))
        return True

    def place(self, item_id: str, previous: str | None) -> bool:
        """Move *item_id* behind *previous*, as the server says. Returns whether it moved.

        A function call arrives without its predecessor, which another message names. If that message comes first, the
        place is kept for the call.
        """
        if item_id not in self._ids:
            self._places[item_id] = previous
            return False
        if previous == item_id or (previous is not None and previous not in self._ids):
            return False
        index = self._index(item_id)
        before = -1 if previous is None else self._index(previous)
        if index == before + 1:
            return False
        item = self._items.pop(index)
        self._items.insert(0 if previous is None else self._index(previous) + 1, item)
        self._snapshot = None
        return True

    def transcribe(self, item_id: str, transcript: str) -> bool:
        """Store the transcript of a user message. Returns whether the history holds that message."""
        if item_id not in self._ids:
            return False
        index = self._index(item_id)
        item = self._items[index]
        if not isinstance(item, RealtimeMessageItem) or item.role != "user":
            return False
        content = tuple(
            attrs.evolve(part, transcript=transcript) if isinstance(part, InputAudioPart) else part
            for part in item.content
        )
        self._set(index, attrs.evolve(item, content=content, status="completed"))
        return True

    def delete(self, item_id: str) -> bool:
        """Remove an item. Returns whether it was there."""
        self._places.pop(item_id, None)
        if item_id not in self._ids:
            return False
        del self._items[self._index(item_id)]
        self._ids.discard(item_id)
        self._snapshot = None
        return True

    def find(self, item_id: str) -> RealtimeItem | None:
        """The item of that id."""
        return self._items[self._index(item_id)] if item_id in self._ids else None

    def _index(self, item_id: str) -> int:
        # From the end: nearly always one of the last items changes.
        return next(index for index in range(len(self._items) - 1, -1, -1) if self._items[index].item_id == item_id)

    def _replace(self, index: int, item: RealtimeItem) -> bool | None:
        before = self._items[index]
        if isinstance(item, RealtimeToolCallItem) and isinstance(before, RealtimeToolCallItem):
            if item == before or (before.output is not None and item.output is None):
                return None
        elif isinstance(item, RealtimeMessageItem) and isinstance(before, RealtimeMessageItem):
            item = attrs.evolve(item, content=_with_transcripts(item.content, before.content))
        self._set(index, item)
        return False

    def _set(self, index: int, item: RealtimeItem) -> None:
        self._items[index] = item
        self._snapshot = None

    def _predecessor(self, item: RealtimeItem) -> str | Unset | None:
        previous = getattr(item, "previous_item_id", UNSET)
        return self._places.pop(item.item_id, UNSET) if previous is UNSET else previous

    def _insert(self, item: RealtimeItem, previous: str | Unset | None) -> None:
        if previous is None:
            self._items.insert(0, item)
        elif isinstance(previous, str) and previous in self._ids:
            self._items.insert(self._index(previous) + 1, item)
        else:
            self._items.append(item)
        self._ids.add(item.item_id)
        self._snapshot = None

    def _stripped(self, item: RealtimeItem) -> RealtimeItem:
        if self._keep_audio or not isinstance(item, RealtimeMessageItem):
            return item
        if not any(getattr(part, "audio", None) for part in item.content):
            return item
        content = tuple(
            attrs.evolve(part, audio=None) if isinstance(part, InputAudioPart | OutputAudioPart) else part
            for part in item.content
        )
        return attrs.evolve(item, content=content)


def _with_transcripts(content: tuple[Any, ...], before: tuple[Any, ...]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for index, part in enumerate(content):
        known: Any = before[index] if index < len(before) else None
        spoken = isinstance(part, InputAudioPart | OutputAudioPart) and type(part) is type(known)
        if spoken and not part.transcript and known.transcript:
            part = attrs.evolve(part, transcript=known.transcript)
        parts.append(part)
    return tuple(parts)
