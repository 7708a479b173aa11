"""What telemetry gave, as the in-memory exporters of the SDK hold it."""

from __future__ import annotations

from typing import Any

import attrs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from realtime_transport import RealtimeSession
from realtime_transport.telemetry import Instrumentation, instrument
from realtime_transport.transports.base.core import TransportCore


class Collected:
    """Spans and metrics of what was instrumented with it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    def instrument(self, target: TransportCore | RealtimeSession[Any], **options: Any) -> Instrumentation:
        return instrument(target, tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in the order in which they did."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those whose name begins so, in the order in which they began."""
        return sorted(
            (span for span in self.spans if span.name.startswith(name)), key=lambda span: span.start_time or 0
        )

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def tree(self) -> list[str]:
        """The names, those below others indented, siblings in the order in which they began (and were begun)."""

        def below(parent: int | None, depth: int) -> list[str]:
            lines: list[str] = []
            for span in sorted(self.spans, key=lambda span: span.start_time or 0):
                own = None if span.parent is None else span.parent.span_id
                if own == parent:
                    lines += ["  " * depth + span.name, *below(span.context.span_id, depth + 1)]
            return lines

        return below(None, 0)

    def points(self, metric: str) -> list[Point]:
        """The data points of a metric; of a histogram its sum and count."""
        data = self._reader.get_metrics_data()
        found: list[Point] = []
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for each in scope.metrics:
                    if each.name == metric:
                        found += [_point(point) for point in each.data.data_points]
        return found

    def total(self, metric: str, **attributes: Any) -> float:
        """The sum over the data points with these attributes (``_`` for ``.``)."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return sum(point.value for point in self.points(metric) if wanted.items() <= point.attributes.items())


@attrs.frozen
class Point:
    value: float
    count: int
    attributes: dict[str, Any]


def _point(point: Any) -> Point:
    if hasattr(point, "sum"):
        return Point(point.sum, point.count, dict(point.attributes))
    return Point(point.value, 1, dict(point.attributes))


def seconds(span: ReadableSpan) -> float:
    """How long it lasted."""
    assert span.end_time is not None
    assert span.start_time is not None
    return round((span.end_time - span.start_time) / 1e9, 3)
