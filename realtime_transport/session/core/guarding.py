"""When output guardrails run, and what follows when one trips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.errors import OutputGuardrailTripwireTriggered

from ..agents.guardrail import GuardrailDebouncer, GuardrailRun, Source, feedback, info_text
from . import actions as do
from .events import GuardrailTrippedEvent

if TYPE_CHECKING:
    from ..agents.scope import ResponseScope
    from .output import CoreOutput

__all__ = ["Guarding", "Trip"]


@attrs.frozen(kw_only=True)
class Trip:
    """A guardrail that has tripped.

    Attributes:
        guardrail: Its name.
        policy_hint: The reason that the model gets.
        info: The details of its result.
    """

    guardrail: str
    policy_hint: str
    info: Any = None


@attrs.define(eq=False)
class Guarding:
    """Asks for runs of the guardrails, and stops the model when one trips: once per response."""

    _output: CoreOutput
    _scope: ResponseScope
    _debouncer: GuardrailDebouncer

    def add(self, response_id: str, item_id: str, delta: str, source: Source) -> None:
        """Add *delta* to the text of an item."""
        self._run(self._debouncer.add(response_id, item_id, delta, source))

    def finish(self, response_id: str, item_id: str, text: str, source: Source) -> None:
        """Note that a response ended with *text*."""
        self._run(self._debouncer.finish(response_id, item_id, text, source))

    def finished(self, action: do.RunGuardrails, trip: Trip | None) -> GuardrailTrippedEvent | None:
        """Take the result for a text. Returns the event that was emitted, if speech is to be interrupted."""
        event: GuardrailTrippedEvent | None = None
        if trip is not None and self._debouncer.trip(action.run.response_id):
            event = self._trip(action, trip)
        self._run(self._debouncer.finished())
        return event

    def _run(self, run: GuardrailRun | None) -> None:
        if run is not None:
            agent = self._scope.source(run.response_id).agent
            self._output.act(do.RunGuardrails(run, agent, self._scope.number))

    def _trip(self, action: do.RunGuardrails, trip: Trip) -> GuardrailTrippedEvent | None:
        run, scope = action.run, self._scope
        error = OutputGuardrailTripwireTriggered(
            f"Output guardrail triggered: {info_text(trip.info)}",
            guardrail=trip.guardrail,
            policy_hint=trip.policy_hint,
            output_info=trip.info,
        )
        event = GuardrailTrippedEvent(agent=action.agent, error=error, item_id=run.item_id, **self._output.facts())
        self._output.emit(event)
        if action.number != scope.number or scope.active not in (None, run.response_id):
            return None  # The text is of an older response: the present one goes on.
        if run.source == "audio":
            self._output.act(do.Interrupt())
        elif scope.active == run.response_id:
            self._output.act(do.CancelResponse(run.response_id))
        self._output.act(do.SendMessage(feedback(trip.policy_hint, trip.info)))
        return event if run.source == "audio" else None
