"""The typed messages of the client, one class for each wire type: `ResponseCreate` is ``response.create``."""

from .protocol.wire.client_events import *  # noqa: F403 - this is the public address of that module
from .protocol.wire.client_events import __all__ as __all__
