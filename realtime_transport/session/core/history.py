"""The history of a session: a fold of what the server says about its items."""

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

    A known item is replaced where it stands. A new one goes behind the item that the server names as its predecessor;
    to the front if it has none; to the end if the server does not say, or names one that is not here. What has been
    learned is not forgotten: a transcript is not overwritten by an empty one, and a call that has its output does not
    go back to being in progress.
    """

    _keep_audio: bool = False
    _items: list[RealtimeItem] = attrs.field(init=False, factory=list["RealtimeItem"])
    _ids: set[str] = attrs.field(init=False, factory=set[str])
    _places: dict[str, str | None] = attrs.field(init=False, factory=dict[str, "str | None"])
    _snapshot: tuple[RealtimeItem, ...] | None = attrs.field(init=False, default=None)

    @property
    def snapshot(self) -> tuple[RealtimeItem, ...]:
        """The items now; never changed afterwards."""
        if self._snapshot is None:
            self._snapshot = tuple(self._items)
        return self._snapshot

    def update(self, item: RealtimeItem) -> bool | None:
        """Put *item* in. Whether it is new; ``None`` if nothing has changed."""
        item = self._stripped(item)
        if item.item_id in self._ids:
            return self._replace(self._index(item.item_id), item)
        self._insert(item, self._predecessor(item))
        return True

    def place(self, item_id: str, previous: str | None) -> bool:
        """The server says that *item_id* stands behind *previous*. Whether that moves it.

        Calls come without their place, which another message holds: whichever comes first waits for the other.
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
        """The server has transcribed what the user said. Whether that is of an item here."""
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
        """Take an item out. Whether it was here."""
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
        # Nearly always among the last: what changes is what was said just now.
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
