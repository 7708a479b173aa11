"""The metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .conventions import OPERATION_BUCKETS, TOKEN_BUCKETS

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter

__all__ = ["Instruments"]


@attrs.frozen(eq=False)
class Instruments:
    """The instruments; durations are in seconds."""

    tokens: Histogram
    operation: Histogram
    first_chunk: Histogram
    agent: Histogram
    tool: Histogram
    first_audio: Histogram
    turn: Histogram
    turn_latency: Histogram
    connect: Histogram
    connection: Histogram
    open: UpDownCounter
    audio: Counter
    interruptions: Counter
    heard: Histogram
    guardrails: Counter
    errors: Counter
    dropped_events: Counter
    dropped_audio: Counter

    @classmethod
    def of(cls, meter: Meter) -> Instruments:
        """Make the instruments of *meter*."""

        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=OPERATION_BUCKETS)

        def count(name: str, unit: str, description: str) -> Counter:
            return meter.create_counter(name, unit, description)

        return cls(
            tokens=meter.create_histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Number of input and output tokens used.",
                explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
            ),
            operation=seconds("gen_ai.client.operation.duration", "GenAI operation duration."),
            first_chunk=seconds(
                "gen_ai.client.operation.time_to_first_chunk", "From the request of a response to its first output."
            ),
            agent=seconds("gen_ai.invoke_agent.duration", "How long an agent is at work in a turn."),
            tool=seconds("gen_ai.execute_tool.duration", "How long a tool runs."),
            first_audio=seconds("realtime.time_to_first_audio", "From the request of a response to its first audio."),
            turn=seconds("realtime.turn.duration", "From the beginning of the user's input to the last response."),
            turn_latency=seconds("realtime.turn.latency", "From the end of the user's input to the first output."),
            connect=seconds("realtime.connect.duration", "How long it takes to open a connection."),
            connection=seconds("realtime.connection.duration", "How long a connection lasts."),
            open=meter.create_up_down_counter("realtime.connections", "{connection}", "Open connections."),
            audio=count("realtime.audio.duration", "s", "Audio that was sent and received."),
            interruptions=count("realtime.interruptions", "{interruption}", "Replies that were cut off."),
            heard=seconds("realtime.interruption.heard", "How much was heard of a reply that was cut off."),
            guardrails=count("realtime.guardrail.trips", "{trip}", "Replies that a guardrail refused."),
            errors=count("realtime.errors", "{error}", "Errors that were reported on open connections."),
            dropped_events=count("realtime.dropped.events", "{event}", "Events that consumers were too slow for."),
            dropped_audio=count("realtime.dropped.audio", "s", "Audio in them."),
        )
