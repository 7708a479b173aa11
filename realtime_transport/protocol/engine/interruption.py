"""Stopping the model, in the way of the wire.

This is where an interruption is decided, once: which responses are cancelled, what was heard of them, and which audio
is taken back. The event carries the decision; whoever plays or keeps audio acts on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.late_classes import define

from .events import AudioInterruptedEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from realtime_transport.protocol.wire.model import Event

    from .output_queue import Output
    from .playback.ledger import Interruption, PlaybackLedger
    from .playback.server_playback import ServerPlayback
    from .policy import EnginePolicy
    from .responses.open_responses import OpenResponse, OpenResponses
    from .responses.sequencer import ResponseSequencer

__all__ = ["Interrupter"]


@define()
class Interrupter:
    """Cancels, truncates or clears, and emits the decision.

    Attributes:
        server_cancels: The server cancels by itself when it hears speech; ``None`` if it has not said.
    """

    _policy: EnginePolicy
    _sequencer: ResponseSequencer
    _responses: OpenResponses
    _ledger: PlaybackLedger
    _server_playback: ServerPlayback
    _output: Output
    server_cancels: bool | None = attrs.field(default=None, init=False)

    def cancel(self, now: float, response_id: str | None = None) -> bool:
        """Ask the server to stop *response_id*, or all open responses.

        Returns:
            Whether anything was open that had not been asked to stop before.
        """
        targets = self._responses.matching(response_id)
        asked = [response for response in targets if not response.cancelled]
        unheard_of = self._mark(targets, response_id, now) and not targets
        if unheard_of:
            self._output.send({"type": "response.cancel"})
        for response in asked:
            named = response.response_id and (response_id is not None or self._responses.overlap)
            name = {"response_id": response.response_id} if named else {}
            self._output.send({"type": "response.cancel", **name})
        return unheard_of or bool(asked)

    def note_cancel(self, response_id: object, now: float) -> None:
        """The user has sent a ``response.cancel``, for *response_id* if that is text."""
        meant = response_id if isinstance(response_id, str) else None
        self._mark(self._responses.matching(meant, in_conversation=meant is None), meant, now)

    def _mark(self, targets: list[OpenResponse], response_id: str | None, now: float) -> bool:
        """Count *targets* as asked to stop; whether one of the conversation is, which we may not have heard of."""
        for response in targets:
            response.cancelled = True
        concerned = any(response.in_conversation for response in targets) or (response_id is None and not targets)
        return concerned and self._sequencer.begin_cancel(now)

    def interrupt(
        self, now: float, *, cancel: bool, response_id: str | None = None, cause: tuple[Event, ...] = ()
    ) -> bool:
        """Stop the model.

        Args:
            now: The time.
            cancel: Cancel open responses too, also those of which there is no audio yet.
            response_id: Stop this response only; ``None``: all.
            cause: The server event that led to it.

        Returns:
            Whether *cause* was emitted: within an `AudioInterruptedEvent`, or before a withdrawal.
        """
        self._ledger.refresh()
        return self._interrupt(now, cancel, response_id, cause)

    def _interrupt(self, now: float, cancel: bool, response_id: str | None, cause: tuple[Event, ...]) -> bool:
        targets = self._responses.matching(response_id)
        if cancel:
            self.cancel(now, response_id)
        if cancel or self._policy.stops_unheard:
            for response in targets:
                self._ledger.discard(response.response_id)
        clears = self._policy.clears_output and (response_id is None or self._server_playback.plays(response_id))
        if clears:
            self._output.send({"type": "output_audio_buffer.clear"})
        stopped = self._stop_playback(now, response_id)
        withdraws = clears or (self._policy.stops_unheard and not all(response.withdrawn for response in targets))
        if stopped is not None:
            self._emit(stopped, cause, targets)
        elif withdraws:
            # Nothing was heard yet, but some of it may be on its way through what stands behind the engine.
            for event in cause:
                self._output.emit(event)
            self._output.withdraw(_ids(targets))
        for response in targets:
            response.withdrawn = True
        return stopped is not None or withdraws

    def handle_speech(self, now: float, cause: Event) -> bool:
        """The user speaks. Whether *cause* was emitted, as `interrupt` says."""
        if not self._policy.interrupts_on_speech:
            return False
        cancel = not self.server_cancels
        self._ledger.refresh()
        unheard = self._policy.truncates and self._ledger.idle
        if unheard and self.server_cancels is None and not self._policy.stops_unheard:
            # Nothing is heard yet, and most servers cancel by themselves: do not race with them on a guess.
            cancel = False
        return self._interrupt(now, cancel, None, (cause,))

    def handle_cut(self, now: float, response_id: str, cause: Event) -> bool:
        """The server has cut off *response_id*, which it played. Whether *cause* was emitted."""
        stopped = self._server_playback.interrupt(now, response_id)
        if stopped is None:
            return False
        self._emit(stopped, (cause,))
        return True

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self.server_cancels = None

    def _stop_playback(self, now: float, response_id: str | None) -> Interruption | None:
        if not self._policy.truncates:
            return self._server_playback.interrupt(now, response_id)
        stopped = self._ledger.interrupt(now, response_id)
        for cut in () if stopped is None else stopped.truncations:
            self._output.send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": cut.item_id,
                    "content_index": cut.content_index,
                    "audio_end_ms": cut.audio_end_ms,
                }
            )
        return stopped

    def _emit(self, stopped: Interruption, cause: tuple[Event, ...], targets: Sequence[OpenResponse] = ()) -> None:
        playing, withdraws = stopped.playing, stopped.response_ids
        for response in targets:
            if response.response_id and response.response_id not in withdraws:
                withdraws |= {response.response_id}
        # Also where nobody listens: it withdraws audio from whoever does.
        self._output.events.append(
            AudioInterruptedEvent(
                sequence=self._output.next_sequence(),
                response_id=playing.response_id,
                item_id=playing.item_id,
                content_index=playing.content_index,
                samples_heard=playing.samples,
                audio_end_ms=playing.audio_end_ms,
                truncations=stopped.truncations,
                withdraws=withdraws,
                preceded_by=cause,
            )
        )


def _ids(responses: Sequence[OpenResponse]) -> frozenset[str]:
    return frozenset(response.response_id for response in responses if response.response_id)
