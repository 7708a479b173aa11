"""The spoken turns of the user."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
from pydantic_ai.realtime.lifecycle import LifecycleEvent, UserTurnClosed, UserTurnEnded, UserTurnStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_ai.realtime.lifecycle import InputId

__all__ = ["UserTurns"]


@attrs.frozen
class _Commit:
    """A sent commit: the inputs that were sent before it, and whether there was audio to commit."""

    before: Sequence[InputId]
    has_audio: bool = attrs.field(kw_only=True)


@attrs.define(eq=False)
class UserTurns:
    """Tracks the beginning and end of turns by the ids of the items that the server makes of speech.

    Args:
        transcribes: Whether the server transcribes speech.
    """

    _transcribes: bool = True
    _speaking: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _placed: set[str] = attrs.field(factory=set[str], init=False)
    _untranscribed: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _silent: set[str] = attrs.field(factory=set[str], init=False)
    _unanswered: str | None = attrs.field(default=None, init=False)
    _stopped: set[str] = attrs.field(factory=set[str], init=False)  # By the server, which then commits them itself.
    _commits: deque[_Commit] = attrs.field(factory=deque["_Commit"], init=False)  # Sent, not yet answered.
    _audio: bool = attrs.field(default=False, init=False)  # Some was sent since the last commit.
    _made_up: int = attrs.field(default=0, init=False)

    # Sending

    def audio_sent(self) -> None:
        """Note that audio is sent."""
        self._audio = True

    def clear_sent(self) -> None:
        """Note that uncommitted audio is to be cleared."""
        self._audio = False

    def commit_sent(self, before: Sequence[InputId]) -> None:
        """Note that a commit is sent, after the inputs *before*, which are not known to have joined."""
        self._commits.append(_Commit(before, has_audio=self._audio))
        self._audio = False

    # Messages of the server

    def speech_started(self, item_id: str) -> Sequence[LifecycleEvent]:
        """Note that the user begins to speak. Earlier turns that have not joined become part of this one."""
        if not item_id or item_id in self._speaking:
            return ()
        merged = [turn for turn in self._speaking if turn not in self._placed]
        for turn in merged:
            del self._speaking[turn]
        self._speaking[item_id] = None
        return (*(UserTurnClosed(turn_id=turn) for turn in merged), UserTurnStarted(turn_id=item_id))

    def joined(self, item_id: str, *, still_speaking: bool = False) -> Sequence[LifecycleEvent]:
        """Note that a turn joined the conversation: by the end of speech, a commit, or the item, whichever comes first.

        Some servers add the item when the user begins to speak; then the turn ends with the speech.
        """
        begun = item_id in self._speaking
        if not still_speaking:
            self._speaking.pop(item_id, None)
        if not item_id or item_id in self._placed:
            return ()
        self._placed.add(item_id)
        if item_id in self._silent:
            self._unanswered = None
            return ()
        self._unanswered = item_id
        if self._transcribes:
            self._untranscribed[item_id] = None
        ended = UserTurnEnded(turn_id=item_id, still_speaking=still_speaking)
        # Without speech detection, the commit both begins and ends it.
        return (ended,) if begun else (UserTurnStarted(turn_id=item_id), ended)

    def stopped(self, item_id: str) -> Sequence[LifecycleEvent]:
        """Note that the user stopped speaking; the server commits the audio at once."""
        self._stopped.add(item_id)
        return self.joined(item_id)

    def committed(self, item_id: str) -> tuple[Sequence[InputId], Sequence[LifecycleEvent]]:
        """Note that the server committed audio. Returns the inputs that joined before, and the turn's events."""
        if item_id in self._stopped:
            self._stopped.discard(item_id)
            return (), self.joined(item_id)
        before = self._commits.popleft().before if self._commits else ()
        return before, self.joined(item_id)

    def commit_refused(self) -> None:
        """Note that a commit was refused, since there was no audio."""
        if self._commits:
            self._commits.popleft()

    def is_speaking(self, item_id: str) -> bool:
        """Whether a turn has begun and not joined."""
        return item_id in self._speaking

    def cleared(self) -> Sequence[LifecycleEvent]:
        """Note that the server cleared the uncommitted audio."""
        closed = [UserTurnClosed(turn_id=turn) for turn in self._speaking]
        self._placed.update(self._speaking)
        self._speaking.clear()
        return closed

    def nobody_spoke(self, item_id: str) -> None:
        """Note that the server makes an item of silence after a time-out, which is not a turn of the user."""
        self._silent.add(item_id)

    def is_silence(self, item_id: str) -> bool:
        """Whether an item is such silence."""
        return item_id in self._silent

    def transcribed(self, item_id: str) -> None:
        """Note that the transcript of a turn is complete."""
        self._untranscribed.pop(item_id, None)
        self._silent.discard(item_id)

    def take_unanswered(self) -> str | None:
        """The last turn that joined, for the response that the server begins without a request."""
        turn, self._unanswered = self._unanswered, None
        return turn

    # The end

    def settle_commits(self) -> Sequence[LifecycleEvent]:
        """End the turns of unanswered commits, since nothing more is read: the server has them."""
        events: list[LifecycleEvent] = []
        while self._commits:
            if not self._commits.popleft().has_audio:
                continue
            speaking = next(reversed(self._speaking), None)
            if speaking is None:
                self._made_up += 1
                speaking = f"unacknowledged_{self._made_up}"
            events += self.joined(speaking)
        return events

    def lose(self, *, goes_on: bool) -> Sequence[LifecycleEvent]:
        """End the turns of a lost connection; if the session *goes_on*, also those that wait for a transcript."""
        settled = self.settle_commits()
        untranscribed = [UserTurnClosed(turn_id=turn) for turn in self._untranscribed if goes_on]
        self._untranscribed.clear()
        self._stopped.clear()
        self._audio = False
        return (*settled, *self.cleared(), *untranscribed)
