"""The items of a conversation as an application sees them.

The wire knows an item by what the server sends (`realtime_transport.protocol.wire.items`); these are what
``item_update`` carries and what ``reset_history`` takes, with the names of the JavaScript SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, cast

import attrs

from realtime_transport.errors import LocalProtocolError
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.codec import decode_item
from realtime_transport.protocol.wire.json_types import UNSET, Unset

__all__ = [
    "RealtimeItem",
    "RealtimeMcpCallApprovalRequestItem",
    "RealtimeMcpCallItem",
    "RealtimeMessageItem",
    "RealtimeToolCallItem",
    "realtime_item",
]


@frozen()
class RealtimeMessageItem:
    """A message of the user, the assistant or the system.

    Attributes:
        item_id: The item's id.
        role: ``"user"``, ``"assistant"`` or ``"system"``.
        content: Its parts, as classes of `realtime_transport.protocol.wire.items`.
        status: ``"in_progress"``, ``"completed"`` or ``"incomplete"``; system messages have none.
        previous_item_id: The item before it, when it was told; ``None`` for the first. Not compared.
    """

    type: ClassVar[str] = "message"

    item_id: str
    role: str
    content: tuple[Any, ...] = attrs.field(default=(), converter=tuple[Any, ...])
    status: str | Unset = UNSET
    previous_item_id: str | Unset | None = attrs.field(default=UNSET, eq=False)


@frozen()
class RealtimeToolCallItem:
    """A call of a function, and its output once that was sent.

    Attributes:
        item_id: The item's id.
        name: The function.
        arguments: JSON text.
        status: ``"in_progress"`` until the output was sent.
        output: What was answered; ``None`` until then.
        previous_item_id: The item before it, where known. Not compared.
    """

    type: ClassVar[str] = "function_call"

    item_id: str
    name: str = ""
    arguments: str = ""
    status: str = "in_progress"
    output: str | None = None
    previous_item_id: str | Unset | None = attrs.field(default=UNSET, eq=False)


@frozen()
class RealtimeMcpCallItem:
    """A call of a tool on an MCP server, which the Realtime server makes.

    Attributes:
        item_id: The item's id.
        type: ``"mcp_call"``, or ``"mcp_tool_call"`` on older servers.
        name: The tool.
        arguments: JSON text.
        status: ``"in_progress"`` or ``"completed"``.
        output: What the tool answered; ``None`` until then, or if it failed.
        error: Why it failed, as it stands in the message.
        server_label: The MCP server, where the message said.
        previous_item_id: The item before it, where known. Not compared.
    """

    type: str = "mcp_call"

    item_id: str
    name: str = ""
    arguments: str = ""
    status: str = "in_progress"
    output: str | None = None
    error: Any = None
    server_label: str | None = None
    previous_item_id: str | Unset | None = attrs.field(default=UNSET, eq=False)


@frozen()
class RealtimeMcpCallApprovalRequestItem:
    """An MCP call that waits for approval.

    Attributes:
        item_id: The item's id.
        server_label: The MCP server.
        name: The tool.
        arguments: Its arguments, read.
        approved: The decision, once there is one.
    """

    type: ClassVar[str] = "mcp_approval_request"

    item_id: str
    server_label: str = ""
    name: str = ""
    arguments: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    approved: bool | None = None


RealtimeItem: TypeAlias = (
    RealtimeMessageItem | RealtimeToolCallItem | RealtimeMcpCallItem | RealtimeMcpCallApprovalRequestItem
)
"""An item of the conversation, as the history holds it."""

_CLASSES: dict[str, type[Any]] = {
    "message": RealtimeMessageItem,
    "function_call": RealtimeToolCallItem,
    "mcp_call": RealtimeMcpCallItem,
    "mcp_tool_call": RealtimeMcpCallItem,
    "mcp_approval_request": RealtimeMcpCallApprovalRequestItem,
}
_CAMEL = {"itemId": "item_id", "previousItemId": "previous_item_id", "serverLabel": "server_label"}


def realtime_item(value: RealtimeItem | Mapping[str, Any]) -> RealtimeItem:
    """Read an item from *value*: an item, or a mapping with its names in snake_case or camelCase.

    Raises:
        LocalProtocolError: It is no item, or has no id.
    """
    if isinstance(value, RealtimeItem):
        return value
    if not isinstance(cast("object", value), Mapping):
        raise LocalProtocolError(f"an item of the history is a class or a mapping, not {type(value).__name__}")
    fields = {_CAMEL.get(name, name): entry for name, entry in value.items()}
    kind = fields.get("type")
    cls = _CLASSES.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise LocalProtocolError(f"an item of the history cannot have the type {kind!r}")
    if not isinstance(fields.get("item_id"), str):
        raise LocalProtocolError(f"an item of the history ({kind}) has no item_id")
    if cls is RealtimeMessageItem:
        fields["content"] = _content(fields)
    known = {a.name for a in attrs.fields(cls)}
    return cls(**{name: entry for name, entry in fields.items() if name in known and entry is not UNSET})


def _content(fields: Mapping[str, Any]) -> Sequence[Any]:
    content = fields.get("content")
    if content is None or content is UNSET:
        return ()
    item, problems = decode_item({"type": "message", "role": fields.get("role"), "content": content})
    if problems:
        raise LocalProtocolError(
            f"the content of the item {fields['item_id']!r} has {problems[0].got} at {problems[0].path}, "
            f"not {problems[0].expected}"
        )
    return cast("Sequence[Any]", getattr(item, "content", ()))
