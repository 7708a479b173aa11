"""In what the wires differ: who plays the audio, and therefore how an interruption is expressed."""

from __future__ import annotations

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import frozen

__all__ = ["CLIENT_PLAYBACK", "PHONE_PLAYBACK", "SERVER_PLAYBACK", "EnginePolicy"]


@frozen()
class EnginePolicy:
    """How the engine behaves on one kind of wire.

    Attributes:
        truncates: We play the audio, so only we know what was heard: an interruption truncates what was not.
        clears_output: The server plays the audio: an interruption asks it to drop what it has not played yet.
        interrupts_on_speech: Speech that the server detects interrupts the model.
        playback_reported: Positions will be reported from the start, by a sink or by marks: what was not reported
            was not heard. Otherwise positions are estimated until the first report.
        ends_reported: The end of a part counts as heard only when that is reported, too.
        played_slack_ms: Added to a reported position, for reports that lag behind what is heard.
        stops_unheard: Speech also stops a response of which nothing has been heard yet.
        audio_refused: Why audio cannot be sent on this wire; ``None`` if it can.
        default_format: The audio format, both ways, of a session that names none.
        fixed_formats: The sides (``"input"``, ``"output"``) that a pump converts for: their format cannot change.
    """

    truncates: bool = True
    clears_output: bool = False
    interrupts_on_speech: bool = True
    playback_reported: bool = False
    ends_reported: bool = False
    played_slack_ms: int = 0
    stops_unheard: bool = False
    audio_refused: str | None = None
    default_format: AudioFormat = AudioFormat.PCM24K
    fixed_formats: frozenset[str] = frozenset()


CLIENT_PLAYBACK = EnginePolicy()
"""WebSocket: audio comes as messages."""

SERVER_PLAYBACK = EnginePolicy(truncates=False, clears_output=True)
"""WebRTC and SIP: the server sends audio at the pace of playback and truncates by itself."""

PHONE_PLAYBACK = EnginePolicy(
    playback_reported=True,
    ends_reported=True,
    played_slack_ms=50,
    stops_unheard=True,
    default_format=AudioFormat.PCMU,
)
"""A media stream of a telephone: the provider plays, and tells by marks how far it has got. A mark is late by the
network and by the rest of the piece that is playing."""
