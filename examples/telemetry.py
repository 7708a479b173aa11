"""A turn with a tool as OpenTelemetry sees it, on the console: ``python telemetry.py URL``.

It needs the extra ``otel`` and the SDK of OpenTelemetry (``pip install opentelemetry-sdk``). In place of the console a
program has an exporter for its collector; nothing else changes.
"""

import os
import sys

import anyio
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from realtime_transport import OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, function_tool
from realtime_transport.session_events import AgentEndEvent
from realtime_transport.telemetry import instrument


def one_line(span: ReadableSpan) -> str:
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    tokens = (span.attributes or {}).get("gen_ai.usage.output_tokens")
    return f"{span.name}: {milliseconds:.0f} ms" + ("" if tokens is None else f", {tokens} tokens") + "\n"


reader = InMemoryMetricReader()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=one_line)))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))


@function_tool
async def get_weather(city: str) -> str:
    """Weather for a city."""
    with trace.get_tracer("app").start_as_current_span("ask the weather service"):  # Below the span of the tool.
        return f"Snow in {city}, minus four degrees."


async def main() -> None:
    agent = RealtimeAgent(name="Forecaster", tools=[get_weather])
    session = RealtimeSession(agent, transport=OpenAIRealtimeWebSocket(url=sys.argv[1]), model="gpt-realtime-2.1")
    with instrument(session):
        async with session.connect(api_key=os.environ.get("OPENAI_API_KEY", "sk-local")):
            await session.send_message('/call get_weather {"city": "Oslo"}')
            answers = 0
            async for event in session:
                answers += isinstance(event, AgentEndEvent)
                if answers == 2:
                    break
    for name in measured():
        print(name)


def measured() -> list[str]:
    """The names of the metrics that have a value."""
    data = reader.get_metrics_data()
    if data is None:
        return []
    return sorted(
        each.name for found in data.resource_metrics for scope in found.scope_metrics for each in scope.metrics
    )


if len(sys.argv) != 2:
    sys.exit("usage: python telemetry.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main, backend=os.environ.get("BACKEND", "asyncio"))
