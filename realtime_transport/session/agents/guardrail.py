"""Guardrails: functions that check the model's output, and the arguments and results of tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError

from ..tools.rendering import default_render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..tools.context import RunContext, ToolContext
    from .agent import RealtimeAgent

__all__ = [
    "GuardrailDebouncer",
    "GuardrailResult",
    "GuardrailRun",
    "GuardrailSettings",
    "OutputGuardrail",
    "ToolGuardrail",
    "feedback",
    "info_text",
]

Source: TypeAlias = Literal["audio", "text"]


@attrs.frozen
class GuardrailResult:
    """The verdict of an output guardrail.

    Attributes:
        tripped: Whether to stop the model.
        info: Details, which the model gets as JSON.
    """

    tripped: bool
    info: Any = None


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class OutputGuardrail:
    """Checks what the model says while it is speaking or writing.

    Attributes:
        name: Its name.
        run: A (coroutine) function of ``(ctx, agent, text)`` that returns a `GuardrailResult`. *text* is the whole text
            of an item so far.
        policy_hint: The reason that the model gets; the name if not given.
    """

    name: str
    run: Callable[[RunContext[Any], RealtimeAgent[Any], str], GuardrailResult | Awaitable[GuardrailResult]] = (
        attrs.field(repr=False)
    )
    policy_hint: str | None = None


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class ToolGuardrail:
    """Checks the arguments of a tool before it runs, or the text of its result.

    Attributes:
        name: Its name.
        run: A (coroutine) function of ``(ctx, text)``. ``None`` lets the text pass. As an input guardrail, a returned
            text is the output of the call, and the tool does not run; as an output guardrail, it replaces the output.
    """

    name: str
    run: Callable[[ToolContext[Any], str], str | Awaitable[str | None] | None] = attrs.field(repr=False)


def _length(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise ConfigError(
            f"debounce_text_length: a number of characters, or -1, not {value!r}", key="debounce_text_length"
        )


@named_fields
@attrs.frozen(kw_only=True)
class GuardrailSettings:
    """When output guardrails run.

    Attributes:
        debounce_text_length: Run each time that an item has grown by this many characters, and when the response is
            done; -1: only when the response is done.
        timeout: Seconds for one run; ``None``: no limit.
    """

    debounce_text_length: int = attrs.field(default=100, validator=_length)
    timeout: float | None = 10.0


def info_text(info: object) -> str:
    """The details of a guardrail's result, as JSON."""
    try:
        return json.dumps({} if info is None else info, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return default_render(info)


def feedback(policy_hint: str, info: object) -> str:
    """The message to the model after a guardrail stopped it."""
    return (
        "⚠️ Your last answer was blocked. \n"
        f"Failed Guardrail Reason: {policy_hint}. \n"
        f"Failure Details: {info_text(info)}. \n"
        "Please respond again following policy. Apologize for not being able to answer the question (while avoiding "
        "the specific reason) and divert discussion back to an approved topic immediately and not invite more "
        "discussion."
    )


@attrs.frozen(kw_only=True)
class GuardrailRun:
    """A text to check.

    Attributes:
        response_id: The response that it belongs to.
        item_id: The item; empty where that is not known.
        text: The whole text of the item so far.
        source: Whether it is spoken or written.
    """

    response_id: str
    item_id: str
    text: str = attrs.field(repr=False)
    source: Source


@attrs.define(eq=False)
class GuardrailDebouncer:
    """Decides which texts the guardrails check, one run at a time.

    Each multiple of the length that an item passes makes a run, and so does the end of a response. While a run is
    under way only the newest text waits.
    """

    _length: int
    _texts: dict[tuple[str, str], list[str]] = attrs.field(init=False, factory=dict[tuple[str, str], "list[str]"])
    _sizes: dict[tuple[str, str], int] = attrs.field(init=False, factory=dict[tuple[str, str], int])
    _tripped: set[str] = attrs.field(init=False, factory=set[str])
    _running: bool = attrs.field(init=False, default=False)
    _waiting: GuardrailRun | None = attrs.field(init=False, default=None)

    def add(self, response_id: str, item_id: str, delta: str, source: Source) -> GuardrailRun | None:
        """Add *delta* to the text of an item. Returns the run to begin now, if any."""
        if self._length < 0:
            return None
        key = response_id, item_id
        before = self._sizes.get(key, 0)
        self._texts.setdefault(key, []).append(delta)
        self._sizes[key] = before + len(delta)
        if (before + len(delta)) // self._length <= before // self._length:
            return None
        text = "".join(self._texts[key])
        self._texts[key] = [text]
        return self._offer(GuardrailRun(response_id=response_id, item_id=item_id, text=text, source=source))

    def finish(self, response_id: str, item_id: str, text: str, source: Source) -> GuardrailRun | None:
        """Note that a response ended with *text*. Returns the run to begin now, if any."""
        for key in [key for key in self._texts if key[0] == response_id]:
            del self._texts[key], self._sizes[key]
        return self._offer(GuardrailRun(response_id=response_id, item_id=item_id, text=text, source=source))

    def finished(self) -> GuardrailRun | None:
        """Note that the current run ended. Returns the run to begin now, if any."""
        self._running = False
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else self._offer(waiting)

    def trip(self, response_id: str) -> bool:
        """Note that a guardrail tripped. Returns whether it is the first time in this response."""
        if response_id in self._tripped:
            return False
        self._tripped.add(response_id)
        return True

    def _offer(self, run: GuardrailRun) -> GuardrailRun | None:
        if self._running:
            self._waiting = run
            return None
        self._running = True
        return run
