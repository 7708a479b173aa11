"""The playback of the model's audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pydantic_ai.realtime.lifecycle import RealtimeFrame

__all__ = ["OutputItem", "Playing"]

MAX_ITEMS = 32
"""The number of items that a caller may still name as the one that is heard; far more than a player queues."""


@attrs.define
class OutputItem:
    """An item of the model that has audio.

    Attributes:
        item_id: The item.
        content_index: Its content part.
        response_id: The response that it belongs to.
        received: Bytes of audio received.
    """

    item_id: str
    content_index: int
    response_id: str
    received: int = 0


@attrs.define(eq=False)
class Playing:
    """Remembers the latest items with audio, and holds back the end of a response until the server has played it.

    Where the server sends audio in real time, a response is done long before it is heard. Its audio must come between
    its beginning and its end, so the end waits.

    Args:
        holds_ends: Whether the server plays, and the application gets the audio as events.
    """

    _holds_ends: bool = False
    _items: dict[str, OutputItem] = attrs.field(factory=dict[str, OutputItem], init=False)
    _current: str | None = attrs.field(default=None, init=False)
    _begun: str | None = attrs.field(default=None, init=False)  # The response that the server plays.
    _held: dict[str, RealtimeFrame] = attrs.field(factory=dict[str, "RealtimeFrame"], init=False)
    _released: list[RealtimeFrame] = attrs.field(factory=list["RealtimeFrame"], init=False)

    def heard(self, item_id: str, content_index: int, response_id: str, size: int) -> None:
        """Note that audio of an item arrived."""
        item = self._items.pop(item_id, None)
        if item is None or item.content_index != content_index:
            item = OutputItem(item_id, content_index, response_id)
        item.received += size
        self._items[item_id] = item
        self._current = item_id
        if len(self._items) > MAX_ITEMS:
            del self._items[next(iter(self._items))]

    def item(self, item_id: str | None) -> OutputItem | None:
        """The item of that id; with ``None``, the one that the model is generating."""
        named = self._current if item_id is None else item_id
        return None if named is None else self._items.get(named)

    def nothing_current(self) -> None:
        """Note that the model generates no item."""
        self._current = None

    # Where the server plays

    @property
    def by_server(self) -> bool:
        """Whether the server is playing a response."""
        return self._begun is not None

    def began(self, response_id: str) -> None:
        """Note that the server began to play a response: it has played the ones before."""
        if self._begun not in (None, response_id):
            self._release(self._begun)
        self._begun = response_id

    def stopped(self, response_id: str) -> bool:
        """Note that the server stopped playing a response. Returns whether it was playing."""
        was_playing, self._begun = self._begun is not None, None
        self._release(response_id)
        return was_playing

    def hold(self, response_id: str, frame: RealtimeFrame) -> bool:
        """Keep *frame*, which ends a response, until that has been played. Returns whether it is kept."""
        if self._current is not None and self._items[self._current].response_id == response_id:
            self._current = None
        if not self._holds_ends or self._begun != response_id:
            return False
        self._held[response_id] = frame
        return True

    def holds(self, response_id: str) -> bool:
        """Whether the end of a response waits until it has been played."""
        return response_id in self._held

    def take_released(self) -> list[RealtimeFrame]:
        """The released frames, in order."""
        released, self._released = self._released, []
        return released

    def release_all(self) -> list[RealtimeFrame]:
        """Release all frames, since the connection is lost and nothing more is played."""
        for response_id in list(self._held):
            self._release(response_id)
        self._begun = self._current = None
        self._items.clear()
        return self.take_released()

    def _release(self, response_id: str | None) -> None:
        frame = None if response_id is None else self._held.pop(response_id, None)
        if frame is not None:
            self._released.append(frame)
