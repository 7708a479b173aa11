"""The typed messages of the server, one class for each wire type: `ResponseDone` is ``response.done``."""

from .protocol.wire.server_events import *  # noqa: F403 - this is the public address of that module
from .protocol.wire.server_events import __all__ as __all__
