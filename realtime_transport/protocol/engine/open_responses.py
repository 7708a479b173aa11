"""Which responses of the model are open."""

from __future__ import annotations

import attrs

__all__ = ["OpenResponse", "OpenResponses"]

MAX_OPEN = 256
"""Responses that may be open before the oldest is forgotten: more than any server runs at once."""


@attrs.define(eq=False)
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


@attrs.define(eq=False)
class OpenResponses:
    """The responses that have begun and not ended, oldest first.

    A conversation has one response at a time: when the newest of it ends, older ones have ended too, whether or not
    the server said so.

    Attributes:
        overlap: Responses have run beside each other on this connection: a cancel must say which it means.
    """

    overlap: bool = attrs.field(default=False, init=False)
    _open: dict[str, OpenResponse] = attrs.field(factory=dict[str, OpenResponse], init=False)

    def matching(self, response_id: str | None, *, in_conversation: bool = False) -> list[OpenResponse]:
        """The open response of that id, or all of them; of the conversation only if *in_conversation*."""
        return [
            response
            for response in self._open.values()
            if response_id in (None, response.response_id) and (response.in_conversation or not in_conversation)
        ]

    def begin(self, response_id: str, *, in_conversation: bool) -> None:
        """A response begins."""
        self.overlap = self.overlap or bool(self._open) or not in_conversation
        self._open.pop(response_id, None)
        self._open[response_id] = OpenResponse(response_id, in_conversation)
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]

    def end(self, response_id: str, *, in_conversation: bool) -> bool:
        """A response ends.

        Args:
            response_id: Its id.
            in_conversation: What the server says of a response that is not known here.

        Returns:
            Whether the conversation has no open response any more.
        """
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
        self.overlap = False

    def _newest(self) -> OpenResponse | None:
        return next((response for response in reversed(self._open.values()) if response.in_conversation), None)
