"""The items of a conversation as the client changes them, and those that no response has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.emulator.refusal import Refusal
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.codec import decode_item, dumps
from realtime_transport.protocol.wire.items import (
    FunctionCallOutputItem,
    Item,
    McpApprovalResponseItem,
    UserMessageItem,
)

from .history import Entry, History
from .responder_input import inputs_of, user_entry

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.emulator.replies import Input

    from .event_sender import EventSender

__all__ = ["ITEM_OBJECT", "ConversationItems"]

ITEM_OBJECT = "realtime.item"
"""Of the user's messages, as the reference has it. Recorded sessions show no ``object`` in other items."""


@attrs.define(eq=False)
class ConversationItems:
    """Changes the history as the client asks, confirms it, and knows what came since the last response.

    What is refused raises `Refusal`, and nothing has changed.
    """

    _sender: EventSender
    _ids: IdSource
    _record: SessionRecord
    history: History = attrs.field(init=False)
    _fresh: list[Entry] = attrs.field(init=False, factory=list[Entry])
    """What came since the last response."""

    def __attrs_post_init__(self) -> None:
        self.history = History(self._dropped)

    def create(self, raw: dict[str, Any], after: str | None, audio_format: AudioFormat) -> Item:
        """Insert the item *raw* behind the item *after* (``None``: at the end); the item as it is kept."""
        item = decode_item(raw)[0]
        self._check_references(item)
        if not item.id:
            item = attrs.evolve(item, id=self._ids("item"))
        if isinstance(item, UserMessageItem):
            item = attrs.evolve(item, status="completed", object=ITEM_OBJECT)
        elif item.type in ("message", "function_call"):
            item = attrs.evolve(item, status=item.status or "completed")
        entry = user_entry(item, audio_format)
        entry.size = len(dumps(raw))
        self.announce(entry, self.history.insert(entry, after))
        return item

    def announce(self, entry: Entry, previous_item_id: str | None) -> None:
        """Confirm that *entry* was added, and let the next response answer it."""
        self._fresh.append(entry)
        self._sender.emit(ev.ConversationItemAdded(previous_item_id=previous_item_id, item=entry.item))
        self._sender.emit(ev.ConversationItemDone(previous_item_id=previous_item_id, item=entry.item))

    def retrieve(self, item_id: str) -> None:
        """Send an item with its audio."""
        entry = self.history.get(item_id, verb="retrieve")
        self._sender.emit(ev.ConversationItemRetrieved(item=entry.with_audio()))

    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self.history.delete(item_id)
        self._fresh = [entry for entry in self._fresh if entry.id != item_id]
        self._sender.emit(ev.ConversationItemDeleted(item_id=item_id))

    def truncate(self, item_id: str, content_index: int, end_ms: int) -> None:
        """Cut the audio of an item off after *end_ms* milliseconds."""
        self.history.truncate(item_id, content_index, end_ms)
        self._sender.emit(
            ev.ConversationItemTruncated(item_id=item_id, content_index=content_index, audio_end_ms=end_ms)
        )

    def inputs(self, raw_items: list[dict[str, Any]] | None, audio_format: AudioFormat) -> list[Input]:
        """What a response answers: the items *raw_items*, or if it names none (``None``) what came since the last."""
        entries = self._fresh if raw_items is None else self._named(raw_items, audio_format)
        return inputs_of(entries, self.history)

    def answered(self) -> None:
        """A response answers all that came until now."""
        self._fresh = []

    def _named(self, raw_items: list[dict[str, Any]], audio_format: AudioFormat) -> list[Entry]:
        entries: list[Entry] = []
        for index, raw in enumerate(raw_items):
            if raw["type"] != "item_reference":
                entries.append(user_entry(decode_item(raw)[0], audio_format))
                continue
            known = self.history.find(raw["id"])
            if known is None:
                raise Refusal(
                    f"Item with id '{raw['id']}' not found.", code="invalid_value", param=f"response.input[{index}].id"
                )
            entries.append(known)
        return entries

    def _dropped(self, entry: Entry) -> None:
        self._record.items_dropped += 1
        if entry in self._fresh:
            self._fresh.remove(entry)

    def _check_references(self, item: Item) -> None:
        match item:
            case FunctionCallOutputItem(call_id=str(call_id)) if self.history.function_call(call_id) is None:
                raise Refusal(f"Tool call ID '{call_id}' not found in conversation.", code="invalid_tool_call_id")
            case McpApprovalResponseItem(approval_request_id=str(request_id)) if (
                self.history.approval_request(request_id) is None
            ):
                raise Refusal(
                    f"Approval request '{request_id}' not found in conversation.",
                    code="invalid_value",
                    param="item.approval_request_id",
                )
            case _:
                pass
