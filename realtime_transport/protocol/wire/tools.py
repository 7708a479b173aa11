"""The form of tools in a ``session.update``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from realtime_transport.errors import ConfigError, brief

__all__ = ["tool_payload"]

_FUNCTION_FIELDS = ("type", "name", "description", "parameters")
_MCP_FIELDS = (
    "type",
    "server_label",
    "server_url",
    "server_description",
    "connector_id",
    "tunnel_id",
    "authorization",
    "headers",
    "allowed_tools",
    "allowed_callers",
    "defer_loading",
    "require_approval",
)
"""The documented fields. Others (a function, an approval rule) are for the application only and are not sent."""

_FILTER_NAMES = {"toolNames": "tool_names", "readOnly": "read_only"}


def tool_payload(tool: object, key: str) -> dict[str, Any]:
    """The documented fields of *tool*.

    Args:
        tool: The tool in plain JSON.
        key: Its path in the configuration, for errors.

    Raises:
        ConfigError: It is not a tool, or its approval policy is invalid.
    """
    if not isinstance(tool, Mapping):
        raise ConfigError(f"{key}: a tool is a mapping, not {brief(tool)}", key=key)
    given = cast("Mapping[str, Any]", tool)
    fields = _MCP_FIELDS if given.get("type") == "mcp" else _FUNCTION_FIELDS
    payload = {name: given[name] for name in fields if name in given}
    if "require_approval" in payload:
        payload["require_approval"] = _approval(payload["require_approval"], f"{key}.require_approval")
    return payload


def _approval(policy: object, key: str) -> object:
    if policy in ("always", "never"):
        return policy
    if not isinstance(policy, Mapping) or not policy:
        raise ConfigError(f'{key}: "always", "never", or a mapping of these to filters', key=key)
    filters: dict[str, dict[str, Any]] = {}
    for when, entry in cast("Mapping[str, Any]", policy).items():
        if when not in ("always", "never"):
            raise ConfigError(f'{key}.{when}: only "always" and "never" are known', key=f"{key}.{when}")
        filters[when] = _filter(entry, f"{key}.{when}")
    both = set(_names(filters, "always")) & set(_names(filters, "never"))
    if both:
        raise ConfigError(f"{key}: {min(both)!r} stands under always and under never", key=key)
    return filters


def _names(filters: Mapping[str, Mapping[str, Any]], when: str) -> list[str]:
    return filters.get(when, {}).get("tool_names", [])


def _filter(entry: object, key: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{key}: a mapping with tool_names or read_only", key=key)
    found: dict[str, Any] = {}
    for given, value in cast("Mapping[str, Any]", entry).items():
        name = _FILTER_NAMES.get(given, given)
        if value is None and name in _FILTER_NAMES.values():
            continue
        if name in found:
            raise ConfigError(f"{key}.{given}: given twice", key=f"{key}.{given}")
        if name == "tool_names":
            _check_names(value, f"{key}.{given}")
        elif name != "read_only":
            raise ConfigError(f"{key}.{given}: only tool_names and read_only are known", key=f"{key}.{given}")
        elif not isinstance(value, bool):
            raise ConfigError(f"{key}.{given}: True or False", key=f"{key}.{given}")
        found[name] = value
    if not found:
        raise ConfigError(f"{key}: tool_names or read_only is missing", key=key)
    return found


def _check_names(value: object, key: str) -> None:
    names = cast("list[object]", value) if isinstance(value, list) else None
    if names is None or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"{key}: a list of names", key=key)
