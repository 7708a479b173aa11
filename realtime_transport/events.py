"""What the messages of the server mean, as events: `AudioEvent`, `TurnDoneEvent`, `ErrorEvent` and the others."""

from .protocol.engine.events import *  # noqa: F403 - this is the public address of that module
from .protocol.engine.events import __all__ as __all__
