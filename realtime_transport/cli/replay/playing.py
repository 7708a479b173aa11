"""Replies on the loudspeaker while they are written to a file."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import attrs

from realtime_transport.audio.resampling import Converter
from realtime_transport.cli.running import require
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from realtime_transport.audio.devices import Speaker
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.sinks import AudioSink

__all__ = ["PlayedSink", "open_speaker"]


async def open_speaker(arguments: argparse.Namespace, audio_format: AudioFormat, *, embedded: bool) -> Speaker | None:
    """The loudspeaker to play replies of *audio_format* on; ``None`` for none.

    Asked for by ``--play``, refused by ``--no-play``. Otherwise there is one if somebody sits at a terminal, talks to
    the embedded emulator in real time, and the machine has one. If cancelled, the device is closed.

    Raises:
        ConfigError: ``--play``, and there is no device that can be used.
        MissingExtraError: ``--play``, and sounddevice is not installed.
    """
    asked: bool | None = arguments.play
    by_default = embedded and arguments.speed == 1 and sys.stderr.isatty() and find_spec("sounddevice") is not None
    if not (by_default if asked is None else asked):
        return None
    require("devices", "sounddevice")
    from realtime_transport.audio.devices import Speaker

    speaker = Speaker(format=audio_format.linear)
    try:
        await speaker.open()
    except ConfigError:
        await speaker.aclose()
        if asked:
            raise
        return None
    return speaker


@attrs.define(eq=False)
class PlayedSink:
    """Plays into a loudspeaker, and keeps what it plays in another sink. Neither is closed.

    Args:
        speaker: Plays; it takes linear audio at the rate of the other.
        kept: Where the audio is kept, in its format.
    """

    speaker: Speaker
    kept: AudioSink
    _converter: Converter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._converter = Converter(self.kept.format, self.speaker.format)

    @property
    def format(self) -> AudioFormat:
        """The format of what `send` takes."""
        return self.kept.format

    @property
    def samples_played(self) -> int:
        """Samples that the loudspeaker has played."""
        return self.speaker.samples_played

    async def send(self, pcm: bytes) -> None:
        """Play *pcm*, and keep it; wait for room. If cancelled, nothing was taken."""
        await self.speaker.send(self._converter.process(pcm))
        with anyio.CancelScope(shield=True):
            await self.kept.send(pcm)

    def clear(self) -> None:
        """Drop what has not been played; what was kept stays."""
        self.speaker.clear()

    async def drain(self) -> None:
        """Wait until everything was played or cleared. If cancelled, nothing was lost."""
        await self.speaker.drain()

    async def aclose(self) -> None:
        """Nothing: both ends belong to others. Never waits: there is nothing to cancel."""
