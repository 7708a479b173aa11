"""Events that have an old and a current name: which of the two counts where a server sends both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.late_classes import define
from realtime_transport.protocol.wire.old_events import OLD_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TwoNames"]

CURRENT_NAMES = {**OLD_NAMES, **{name: name for name in OLD_NAMES.values()}}

MAX_REMEMBERED = 256
"""Responses and items whose name is remembered, for each kind of event."""


@define()
class TwoNames:
    """Remembers under which name an event of a response, or about an item, came first: only that one counts.

    Attributes:
        audio: The name under which audio comes.
    """

    audio: str = ""
    _first: dict[str, dict[str, str]] = attrs.field(factory=dict[str, dict[str, str]], init=False)

    def repeats(self, name: str, message: Mapping[str, Any]) -> bool:
        """Whether *message*, which the server has sent as *name*, was told under its other name already."""
        current = CURRENT_NAMES.get(name)
        if current is None:
            return False
        about: object = message.get("response_id")
        if current == "conversation.item.added":
            item: object = message.get("item")
            about = cast("Mapping[str, Any]", item).get("id") if isinstance(item, dict) else None
        if not isinstance(about, str):
            return False
        names = self._first.setdefault(current, {})
        if len(names) >= MAX_REMEMBERED and about not in names:
            del names[next(iter(names))]
        return names.setdefault(about, name) != name

    def repeats_audio(self, name: str, *, heard: bool) -> bool:
        """Likewise for audio, where *name* is not the one in `audio`.

        Args:
            name: What the server has sent it as.
            heard: Whether audio of the same response has come before.
        """
        if heard:
            return True
        self.audio = name
        return False

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self.audio = ""
        self._first.clear()
