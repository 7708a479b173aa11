"""A service behind a server of media that is not ours: it configures the session, and says one tone in each turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from realtime_transport.rtc.host import AsyncioHost
from realtime_transport.rtc.peer import Peer
from realtime_transport.rtc.settings import PeerCallbacks, PeerOptions
from tests.measure import sine

__all__ = ["LEVEL", "SPOKEN_HERTZ", "SPOKEN_SECONDS", "ScriptedService", "turn"]

SPOKEN_HERTZ = 440
SPOKEN_SECONDS = 4
LEVEL = 0.25

SESSION = {"type": "realtime", "id": "sess_1"}


def turn() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the service sends around its sound: before it, and after it."""
    response = {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []}
    item = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant", "content": []}
    about = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    before: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": item},
        {"type": "response.output_audio_transcript.delta", "delta": "A tone.", **about},
        {"type": "output_audio_buffer.started", "response_id": "resp_1"},
        {"type": "response.output_audio_transcript.done", "transcript": "A tone.", **about},
        {"type": "response.done", "response": {**response, "status": "completed"}},
    ]
    return before, [{"type": "output_audio_buffer.stopped", "response_id": "resp_1"}]


@attrs.define(eq=False)
class ScriptedService:
    """One call, of a peer that does start checks.

    Attributes:
        heard: The sound so far, 24 kHz mono.
        received: The types of the events so far.
    """

    host: AsyncioHost
    heard: bytearray = attrs.field(factory=bytearray)
    received: list[str] = attrs.field(factory=list[str])
    _peer: Peer | None = None
    _spoken: Iterator[bytes] = attrs.field(factory=lambda: iter(()))
    _after: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])

    async def answer(self, offer: str) -> str:
        """The SDP answer."""

        async def answer() -> str:
            callbacks = PeerCallbacks(opened=self._opened, message=self._message, sound=self.heard.extend)
            self._peer = Peer(PeerOptions(silence_timeout=None), callbacks, self._say)
            answered = await self._peer.answer(offer)
            assert self._peer.pc is not None
            # Janus holds back what comes for one that has opened no channel.
            self._peer.pc.createDataChannel("ready")
            return answered

        return await self.host.run(answer)

    async def aclose(self) -> None:
        """Let go of everything."""
        if self._peer is not None:
            await self.host.run(self._peer.close, False)

    def _opened(self) -> None:
        assert self._peer is not None
        self._peer.voice.open()

    def _message(self, data: str | bytes) -> None:
        kind = json.loads(data)["type"]
        self.received.append(kind)
        if kind == "session.update" and self.received.count(kind) == 1:
            self._send(
                [{"type": "session.created", "session": SESSION}, {"type": "session.updated", "session": SESSION}]
            )
        elif kind == "response.create":
            before, self._after = turn()
            pcm = sine(SPOKEN_SECONDS, SPOKEN_HERTZ, LEVEL)
            self._spoken = iter([pcm[at : at + 960] for at in range(0, len(pcm), 960)])
            self._send(before)

    def _say(self) -> bytes | None:
        frame = next(self._spoken, None)
        if frame is None:
            after, self._after = self._after, []
            self._send(after)
        return frame

    def _send(self, events: list[dict[str, Any]]) -> None:
        assert self._peer is not None
        assert self._peer.channel is not None
        for number, event in enumerate(events):
            self._peer.channel.send(json.dumps({"event_id": f"event_{number}", **event}))
