"""The file format of a recording: a header, then one JSON object a line.

```
{"format":"realtime-recording","version":1,"clock":"monotonic","started":"2026-11-26T18:00:00Z","wire":"websocket",…}
{"n":1,"t":0.0,"conn":0,"kind":"open"}
{"n":2,"t":0.013,"conn":0,"dir":"sent","frame":{"type":"session.update","session":{…}}}
{"n":9,"t":1.204,"conn":0,"dir":"received","frame":{"type":"response.output_audio.delta","delta":{"$audio":"out","at":4800,"bytes":2400}}}
{"n":40,"t":9.9,"conn":0,"kind":"close","code":1000,"reason":"","by":"client"}
```

A recording is a folder ``NAME.rtrec`` with ``recording.jsonl`` and the sound beside it, or one ``.jsonl`` file without
sound. ``t`` is in seconds since ``started``. What cannot be kept exactly as JSON (text that is not canonical) is kept
as ``raw`` beside the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FORMAT",
    "LINES",
    "VERSION",
    "Close",
    "Entry",
    "Frame",
    "Header",
    "Lost",
    "Media",
    "Note",
    "Open",
    "Tool",
]

FORMAT = "realtime-recording"
VERSION = 1
LINES = "recording.jsonl"
"""The name of the file with the lines, within the folder of a recording."""


@attrs.frozen(kw_only=True)
class Header:
    """The first line of a recording.

    Attributes:
        started: When it began, as ISO 8601 in UTC.
        wire: ``"websocket"``, ``"webrtc"``, ``"sip"``, ``"twilio"``, … : the transport that was recorded.
        url: The URL that was connected to, without credentials.
        redacted: What was taken out before anything was written: ``"keys"``, and what ``scrub=`` was asked for.
            Empty for a recording that was not scrubbed.
        words: What was done with texts: ``"keep"``, ``"digest"`` or ``"drop"``.
        audio: The same for sound.
        version: The version of the format.
    """

    started: str
    wire: str = "websocket"
    url: str = ""
    redacted: tuple[str, ...] = ()
    words: str = "keep"
    audio: str = "keep"
    version: int = VERSION

    def as_json(self) -> dict[str, Any]:
        """The header as a line of the file."""
        return {"format": FORMAT, "version": self.version, "clock": "monotonic", **attrs.asdict(self)}


@attrs.frozen(kw_only=True)
class _Line:
    """What every line has: its number, its time in seconds, and the connection it belongs to (from 0)."""

    n: int = 0
    t: float
    conn: int = 0


@attrs.frozen(kw_only=True)
class Open(_Line):
    """A connection was opened."""

    url: str = ""


@attrs.frozen(kw_only=True)
class Frame(_Line):
    """A message of the wire.

    Attributes:
        direction: ``"sent"`` by the client, or ``"received"`` by it.
        message: The message, its audio in place as base64; ``None`` if it is not a JSON object.
        text: The message as it was on the wire, if it is not what `message` encodes to.
        binary: A binary message, which the protocol does not have.
    """

    direction: Literal["sent", "received"]
    message: Mapping[str, Any] | None = None
    text: str | None = None
    binary: bytes | None = None


@attrs.frozen(kw_only=True)
class Close(_Line):
    """A connection ended: by the client, by the server, or lost (1006)."""

    code: int | None = None
    reason: str = ""
    by: Literal["client", "server"] = "server"


@attrs.frozen(kw_only=True)
class Media(_Line):
    """Sound that goes beside the messages, as over WebRTC.

    Attributes:
        direction: ``"sent"`` (the user's voice) or ``"received"`` (the model's).
        data: The samples, as the session's format has them; empty if sound was not kept.
        size: How many bytes there were.
        encoding: The format, as the protocol names it: ``"audio/pcm"``.
        rate: Samples per second.
    """

    direction: Literal["sent", "received"]
    data: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")
    size: int = 0
    encoding: str = "audio/pcm"
    rate: int = 24_000


@attrs.frozen(kw_only=True)
class Note(_Line):
    """Something that the application said: ``recorder.note("retried")``."""

    text: str


@attrs.frozen(kw_only=True)
class Tool(_Line):
    """A tool that the application ran: what a replay cannot know by itself."""

    name: str
    call_id: str
    outcome: str = ""


@attrs.frozen(kw_only=True)
class Lost(_Line):
    """Lines that are missing here, since the disk was slower than the wire."""

    frames: int


Entry: TypeAlias = Open | Frame | Close | Media | Note | Tool | Lost
