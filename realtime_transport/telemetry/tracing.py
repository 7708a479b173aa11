"""Spans at the times of a connection's clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from .conventions import ERROR_TYPE

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes

    from realtime_transport.clock import Clock

__all__ = ["Spans", "Timed"]


@attrs.define(eq=False)
class Timed:
    """An open span.

    Attributes:
        span: The span.
        context: A context in which it is the current span.
        since: When it began, in seconds of the connection's clock.
    """

    span: Span
    context: Context
    since: float


@attrs.define(eq=False)
class Spans:
    """Begins and ends spans."""

    _tracer: Tracer
    _clock: Clock
    _epoch: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # All times come from one monotonic clock, so that metrics and spans show the same durations.
        self._epoch = time.time_ns() - int(self._clock.now() * 1e9)

    def now(self) -> float:
        """The time of the connection's clock."""
        return self._clock.now()

    def begin(
        self,
        name: str,
        parent: Context,
        *,
        at: float | None = None,
        client: bool = False,
        attributes: Attributes = None,
    ) -> Timed:
        """Begin a span, now or at an earlier time."""
        since = self.now() if at is None else at
        span = self._tracer.start_span(
            name,
            parent,
            SpanKind.CLIENT if client else SpanKind.INTERNAL,
            attributes,
            start_time=self._epoch + int(since * 1e9),
        )
        return Timed(span, trace.set_span_in_context(span, parent), since)

    def end(self, timed: Timed, *, error: str | None = None, at: float | None = None) -> float:
        """End a span, with the type of *error* if it failed. Returns its duration in seconds."""
        if error is not None:
            timed.span.set_attribute(ERROR_TYPE, error)
            timed.span.set_status(Status(StatusCode.ERROR))
        now = self.now() if at is None else at
        timed.span.end(self._epoch + int(now * 1e9))
        return max(0.0, now - timed.since)
