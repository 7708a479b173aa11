"""The agent that a command line names."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, cast

from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from realtime_transport.session.agents.agent import RealtimeAgent

__all__ = ["load_agent"]


def load_agent(name: str) -> RealtimeAgent[Any]:
    """The agent ``module:attribute``; modules are also found in the current folder.

    Raises:
        ConfigError: There is none.
    """
    from realtime_transport.session.agents.agent import RealtimeAgent

    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"--agent {name}: module:agent expected", key="agent")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"--agent {name}: {error}", key="agent") from error
    found: object = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, RealtimeAgent):
        raise ConfigError(f"--agent {name}: {attribute} is no RealtimeAgent", key="agent")
    return cast("RealtimeAgent[Any]", found)
