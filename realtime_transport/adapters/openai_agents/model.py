"""The framework's realtime model on a transport."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agents.exceptions import UserError
from agents.realtime import (
    RealtimeModel,
    RealtimeModelEndOfStreamEvent,
    RealtimeModelExceptionEvent,
    RealtimeModelItemUpdatedEvent,
    RealtimeModelSendInterrupt,
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
)

from realtime_transport.errors import ConfigError, LocalProtocolError, NotConnectedError

from .events import EventTranslator
from .owned_task import OwnedTask
from .playback import Playback
from .sending import answered, put
from .settings import DEFAULTS, session_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.realtime import (
        RealtimeModelConfig,
        RealtimeModelEvent,
        RealtimeModelListener,
        RealtimeModelSendEvent,
        RealtimeSessionModelSettings,
    )

    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["TransportRealtimeModel"]


class TransportRealtimeModel(RealtimeModel):
    """Connects agents of ``openai-agents`` through a transport of this package.

    ::

        model = TransportRealtimeModel(OpenAIRealtimeWebRTC())
        async with await RealtimeRunner(agent, model=model).run() as session:
            ...

    One connection at a time; it can connect again after `close`. Like the framework it runs on asyncio only. One task
    holds the connection and calls the listeners, one after the other; `close` waits for it.

    Audio sources and sinks belong to the transport: with a source, it sends the audio itself (and ``send_audio`` is an
    error); with a sink, it plays, and the session has ``audio`` events only with ``audio_events=True``.

    Args:
        transport: Carries the conversation. Nothing else may connect it; others may subscribe to it.
        default_settings: Settings for what a session does not set. By default those of the framework's own model
            (``DEFAULT_MODEL_SETTINGS``) for voice, transcription and turn detection; audio formats are the transport's.
            For another server pass settings that it knows, or ``{}``.

    Attributes:
        transport: The transport.
    """

    def __init__(
        self, transport: OpenAIRealtimeBase, *, default_settings: RealtimeSessionModelSettings | None = None
    ) -> None:
        self.transport: OpenAIRealtimeBase = transport
        self._defaults = DEFAULTS if default_settings is None else default_settings
        self._listeners: list[RealtimeModelListener] = []
        self._task: OwnedTask | None = None
        self._playback = Playback()
        self._translator = EventTranslator(self._playback)

    # Life

    async def connect(self, options: RealtimeModelConfig) -> None:
        """Connect, and wait until the server has accepted the settings of the session.

        If cancelled, the connection is closed.

        Args:
            options: ``api_key`` (a key, a function or a coroutine function), ``url`` and ``call_id`` override those of
                the transport. With ``headers`` no key is sent. ``initial_model_settings`` open the session.
                ``playback_tracker`` is asked at each interruption how much was heard.

        Raises:
            UserError: There is no key, an option or a setting is wrong, or the model is connected already.
            ConnectError: The connection could not be opened: `AuthenticationError` for a key that is refused.
        """
        if self._task is not None:
            raise UserError("the model is connected already: close() it first, or use a second model")
        arguments = self._arguments(options)
        self._playback = Playback(options.get("playback_tracker"))
        self._translator = EventTranslator(self._playback)
        if options.get("playback_tracker") is not None:
            arguments["playback_position"] = self._playback.position
        task = self._task = OwnedTask(
            self.transport.connect(**arguments), self._deliver_all, self.transport.close_nowait
        )
        try:
            await task.start()
        except BaseException as error:
            self._task = None
            if isinstance(error, ConfigError):
                raise UserError(str(error)) from error
            raise

    async def close(self) -> None:
        """Send what is queued, close, and wait until the connection's task has ended. Idempotent.

        It takes the transport's ``close_timeout`` at most. Called by a listener, it only begins to close: the
        connection ends after the listener returns. If cancelled, what is queued is not sent.

        Raises:
            Exception: What a listener raised when it got an exception event.
        """
        task = self._task
        if task is None:
            return
        try:
            await task.stop()
        finally:
            self._task = None
            self._playback.reset()
            self._translator.silenced.clear()

    def _arguments(self, options: RealtimeModelConfig) -> dict[str, Any]:
        settings: RealtimeSessionModelSettings = options.get("initial_model_settings") or {}
        call_id, model = options.get("call_id"), settings.get("model_name")
        if call_id and model:
            raise UserError("call_id and model_name: a call has its model already; name one of them only")
        config = session_config(settings, self._defaults)
        if "tracing" in settings:
            config["tracing"] = settings["tracing"]
        arguments: dict[str, Any] = {"initial_session_config": config, "call_id": call_id, "model": model}
        arguments["url"] = options.get("url")
        if options.get("headers") is None:
            arguments["api_key"] = options.get("api_key")
        else:
            arguments["headers"] = options.get("headers")
        return arguments

    # Listeners

    def add_listener(self, listener: RealtimeModelListener) -> None:
        """Call *listener* for every event from now on. Adding it twice has no effect."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def remove_listener(self, listener: RealtimeModelListener) -> None:
        """Stop calling *listener*, if it was added."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def _emit(self, event: RealtimeModelEvent) -> None:
        for listener in tuple(self._listeners):
            await listener.on_event(event)

    async def _deliver_all(self) -> None:
        task, events = self._task, aiter(self.transport)
        assert task is not None
        while not task.ending:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                await self._emit(RealtimeModelEndOfStreamEvent())
                return
            except Exception as error:  # noqa: BLE001 - whatever ended the connection
                await self._emit(RealtimeModelExceptionEvent(exception=error, context="The connection was lost"))
                return
            await self._deliver(event)

    async def _deliver(self, event: Event) -> None:
        try:
            for translated in self._translator.translate(event):
                await self._emit(translated)
        except Exception as error:  # noqa: BLE001 - passed to the listeners; what they raise then ends the connection
            context = f"Handling {type(event).__name__}"
            await self._emit(RealtimeModelExceptionEvent(exception=error, context=context))

    # Sending

    async def send_event(self, event: RealtimeModelSendEvent) -> None:
        """Send *event*. Waits while the outbox of the transport is full; if cancelled then, nothing was sent.

        An interruption never waits, and overtakes what waits. It stops playback, or that of its ``response_id``, and
        tells the server how much was heard. The response is cancelled too, unless the server does so by itself when it
        hears speech (``interrupt_response``) and ``force_response_cancel`` is not set, or ``playback_only`` is.

        Raises:
            UserError: *event* has a wrong value, or the transport refuses it.
            ValueError: The options of an interruption exclude each other.
            NotConnectedError: There is no connection.
            ConnectionLost: The connection was lost.
        """
        await self._send(event, None)

    async def send_event_if(self, event: RealtimeModelSendEvent, send_if: Callable[[], bool]) -> bool:
        """As `send_event`, if *send_if* returns true in the step that queues the event. If cancelled, nothing was sent.

        A user message is also not sent while a requested response has not begun: that response would answer the
        message, too.

        Returns:
            Whether it was sent.
        """
        if isinstance(event, RealtimeModelSendUserInput):
            return await self._send(event, lambda: send_if() and not self.transport.response_requested)
        return await self._send(event, send_if)

    async def _send(self, event: RealtimeModelSendEvent, only_if: Callable[[], bool] | None) -> bool:
        if isinstance(event, RealtimeModelSendInterrupt):
            if only_if is not None and not only_if():
                return False
            self._interrupt(event)
            return True
        if self._task is None:
            raise NotConnectedError("the model is not connected: enter the session, or connect() the model")
        try:
            async with self.transport.batch(only_if=only_if) as batch:
                put(event, batch, partial(session_config, defaults=self._defaults))
        except (ConfigError, LocalProtocolError) as error:
            raise UserError(str(error)) from error
        if batch.queued and isinstance(event, RealtimeModelSendToolOutput):
            await self._emit(RealtimeModelItemUpdatedEvent(item=answered(event)))
        return batch.queued

    def _interrupt(self, event: RealtimeModelSendInterrupt) -> None:
        if event.playback_only and (event.cancel_response_only or event.force_response_cancel):
            raise ValueError("playback_only excludes cancel_response_only and force_response_cancel")
        if event.cancel_response_only:
            if event.response_id is None:
                raise ValueError("cancel_response_only needs a response_id")
            self.transport.cancel_response(event.response_id)
            return
        if event.response_id is not None:
            self._translator.silenced.add(event.response_id)
        cancels = event.force_response_cancel or not (event.playback_only or self._translator.server_cancels)
        self.transport.interrupt(cancel_ongoing_response=cancels, response_id=event.response_id)

    def _retire_response_audio(self, response_id: str) -> None:
        # The session calls this when no guardrail can stop the response any more.
        self._translator.silenced.discard(response_id)
