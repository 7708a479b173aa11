"""Observers of a session: they get its events when they happen, and surround its tools while they run."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from realtime_transport.connection.hub import Tap
from realtime_transport.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager

    from realtime_transport.connection.hub import Hub
    from realtime_transport.protocol.engine.events import FunctionCallEvent
    from realtime_transport.protocol.wire.model import Event

__all__ = ["ObservedSession", "SessionObserver", "let_watch", "within_tool"]


class SessionObserver(Protocol):
    """Watches the conversations of a session; see `RealtimeSession.observe`. No call may wait or raise."""

    def accepts(self, kind: type[Event]) -> bool:
        """Whether it takes events of the class *kind*; the answer must not change."""
        ...

    def receive(self, event: Event) -> None:
        """Take an event of the session, before the subscriptions do."""
        ...

    def within_tool(self, call: FunctionCallEvent) -> AbstractContextManager[None]:
        """Return a context manager that surrounds the run of a tool, in the tool's task.

        ``AgentToolStartEvent`` has been emitted before.
        """
        ...


class ObservedSession:
    """A session that can be observed."""

    _connecting: bool

    def __init__(self) -> None:
        self._observers: list[SessionObserver] = []

    @contextmanager
    def observe(self, observer: SessionObserver) -> Generator[None]:
        """Let *observer* see every conversation that begins within the block.

        Raises:
            LocalProtocolError: The session is connected or connecting: *observer* would miss its beginning.
        """
        if self._connecting:
            raise LocalProtocolError("a session is watched from its beginning: put this around connect()")
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)


def let_watch(observers: Sequence[SessionObserver], hub: Hub) -> None:
    """Add *observers* to the receivers of *hub*."""
    for observer in observers:
        hub.add_tap(_tap(observer))


def _tap(observer: SessionObserver) -> Tap:
    # Casts: the hub's event type is a protocol, the observer's is the class that implements it.
    return Tap(
        accepts=lambda kind: observer.accepts(cast("Any", kind)),
        put=lambda event: observer.receive(cast("Any", event)),
        withdraw=lambda _: None,
    )


@contextmanager
def within_tool(observers: Sequence[SessionObserver], call: FunctionCallEvent) -> Generator[None]:
    """Surround the run of a tool with the context managers of *observers*."""
    with ExitStack() as stack:
        for observer in observers:
            stack.enter_context(observer.within_tool(call))
        yield
