"""Telemetry of transports and sessions: `instrument`."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport import session_events
from realtime_transport.argument_names import named
from realtime_transport.errors import ConfigError, LocalProtocolError, brief, missing_extra
from realtime_transport.session.session import RealtimeSession
from realtime_transport.transports.base.core import TransportCore

try:
    from opentelemetry import context, metrics, trace

    from .connection import ConnectionTelemetry, TelemetryOptions
    from .instruments import Instruments
except ImportError as _error:
    missing_extra(_error, "otel")

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType
    from typing import Self

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    from realtime_transport.connection.link import Link
    from realtime_transport.protocol.engine.events import FunctionCallEvent
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.endpoint.observer import ObservedConnection
    from realtime_transport.transports.endpoint.options import ConnectRequest

__all__ = ["Instrumentation", "instrument"]

SCOPE = "realtime_transport"
"""The name of the tracer and of the meter."""


@named
def instrument(
    target: TransportCore | RealtimeSession[Any],
    *,
    content: bool = False,
    attributes: Mapping[str, AttributeValue] | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Instrumentation:
    """Record every connection that *target* opens from now on with OpenTelemetry.

    ::

        with instrument(session):
            async with session.connect(api_key=key):
                ...

    It ends with the block, or with `Instrumentation.close`; without either, it lasts as long as *target*. A connection
    is a span below the span that is current where ``connect`` is called, with turns, responses, tools and interruptions
    below it; the tools of a session run within their spans.

    Args:
        target: A transport, or a session (its transport is instrumented with it).
        content: Whether spans hold what is said and written, and arguments and results of tools.
        attributes: Further attributes of the span of each connection.
        tracer_provider: Where spans go; the global provider if not given.
        meter_provider: Where metrics go; the global provider if not given.

    Raises:
        ConfigError: *target* is neither, or is a session on a transport that cannot be observed.
        LocalProtocolError: *target* is connected already, or instrumented. Nothing has changed.
        MissingExtraError: OpenTelemetry is not installed (at the import of this module).
    """
    session = target if isinstance(target, RealtimeSession) else None
    transport = target if session is None else session.transport
    if not isinstance(transport, TransportCore):
        raise ConfigError(
            f"target: a transport of this package or a session on one expected, not {brief(transport)}", key="target"
        )
    release = version("realtime-transport")
    options = TelemetryOptions(
        tracer=trace.get_tracer(SCOPE, release, tracer_provider),
        instruments=Instruments.of(metrics.get_meter(SCOPE, release, meter_provider)),
        content=content,
        attributes=dict(attributes or {}),
        agent=None if session is None else lambda: session.current_agent.name,
    )
    return Instrumentation(transport, session, options)


class Instrumentation:
    """The telemetry of a transport or a session, made by `instrument`. Use it as a block, or call `close`."""

    def __init__(
        self, transport: TransportCore, session: RealtimeSession[Any] | None, options: TelemetryOptions
    ) -> None:
        observer = _TransportTelemetry(options)
        if any(isinstance(other, _TransportTelemetry) for other in transport.observers):
            raise LocalProtocolError("it is instrumented already: close the first instrumentation, or use that")
        with ExitStack() as stack:
            stack.enter_context(transport.observe(observer))
            if session is not None:
                stack.enter_context(session.observe(_SessionTelemetry(observer)))
            self._stack = stack.pop_all()
        observer.kept_with = self  # Whoever keeps nothing of it keeps the transport, which keeps the observer.

    def close(self) -> None:
        """Stop recording new connections; an open one is recorded to its end. Idempotent."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@attrs.define(eq=False)
class _TransportTelemetry:
    """Observes a transport; see `ConnectionObserver`."""

    _options: TelemetryOptions
    current: ConnectionTelemetry | None = attrs.field(default=None, init=False)
    kept_with: Instrumentation | None = attrs.field(default=None, init=False)

    def begin(self, connection: ObservedConnection) -> ConnectionTelemetry:
        self.current = ConnectionTelemetry(connection, self._options, context.get_current())
        return self.current

    def wrap(self, link: Link, request: ConnectRequest) -> Link:
        if self.current is not None:
            self.current.reached(request.url)
        return link

    def media(self, data: bytes, *, sent: bool) -> None:
        if sent and self.current is not None:
            self.current.sent_media(len(data))


class _SessionTelemetry:
    """Observes a session on an observed transport; see `SessionObserver`."""

    def __init__(self, transport: _TransportTelemetry) -> None:
        self._transport = transport
        self._react: dict[type[Any], Callable[[ConnectionTelemetry, Any], None]] = {
            session_events.ToolErrorEvent: lambda current, event: current.conversation.tool_failed(
                event.tool_call, "failed", type(event.error.__cause__ or event.error).__name__
            ),
            session_events.ToolCancelledEvent: lambda current, event: current.conversation.tool_failed(
                event.tool_call, "cancelled", event.reason
            ),
            session_events.AgentHandoffEvent: lambda current, event: current.conversation.handed_over(
                event.from_agent.name
            ),
            session_events.GuardrailTrippedEvent: lambda current, event: current.conversation.tripped(
                event.error.guardrail
            ),
        }

    def accepts(self, kind: type[Event]) -> bool:
        return kind in self._react

    def receive(self, event: Event) -> None:
        current = self._transport.current
        if current is not None:
            current.guard(lambda: self._react[type(event)](current, event))

    @contextmanager
    def within_tool(self, call: FunctionCallEvent) -> Generator[None]:
        current, span = self._transport.current, None
        if current is not None:
            span = current.tool_runs(call)
        if span is None:
            yield
            return
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield
