"""What an agent session tells: `AgentStartEvent`, `AgentToolEndEvent`, `HistoryUpdatedEvent` and the others."""

from .session.events import *  # noqa: F403 - this is the public address of that module
from .session.events import __all__ as __all__
