"""A responder with its own voice, for demonstrations, where an echo could be mistaken for a loop-back.

The sentences were spoken by espeak-ng and are stored in 8 kHz µ-law.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.replies import Reply, Speech, UserAudio
from realtime_transport.emulator.responders.directives import reply_to_directive
from realtime_transport.emulator.responders.echo import plain_reply
from realtime_transport.emulator.sound import AudioClip

if TYPE_CHECKING:
    from realtime_transport.emulator.replies import Turn

__all__ = ["voice_responder"]

SENTENCES = ("I can hear you. This is the emulator, on your own machine.", "I heard that, too. Go on, or talk over me.")


def voice_responder(turn: Turn) -> Reply:
    """Obey a directive, answer speech with a spoken sentence, and everything else as `echo_responder` does."""
    directed = reply_to_directive(turn)
    if directed is not None or not any(isinstance(entry, UserAudio) for entry in turn.inputs):
        return directed or plain_reply(turn)
    number = (turn.number - 1) % len(SENTENCES)
    return Reply(outputs=[Speech(text=SENTENCES[number], audio=_spoken(number + 1))])


@cache
def _spoken(number: int) -> AudioClip:
    return AudioClip(Path(__file__).with_name(f"answer-{number}.ulaw").read_bytes(), AudioFormat.PCMU)
