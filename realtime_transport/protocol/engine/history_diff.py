"""Turning one history of a conversation into another.

The protocol can create and delete items but neither change nor move them: both mean deleting an item and creating it
in its new place. What the server made by itself (calls, speech) cannot be created by a client.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.errors import LocalProtocolError
from realtime_transport.late_classes import define, frozen
from realtime_transport.protocol.wire.items import OutputAudioPart

from .realtime_items import (
    RealtimeItem,
    RealtimeMcpCallApprovalRequestItem,
    RealtimeMcpCallItem,
    RealtimeMessageItem,
    RealtimeToolCallItem,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["HistoryEditor"]

logger: logging.Logger = logging.getLogger("realtime_transport")

ROOT = "root"
"""The ``previous_item_id`` that stands for the beginning of the conversation."""

MAX_OUTSTANDING = 10_000
"""Unanswered edits to remember. A server answers each; only one that does not lets them pile up."""


@frozen(kw_only=False)
class _Diff:
    removed: tuple[RealtimeItem, ...]
    replaced: tuple[RealtimeItem, ...]  # changed or moved, as they are to be
    added: frozenset[str]

    @property
    def created_ids(self) -> frozenset[str]:
        return self.added | {item.item_id for item in self.replaced}


@define()
class HistoryEditor:
    """Plans edits of the conversation, and remembers those that the server has not answered.

    Args:
        new_id: Makes an event id.
    """

    _new_id: Callable[[str], str]
    _outstanding: dict[str, tuple[str, bool]] = attrs.field(factory=dict[str, tuple[str, bool]], init=False)

    def plan(self, old: Sequence[RealtimeItem], new: Sequence[RealtimeItem]) -> list[dict[str, Any]]:
        """The client events that turn *old* into *new*. They count as sent.

        Raises:
            LocalProtocolError: *new* holds something, new or changed or moved, that a client cannot create.
        """
        diff = _diff(old, new)
        _check_replaceable(diff, old, new)
        events = [self._request(item.item_id, creates=False) for item in (*diff.removed, *diff.replaced)]
        events.extend(self._creations(diff.created_ids, new))
        return events

    def handle_added(self, item_id: str) -> None:
        """The server has created an item."""
        self._settle(item_id, creates=True)

    def handle_deleted(self, item_id: str) -> None:
        """The server has deleted an item."""
        self._settle(item_id, creates=False)

    def handle_error(self, event_id: str) -> None:
        """The server has refused the client event *event_id*."""
        self._outstanding.pop(event_id, None)

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self._outstanding.clear()

    def _creations(self, created_ids: frozenset[str], new: Sequence[RealtimeItem]) -> list[dict[str, Any]]:
        if not created_ids:
            return []
        leaving = self._leaving()
        survives = [item.item_id not in created_ids and item.item_id not in leaving for item in new]
        # Behind the last item that stays, to append is enough.
        last_anchored = max((index for index, stays in enumerate(survives) if stays), default=-1)
        previous = ROOT
        events: list[dict[str, Any]] = []
        for index, item in enumerate(new):
            if item.item_id not in created_ids:
                previous = item.item_id if survives[index] else previous
            elif isinstance(item, RealtimeMessageItem):
                anchor = {"previous_item_id": previous} if index < last_anchored else {}
                events.append(self._request(item.item_id, creates=True, **anchor, item=_message(item)))
                previous = item.item_id
            else:
                logger.warning("the function call %s cannot be created by a client and was left out", item.item_id)
        return events

    def _leaving(self) -> set[str]:
        """Items whose deletion is on its way, and not undone by a later creation."""
        present = dict(self._outstanding.values())
        return {item_id for item_id, stays in present.items() if not stays}

    def _request(self, item_id: str, *, creates: bool, **fields: Any) -> dict[str, Any]:
        event_id = self._new_id("history_create" if creates else "history_delete")
        self._outstanding[event_id] = (item_id, creates)
        if len(self._outstanding) > MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        if creates:
            return {"type": "conversation.item.create", **fields, "event_id": event_id}
        return {"type": "conversation.item.delete", "item_id": item_id, "event_id": event_id}

    def _settle(self, item_id: str, *, creates: bool) -> None:
        for event_id, request in self._outstanding.items():
            if request == (item_id, creates):
                del self._outstanding[event_id]
                return


def _message(item: RealtimeMessageItem) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "message", "role": item.role, "content": list(item.content), "id": item.item_id}
    if item.role != "system" and item.status:
        message["status"] = item.status
    return message


def _diff(old: Sequence[RealtimeItem], new: Sequence[RealtimeItem]) -> _Diff:
    before = {item.item_id: item for item in old}
    after = {item.item_id for item in new}
    unchanged = [item for item in new if before.get(item.item_id) == item]
    moved = _moved(unchanged, {item.item_id: place for place, item in enumerate(old)})
    return _Diff(
        removed=tuple(item for item in old if item.item_id not in after),
        replaced=tuple(
            item for item in new if item.item_id in before and (before[item.item_id] != item or item.item_id in moved)
        ),
        added=frozenset(after - before.keys()),
    )


def _moved(items: Sequence[RealtimeItem], places: Mapping[str, int]) -> set[str]:
    """The items to take out so that the rest stands in its old order: as few as can be."""
    order = [places[item.item_id] for item in items]
    if all(before < after for before, after in pairwise(order)):
        return set()
    # The heaviest increasing subsequence stays. What cannot be created again weighs more than all that can.
    weights = [1 if _replaceable(item) else len(items) for item in items]
    best = list(weights)
    came_from = [-1] * len(items)
    for here, place in enumerate(order):
        for there in range(here):
            if order[there] < place and best[there] + weights[here] > best[here]:
                best[here], came_from[here] = best[there] + weights[here], there
    stays: set[int] = set()
    at = max(range(len(items)), key=best.__getitem__)
    while at >= 0:
        stays.add(at)
        at = came_from[at]
    return {item.item_id for index, item in enumerate(items) if index not in stays}


def _speaks(item: RealtimeItem) -> bool:
    return (
        isinstance(item, RealtimeMessageItem)
        and item.role == "assistant"
        and any(isinstance(part, OutputAudioPart) for part in item.content)
    )


def _replaceable(item: RealtimeItem) -> bool:
    return isinstance(item, RealtimeMessageItem) and not _speaks(item)


def _check_replaceable(diff: _Diff, old: Sequence[RealtimeItem], new: Sequence[RealtimeItem]) -> None:
    before = {item.item_id: item for item in old}
    created = [item for item in new if item.item_id in diff.created_ids]
    for item in created:
        if _speaks(item):
            raise LocalProtocolError(
                f"speech of the assistant ({item.item_id}) cannot be created by a client: "
                "turn its transcript into an output_text part, or leave the item out"
            )
    for item in created:
        previous = before.get(item.item_id)
        for involved in (item, previous):
            if isinstance(involved, RealtimeMcpCallItem | RealtimeMcpCallApprovalRequestItem):
                raise LocalProtocolError(
                    f"an item of the type {involved.type} ({item.item_id}) cannot be created or changed by a client: "
                    "leave it as and where it is, or remove it"
                )
        if isinstance(item, RealtimeToolCallItem) and previous == item:
            raise LocalProtocolError(f"a function call ({item.item_id}) cannot be moved: it cannot be created again")
