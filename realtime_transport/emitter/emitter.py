"""Calls listeners for the events of a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from realtime_transport.argument_names import named
from realtime_transport.errors import ConfigError, brief
from realtime_transport.protocol.wire.model import Event, ServerEvent
from realtime_transport.protocol.wire.server_events import Error, UnknownServerEvent

from .calls import TransportCalls
from .core import EmitterCore
from .names import check_name, transport_event_names

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from typing import Self

    from realtime_transport.protocol.engine.events import SemanticEvent

    from ..connection.subscription import SubscriptionLimits
    from ..transports.endpoint.options import ApiKey, SessionConfig
    from ..transports.interface.layer import RealtimeTransportLayer
    from .listeners import Listener
    from .transport_listeners import ListenToTransport

__all__ = ["RealtimeEmitter", "transport_names"]


def transport_names(event: Event) -> Iterator[tuple[str, object]]:
    """The names under which an event of a transport is emitted, each with the argument; see `RealtimeEmitter`."""
    if isinstance(event, ServerEvent):
        yield "*", event.raw
        if isinstance(event.event_id, str) and not isinstance(event, Error | UnknownServerEvent):
            yield event.type, event
        return
    yield cast("SemanticEvent", event).event_name, event


class RealtimeEmitter(TransportCalls, EmitterCore):
    """Calls listeners for the events of a transport.

    ::

        async with RealtimeEmitter(OpenAIRealtimeWebSocket()) as emitter:
            emitter.on("audio", lambda event: speaker.write(event.data))
            emitter.on("turn_done", lambda event: emitter.close())
            await emitter.connect(api_key=key)
            emitter.send_message("Hello")

    The block owns the tasks. Leaving it closes the connection and waits until the listeners have handled all
    events; leaving it by an exception or cancellation discards what waits on either side.

    A listener is called with one argument:

    * the event, for the names of `realtime_transport.events` (``"audio"``: `AudioEvent`, ``"connected"``:
      `ConnectedEvent`; each class has its name as ``event_name``);
    * the typed event, for the server's own names (``"response.done"``: `ResponseDone`), ``"error"`` excepted;
    * the message as it was received, a mapping, for ``"*"``, which stands for every message of the server.

    Listeners are functions or coroutine functions. Functions run when the event is delivered, in the order in which
    they were added. A coroutine function handles its events one after the other in a task of its own; neither the
    connection nor other listeners wait for it, and audio that waits for it when the user interrupts the model is
    withdrawn. An event goes to the listeners that were registered when it arrived.

    An exception of a listener is emitted as ``"error"``: an `ErrorEvent` with a `ListenerError`. If ``"error"`` has no
    listener, or such a listener raises, the exception ends the block and is raised from it unchanged.

    The emitter reads a stream of its own. Use ``transport.subscribe()`` beside it; ``async for`` on the transport is
    not available.

    Args:
        transport: The transport. Nothing else may connect it.
        limits: How much may wait for one coroutine function before the connection is ended with `ConsumerTooSlow`.

    Raises:
        ConfigError: *transport* is none.
    """

    @named
    def __init__(self, transport: RealtimeTransportLayer, *, limits: SubscriptionLimits | None = None) -> None:
        if not hasattr(transport, "subscribe") or hasattr(transport, "update_agent"):
            raise ConfigError(
                f"transport: a transport expected, not {brief(transport)}; a session has RealtimeSessionEmitter",
                key="transport",
            )
        TransportCalls.__init__(self, transport)
        EmitterCore.__init__(self, transport, transport_names, limits)

    if TYPE_CHECKING:
        on: ListenToTransport[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
        once: ListenToTransport[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
        off: ListenToTransport[Self]  # pyright: ignore[reportIncompatibleMethodOverride]
    else:

        def on(self, event: str, listener: Listener) -> Self:
            """Call *listener* for each *event*; see the class for names and arguments.

            Raises:
                ConfigError: There is no event of that name; the message names the nearest one.
            """
            check_name(event, transport_event_names())
            return super().on(event, listener)

        def once(self, event: str, listener: Listener) -> Self:
            """Call *listener* for the next *event* only; raises as `on`."""
            check_name(event, transport_event_names())
            return super().once(event, listener)

        def off(self, event: str, listener: Listener) -> Self:
            """Stop calling *listener* for *event*; a coroutine function also gets none of the events that wait for it.

            Of several registrations the last one is removed; without any, nothing happens. Raises as `on`.
            """
            check_name(event, transport_event_names())
            return super().off(event, listener)

    @named
    def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = False,
    ) -> Coroutine[Any, Any, None]:
        """Open a connection: ``await emitter.connect(api_key=key)``.

        The call begins to connect; awaiting the result waits until the listeners of ``"connected"`` were called. If
        that is cancelled, the connection is closed. After a `close`, the new connection begins when the old one has
        ended.

        A connection that is refused, or lost while it opens, also emits ``error``, ``connection_change`` and
        ``disconnected``; one that never began (without a key, say) only raises.

        Args:
            api_key: See `OpenAIRealtimeBase.connect`, as for the others.
            model: The model, also for later connections.
            url: The URL, for this connection only.
            call_id: The call to attach to.
            initial_session_config: Sent as the first ``session.update``.
            wait_for_session: Wait also until the server has sent ``session.created``.

        Raises:
            ConfigError: There is no key, or the URL or the configuration is wrong.
            ConnectError: The connection could not be opened, or was closed while it opened, perhaps by a listener.
            LocalProtocolError: The emitter is connected or connecting, or its block is not open.
        """
        options: dict[str, Any] = {
            "api_key": api_key,
            "model": model,
            "url": url,
            "call_id": call_id,
            "initial_session_config": initial_session_config,
            "wait_for_session": wait_for_session,
        }
        return self._begin(options)
