"""Stopping the model, in the way of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .events import AudioInterruptedEvent

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import Event

    from .output_queue import Output
    from .playback_ledger import PlaybackLedger
    from .policy import EnginePolicy
    from .sequencer import ResponseSequencer

__all__ = ["Interrupter"]


@attrs.define(eq=False)
class Interrupter:
    """Cancels, truncates or clears, and tells the application.

    Attributes:
        active_id: The response that is active, if the server gave it an id.
        server_cancels: The server cancels by itself when it hears speech; ``None`` if it has not said.
    """

    _policy: EnginePolicy
    _sequencer: ResponseSequencer
    _ledger: PlaybackLedger
    _output: Output
    active_id: str | None = attrs.field(default=None, init=False)
    server_cancels: bool | None = attrs.field(default=None, init=False)

    def cancel(self, now: float) -> bool:
        """Ask the server to stop the active response, if there is one. Whether it was asked."""
        if not self._sequencer.begin_cancel(now):
            return False
        self._output.send({"type": "response.cancel"})
        return True

    def interrupt(self, now: float, *, cancel: bool, cause: tuple[Event, ...] = ()) -> bool:
        """Stop the model.

        Args:
            now: The time.
            cancel: Cancel the active response too, also if there is no audio of it yet.
            cause: The server event that made us.

        Returns:
            Whether an `AudioInterruptedEvent` was told; it holds *cause*.
        """
        cancelled = cancel and self.cancel(now)
        if self.active_id is not None and (cancelled or self._policy.stops_unheard):
            self._ledger.discard(self.active_id)
        if self._policy.clears_output:
            self._output.send({"type": "output_audio_buffer.clear"})
        stopped = self._ledger.interrupt(now) if self._policy.truncates else None
        if stopped is None:
            return False
        for cut in stopped.truncations:
            self._output.send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": cut.item_id,
                    "content_index": cut.content_index,
                    "audio_end_ms": cut.audio_end_ms,
                }
            )
        also = {self.active_id} if self.active_id is not None else set[str]()
        # Also where nobody listens: it withdraws audio from whoever does.
        self._output.emit_always(AudioInterruptedEvent(withdraws=stopped.response_ids | also, preceded_by=cause))
        return True

    def handle_speech(self, now: float, cause: Event) -> bool:
        """The user speaks. Whether an `AudioInterruptedEvent` was told; it holds *cause*."""
        if not self._policy.interrupts_on_speech:
            return False
        cancel = not self.server_cancels
        unheard = self._policy.truncates and self._ledger.idle
        if unheard and self.server_cancels is None and not self._policy.stops_unheard:
            # Nothing is heard yet, and most servers cancel by themselves: do not race with them on a guess.
            cancel = False
        return self.interrupt(now, cancel=cancel, cause=(cause,))

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self.active_id = self.server_cancels = None
