"""The events of an agent session: `AgentStartEvent`, `AgentToolEndEvent`, `HistoryUpdatedEvent` and the others."""

from .session.core.events import *  # noqa: F403 - this is the public address of that module
from .session.core.events import __all__ as __all__
