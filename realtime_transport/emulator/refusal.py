"""The exception that becomes an ``error`` event."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """A client event is refused; nothing has changed. The emulator turns it into an ``error`` event.

    Attributes:
        code: The machine-readable code, or ``None`` where the service gives none.
        param: Path of the offending field, as ``session.audio.input.format.rate``; ``None`` if there is no single one.
        family: The ``type`` of the error.
    """

    def __init__(
        self, message: str, *, code: str | None, param: str | None = None, family: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.family = family
