"""A wire as data: an `Endpoint`, which `OpenAIRealtimeBase` runs."""

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
"""Makes the request for a link, with the credentials."""

MakeMedia: TypeAlias = Callable[[MediaContext], Media]
"""Makes the source and sink of one connection."""

Prepare: TypeAlias = Callable[[ConnectRequest], Awaitable[Connector]]
"""Does what must succeed before an attempt counts as begun, and returns the connector for the rest."""


def _allow_anything(_options: ConnectOptions) -> None:
    """No option is required."""


@named_fields
@frozen()
class Endpoint:
    """What distinguishes a wire.

    Attributes:
        connector: Opens the link.
        prepare: Instead of a connector: does the work before the link, and returns the connector of this attempt. If it
            fails, no event is emitted.
        preparing: The phase during `prepare`.
        policy: Who plays the audio, hence how an interruption is expressed, and what may be sent.
        profile: How the server differs from the service.
        phases: The steps of opening the link, in order. The connector enters the later ones by
            `ConnectRequest.enter_phase`.
        ready_events: The first of these server events makes the session ready: ``connect`` waits for it.
        greeted_by_update: Whether the server's first event is ``session.updated``.
        connected_when_ready: Whether the status becomes ``"connected"`` then, and not when the link is open.
        build_request: Makes the request.
        make_media: Makes the audio source and sink.
        check: Checks the options of a connect; raises `ConfigError` to refuse them.
        wire: The name of the wire in one word, for recordings and logs.
        left_out: Events that the default stream leaves out; `subscribe` still gives them.
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
    # AudioEvent holds the content of the typed delta, and can return it.
    left_out: tuple[type[Any], ...] = LEFT_OUT

    def attached(self) -> Endpoint:
        """The same wire, attached to a call: there the first event may be ``session.updated``."""
        ready = dict.fromkeys((*self.ready_events, SessionCreated, SessionUpdated))
        return attrs.evolve(self, ready_events=tuple(ready), greeted_by_update=True)

    def opening(self) -> SessionOpening:
        """Make the object that tracks whether a session on this wire has opened."""
        answers = self.profile is None or self.profile.answers_updates
        return SessionOpening(self.ready_events, self.greeted_by_update, answers)

    def __attrs_post_init__(self) -> None:
        if (self.connector is None) == (self.prepare is None):
            raise TypeError("an endpoint has either a connector or a preparation that gives one")
