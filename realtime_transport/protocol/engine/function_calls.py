"""Function calls of the model: each is emitted once, wherever the server writes it down.

Most servers end a call with ``response.output_item.done``. Some leave out its status there, some only say
``response.function_call_arguments.done``, some only list the call in ``response.done``. The last two cannot be told
from a call that was cut short before the response has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from realtime_transport.late_classes import define
from realtime_transport.protocol.wire.items import FunctionCallItem
from realtime_transport.protocol.wire.json_types import UNSET, Unset
from realtime_transport.protocol.wire.responses import Response

from .events import FunctionCallEvent, FunctionCallRepeatedEvent, ItemUpdateEvent, SemanticEvent
from .projection import function_call, text
from .realtime_items import RealtimeToolCallItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime_transport.protocol.wire import server_events as server

    from .projection import Place

__all__ = ["FunctionCalls"]

T = TypeVar("T")

MAX_CALLS = 1024
"""Function calls remembered so that none is emitted twice."""


@define()
class _Announced:
    """A call that has begun and was not emitted."""

    response_id: str
    item: FunctionCallItem
    complete: bool = False


@define()
class FunctionCalls:
    """Remembers the calls of a connection."""

    _call_ids: dict[str, None] = attrs.field(factory=dict[str, None], init=False)  # of the calls that were emitted
    _items: dict[str, str] = attrs.field(factory=dict[str, str], init=False)  # their items, with the id of the call
    _announced: dict[str, _Announced] = attrs.field(factory=dict[str, _Announced], init=False)
    _places: dict[str, str | None] = attrs.field(factory=dict[str, "str | None"], init=False)
    _answered: dict[str, None] = attrs.field(factory=dict[str, None], init=False)  # ids of items

    def handle_item_added(self, event: server.ResponseOutputItemAdded) -> None:
        """A call may have begun."""
        match event.item:
            case FunctionCallItem(id=str(item_id)) as item:
                _remember(self._announced, item_id, _Announced(text(event.response_id), item))
            case _:
                pass

    def handle_arguments(self, event: server.ResponseFunctionCallArgumentsDone) -> None:
        """The arguments of a call are complete, or were cut short."""
        key = text(event.item_id) or text(event.call_id)
        begun = self._announced.get(key)
        response_id = text(event.response_id) or ("" if begun is None else begun.response_id)
        known = FunctionCallItem(id=event.item_id) if begun is None else begun.item
        item = attrs.evolve(
            known,
            call_id=text(event.call_id) or known.call_id,
            name=text(event.name) or known.name,
            arguments=event.arguments,
        )
        _remember(self._announced, key, _Announced(response_id, item, complete=True))

    def handle_item_done(self, event: server.ResponseOutputItemDone) -> None:
        """An item has ended: it has said what became of the call."""
        item = event.item
        if isinstance(item, FunctionCallItem):
            self._announced.pop(text(item.id) or text(item.call_id), None)

    def handle_place(self, item: object, previous_item_id: str | Unset | None) -> None:
        """The server has said behind which item a call stands."""
        if isinstance(item, FunctionCallItem) and isinstance(item.id, str) and not isinstance(previous_item_id, Unset):
            _remember(self._places, item.id, previous_item_id)

    def handle_answer(self, item_id: str) -> None:
        """The user has answered a call: its item is completed, whatever the server repeats."""
        if item_id:
            _remember(self._answered, item_id, None)

    def at_the_end(self, event: server.ResponseDone, place: Place) -> Iterator[SemanticEvent]:
        """The events of the calls that only the end of their response makes sure of."""
        response = event.response if isinstance(event.response, Response) else Response()
        response_id, whole = text(response.id), response.status in ("completed", None, UNSET)
        listed = response.output if isinstance(response.output, list | tuple) else ()
        for item in listed:
            if isinstance(item, FunctionCallItem):
                self._announced.pop(text(item.id) or text(item.call_id), None)
                if item.status == "completed" or (whole and item.status in (None, UNSET)):
                    yield from self._emit_if_new(event, place, item, response_id)
        ended = [key for key, call in self._announced.items() if call.response_id in ("", response_id)]
        for call in map(self._announced.pop, ended):
            if whole and call.complete:
                yield from self._emit_if_new(event, place, call.item, response_id)

    def filter(self, event: SemanticEvent) -> SemanticEvent | None:
        """*event* with what is known of its call; as a repetition, if it is one; ``None``: it is out of date."""
        match event:
            case ItemUpdateEvent(item=RealtimeToolCallItem() as item):
                if item.item_id in self._answered:
                    return None
                return attrs.evolve(event, item=attrs.evolve(item, previous_item_id=self._place(item.item_id)))
            case FunctionCallEvent() if self._is_new(event.call_id, event.id):
                return attrs.evolve(event, previous_item_id=self._place(event.id))
            case FunctionCallEvent():
                return FunctionCallRepeatedEvent(
                    sequence=event.sequence,
                    id=event.id,
                    call_id=event.call_id,
                    name=event.name,
                    arguments=event.arguments,
                    response_id=event.response_id,
                    previous_item_id=self._place(event.id),
                )
            case _:
                return event

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        for table in (self._call_ids, self._items, self._announced, self._places, self._answered):
            table.clear()

    def _emit_if_new(
        self, event: server.ResponseDone, place: Place, item: FunctionCallItem, response_id: str
    ) -> Iterator[Any]:
        if not self._was_emitted(text(item.call_id), text(item.id)):
            yield from function_call(event, place, item, response_id)

    def _is_new(self, call_id: str, item_id: str) -> bool:
        if self._was_emitted(call_id, item_id):
            return False
        if call_id:
            _remember(self._call_ids, call_id, None)
        if item_id:
            _remember(self._items, item_id, call_id)
        return True

    def _was_emitted(self, call_id: str, item_id: str) -> bool:
        # Where one of the two did not name the call, the item tells.
        return call_id in self._call_ids or (item_id in self._items and not (call_id and self._items[item_id]))

    def _place(self, item_id: str) -> str | Unset | None:
        return self._places.get(item_id, UNSET)


def _remember(table: dict[str, T], key: str, value: T) -> None:
    table[key] = value
    if len(table) > MAX_CALLS:
        del table[next(iter(table))]
