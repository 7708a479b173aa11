"""Delivers events to subscriptions and taps when the reader receives them."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

from realtime_transport.errors import ConsumerTooSlow
from realtime_transport.late_classes import define

from .subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .interface import Event
    from .owner import Owner
    from .subscription import SubscriptionLimits, SubscriptionStatistics

__all__ = ["Hub", "Tap"]


@define()
class _Route:
    subscription: Subscription[Any]
    accepts: Callable[[type[Event]], bool]
    keep: Callable[[Event], bool] | None = None

    def put(self, event: Event) -> None:
        if self.keep is None or self.keep(event):
            self.subscription.put(event)


@define()
class Tap:
    """A receiver that takes events synchronously when they are published, such as the playback pump; it never waits.

    Attributes:
        accepts: Whether it takes events of a class.
        put: Takes one event.
        withdraw: Drops the audio of turns.
    """

    accepts: Callable[[type[Event]], bool]
    put: Callable[[Event], None]
    withdraw: Callable[[frozenset[str]], None]


@define()
class _Accepted:
    """Which of some classes each tap and each subscription takes."""

    taps: list[list[bool]]
    routes: list[tuple[_Route, list[bool]]]


class Hub:
    """Delivers the events of one connection to its subscriptions and taps, without waiting."""

    def __init__(self) -> None:
        self._routes: list[_Route] = []
        self._taps: list[Tap] = []
        self._by_class: dict[type[Event], tuple[Callable[[Event], None], ...]] = {}
        self._by_news: dict[tuple[type[Event], ...], _Accepted] = {}
        self._end: Callable[[], BaseException] | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._past_losses = (0, 0)  # Of subscriptions that are closed.
        self._owner: Owner | None = None

    def own(self, owner: Owner) -> None:
        """Let only *owner* receive from the subscriptions, present and future, until the end."""
        self._owner = owner
        for route in self._routes:
            route.subscription.own(owner)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call *changed* now, and whenever the answers of `wants` may have changed."""
        self._on_change = changed
        changed()

    def _changed(self) -> None:
        self._by_class.clear()
        self._by_news.clear()
        self._on_change()

    def subscribe(
        self,
        accepts: Callable[[type[Event]], bool],
        limits: SubscriptionLimits,
        *,
        keep: Callable[[Event], bool] | None = None,
    ) -> Subscription[Any]:
        """Open a subscription to the classes that *accepts* accepts, from now on; *keep* chooses among their events."""
        subscription: Subscription[Any] = Subscription(limits, self._forget)
        if self._end is not None:
            subscription.end(self._end)
        else:
            if self._owner is not None:
                subscription.own(self._owner)
            self._routes.append(_Route(subscription, accepts, keep))
            self._changed()
        return subscription

    def add_tap(self, tap: Tap) -> None:
        """Give *tap* events from now on, before the subscriptions."""
        self._taps.append(tap)
        self._changed()

    def _forget(self, subscription: Subscription[Any]) -> None:
        left = [route for route in self._routes if route.subscription is not subscription]
        if len(left) < len(self._routes):
            self._past_losses = _with_losses(self._past_losses, subscription)
        self._routes = left
        self._changed()

    def wants(self, cls: type[Event]) -> bool:
        """Whether a subscription or tap takes events of class *cls*."""
        return bool(self._takers(cls))

    def _takers(self, cls: type[Event]) -> tuple[Callable[[Event], None], ...]:
        takers = self._by_class.get(cls)
        if takers is None:
            takers = (
                *(tap.put for tap in self._taps if tap.accepts(cls)),
                *(
                    route.subscription.put if route.keep is None else route.put
                    for route in self._routes
                    if route.accepts(cls)
                ),
            )
            self._by_class[cls] = takers
        return takers

    def publish(self, events: Iterable[Event]) -> None:
        """Deliver *events* in order; each subscription gets what it asked for.

        Raises:
            ConsumerTooSlow: A subscription exceeded its bound. Every subscription has got every event all the same.
        """
        too_slow: ConsumerTooSlow | None = None
        for event in events:
            if event.withdraws is not None:
                self._interrupt(event, event.withdraws)
                continue
            cls = type(event)
            for take in self._by_class.get(cls) or self._takers(cls):
                try:
                    take(event)
                except ConsumerTooSlow as exc:
                    too_slow = too_slow or exc
        if too_slow is not None:
            raise too_slow

    def _interrupt(self, event: Event, turns: frozenset[str]) -> None:
        news: Sequence[Event] = (*event.preceded_by, event)
        classes: Any = tuple(map(type, news))
        accepted = self._by_news.get(classes)
        if accepted is None:
            accepted = self._by_news[classes] = self._accepted(classes)
        for tap, accepts in zip(self._taps, accepted.taps, strict=True):
            tap.withdraw(turns)
            for piece in compress(news, accepts):
                tap.put(piece)
        for route, accepts in accepted.routes:
            subscription, keep = route.subscription, route.keep
            subscription.withdraw(turns)
            if event.brings:
                subscription.bring_forward(event.brings)
            wanted = list(compress(news, accepts))
            if keep is not None:
                wanted = list(filter(keep, wanted))
            if wanted:
                subscription.put_first(wanted)

    def _accepted(self, classes: tuple[type[Event], ...]) -> _Accepted:
        return _Accepted(
            taps=[[tap.accepts(cls) for cls in classes] for tap in self._taps],
            # The newest first: who waits for this alone is woken before the default stream, which has more to do.
            routes=[(route, [route.accepts(cls) for cls in classes]) for route in reversed(self._routes)],
        )

    def end(self, error: Callable[[], BaseException]) -> None:
        """End every subscription, present and future: after what it holds, it raises the result of *error*."""
        self._end = error
        for route in self._routes:
            route.subscription.end(error)
        self._routes.clear()
        self._by_class.clear()
        self._by_news.clear()

    def losses(self) -> tuple[int, int]:
        """Events that consumers lost, and the bytes of audio in them, without subscriptions never read."""
        losses = self._past_losses
        for route in self._routes:
            losses = _with_losses(losses, route.subscription)
        return losses

    def statistics(self) -> tuple[SubscriptionStatistics, ...]:
        """The state of each open subscription, oldest first."""
        return tuple(route.subscription.statistics() for route in self._routes)


def _with_losses(losses: tuple[int, int], subscription: Subscription[Any]) -> tuple[int, int]:
    counted = subscription.statistics()
    if not counted.delivered:
        return losses
    return losses[0] + counted.dropped_events, losses[1] + counted.dropped_audio_bytes
