"""Warns, once per model, of models that the vendor will switch off."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from realtime_transport.protocol.config.defaults import end_of_life

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

__all__ = ["ModelEnds"]

logger: logging.Logger = logging.getLogger("realtime_transport")


class ModelEnds:
    """Remembers the models that it has warned of."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def check(self, session: Mapping[str, Any], today: date | None = None) -> None:
        """Warn if a model that *session* names ends soon, once per model.

        Args:
            session: The ``session`` that opens a connection.
            today: The date; that of the system's clock if not given.
        """
        transcription: Any = session.get("audio", {}).get("input", {}).get("transcription")
        heard: object = transcription.get("model") if transcription else None
        for model in (session.get("model"), heard):
            warning = end_of_life(model, today or datetime.now(UTC).date())
            if warning is not None and warning not in self._warned:
                self._warned.add(warning)
                logger.warning("%s", warning)
