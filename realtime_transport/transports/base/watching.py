"""Passes what happens on a connection to each of its watchers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.connection.hub import Tap
from realtime_transport.late_classes import define

from ..endpoint.observer import ConnectionObserver, ConnectionWatcher, ObservedConnection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.protocol.engine.engine import Engine

    from ..endpoint.observer import WireObserver
    from .attempt import Attempt

__all__ = ["Watching"]


@define()
class Watching:
    """The watchers of one connection; the engine reports to it as to a `SendObserver`."""

    _watchers: list[ConnectionWatcher] = attrs.field(factory=list[ConnectionWatcher], init=False)

    @classmethod
    def wanted(cls, observers: Sequence[WireObserver]) -> Watching | None:
        """Make one for *observers*; ``None`` if none of them watches connections, which costs nothing then."""
        return cls() if any(isinstance(observer, ConnectionObserver) for observer in observers) else None

    def begin(self, attempt: Attempt, engine: Engine, model: str) -> None:
        """Let the observers of *attempt* watch it."""
        profile = attempt.endpoint.profile
        connection = ObservedConnection(
            wire=attempt.endpoint.wire,
            model=model,
            server="openai" if profile is None else profile.name,
            session=engine.initial_session,
            clock=attempt.settings.clock,
            response_requested=lambda: engine.response_requested,
            statistics=lambda: None if attempt.connection is None else attempt.connection.statistics(),
        )
        for observer in attempt.observers:
            if isinstance(observer, ConnectionObserver):
                watcher = observer.begin(connection)
                self._watchers.append(watcher)
                attempt.hub.add_tap(_tap(watcher))

    def sent(self, message: Mapping[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.sent(message)

    def sent_audio(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.sent_audio(text)

    def ended(self, attempt: Attempt) -> None:
        """Report that *attempt* is over."""
        end = attempt.life.end
        for watcher in self._watchers:
            watcher.ended(None if end is None else end.error)


def _tap(watcher: ConnectionWatcher) -> Tap:
    # Casts: the hub's event type is a protocol, the watcher's is the class that implements it.
    return Tap(
        accepts=lambda kind: watcher.accepts(cast("Any", kind)),
        put=lambda event: watcher.receive(cast("Any", event)),
        withdraw=lambda _: None,
    )
