"""A call at Twilio, as a framework hands its socket over."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import anyio.lowlevel

__all__ = ["Caller"]


class Caller:
    """Says *voice*, 8 kHz G.711 mu-law, all at once; hangs up after half a second of the other voice."""

    def __init__(self, voice: bytes = b"") -> None:
        self.heard = 0
        self.enough = anyio.Event()
        start = {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": {"encoding": "audio/x-mulaw"}}
        self.messages: list[dict[str, Any]] = [
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            {"event": "start", "streamSid": "MZ1", "sequenceNumber": "1", "start": start},
        ]
        for at in range(0, len(voice), 160):
            media = {"payload": base64.b64encode(voice[at : at + 160]).decode(), "timestamp": str(at // 8)}
            self.messages.append({"event": "media", "streamSid": "MZ1", "media": media})

    async def receive_text(self) -> str:
        await anyio.lowlevel.checkpoint()
        if self.messages:
            return json.dumps(self.messages.pop(0))
        await self.enough.wait()
        return json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}})

    async def send_text(self, data: str, /) -> None:
        await anyio.lowlevel.checkpoint()
        message = json.loads(data)
        if message["event"] == "media":
            self.heard += len(base64.b64decode(message["media"]["payload"]))
            if self.heard >= 4000:
                self.enough.set()
