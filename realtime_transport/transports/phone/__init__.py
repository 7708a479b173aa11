"""The telephone side of a call: the messages of a provider's media stream, playback positions, silence for gaps.

`codec.MediaCodec` holds what differs by provider; everything else here is the same for all of them.
"""
