"""The listeners of an emitter, and the queues of those that are coroutine functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs

from ..errors import ConfigError, ConsumerTooSlow, brief

if TYPE_CHECKING:
    from ..connection.subscription import SubscriptionLimits

__all__ = ["Listener", "Listeners"]

Listener: TypeAlias = Callable[..., object]
"""A function or a coroutine function. The result of a function is ignored unless it is awaitable."""


@attrs.frozen
class _Pending:
    """The waiting call of a coroutine listener for one event."""

    work: Awaitable[object]
    event: object
    audio_bytes: int

    def discard(self) -> None:
        close = getattr(self.work, "close", None)
        if close is not None:
            close()  # A coroutine that never ran would warn when it is collected.


@attrs.define(eq=False)
class _Registration:
    name: str
    listener: Listener
    once: bool
    removed: bool = False
    running: bool = False
    audio_bytes: int = 0
    queue: deque[_Pending] = attrs.field(factory=deque[_Pending])

    def discard(self) -> None:
        """Drop all waiting calls."""
        self.keep(lambda pending: False)

    def keep(self, wanted: Callable[[_Pending], bool]) -> None:
        """Drop the waiting calls that are not *wanted*."""
        kept = deque[_Pending]()
        for pending in self.queue:
            if wanted(pending):
                kept.append(pending)
            else:
                pending.discard()
                self.audio_bytes -= pending.audio_bytes
        self.queue = kept

    def drop_oldest_audio(self) -> None:
        oldest = next(pending for pending in self.queue if pending.audio_bytes)
        self.keep(lambda pending: pending is not oldest)


@attrs.define(eq=False)
class Listeners:
    """The listeners of one emitter, by event name and in the order in which they were added.

    A listener is called at once. If its result is awaitable, it is awaited in a task of that listener, in order: other
    listeners never wait for it.

    Args:
        start: Starts a task with a name.
        failed: Called with the exception of a listener, the event's name and its argument.
        too_slow: Called when more waits for a listener than the limits allow.
        limits: How much may wait for one listener.
    """

    _start: Callable[[Callable[[], Coroutine[Any, Any, None]], str], None]
    _failed: Callable[[Exception, str, object], None]
    _too_slow: Callable[[ConsumerTooSlow], None]
    _limits: SubscriptionLimits
    _table: dict[str, list[_Registration]] = attrs.field(init=False, factory=dict[str, list[_Registration]])
    _busy: set[_Registration] = attrs.field(init=False, factory=set[_Registration])

    def add(self, name: str, listener: Listener, *, once: bool = False) -> None:
        """Register *listener* for *name*, from the next event on.

        Raises:
            ConfigError: *listener* is not a function.
        """
        if not callable(listener):
            raise ConfigError(f"listener: a function expected, not {brief(listener)}", key="listener")
        self._table.setdefault(name, []).append(_Registration(name, listener, once))

    def remove(self, name: str, listener: Listener) -> None:
        """Remove the last registration of *listener* for *name*, and drop its waiting calls."""
        for registration in reversed(self._table.get(name, [])):
            if registration.listener == listener:
                self._remove(registration)
                registration.discard()
                return

    def heard(self, name: str) -> bool:
        """Whether *name* has a listener."""
        return name in self._table

    def emit(self, name: str, *args: Any) -> bool:
        """Call the listeners of *name*. Returns whether there were any. Never raises an `Exception` of a listener."""
        registrations = self._table.get(name)
        if registrations is None:
            return False
        for registration in tuple(registrations):
            if registration.removed:
                continue
            if registration.once:
                self._remove(registration)
            event = args[0] if args else None
            try:
                result = registration.listener(*args)
            except Exception as exc:  # noqa: BLE001 - reported
                self._failed(exc, name, event)
                continue
            if isawaitable(result):
                self._await(registration, result, event)
        return True

    def withdraw(self, turns: frozenset[str]) -> None:
        """Drop the waiting calls for audio of the responses *turns*."""
        for registration in self._busy:
            if registration.audio_bytes:
                registration.keep(lambda pending: getattr(pending.event, "response_id", None) not in turns)

    def drop(self) -> None:
        """Drop all waiting calls. Calls that have begun go on."""
        for registration in self._busy:
            registration.discard()

    def _remove(self, registration: _Registration) -> None:
        registration.removed = True
        rest = [other for other in self._table[registration.name] if other is not registration]
        if rest:
            self._table[registration.name] = rest
        else:
            del self._table[registration.name]

    def _await(self, registration: _Registration, work: Awaitable[object], event: object) -> None:
        size = cast("int", getattr(event, "audio_bytes", 0))
        registration.queue.append(_Pending(work, event, size))
        registration.audio_bytes += size
        if not registration.running:
            try:
                self._start(lambda: self._run(registration), registration.name)
            except BaseException:
                registration.discard()
                raise
            registration.running = True
            self._busy.add(registration)
        self._bound(registration)

    async def _run(self, registration: _Registration) -> None:
        try:
            while registration.queue:
                pending = registration.queue.popleft()
                registration.audio_bytes -= pending.audio_bytes
                try:
                    await pending.work
                except Exception as exc:  # noqa: BLE001 - reported
                    self._failed(exc, registration.name, pending.event)
        finally:
            registration.running = False
            registration.discard()
            self._busy.discard(registration)

    def _bound(self, registration: _Registration) -> None:
        limits = self._limits
        if registration.audio_bytes > limits.max_audio_bytes:
            if limits.on_overflow == "error":
                self._give_up(registration, limits.max_audio_bytes, "bytes")
            while registration.audio_bytes > limits.max_audio_bytes:
                registration.drop_oldest_audio()
        if len(registration.queue) > limits.max_events:
            self._give_up(registration, limits.max_events, "events")

    def _give_up(self, registration: _Registration, limit: int, unit: str) -> None:
        registration.discard()
        self._too_slow(
            ConsumerTooSlow(
                f"a listener of {registration.name!r} has more than {limit} {unit} waiting for it; "
                "let it do less before it returns, or raise the limits of the emitter",
                limit=limit,
                unit=unit,
            )
        )
