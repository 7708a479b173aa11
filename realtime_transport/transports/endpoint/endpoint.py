"""What a wire is, as data: an `Endpoint`. `OpenAIRealtimeBase` runs any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.connection.life_cycle import UPGRADE, Phase
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.engine.output_queue import LEFT_OUT
from realtime_transport.protocol.engine.policy import CLIENT_PLAYBACK, EnginePolicy
from realtime_transport.protocol.engine.session_opening import SessionOpening
from realtime_transport.protocol.wire.server_events import SessionCreated, SessionUpdated

from .media import Media, MediaContext
from .opening import bearer_request
from .options import ConnectOptions, Connector, ConnectRequest, RequestParts

if TYPE_CHECKING:
    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["BuildRequest", "Endpoint", "MakeMedia", "Prepare"]

BuildRequest: TypeAlias = Callable[[RequestParts], ConnectRequest]
"""Makes the request for a link, the credentials included."""

MakeMedia: TypeAlias = Callable[[MediaContext], Media]
"""Makes the audio ends of one connection."""

Prepare: TypeAlias = Callable[[ConnectRequest], Awaitable[Connector]]
"""Does what has to succeed before an attempt counts as begun, and gives the connector for the rest."""


def _allow_anything(_options: ConnectOptions) -> None:
    """No option is required."""


@named_fields
@frozen()
class Endpoint:
    """What is special about a wire.

    Attributes:
        connector: Opens the link.
        prepare: Instead of a connector: does what comes before the link, and gives the connector of this attempt. If it
            fails, no event is emitted.
        preparing: What `prepare` waits for.
        policy: Who plays the audio, and therefore how an interruption is expressed; what may be sent.
        profile: In what the server differs from the service.
        phases: The steps of opening the link, in order. The connector enters the later ones by
            `ConnectRequest.enter_phase`.
        ready_events: The server events of which the first makes the session ready: ``connect`` waits for it.
        greeted_by_update: The server greets with ``session.updated``.
        connected_when_ready: The status is ``"connected"`` from then on, rather than from the open link on.
        build_request: Makes the request.
        make_media: Makes the audio ends.
        check: Refuses the options of a connect, by raising `ConfigError`.
        wire: What carries the messages, in one word: for recordings and logs.
        left_out: Events that the default stream leaves out; whoever subscribes to them has them.
    """

    connector: Connector | None = None
    prepare: Prepare | None = None
    preparing: Phase = UPGRADE
    policy: EnginePolicy = CLIENT_PLAYBACK
    profile: EndpointProfile | None = None
    phases: tuple[Phase, ...] = (UPGRADE,)
    ready_events: tuple[type[ServerEvent], ...] = (SessionCreated,)
    greeted_by_update: bool = False
    connected_when_ready: bool = False
    build_request: BuildRequest = bearer_request
    make_media: MakeMedia = Media.build
    check: Callable[[ConnectOptions], None] = _allow_anything
    wire: str = "websocket"
    # AudioEvent holds the content of the typed delta, and can give it.
    left_out: tuple[type[Any], ...] = LEFT_OUT

    def attached(self) -> Endpoint:
        """The same wire, attached to a call: ``session.updated`` greets then, not ``session.created``."""
        ready = dict.fromkeys((*self.ready_events, SessionCreated, SessionUpdated))
        return attrs.evolve(self, ready_events=tuple(ready), greeted_by_update=True)

    def opening(self) -> SessionOpening:
        """What tells whether a session on this wire has opened."""
        answers = self.profile is None or self.profile.answers_updates
        return SessionOpening(self.ready_events, self.greeted_by_update, answers)

    def __attrs_post_init__(self) -> None:
        if (self.connector is None) == (self.prepare is None):
            raise TypeError("an endpoint has either a connector or a preparation that gives one")
