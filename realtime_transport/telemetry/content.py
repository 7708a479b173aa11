"""The words of a conversation, in the form of the semantic conventions; only with ``content=True``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from realtime_transport.protocol.wire.items import FunctionCallItem, MessageItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from realtime_transport.protocol.wire.items import Item

__all__ = ["input_messages", "output_messages", "text_of"]


def output_messages(output: Sequence[Item], finish_reason: str) -> str:
    """The output of a response, as JSON."""
    parts = [part for item in output for part in _parts_of(item)]
    return json.dumps([{"role": "assistant", "parts": parts, "finish_reason": finish_reason}], ensure_ascii=False)


def input_messages(texts: Iterable[str]) -> str:
    """What the user said and wrote, as JSON."""
    return json.dumps([{"role": "user", "parts": [_text(text)]} for text in texts], ensure_ascii=False)


def text_of(item: Mapping[str, Any]) -> str:
    """The text of a user message that is sent."""
    parts = cast("Sequence[Mapping[str, object]]", item.get("content") or ())
    texts = [part.get("text") for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def _parts_of(item: Item) -> list[dict[str, Any]]:
    if isinstance(item, FunctionCallItem):
        return [{"type": "tool_call", "id": item.call_id or "", "name": item.name, "arguments": item.arguments or ""}]
    if not isinstance(item, MessageItem) or not item.content:
        return []
    found = [getattr(part, "text", None) or getattr(part, "transcript", None) for part in item.content]
    return [_text(text) for text in found if isinstance(text, str)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}
