"""Which responses of the model are open."""

from __future__ import annotations

import attrs

from realtime_transport.late_classes import define
from realtime_transport.protocol.wire.json_types import UNSET

__all__ = ["OpenResponse", "OpenResponses"]

MAX_OPEN = 256
"""Responses that may be open before the oldest is forgotten: more than any server runs at once."""


@define()
class OpenResponse:
    """A response that has begun and not ended.

    Attributes:
        response_id: Its id; empty if the server gave none.
        in_conversation: It writes to the conversation. Others run beside it, as many as were asked for.
        cancelled: The server was asked to stop it.
        withdrawn: Its audio was taken back and counts as never having come.
    """

    response_id: str
    in_conversation: bool
    cancelled: bool = False
    withdrawn: bool = False


@define()
class OpenResponses:
    """The responses that have begun and not ended, oldest first.

    A conversation has one response at a time: when the newest of it ends, older ones have ended too, whether or not
    the server said so.

    Attributes:
        overlap: Responses have run beside each other on this connection: a cancel must say which it means.
        names_conversation: The server says of responses to which conversation they belong.
        expected_beside: Responses outside of the conversation that were asked for and have not begun.
    """

    overlap: bool = attrs.field(default=False, init=False)
    names_conversation: bool = attrs.field(default=False, init=False)
    expected_beside: int = attrs.field(default=0, init=False)
    _open: dict[str, OpenResponse] = attrs.field(factory=dict[str, OpenResponse], init=False)

    def matching(self, response_id: str | None, *, in_conversation: bool = False) -> list[OpenResponse]:
        """The open response of that id, or all of them; of the conversation only if *in_conversation*."""
        if response_id is None and not in_conversation:
            return list(self._open.values())
        return [
            response
            for response in self._open.values()
            if response_id in (None, response.response_id) and (response.in_conversation or not in_conversation)
        ]

    def begin(self, response_id: str, conversation_id: object = UNSET, *, ours_expected: bool = False) -> bool:
        """A response begins.

        Args:
            response_id: Its id.
            conversation_id: What the server says of its conversation: text, or ``None`` for none, or `UNSET`.
            ours_expected: A response of the conversation was asked for and has not begun.

        Returns:
            Whether it belongs to the conversation.
        """
        self.names_conversation = self.names_conversation or isinstance(conversation_id, str)
        in_conversation = self._belongs(conversation_id, ours_expected=ours_expected)
        if not in_conversation and self.expected_beside:
            self.expected_beside -= 1
        self.overlap = self.overlap or bool(self._open) or not in_conversation
        self._open.pop(response_id, None)
        self._open[response_id] = OpenResponse(response_id, in_conversation)
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
        return in_conversation

    def _belongs(self, conversation_id: object, *, ours_expected: bool) -> bool:
        if isinstance(conversation_id, str):
            return True
        if conversation_id is None and (self.names_conversation or self.expected_beside):
            return False
        # Some servers never name a conversation: then it is what was asked for.
        return ours_expected if conversation_id is None else ours_expected or not self.expected_beside

    def end(self, response_id: str, conversation_id: object = UNSET) -> bool:
        """A response ends, of which the server says *conversation_id*, as for `begin`.

        Returns:
            Whether the conversation has no open response any more.
        """
        in_conversation = conversation_id is not None
        newest = self._newest()
        known = self._open.pop(response_id, None)
        ended = known is newest
        if known is None:
            # Whoever begins a response without an id may end it with one.
            ended = in_conversation and (newest is None or not newest.response_id)
        if ended:
            self.forget_conversation()
        return ended

    def forget_conversation(self) -> None:
        """No response of the conversation is open any more."""
        self._open = {key: response for key, response in self._open.items() if not response.in_conversation}

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self._open.clear()
        self.overlap = self.names_conversation = False
        self.expected_beside = 0

    def _newest(self) -> OpenResponse | None:
        return next((response for response in reversed(self._open.values()) if response.in_conversation), None)
