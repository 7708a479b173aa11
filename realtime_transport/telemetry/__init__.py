"""Spans and metrics for OpenTelemetry; needs the extra ``otel``. OpenTelemetry is loaded when this module is
imported.

::

    from realtime_transport.telemetry import instrument

    with instrument(transport):
        async with transport.connect(api_key=key):
            ...
"""

from __future__ import annotations

from .instrumentation import Instrumentation, instrument

__all__ = ["Instrumentation", "instrument"]
