"""The wire of these examples: a WebSocket, or WebRTC with a silent microphone and a loudspeaker that nobody hears."""

import sys

from realtime_transport import (
    AudioFormat,
    BufferSink,
    BytesSource,
    OpenAIRealtimeBase,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
)


def chosen() -> OpenAIRealtimeBase:
    """The transport that the command line names."""
    if "webrtc" in sys.argv:
        silence = BytesSource(bytes(48_000), AudioFormat.PCM24K)
        return OpenAIRealtimeWebRTC(audio_source=silence, audio_sink=BufferSink())
    return OpenAIRealtimeWebSocket()
